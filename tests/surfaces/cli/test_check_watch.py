"""`rightmodel check --watch`: lines in a pipe, a table in a terminal."""

from __future__ import annotations

import asyncio
import io
import json
import signal
import sys
import time
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from rich.console import Console
from rich.text import Text

from rightmodel.core.errors import TaskError
from rightmodel.core.fault import Fault
from rightmodel.core.task import WireFormat
from rightmodel.execution.probe import Finding
from rightmodel.manifest.catalog import Endpoint, Model, Provider
from rightmodel.manifest.price import Price
from rightmodel.simulator import Behaviour, SimulatedProvider, fault
from rightmodel.surfaces.cli import cli
from rightmodel.surfaces.cli.check_watch import LiveTable, Row, duration
from rightmodel.surfaces.cli.finding import price_in_words

if TYPE_CHECKING:
    from pathlib import Path

MANIFEST = """
version = 1
[providers.alpha]
protocol = "openai-chat"
base_url = "{url}"
key_env = "ALPHA_KEY"
[[models]]
id = "alpha/a1"
cost = {{ input = 1, output = 2 }}
"""
PATIENCE_S = 50
PROVIDER = Provider("alpha", WireFormat.OPENAI_CHAT, "http://127.0.0.1:1/v1")


def model(name: str, price: Price = Price(), *, reasons: bool = False) -> Model:  # noqa: B008 - frozen
    features = frozenset({"reasoning"} if reasons else ())
    endpoint = Endpoint(PROVIDER, name)
    return Model(f"alpha/{name}", (endpoint,), price=price, features=features)


def row(name: str) -> Row:
    made = model(name)
    return Row(made, made.endpoints[0])


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_pipe_gets_a_line_when_a_state_changes_and_an_end(
    tmp_path: Path, number: signal.Signals
) -> None:
    as_json = number is signal.SIGTERM

    models = {"a1": Behaviour(answers="ready")}
    async with SimulatedProvider("openai-chat", key="sk-alpha-1", models=models) as provider:
        (tmp_path / "m.toml").write_text(MANIFEST.format(url=provider.base_url))
        (tmp_path / "keys.env").write_text("ALPHA_KEY=sk-alpha-1\n")
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "rightmodel", "check", "--watch", "1", "--yes",
            "--manifest", "m.toml", "--env-file", "keys.env", *(["--json"] * as_json),
            cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert process.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            lines = [(await process.stdout.readline()).decode()]
            asked = len(provider.requests)
            if not as_json:  # called again without a change
                await provider.until(lambda: len(provider.requests) > asked)
            provider.fail_all(fault.overloaded())
            lines.append((await process.stdout.readline()).decode())
            provider.heal()
            lines.append((await process.stdout.readline()).decode())
            process.send_signal(number)
            out, told = await process.communicate()
    (first, down, up), error = lines, told.decode()
    assert (out, process.returncode) == (b"", 0)
    assert "asking 1 endpoints every 1 s" in error
    assert "an hour (estimate)" in error
    assert error.endswith("1 of 1 endpoints answer\n")
    assert "sk-alpha-1" not in first + down + up + error
    if as_json:
        assert [json.loads(line)["ok"] for line in (first, down, up)] == [True, False, True]
        assert json.loads(down)["was"] == "ok"
        assert json.loads(up)["was"] == "overloaded"
        return
    assert " ok   alpha/a1: ready" in first
    assert " FAIL alpha/a1: alpha 503" in down
    assert "or connect another provider; was ok for " in down
    assert "; was overloaded for " in up


def test_a_model_without_a_key_is_reported_once_and_not_called(tmp_path: Path) -> None:
    (tmp_path / "m.toml").write_text(MANIFEST.format(url="https://models.example.com/v1"))
    result = CliRunner().invoke(
        cli,
        ["check", "--watch", "1", "--manifest", str(tmp_path / "m.toml")],
        env={"ALPHA_KEY": ""},
    )
    assert result.exit_code == 1
    assert result.stdout.count("no key for alpha") == 1
    assert "0 of 1 endpoints answer" in result.stderr


def test_watching_without_calling_is_no_watching() -> None:
    result = CliRunner().invoke(cli, ["check", "--watch", "--no-call"])
    assert result.exit_code == 2
    assert "--no-call calls none" in result.output


def test_the_price_of_calls_is_an_upper_estimate() -> None:
    cheap = Price(Decimal("0.000001"), Decimal("0.000002"))
    assert price_in_words([model("a", cheap)], 120, " an hour") == (
        "less than $0.01 an hour (estimate)"
    )
    reasoning = price_in_words([model("a", cheap, reasons=True), model("b")], 3600, " an hour")
    assert reasoning == (
        "at most about $1.90 an hour (estimate; 1 without a known price not counted)"
    )
    assert price_in_words([model("a", Price(Decimal(0), Decimal(0)))]) == "nothing (estimate)"


def test_watching_what_costs_asks_first(tmp_path: Path) -> None:
    (tmp_path / "m.toml").write_text(MANIFEST.format(url="https://models.example.com/v1"))
    result = CliRunner().invoke(
        cli,
        ["check", "--watch", "1", "--manifest", str(tmp_path / "m.toml")],
        env={"ALPHA_KEY": "sk-alpha-1"},
    )
    assert isinstance(result.exception, TaskError)
    assert "asking 1 endpoints every 1 s; cost: at most about $0.12 an hour" in str(
        result.exception
    )
    assert "give --yes" in str(result.exception)


def test_a_state_that_stays_is_no_change() -> None:
    one = row("a")
    good = Finding(one.endpoint, "", "ready")
    assert one.take(good, 5.0) == "asking"
    assert one.take(good, 6.0) == ""
    assert one.since == 5.0
    assert one.take(Finding(one.endpoint, "server_error", "x"), 7.0) == "ok"
    assert (one.state, one.since) == ("server_error", 7.0)


def test_durations_are_shown_in_units_that_fit() -> None:
    assert [duration(s) for s in (0.4, 59, 90, 7200)] == ["0 s", "59 s", "2 min", "2.0 h"]


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_table_fits_the_terminal_and_shows_first_what_fails(width: int) -> None:
    written = io.StringIO()
    console = Console(
        file=written, force_terminal=True, width=width, height=12, color_system="standard",
        _environ={"TERM": "xterm"},
    )  # fmt: skip
    rows = [row(f"model-{n}-with-a-rather-long-name-2026-11-24") for n in range(20)]
    for one in rows[:-1]:
        one.take(Finding(one.endpoint, "", "ready", "", 0.4), time.monotonic())
    overloaded = Fault.OVERLOADED
    failed = Finding(rows[-1].endpoint, overloaded.value, "busy", overloaded.advice, 0.1)
    rows[-1].take(failed, time.monotonic() - 90)
    view = LiveTable(rows, console, time.monotonic)
    view.open(["manifest: m.toml: 20 models", "cost: at most about $0.10 an hour (estimate)"])
    with view:
        view.changed(rows[0], "asking", 0.0)
    shown = [Text.from_ansi(line).plain for line in written.getvalue().splitlines()]
    lines = [line for line in shown if line.strip()]
    last = lines[-12:]
    assert max(map(len, lines)) <= width
    assert "19 of 20 endpoints answer; Ctrl-C ends" in last[-1]
    first = next(line for line in last if line.startswith("alpha/"))
    assert "FAIL overloaded" in first
    assert "2 min" in first
    assert any("try again later" in line for line in last)
    assert any(line.startswith("and ") and line.rstrip().endswith(" more") for line in last)
