"""One of several processes that spend from one budget: `crowd.py FILE COUNT LIMIT SEED`.

Prints a line of JSON: what it spent, how often it was refused, and every refusal's figures.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from decimal import Decimal
from pathlib import Path

from rightmodel.core.errors import BudgetError, LedgerError
from rightmodel.ledger.budget import Limit, Limits
from rightmodel.ledger.call_rows import day_of, new_id
from rightmodel.ledger.ledger import Ledger
from rightmodel.ledger.records import AttemptRecord, HoldRequest
from rightmodel.ledger.recovery import SqliteOpener

NOW = 1_795_176_000.0
WORKERS = 4


async def main(file: Path, count: int, limit: Decimal, seed: int) -> None:
    chance = random.Random(seed)
    limits = Limits(limits=(Limit("per_day_usd", limit),))
    ledger = Ledger(SqliteOpener(file, lambda: NOW, busy_s=30.0), limits=limits, clock=lambda: NOW)
    spent, refusals, troubles = Decimal(0), [], 0
    left = iter(range(count))

    async def work() -> None:
        nonlocal spent, troubles
        for _ in left:
            worst = Decimal(chance.randint(1, 1000)) / 100_000
            try:
                hold = await ledger.reserve(HoldRequest("p/m", "code", worst))
            except BudgetError as error:
                refusals.append([str(worst), str(error.left_usd)])
                continue
            cost = worst * chance.randint(0, 100) / 100
            row = AttemptRecord(
                new_id(), 1, NOW, day_of(NOW), "answer", "p", "p/m", "m", "code", cost_usd=cost
            )
            ledger.settle(hold, row)
            safe = True
            try:
                await ledger.flush()
            except LedgerError:
                safe = False
            troubles += not safe
            spent += cost

    await asyncio.gather(*(work() for _ in range(WORKERS)))
    await ledger.close()
    sys.stdout.write(json.dumps({"spent": str(spent), "refusals": refusals, "troubles": troubles}))


if __name__ == "__main__":
    file, count, limit, seed = sys.argv[1:]
    asyncio.run(main(Path(file), int(count), Decimal(limit), int(seed)))
