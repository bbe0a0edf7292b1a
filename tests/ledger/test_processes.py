from __future__ import annotations

import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from ledger.rows import DAY
from rightmodel.ledger.sqlite import SqliteStore
from rightmodel.ledger.sums import Key

ROOT = Path(__file__).parents[2]
PROCESSES, COUNT = 8, 500


@pytest.mark.parametrize("limit", ["4.00", "1000"])
def test_eight_processes_spend_one_budget_to_its_end_and_no_further(
    tmp_path: Path, limit: str
) -> None:
    file = tmp_path / "ledger.sqlite3"
    command = [sys.executable, str(Path(__file__).with_name("crowd.py")), str(file)]
    running = [
        subprocess.Popen(
            [*command, str(COUNT), limit, str(seed)], stdout=subprocess.PIPE, text=True
        )
        for seed in range(PROCESSES)
    ]
    results = [json.loads(process.communicate(timeout=50)[0]) for process in running]
    store = SqliteStore(file)
    spent = store.charged(Key(DAY))
    refusals = [refusal for result in results for refusal in result["refusals"]]
    assert not any(result["troubles"] for result in results)
    assert spent == sum(Decimal(result["spent"]) for result in results)
    assert spent <= Decimal(limit)
    assert all(Decimal(worst) > Decimal(left) for worst, left in refusals)
    assert len(list(store.attempts(DAY, DAY))) == PROCESSES * COUNT - len(refusals)
    assert store.holds() == []
    if limit == "1000":
        assert not refusals
    else:
        # Spent to less than the dearest call (0.01) and what was reserved at the last refusal.
        assert refusals
        assert spent > Decimal(limit) - Decimal("0.01")
    store.close()


def test_killed_processes_lose_nothing_that_was_acknowledged() -> None:
    script = ROOT / "benchmarks" / "ledger_kill.py"
    done = subprocess.run(
        [sys.executable, str(script), "--rounds", "40", "--json"],
        capture_output=True,
        text=True,
        timeout=55,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert found["rounds"] == 40
    assert found["acknowledged"] > 40
    assert found["held_when_killed"] == found["estimated"] > 0
    assert (found["lost"], found["standing"], found["unclean"]) == (0, 0, 0)
