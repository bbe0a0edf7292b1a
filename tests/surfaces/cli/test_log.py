"""`rightmodel log`: the last calls, and everything that is known of one."""

from __future__ import annotations

import json
import re
import time
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from engines import catalog_from
from ledger.rows import attempt, call, outcome
from loopback import loopback, openai_answer
from rightmodel.core.decision import Candidate, Rejection
from rightmodel.core.task import Task
from rightmodel.execution.engine import Clock, build
from rightmodel.ledger.paths import FILE
from rightmodel.ledger.records import Choice, Origin, Texts
from rightmodel.ledger.sqlite import SqliteStore
from rightmodel.manifest.settings import Settings
from rightmodel.surfaces.call_view import Logged, Wanted, follow
from rightmodel.surfaces.cli import cli
from surfaces.cli.usage_command import NOW, settle

if TYPE_CHECKING:
    from pathlib import Path

    from rightmodel.ledger.store import Stored

MANIFEST = """
version = 1
baseline = "p/dear"
[routing]
assess = "rules"
[providers.p]
protocol = "openai-chat"
base_url = "http://127.0.0.1:{port}/v1"
[[models]]
id = "p/cheap"
cost = {{ input = 1, output = 2, cache_read = 1 }}
limits = {{ context = 100000, output = 1000 }}
skills = {{ general = 8 }}
[[models]]
id = "p/dear"
cost = {{ input = 10, output = 20, cache_read = 10 }}
limits = {{ context = 100000, output = 1000 }}
skills = {{ general = 9 }}
[[models]]
id = "p/small"
cost = {{ input = 1, output = 2 }}
limits = {{ context = 16, output = 8 }}
"""


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settle(tmp_path, monkeypatch)


def run(*arguments: str) -> str:
    result = CliRunner().invoke(cli, ["log", *arguments])
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


def failed(*arguments: str) -> str:
    result = CliRunner().invoke(cli, ["log", *arguments])
    assert result.exit_code != 0
    return f"{result.output}{result.exception}"


def objects(*arguments: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in run("--json", *arguments).splitlines()]


def refs(*arguments: str) -> list[str]:
    return [found["ref"] for found in objects(*arguments)]


def write(folder: Path, *rows: Stored) -> None:
    store = SqliteStore(folder / "state" / FILE)
    with store.transaction():
        for row in rows:
            store.add(row)
    store.close()


ALICE = Origin("alice", "5e55aa", "ask", "box", "alice_w")._asdict()
TITLE = ALICE | {"kind": "title"}
BOB = Origin("bob", "b0b", "ask", "box", "bob_w")._asdict()


def some_calls(folder: Path) -> None:
    rows: list[Any] = [
        call(id=1, ref="one", at=NOW - 3 * 86_400, **ALICE),
        call(id=2, ref="two", at=NOW - 7200, model="p/other", **TITLE),
        call(id=3, ref="three", at=NOW - 60, model="", outcome="budget_exhausted", **BOB),
        call(id=4, ref="four", at=NOW - 1, time_s=2.5, **BOB),
        outcome(call=4, model="p/m", good=0.0),
    ]
    rows += [attempt("0.01", call=n, number=1) for n in (1, 2, 4)]
    rows.append(attempt("0.01", call=4, number=2, fault="timeout"))
    write(folder, *rows)


def test_the_last_calls_come_first_with_who_what_and_how(tmp_path: Path) -> None:
    some_calls(tmp_path)
    assert refs() == ["four", "three", "two", "one"]
    assert refs("-n", "2") == ["four", "three"]
    newest = objects()[0]
    assert newest["at"] == "2026-11-20T11:59:59.000+00:00"
    assert (newest["client"], newest["session"], newest["kind"]) == ("bob", "b0b", "ask")
    assert (newest["host"], newest["user"]) == ("box", "bob_w")
    assert (newest["attempts"], newest["time_s"], newest["verdict"]) == (2, 2.5, "bad")
    assert newest["reason"] == "least expected total cost"
    lines = run().splitlines()
    assert lines[0].split()[:3] == ["when", "ref", "model"]
    assert lines[0].split()[-1] == "why"
    assert lines[1].startswith("2026-11-20 11:59:59  four")
    assert "budget_exhausted" in lines[2]


