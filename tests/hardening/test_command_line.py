"""Standard input, wrong words, closed and full outputs, an interrupt: as a person expects."""

from __future__ import annotations

import signal
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hardening.bench import (
    GUARD_S,
    HEAD,
    Home,
    Provider,
    asked,
    chat,
    chunk,
    model,
    provider,
    sse,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMANDS = (("usage",), ("ask", "hello"))


@pytest.fixture
def upstream() -> Iterator[Provider]:
    with Provider(lambda _: chat("fine")) as found:
        yield found


@pytest.fixture
def machine(tmp_path: Path, upstream: Provider) -> Home:
    return Home(tmp_path / "m", HEAD + provider("a", upstream.port) + model("a/m1"))


def test_standard_input_joins_the_prompt(machine: Home, upstream: Provider) -> None:
    assert machine.run("ask", "Summarise this:", given="the report\n").stdout.startswith("fine")
    assert asked(upstream, ["the report"])
    assert asked(upstream, ["Summarise this"])
    assert machine.run("ask", given="only this").stdout.startswith("fine")
    assert asked(upstream, ["only this"])


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("chek",), "check"),
        (("ask", "--modle", "x", "hi"), "--model"),
        (("ask", "--model", "m2", "hi"), "a/m1"),
        (("ask", "--tier", "bets", "hi"), "best"),
        (("config", "claude-cod"), "claude-code"),
        (("usage", "--by", "modle"), "model"),
    ],
)
def test_a_wrong_word_is_answered_with_the_right_one(
    machine: Home, words: tuple[str, ...], hint: str
) -> None:
    done = machine.run(*words)
    assert done.returncode
    assert hint in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_an_output_that_is_closed_or_full_ends_the_command_quietly(
    machine: Home, command: tuple[str, ...]
) -> None:
    closed = machine.popen(*command)
    assert closed.stdin is not None
    assert closed.stdout is not None
    closed.stdout.close()
    closed.stdin.close()
    closed.wait(GUARD_S)
    if Path("/dev/full").exists():
        with Path("/dev/full").open("w") as full, machine.log.open("a") as log:
            subprocess.run(
                machine.command(*command),
                cwd=machine.work,
                env=machine.environment,
                stdin=subprocess.DEVNULL,
                stdout=full,
                stderr=log,
                timeout=GUARD_S,
                check=False,
            )
        assert "cannot be written" in machine.log.read_text()
    assert "Traceback" not in machine.log.read_text()
    assert "Exception ignored" not in machine.log.read_text()


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
@pytest.mark.parametrize("command", [("ask", "hello"), ("check",)], ids=" ".join)
def test_a_signal_ends_a_command_that_has_recorded_what_ran(
    tmp_path: Path, command: tuple[str, ...], number: signal.Signals, code: int
) -> None:
    never = threading.Event()
    with Provider(lambda _: [sse(chunk({"content": "half "})), never]) as upstream:
        home = Home(tmp_path / "m", HEAD + provider("a", upstream.port) + model("a/m"))
        process = home.popen(*command, stdin=subprocess.DEVNULL)
        assert upstream.arrived.wait(GUARD_S)
        process.send_signal(number)
        process.communicate(timeout=GUARD_S)
        never.set()
        log = home.log.read_text()
        assert process.returncode == code, log
        assert "Traceback" not in log
        assert log.endswith("stopped\n")
        assert "cancelled" in home.run("usage", "--csv").stdout


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("closed", ["0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"])
def test_a_command_that_is_started_without_a_stream_works(
    machine: Home, upstream: Provider, command: tuple[str, ...], closed: str
) -> None:
    words = [f"'{word}'" for word in machine.command(*command)]
    done = subprocess.run(
        ["sh", "-c", f"{' '.join(words)} {closed}"],
        cwd=machine.work,
        env=machine.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=GUARD_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stdout + done.stderr
