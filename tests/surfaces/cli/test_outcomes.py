from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from ledger.rows import attempt, call, outcome
from rightmodel.core.errors import TaskError
from rightmodel.evaluation.table import parse_rows
from rightmodel.ledger.ledger import Ledger
from rightmodel.ledger.paths import FILE
from rightmodel.ledger.records import Texts
from rightmodel.ledger.recovery import SqliteOpener
from rightmodel.surfaces.cli import cli

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

MANIFEST = """
version = 1
[privacy]
store_text = true
[providers.p]
protocol = "openai-chat"
base_url = "http://127.0.0.1:9/v1"
[[models]]
id = "p/m"
[[models]]
id = "p/n"
"""


@pytest.fixture
def outcomes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setenv("RIGHTMODEL_STATE_DIR", str(tmp_path / "state"))
    (tmp_path / "m.toml").write_text(MANIFEST)

    def run(*arguments: str, command: str = "outcomes") -> Result:
        return CliRunner().invoke(
            cli, [command, *arguments, "--manifest", str(tmp_path / "m.toml")]
        )

    return run


def record(tmp_path: Path, *rows: object) -> None:
    async def write() -> None:
        ledger = Ledger(SqliteOpener(tmp_path / "state" / FILE, lambda: 0.0), store_text=True)
        await ledger.record(*rows)  # type: ignore[arg-type]
        await ledger.close()

    asyncio.run(write())


def answered(prompt: str, model: str, good: float, kind: str = "reported") -> list[object]:
    made = call(model=model)
    return [
        made,
        attempt("0.002", call=made.id, number=1, model=model, input=150, output=120),
        Texts(made.id, prompt, "an answer"),
        outcome(call=made.id, model=model, good=good, kind=kind, task=prompt.lower()),
    ]


def exported(result: Result) -> list[dict[str, object]]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_every_prompt_is_one_line_with_the_outcome_of_each_model(
    outcomes: Callable[..., Result], tmp_path: Path
) -> None:
    record(tmp_path, *answered("Add", "p/m", 1.0), *answered("Add", "p/n", 0.0))
    record(tmp_path, *answered("Sort", "p/m", 0.5))
    add, sort = exported(outcomes("--export"))
    spent = {"input_tokens": 150, "output_tokens": 120, "cost_usd": 0.002}
    assert add == {
        "id": "add",
        "prompt": "Add",
        "outcomes": {"p/m": {"score": 1.0, **spent}, "p/n": {"score": 0.0, **spent}},
    }
    assert sort["outcomes"] == {"p/m": {"score": 0.5, **spent}}


def test_calibrate_and_eval_read_what_was_exported(
    outcomes: Callable[..., Result], tmp_path: Path
) -> None:
    record(tmp_path, *answered("Add 2 and 2", "p/m", 1.0), *answered("Add 2 and 2", "p/n", 0.0))
    table = tmp_path / "table.jsonl"
    table.write_text(outcomes("--export").stdout, encoding="utf-8")
    (row,) = parse_rows(table.read_text(encoding="utf-8").splitlines(), name="table")
    assert row.outcomes["p/m"].output_tokens == 120
    fitted = outcomes(str(table), command="calibrate")
    assert fitted.exit_code == 0
    assert 'id = "p/m"' in fitted.stdout


def test_what_a_caller_reports_counts_more_than_a_check_and_the_latest_report_most(
    outcomes: Callable[..., Result], tmp_path: Path
) -> None:
    record(tmp_path, *answered("Add", "p/m", 1.0), *answered("Add", "p/m", 0.0, "check"))
    (row,) = exported(outcomes("--export"))
    assert row["outcomes"]["p/m"]["score"] == 1.0  # type: ignore[index]
    record(tmp_path, *answered("Add", "p/m", 0.25))
    (row,) = exported(outcomes("--export"))
    assert row["outcomes"]["p/m"]["score"] == 0.25  # type: ignore[index]


def test_outcomes_without_a_prompt_say_what_to_set(
    outcomes: Callable[..., Result], tmp_path: Path
) -> None:
    record(tmp_path, outcome(), outcome())
    result = outcomes("--export")
    assert result.stdout == ""
    assert isinstance(result.exception, TaskError)
    assert "2 outcomes, none with its prompt: set [privacy] store_text" in str(result.exception)


def test_outcomes_before_a_reset_are_gone(outcomes: Callable[..., Result], tmp_path: Path) -> None:
    record(tmp_path, *answered("Add", "p/m", 1.0), *answered("Add", "p/n", 1.0))
    record(tmp_path, outcome(model="p/m", skills=(), kind="reset"))
    (row,) = exported(outcomes("--export"))
    assert list(row["outcomes"]) == ["p/n"]  # type: ignore[call-overload]
    assert "p/n: 1 outcomes (1 reported, 0 of checks), 1 good" in outcomes().stdout
    assert "p/m" not in outcomes().stdout


def test_days_leave_older_outcomes_out(outcomes: Callable[..., Result], tmp_path: Path) -> None:
    old = outcome(at=1_000_000_000.0, model="p/m")
    record(tmp_path, old)
    assert "p/m: 1 outcomes" in outcomes().stdout
    assert "no outcomes yet" in outcomes("--days", "7").stdout


def test_without_a_ledger_nothing_is_written(
    outcomes: Callable[..., Result], tmp_path: Path
) -> None:
    assert "no outcomes yet" in outcomes().stdout
    assert not (tmp_path / "state").exists()