def test_a_narrow_terminal_shows_how_each_call_went(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    some_calls(tmp_path)
    long_name = "anthropic/claude-sonnet-4-5-20250929"
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("COLUMNS", "80")
    cost = {"cost_usd": Decimal("0.0123"), "saved_usd": Decimal("0.0456")}
    write(tmp_path, call(id=5, ref="five", at=NOW - 400 * 86_400, model=long_name, **cost))
    text = re.sub(r"\x1b\[[0-9;]*m", "", run())
    lines = text.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].split()[:7] == ["when", "ref", "model", "outcome", "cost", "saved", "time"]
    assert lines[1].split()[:4] == ["11:59:59", "four", "p/m", "bad"]
    assert lines[2].split()[:4] == ["11:59:00", "three", "–", "no"]
    assert "no budget" in lines[2]
    assert lines[4].startswith("11-17 12:00")
    assert lines[5].startswith("2025-10-16")
    for figure in ("$0.0123", "$0.0456"):
        assert figure in lines[5]
    assert re.search("not shown at 80 columns: .*client, session, why", text)


def test_a_pipe_gets_every_column_whole(tmp_path: Path) -> None:
    reason = "least expected total cost; " * 9 + "end"
    write(tmp_path, call(id=1, ref="one", at=NOW, reason=reason, **ALICE))
    lines = run().splitlines()
    assert lines[1].rstrip().endswith(reason)
    assert "not shown" not in lines[-1]


def test_the_attempts_of_a_call_show_when_each_began(tmp_path: Path) -> None:
    write(
        tmp_path,
        call(id=1, ref="one", at=NOW, time_s=22.1),
        attempt("0.01", call=1, number=1, at=NOW - 22, time_s=0.1, fault="overloaded"),
        attempt("0.01", call=1, number=2, at=NOW, time_s=0.5),
    )
    began = [
        line.split()[:3] for line in run("one").splitlines() if " p/m " in line and "+" in line
    ]
    assert began == [["1", "+0", "ms"], ["2", "+21.6", "s"]]


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["--client", "alice"], ["two", "one"]),
        (["--session", "5e55"], ["two", "one"]),
        (["--model", "p/other"], ["two"]),
        (["--model", "p/*"], ["four", "two", "one"]),
        (["--kind", "title"], ["two"]),
        (["--failed"], ["three"]),
        (["--since", "2h"], ["four", "three", "two"]),
        (["--since", "5min"], ["four", "three"]),
        (["--since", "2026-11-18"], ["four", "three", "two"]),
        (["--until", "2026-11-17"], ["one"]),
        (["--until", "2026-11-20T10:30"], ["two", "one"]),
        (["--client", "bob", "--failed"], ["three"]),
    ],
)
def test_filters_narrow_the_list(tmp_path: Path, arguments: list[str], found: list[str]) -> None:
    some_calls(tmp_path)
    assert refs(*arguments) == found


def test_a_time_that_cannot_be_read_is_explained(tmp_path: Path) -> None:
    some_calls(tmp_path)
    assert "write 30min, 2h or 3d" in failed("--since", "yesterday")


def test_an_empty_list_says_why(tmp_path: Path) -> None:
    assert "no call is in the ledger yet" in run()
    some_calls(tmp_path)
    assert "no such call is in the ledger" in run("--client", "carol")
    assert "no such call is in the ledger" in run("--until", "2001-01-01")
    assert run("--json", "--client", "carol") == ""


def test_a_ref_shows_everything_that_is_known_of_its_call(tmp_path: Path) -> None:
    write(
        tmp_path,
        call(id=1, ref="one", at=NOW, judge="p/tiny", flags="explored\nnote", **ALICE),
        attempt("0.02", call=1, number=1, fault="timeout", input=1200, provider="q"),
        attempt("0.01", call=1, number=2, served="m-2026"),
        outcome(call=1, good=1.0, note=""),
        Choice(
            1,
            0.02,
            (Candidate("p/m", 0.9, None, None, 0.5), Candidate("p/n", 0.5, None, None, 1.0)),
            (Rejection("p/a", "client", "client alice may not use it"),),
        ),
    )
    text = run("one")
    for words in (
        "client alice, session 5e55aa, kind ask, host box, user alice_w",
        "00ff (a hash; no text is stored)",
        "code 75%, reasoning 25%",
        "judge p/tiny",
        "p/m good, reported",
        "explored; note",
        "timeout",
        "p/m as m-2026",
        "expected total = cost + risk × $0.02",
        "p/a: client alice may not use it",
    ):
        assert words in text
    (found,) = [json.loads(run("one", "--json"))]
    assert [a["fault"] for a in found["attempts"]] == ["timeout", None]
    assert [c["model"] for c in found["candidates"]] == ["p/m", "p/n"]
    assert found["rejected"] == [
        {"model": "p/a", "code": "client", "reason": "client alice may not use it"}
    ]


