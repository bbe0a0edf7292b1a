from __future__ import annotations

import contextlib
import io
import os
import re
import signal
import struct
import subprocess
import sys
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console
from rich.text import Text

from rightmodel.core.fault import Fault
from rightmodel.simulator.samples import SAMPLES
from rightmodel.surfaces.cli import rehearse
from rightmodel.surfaces.cli.demo import COLUMNS, _closing
from rightmodel.surfaces.cli.show.calls import HEALTHY, OUTAGE, Call, Try, notes, totals
from rightmodel.surfaces.cli.show.view import Layout, View

if TYPE_CHECKING:
    from pathlib import Path

FAST = """
from rightmodel.__main__ import main
from rightmodel.surfaces.cli import demo

demo.SPEEDUP = 60.0
main()
"""
"""The demo, its simulated providers ten times as fast as usual."""
DEMO = (sys.executable, "-c", FAST, "demo")
HALF_WAY = """
import asyncio
import itertools
from rightmodel.__main__ import main
from rightmodel.surfaces.cli.show.run import ServerStage

complete, numbers = ServerStage.complete, itertools.count(1)

async def returns_once(self, *arguments):
    result = await complete(self, *arguments)
    if next(numbers) > 1:
        await asyncio.Event().wait()
    return result

ServerStage.complete = returns_once
main()
"""
"""A demo that never gets beyond its second subtask."""
AMOUNT = r"−?\$\d+\.\d+"
ROUNDING = Decimal("0.00001")
TURN = re.compile(rf"^ ?\d+ \D+ (\S+) +([\d,]+) +{AMOUNT} +{AMOUNT} +\d+\.\ds$", re.MULTILINE)
LINE = re.compile(rf"^ ?\d+ .* (\d+) +({AMOUNT}) +({AMOUNT}) +({AMOUNT}) +\d+\.\ds$", re.MULTILINE)


def environment(tmp_path: Path) -> dict[str, str]:
    """A home and a temporary directory that can be inspected afterwards."""
    return os.environ | {
        "HOME": str(tmp_path / "home"),
        "TMPDIR": str(tmp_path / "tmp"),
        "FORCE_COLOR": "1",
    }


def folders(tmp_path: Path) -> None:
    for name in ("home", "tmp"):
        (tmp_path / name).mkdir()


def left_behind(tmp_path: Path) -> list[Path]:
    return [path for name in ("home", "tmp") for path in (tmp_path / name).iterdir()]


