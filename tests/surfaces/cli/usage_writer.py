"""A process that goes on writing to a ledger: `usage_writer.py FILE`; stops at a line of input.

Prints a line when it has begun, then JSON: how many calls it wrote, and how often it was told of
trouble.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from decimal import Decimal
from pathlib import Path

from ledger.rows import attempt, call
from rightmodel.core.errors import LedgerError
from rightmodel.ledger.call_rows import new_id
from rightmodel.ledger.ledger import Ledger
from rightmodel.ledger.recovery import SqliteOpener


async def main(file: Path) -> None:
    ledger = Ledger(SqliteOpener(file, time.time))
    stopped = asyncio.create_task(asyncio.to_thread(sys.stdin.readline))
    calls = troubles = 0
    while not stopped.done():
        number, now = new_id(), time.time()
        cost = Decimal("0.01")
        # One transaction: whoever reads sees the call with its attempt or neither.
        try:
            await ledger.record(
                attempt("0.01", at=now, call=number, number=1),
                call(at=now, id=number, cost_usd=cost),
            )
        except LedgerError:
            troubles += 1
        await asyncio.sleep(0.002)  # some hundred calls a second are more than any agent makes
        calls += 1
        if calls == 1:
            print("begun", flush=True)  # noqa: T201
    await ledger.close()
    print(json.dumps({"calls": calls, "troubles": troubles}))  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
