from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING

import pytest

from rightmodel.core.call import AttemptFailed, AttemptStarted, Token, Waiting
from rightmodel.core.errors import TaskError
from rightmodel.core.fault import Fault
from rightmodel.surfaces.cli import prompt_sources
from rightmodel.surfaces.cli.asking import Output
from rightmodel.surfaces.cli.prompt_sources import prompt_with_input

if TYPE_CHECKING:
    from collections.abc import Iterator


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Standard input is a pipe; the fixture is its writing end."""
    reading, writing = os.pipe()
    with os.fdopen(reading) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        yield writing


def write_input(pipe: int, data: bytes) -> None:
    os.write(pipe, data)
    os.close(pipe)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_standard_input_follows_the_prompt(pipe: int, encoding: str) -> None:
    write_input(pipe, "ünïcode notes\n".encode(encoding))
    assert prompt_with_input("Summarize") == "Summarize\n\nünïcode notes\n"


@pytest.mark.parametrize("prompt", ["", "-"])
def test_without_a_prompt_standard_input_is_the_prompt(pipe: int, prompt: str) -> None:
    write_input(pipe, b"\xef\xbb\xbfHello")
    assert prompt_with_input(prompt) == "Hello"


def test_empty_standard_input_changes_nothing(pipe: int) -> None:
    write_input(pipe, b" \n")
    assert prompt_with_input("Hello") == "Hello"


def test_an_open_pipe_does_not_hang_a_prompt(
    pipe: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(prompt_sources, "FIRST_BYTE_S", 0.01)
    assert prompt_with_input("Hello") == "Hello"
    assert "is not used" in capsys.readouterr().err
    os.close(pipe)


def test_a_terminal_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal("typed"))
    assert prompt_with_input("Hello") == "Hello"
    assert not prompt_with_input("")


def test_binary_standard_input_is_an_error(pipe: int) -> None:
    write_input(pipe, b"\xff\xfe\x00")
    with pytest.raises(TaskError, match="standard input is not UTF-8 text"):
        prompt_with_input("Hello")


def printed(capsys: pytest.CaptureFixture[str], output: Output, *, answer: str) -> tuple[str, str]:
    output.show(AttemptStarted(1, "p/m", "p"))
    output.show(Token("The ans"))
    output.show(Token("wer"))
    output.finish(answer)
    return capsys.readouterr()


def test_on_a_terminal_the_answer_appears_while_it_arrives(
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = Output(live=True)
    output.show(Token("The ans"))
    assert capsys.readouterr().out == "The ans"
    output.show(Token("wer"))
    output.finish("The answer")
    assert capsys.readouterr().out == "wer\n"


def test_an_answer_that_differs_from_the_stream_is_printed_in_full(
    capsys: pytest.CaptureFixture[str],
) -> None:
    out, err = printed(capsys, Output(live=True), answer="Another answer")
    assert out == "The answer\nAnother answer\n"
    assert "attempt 1: p/m at p" in err


def test_in_a_pipe_only_the_final_answer_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = printed(capsys, Output(live=False), answer="The answer")
    assert out == "The answer\n"


def test_progress_says_what_the_upstream_said_and_each_wait_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = Output(live=False)
    output.secrets = ["sk-test-0123456789"]
    failed = AttemptFailed(1, "p/m", "p", Fault.CONNECTION, "p: refused, key sk-test-0123456789")
    output.show(failed)
    for seconds in (20.0, 15.0, 10.0, 5.0):
        output.show(Waiting("p/m", seconds))
    output.show(AttemptStarted(2, "p/m", "p"))
    output.show(Waiting("p/m", 3.0))
    assert capsys.readouterr().err.splitlines() == [
        "p/m: refused, key [key removed]",
        "waiting 20.0 s for p/m",
        "attempt 2: p/m at p",
        "waiting 3.0 s for p/m",
    ]


@pytest.mark.parametrize("live", [True, False])
def test_a_long_wait_says_for_whom_until_the_answer_is_seen(live: bool) -> None:
    output = Output(live=live)
    assert output.waits_for() == ""
    output.show(AttemptStarted(1, "p/m", "p"))
    assert output.waits_for().startswith("p/m has not answered yet, ")
    output.show(Token("The"))
    assert output.waits_for()[:15] == ("" if live else "p/m is answering")[:15]
    assert output.waits_for().startswith("p/m has not answered yet, ")  # nothing since then
    output.show(AttemptFailed(1, "p/m", "p", Fault.SERVER))
    assert output.waits_for() == ""


def test_text_of_a_failed_attempt_is_declared_void(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(live=True)
    output.show(Token("Half an"))
    output.show(AttemptFailed(1, "p/m", "p", Fault.SERVER))
    assert "this answer is void" in capsys.readouterr().err
    output.show(Token("Whole"))
    output.finish("Whole")
    assert capsys.readouterr().out == "Whole\n"


def test_a_key_is_masked_however_the_stream_cuts_it(capsys: pytest.CaptureFixture[str]) -> None:
    key = "sk-test-0123456789"
    for size in (1, 3, 7, 50):
        output = Output(live=True)
        output.secrets = [key]
        text = f"Your key is {key}, so s"
        for at in range(0, len(text), size):
            output.show(Token(text[at : at + size]))
            assert key[:9] not in capsys.readouterr().out
        output.finish(text.replace(key, "[key removed]"))
        assert "Your key" not in capsys.readouterr().out  # it was streamed in full
