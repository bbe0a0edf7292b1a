"""`rightmodel usage`: what is estimated, beside what was billed."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from ledger.harness import GONE
from ledger.rows import attempt, call
from rightmodel.core.errors import TaskError
from rightmodel.core.format import usd
from rightmodel.ledger.records import Hold
from rightmodel.ledger.sqlite import SqliteStore
from surfaces.cli.spendings import BASELINE, Rows, write
from surfaces.cli.usage_command import MANIFEST, NOW, TODAY, outcome_of, plain, run, settle

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settle(tmp_path, monkeypatch)


def test_what_asking_cost_the_agent_is_an_estimate_beside_the_sums(tmp_path: Path) -> None:
    rows = Rows(
        [call(id=n, at=NOW - 7200 * n) for n in (2, 1)] + [call(id=3, at=NOW, outcome="timeout")],
        [
            attempt("0.01", call=1, input=1000, output=300, reasoning=100),
            attempt("0.01", call=1, input=1000, output=0, fault="empty"),
            attempt("0.01", call=2, input=500, output=100),
            attempt("0.01", call=9, input=400, output=9, role="judge"),
        ],
    )
    write(tmp_path / "state", rows)
    found = plain()["asking_estimate"]
    read = 200 + 100 + 3 * 30 + 3 * 600
    assert found == {"sessions": 3, "written": 1500, "read": read, "unsized": 1, "usd": None}
    assert "no baseline with a known price" in run()
    people = [call(id=4, client="cli"), call(id=5, client="check")]
    typed = [
        attempt("0", call=n, input=9000, output=900, client=c.client)
        for n, c in enumerate(people, 4)
    ]
    write(tmp_path / "state", Rows(people, typed))
    assert plain()["asking_estimate"] == found  # people's calls were written by no agent
    (tmp_path / "rightmodel.toml").write_text(MANIFEST)
    from rightmodel.manifest.load import load_catalog  # noqa: PLC0415 - its price today

    model = load_catalog(tmp_path / "rightmodel.toml", has_key=lambda _: True).baseline_model
    assert model is not None
    price = model.price
    assert price.input is not None
    assert price.output is not None
    usd = plain()["asking_estimate"]["usd"]
    assert Decimal(usd) == 1500 * price.output + read * price.input
    assert Decimal(plain()["total"]["spent_usd"]) == Decimal("0.04")
    assert "Estimate, in no other sum" in run()


def test_the_estimate_of_delegating_never_contradicts_what_was_saved(tmp_path: Path) -> None:
    saved: dict[str, Any] = {"baseline_usd": Decimal("0.10"), "saved_usd": Decimal("0.08")}
    asked = call(id=1, cost_usd=Decimal("0.02"), baseline=BASELINE, **saved)
    write(tmp_path / "state", Rows([asked], [attempt("0.02", call=1, input=1000, output=300)]))
    (tmp_path / "rightmodel.toml").write_text(MANIFEST)
    text = run()
    cost = Decimal(plain()["asking_estimate"]["usd"])
    assert f"which leaves {usd(Decimal('0.08') - cost)} of what was saved" in text


def test_what_a_killed_process_had_reserved_is_an_estimate_until_it_is_corrected(
    tmp_path: Path,
) -> None:
    file = write(tmp_path / "state", Rows([], [attempt("0.10", client="mcp")]))
    store = SqliteStore(file)
    hold = Hold(
        1,
        GONE.machine,
        GONE.pid,
        GONE.started,
        NOW,
        TODAY,
        "p/m",
        "code",
        Decimal("0.30"),
        0xABC,
        1,
    )
    with store.transaction():
        store.add(hold)
    store.close()
    (tmp_path / "rightmodel.toml").write_text(MANIFEST)

    def figures() -> tuple[str, str, int, str]:
        found = plain()
        total, day = found["total"], found["budgets"][0]
        return total["spent_usd"], total["estimated_usd"], total["estimated"], day["spent_usd"]

    assert figures() == ("0.40", "0.30", 1, "0.40")
    assert "1 attempt of killed processes" in run()
    assert re.search(r"00000abc-1 +\$0.30000 +p/m", run("--estimated"))
    assert "$0.30000 corrected to $0.02000" in run("--correct", "00000abc-1=0.02")
    assert figures() == ("0.12", "0.02", 1, "0.12")
    assert "No attempt of" in run("--estimated")
    again = outcome_of("--correct", "00000abc-1=0.01")
    assert "An estimate can be corrected once" in str(again.exception)


@pytest.mark.parametrize("wrong", ["00000abc-1", "x=much", "x=-1", "x=NaN", "=1"])
def test_a_correction_that_makes_no_sense_is_refused(tmp_path: Path, wrong: str) -> None:
    write(tmp_path / "state", Rows([], [attempt("0.10")]))
    result = outcome_of("--correct", wrong)
    assert isinstance(result.exception, TaskError)
    assert "ID=USD" in str(result.exception) or "no estimate has the id" in str(result.exception)