def test_a_call_of_an_older_version_is_shown_without_what_it_did_not_keep(tmp_path: Path) -> None:
    write(tmp_path, call(id=1, ref="old", at=NOW), attempt("0.02", call=1, number=1))
    assert "was not recorded" in run("old")
    assert json.loads(run("old", "--json"))["candidates"] is None


def test_an_unknown_ref_says_so(tmp_path: Path) -> None:
    some_calls(tmp_path)
    assert "no call in the ledger has the ref 'nine'" in failed("nine")


def test_a_prompt_is_shown_only_where_it_was_stored(tmp_path: Path) -> None:
    write(
        tmp_path,
        call(id=1, ref="one", at=NOW),
        call(id=2, ref="two", at=NOW),
        Texts(1, "Name\na river", "the Rhine"),
    )
    assert "Name a river" in run()
    assert "the Rhine" in run("one")
    assert [found["prompt"] for found in objects()] == [None, "Name\na river"]


async def test_what_a_real_call_could_choose_from_is_there(tmp_path: Path) -> None:
    async with loopback({"cheap": [openai_answer("the Rhine")]}) as up:
        catalog = catalog_from(tmp_path, MANIFEST.format(port=up.port))
        settings = Settings(None, {"RIGHTMODEL_STATE_DIR": str(tmp_path / "state")})
        engine = build(settings, catalog, clock=Clock(time.monotonic, lambda: NOW))
        await engine.executor.complete(Task("Name a river", difficulty="easy"), deadline_s=5)
        await engine.close()
    (call_,) = objects()
    found = json.loads(run(call_["ref"], "--json"))
    assert [c["model"] for c in found["candidates"]] == ["p/cheap", "p/dear"]
    assert all(0 < c["p_success"] < 1 and c["cost_usd"] for c in found["candidates"])
    (rejected,) = found["rejected"]
    assert rejected["model"] == "p/small"
    assert "exceed" in rejected["reason"]
    assert found["kind"] == "subtask"
    assert "p/small: about" in run(call_["ref"])


def test_following_shows_each_new_call_once_in_order() -> None:
    def logged(number: int, at: float) -> Logged:
        return Logged(call(id=number, ref=str(number), at=at), (), ())

    known = [logged(1, NOW)]
    looks = [
        [logged(2, NOW + 1), logged(1, NOW)],
        [logged(2, NOW + 1), logged(1, NOW)],
        [logged(4, NOW + 3), logged(3, NOW + 2), logged(2, NOW + 1)],
        [logged(5, NOW + 2.5), logged(4, NOW + 3)],  # written late
    ]
    asked: list[Wanted] = []

    def ask(wanted: Wanted) -> list[Logged]:
        asked.append(wanted)
        return looks[len(asked) - 1]

    wanted = Wanted(client="alice")
    found = follow(ask, wanted, known, began=NOW, pause=lambda: None)
    assert [one.call.ref for one in islice(found, 4)] == ["2", "3", "4", "5"]
    assert {one.client for one in asked} == {"alice"}
    assert asked[-1].since == NOW + 3 - 60


def test_following_goes_on_until_it_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    some_calls(tmp_path)
    pauses = 0

    def pause(_: float) -> None:
        nonlocal pauses
        pauses += 1
        if pauses > 2:
            raise KeyboardInterrupt
        write(tmp_path, call(id=10 + pauses, ref=f"new{pauses}", at=NOW + pauses, **ALICE))

    monkeypatch.setattr(time, "sleep", pause)
    result = CliRunner().invoke(cli, ["log", "-f", "-n", "2"])
    assert result.exit_code == 1  # click's Abort, which the console script turns into 130
    lines = [line for line in result.output.splitlines() if line.startswith("2026-11-20")]
    assert [line.split()[3] for line in lines] == ["three", "four", "new1", "new2"]
