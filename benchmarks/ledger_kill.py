"""SIGKILL a process that writes the ledger, at random moments; see what is left.

    python benchmarks/ledger_kill.py [--rounds 200] [--seed 1] [--json]

Each round forks a process that reserves, settles and acknowledges (a line on a pipe once `flush`
was awaited) as fast as it can, eight calls at once, and kills it after 0 to 60 ms. Then the ledger
is opened as the next server would: every acknowledged attempt has to be there at its actual cost
(lost), what was reserved has to be charged as an estimate and nothing may stay reserved (standing),
the file has to be sound without having been moved aside (unclean), and the sum has to be that of
the rows. The same ledger is used for all rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import sys
import tempfile
import time
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from rightmodel.ledger.budget import Limit, Limits
from rightmodel.ledger.call_rows import day_of, new_id
from rightmodel.ledger.ledger import Ledger
from rightmodel.ledger.records import AttemptRecord, HoldRequest
from rightmodel.ledger.recovery import SqliteOpener
from rightmodel.ledger.reservations import charge_interrupted
from rightmodel.ledger.sums import Key

if TYPE_CHECKING:
    from rightmodel.ledger.sqlite import SqliteStore

AT_ONCE = 8
MOST_S = 0.06
COST = Decimal("0.0000123")


def attempt(call: int, now: float) -> AttemptRecord:
    """A plain attempt."""
    return AttemptRecord(
        call, 1, now, day_of(now), "answer", "p", "p/m", "m", "code", cost_usd=COST
    )


async def _write(file: Path, pipe: int) -> None:
    limits = Limits(limits=(Limit("per_month_usd", Decimal(1000), period="month"),))
    ledger = Ledger(SqliteOpener(file, time.time), limits=limits)
    chance = random.Random()

    async def work() -> None:
        while True:
            call = new_id()
            hold = await ledger.reserve(HoldRequest("p/m", "code", COST * 2, call=call, number=1))
            await asyncio.sleep(chance.uniform(0.0, 0.004))  # the upstream
            now = time.time()
            row = attempt(call, now)
            ledger.settle(hold, row)
            await ledger.flush()
            os.write(pipe, f"{row.call}\n".encode())

    os.write(pipe, b"up\n")
    await asyncio.gather(*(work() for _ in range(AT_ONCE)))


def _child(file: Path, pipe: int) -> NoReturn:
    with suppress(BaseException):
        asyncio.run(_write(file, pipe))
    os._exit(1)


def _round(file: Path, chance: random.Random) -> set[int]:
    """One process, killed; the calls that it acknowledged."""
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(reading)
        _child(file, writing)
    os.close(writing)
    with os.fdopen(reading) as lines:
        lines.readline()
        time.sleep(chance.uniform(0.0, MOST_S))
        os.kill(pid, signal.SIGKILL)
        acknowledged = {int(line) for line in lines if line.endswith("\n")}
    os.waitpid(pid, 0)
    return acknowledged


def _sound(store: SqliteStore, charged: Decimal) -> bool:
    (check,) = store._db.execute("PRAGMA integrity_check").fetchone()  # noqa: SLF001
    month = day_of(time.time())[:7]
    return check == "ok" and store.notice == "" and store.charged(Key(month)) == charged


def run(rounds: int, seed: int) -> dict[str, int]:
    """All rounds; how many of each thing were counted."""
    chance = random.Random(seed)
    names = ("acknowledged", "held_when_killed", "estimated", "lost", "standing", "unclean")
    found = dict.fromkeys(names, 0)
    found["rounds"] = rounds
    acknowledged: set[int] = set()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "state" / "ledger.sqlite3"
        for _ in range(rounds):
            acknowledged |= _round(file, chance)
            store = SqliteOpener(file, time.time)()
            found["held_when_killed"] += len(store.holds())
            with store.transaction():
                charge_interrupted(store, now=time.time())
            found["standing"] += len(store.holds())
            rows = {row.call: row for row in store.attempts("2000-01-01", "9999-12-31")}
            estimated = [row for row in rows.values() if row.cost_kind == "estimated"]
            found["estimated"] = len(estimated)
            found["lost"] += len(acknowledged - rows.keys())
            found["lost"] += len(acknowledged & {row.call for row in estimated})
            charged = COST * (len(rows) + len(estimated))  # a worst case is twice the cost
            found["unclean"] += not _sound(store, charged)
            store.close()
    found["acknowledged"] = len(acknowledged)
    return found


def main() -> None:
    """Run and print; fails where anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = run(options.rounds, options.seed)
    if options.json:
        print(json.dumps(found))
    else:
        for name, count in found.items():
            print(f"{name.replace('_', ' '):18}{count:>8}")
    sys.exit(bool(found["lost"] or found["standing"] or found["unclean"]))


if __name__ == "__main__":
    main()
