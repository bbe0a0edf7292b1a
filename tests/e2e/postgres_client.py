"""One of several processes that spend from one budget: `postgres_client.py URL COUNT LIMIT SEED`.

Says a line of JSON for what is settled and whether it is safe, for what was refused, and, last, how
often the ledger was faulty. Ends after so many calls or with its standard input.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from decimal import Decimal
from itertools import takewhile

from rightmodel.core.errors import BudgetError, LedgerError
from rightmodel.ledger import writer
from rightmodel.ledger.budget import Limit, Limits
from rightmodel.ledger.call_rows import day_of, new_id
from rightmodel.ledger.ledger import Ledger
from rightmodel.ledger.postgres_opener import open_postgres
from rightmodel.ledger.records import AttemptRecord, HoldRequest

NOW = 1_795_176_000.0
WORKERS = 4
vars(writer)["RETRY_S"] = 0.2  # nobody wants to wait for 5 s


def report(**what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


async def main(url: str, count: int, limit: Decimal, seed: int) -> None:
    chance = random.Random(seed)
    limits = Limits(limits=(Limit("per_day_usd", limit),))
    ledger = Ledger(open_postgres(url, busy_s=30.0), limits=limits, clock=lambda: NOW)
    troubles = 0
    left = iter(range(count))
    going = True
    loop = asyncio.get_running_loop()

    def stop() -> None:
        nonlocal going
        going = False
        loop.remove_reader(sys.stdin)

    async def work() -> None:
        nonlocal troubles
        for _ in takewhile(lambda _: going, left):
            worst = Decimal(chance.randint(1, 1000)) / 100_000
            try:
                hold = await ledger.reserve(HoldRequest("p/m", "code", worst))
            except BudgetError as error:
                report(refused=str(worst), left=str(error.left_usd))
                continue
            row = AttemptRecord(
                new_id(), 1, NOW, day_of(NOW), "answer", "p", "p/m", "m", "code",
                cost_usd=worst * chance.randint(0, 100) / 100,
            )  # fmt: skip
            ledger.settle(hold, row)
            safe = True
            try:
                await ledger.flush()
            except LedgerError:
                safe = False
            troubles += not safe
            report(call=row.call, spent=str(row.cost_usd), safe=safe)

    loop.add_reader(sys.stdin, stop)
    await asyncio.gather(*(work() for _ in range(WORKERS)))
    await ledger.close()
    report(troubles=troubles)


if __name__ == "__main__":
    url, count, limit, seed = sys.argv[1:]
    asyncio.run(main(url, int(count), Decimal(limit), int(seed)))