def usd(text: str) -> Decimal:
    return Decimal(text.replace("$", "").replace("−", "-"))


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """The output of the demo, and that of `rightmodel usage` for its ledger afterwards."""
    tmp_path = tmp_path_factory.mktemp("demo")
    folders(tmp_path)
    done = subprocess.run(
        [*DEMO, "--usage"],
        cwd=tmp_path,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert left_behind(tmp_path) == []
    shown, mark, usage = done.stdout.partition("\n$ rightmodel usage\n")
    assert mark
    return shown, usage


@pytest.fixture
def shown(output: tuple[str, str]) -> str:
    return output[0]


def test_on_request_it_shows_what_was_spent(output: tuple[str, str]) -> None:
    shown, usage = output
    rows = dict(re.findall(rf"^(spent|calls|saved, net) +({AMOUNT}|\d+)", usage, re.MULTILINE))
    assert rows["calls"] == str(len(SAMPLES) + len(TURN.findall(shown)))
    for row, label in (("spent", "cost"), ("saved, net", "saved")):
        amounts = re.findall(rf"^{label} +({AMOUNT})", shown, re.MULTILINE)
        assert len(amounts) == 2  # of the subtasks and of the turns
        assert abs(usd(rows[row]) - sum(map(usd, amounts))) <= 2 * ROUNDING


def test_the_agents_own_turns_stay_with_a_model_while_they_work_on_one_ask(shown: str) -> None:
    turns = TURN.findall(shown)
    models, cached = [t[0] for t in turns], [int(t[1].replace(",", "")) for t in turns]
    assert models[0] == models[1]
    assert models[2] == models[3]
    assert cached[0] == 0
    assert min(cached[1], cached[3]) > 5000
    assert "stays with " in shown
    assert shown.count(" a turn over ") == len(turns)


def test_a_pipe_gets_lines_without_control_characters(shown: str) -> None:
    assert shown.replace("−", "-").isascii()  # the minus sign of money
    assert shown.replace("\n", "").isprintable()
    assert max(map(len, shown.splitlines())) <= 112


def test_the_first_and_last_lines_state_what_is_simulated(shown: str) -> None:
    lines = shown.splitlines()
    assert lines[1].startswith("simulated ")
    assert sum(line.startswith("simulated ") for line in lines) == 3
    assert lines[-1].startswith("simulated ")


def test_every_subtask_is_answered_and_an_outage_is_survived(shown: str) -> None:
    count = len(SAMPLES)
    assert len(LINE.findall(shown)) == count
    assert f"{count} of {count}, " in shown
    storm = shown[shown.index("!! ") : shown.index("== ")]
    first, *others = LINE.findall(storm)
    assert first[0] == "2"
    assert "overloaded (status 503); failed over to " in storm
    assert {attempts for attempts, *_ in others} == {"1"}
    assert " is cooling down: " in storm


def test_secrets_stay_local_whatever_happens(shown: str) -> None:
    lines = shown.splitlines()
    ruled = [n for n, line in enumerate(lines) if 'rule "secrets stay here"' in line]
    assert len(ruled) == 2
    assert all(" ollama/" in lines[n - 1] for n in ruled)


def test_the_sums_are_those_of_the_lines(shown: str) -> None:
    lines = LINE.findall(shown)
    for column, label in ((1, "cost"), (2, "baseline"), (3, "saved")):
        total = sum(usd(line[column]) for line in lines)
        (amount, *_) = re.findall(rf"^{label} +({AMOUNT})", shown, re.MULTILINE)
        assert abs(usd(amount) - total) <= len(lines) * ROUNDING / 2
    assert all(abs(usd(line[3]) - usd(line[2]) + usd(line[1])) <= ROUNDING for line in lines)


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_half_way_it_leaves_nothing_behind(tmp_path: Path, number: signal.Signals) -> None:
    folders(tmp_path)
    with subprocess.Popen(
        [sys.executable, "-c", HALF_WAY, "demo"],
        cwd=tmp_path,
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdout is not None
        while not running.stdout.readline().startswith(" 1 "):
            assert running.poll() is None
        assert left_behind(tmp_path)
        running.send_signal(number)
        _, error = running.communicate(timeout=30)
    assert (running.returncode, error.strip()) == (130, "rightmodel: stopped")
    assert left_behind(tmp_path) == []


@pytest.mark.parametrize("columns", [COLUMNS, rehearse.COLUMNS])
@pytest.mark.parametrize("width", [60, 72, 80, 100, 112, 120, 200])
def test_a_line_fits_into_the_terminal(width: int, columns: Any) -> None:
    layout = Layout(columns, width)
    assert len(layout.head()) < width
    assert layout.wide == (width >= 112)
    titles = layout.head().split()
    assert {"#", "subtask", "cost"} <= set(titles)


def call(number: int, phase: str, **facts: Any) -> Call:
    usual: dict[str, Any] = {"first": "openai/gpt-6-luna", "line": (), "tries": (), "met": ()}
    usual |= {"time_s": 1.0, "lost_s": 0.0}
    return Call(number, SAMPLES[number - 1], phase, **(usual | facts))


def test_another_attempt_at_the_same_endpoint_is_a_retry() -> None:
    first = Try("a/m", "a", "overloaded", Fault.OVERLOADED, 503, 0.1, 0.0, "")
    last = Try("b/n", "b", "", None, 0, 0.1, 0.0, "")
    lines = list(notes(call(1, OUTAGE, tries=(first, first, last), model="b/n")))
    assert [line.rpartition("; ")[2] for line in lines] == ["retried", "failed over to n"]


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_terminal_sees_every_line_unwrapped_and_the_cursor_comes_back(width: int) -> None:
    written = io.StringIO()
    console = Console(
        file=written,
        force_terminal=True,
        width=width,
        height=24,
        color_system="standard",
        _environ={"TERM": "xterm"},
    )
    failed = Try("openai/gpt-6-luna", "openai", "x" * 70, Fault.OVERLOADED, 503, 0.1, 0.0, "")
    good = Try("anthropic/claude-sonnet-5-5", "anthropic", "", None, 0, 0.9, 0.0, "")
    done = call(
        1,
        OUTAGE,
        tries=(failed, good),
        model=good.model,
        skill="summarize",
        cost_usd=Decimal("0.00100"),
        baseline_usd=Decimal("0.00050"),
    )
    with View(COLUMNS, SAMPLES, screen=console) as view:
        view.open("rightmodel demo", [("simulated", "four providers " * 9)])
        view.begin(1, SAMPLES[0])
        view.progress("attempt 1: openai/gpt-6-luna")
        console.print(view.region())
        view.call(done)
        view.call(call(2, HEALTHY, error="every attempt failed " * 9))
        view.close(_closing(totals([done])))
    seen = [Text.from_ansi(line).plain for line in written.getvalue().splitlines()]
    assert max(map(len, seen)) <= width
    if width > 60:
        assert any("attempt 1: openai/gpt-6-luna  0.0s" in line for line in seen)
    assert any(line.startswith(" 2 ") and "no answer" in line for line in seen)
    assert any(line.startswith("answered     1 of 1, 1 of them during") for line in seen)
    assert written.getvalue().rindex("\x1b[?25h") > written.getvalue().rindex("\x1b[?25l")


def test_the_usage_report_fits_a_narrow_terminal(tmp_path: Path) -> None:
    fcntl, termios = map(pytest.importorskip, ("fcntl", "termios"))
    folders(tmp_path)
    main, inner = os.openpty()
    fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 60, 0, 0))
    with subprocess.Popen(
        [*DEMO, "--usage"],
        cwd=tmp_path,
        env=environment(tmp_path) | {"TERM": "xterm"},
        stdin=inner,
        stdout=inner,
        stderr=inner,
    ):
        os.close(inner)
        written = b""
        with contextlib.suppress(OSError):  # the other end is closed
            while part := os.read(main, 65_536):
                written += part
    os.close(main)
    _, mark, usage = written.decode().partition("$ rightmodel usage")
    assert mark
    lines = [Text.from_ansi(line).plain for line in usage.splitlines()]
    assert max(map(len, lines)) <= 60
    assert any(line.startswith("not shown at 60 columns: ") for line in lines)
