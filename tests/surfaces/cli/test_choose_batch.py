"""`choose --batch`: offline and repeatable, unless the judge or the ledger is requested."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from ledger.rows import outcome
from rightmodel.ledger.ledger import Ledger
from rightmodel.ledger.paths import FILE
from rightmodel.ledger.recovery import SqliteOpener
from rightmodel.simulator import Behaviour, SimulatedProvider
from rightmodel.surfaces.cli import choose, cli

if TYPE_CHECKING:
    from pathlib import Path


def test_a_batch_is_read_before_a_loop_runs_that_would_keep_ctrl_c_away(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def read(_: str) -> list[tuple[int, bytes]]:
        with pytest.raises(RuntimeError, match="no running event loop"):
            asyncio.get_running_loop()
        return [(1, b'{"id": 1, "prompt": "hi"}')]

    monkeypatch.setattr(choose, "json_lines", read)
    (tmp_path / "m.toml").write_text("version = 1\ninclude = []\n")
    result = CliRunner().invoke(
        cli, ["choose", "--batch", "-", "--manifest", str(tmp_path / "m.toml")]
    )
    assert json.loads(result.output)["id"] == 1


def test_what_each_line_states_is_not_taken_from_the_command(tmp_path: Path) -> None:
    (tmp_path / "b.jsonl").write_text('{"prompt": "hi"}')
    more = ["--tier", "cheap", "--max-cost-usd", "1", "--explain", "a task"]
    done = CliRunner().invoke(cli, ["choose", "--batch", str(tmp_path / "b.jsonl"), *more])
    assert done.exit_code == 2
    assert "not with --batch" in done.output
    assert ": task, --tier, --max-cost-usd, --explain" in done.output
    done = CliRunner().invoke(cli, ["choose", "--judge", "a task"])
    assert done.exit_code == 2
    assert "only with --batch: --judge" in done.output


def test_a_batch_that_is_not_there_is_named_once(tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["choose", "--batch", str(tmp_path / "b.jsonl")])
    assert str(done.exception) == f"{tmp_path}/b.jsonl: cannot be read: No such file or directory"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_line_that_cannot_be_read_costs_no_other_line(tmp_path: Path, encoding: str) -> None:
    rows = ['{"id": 1, "prompt": "grüß dich"}', "no JSON", "[1]", '{"id": 2, "prompt": "hi"}']
    data = "\n".join(rows).encode(encoding)
    if encoding != "utf-16":
        data += b'\n{"id": 3, "prompt": "\xff"}\n{"id": 4, "prompt": "hi"}'
    (tmp_path / "batch.jsonl").write_bytes(data)
    (tmp_path / "m.toml").write_text("version = 1\ninclude = []\n")
    manifest = ["--manifest", str(tmp_path / "m.toml")]
    done = CliRunner().invoke(cli, ["choose", "--batch", str(tmp_path / "batch.jsonl"), *manifest])
    found = [json.loads(line) for line in done.output.splitlines()]
    ids = [(row["id"], "error" in row) for row in found]
    assert ids[:4] == [(1, False), (None, True), (None, True), (2, False)]
    assert ids[4:] == ([] if encoding == "utf-16" else [(None, True), (4, False)])
    errors = [row["error"] for row in found if "error" in row]
    assert all(error.startswith("not a JSON object: ") for error in errors)


MANIFEST = """
version = 1
baseline = "p/dear"
[routing]
judge = "p/cheap"
assess = "judge"
[providers.p]
protocol = "openai-chat"
base_url = "{url}"
key_env = "P_KEY"
[[models]]
id = "p/cheap"
cost = {{ input = 1, output = 2 }}
skills = {{ general = 7, code = 7 }}
[[models]]
id = "p/dear"
cost = {{ input = 3, output = 6 }}
skills = {{ general = 9, code = 9 }}
"""
HARD = {
    "id": 1,
    "prompt": "Write a parser",
    "skill": "code",
    "difficulty": "medium",
    "tier": "cheap",
}


def batch(tmp_path: Path, url: str, row: dict[str, Any], *options: str) -> dict[str, Any]:
    (tmp_path / "m.toml").write_text(MANIFEST.format(url=url))
    (tmp_path / "rows.jsonl").write_text(json.dumps(row))
    files = [str(tmp_path / "rows.jsonl"), "--manifest", str(tmp_path / "m.toml")]
    environment = {"RIGHTMODEL_STATE_DIR": str(tmp_path / "state"), "P_KEY": "sk-simulated"}
    result = CliRunner().invoke(cli, ["choose", "--batch", *files, *options], env=environment)
    assert result.exit_code == 0, result.output
    chosen: dict[str, Any] = json.loads(result.stdout)
    return chosen


async def test_the_judge_is_asked_only_when_it_says_so(tmp_path: Path) -> None:
    verdict = json.dumps({"skill": "code", "difficulty": 4})
    async with SimulatedProvider(models={"cheap": Behaviour(verdict)}) as upstream:
        row = {"id": 1, "prompt": "qwerty"}
        plain = await asyncio.to_thread(batch, tmp_path, upstream.base_url, row)
        assert not upstream.requests
        judged = await asyncio.to_thread(batch, tmp_path, upstream.base_url, row, "--judge")
        assert len(upstream.requests) == 1
    assert plain["source"] != "judge"
    assert (judged["source"], judged["skill"]) == ("judge", {"code": 1.0})


def test_outcomes_count_only_with_the_ledger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def learn() -> None:
        ledger = Ledger(SqliteOpener(tmp_path / "state" / FILE, lambda: 0.0))
        bad = [
            outcome(model="p/cheap", good=0.0, skills=(("code", 1.0),), task=str(n))
            for n in range(20)
        ]
        await ledger.record(*bad)
        await ledger.close()

    monkeypatch.setenv("RIGHTMODEL_STATE_DIR", str(tmp_path / "state"))
    asyncio.run(learn())
    url = "http://127.0.0.1:9/v1"
    plain = batch(tmp_path, url, HARD)
    learned = batch(tmp_path, url, HARD, "--with-ledger")
    assert (plain["model"], learned["model"]) == ("p/cheap", "p/dear")
    assert plain == batch(tmp_path, url, HARD)
