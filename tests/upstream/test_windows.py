"""Prompts and answers that a smaller window cut, by what the upstream reports."""

from __future__ import annotations

import pytest

from rightmodel.core.call import Completion, Usage
from rightmodel.core.errors import ProviderError
from rightmodel.core.fault import Fault
from rightmodel.core.task import WireFormat
from rightmodel.upstream.exchange import refuse_cuts
from upstream.upstream import request_of

LOCAL, REMOTE = "http://127.0.0.1:1", "https://api.example.com"
CHAT, ANTHROPIC = WireFormat.OPENAI_CHAT, WireFormat.ANTHROPIC_MESSAGES


def window(
    usage: Usage,
    *,
    base: str = LOCAL,
    wire_format: WireFormat = CHAT,
    expected: int = 0,
    finish: str = "stop",
    cap: int = 16_384,
) -> int | None:
    """The window that was found out, `None` where nothing was cut."""
    request = request_of(base, wire_format, expect_input_tokens=expected)
    try:
        refuse_cuts(request, Completion("half", finish=finish, usage=usage), cap)
    except ProviderError as error:
        return error.window if error.fault is Fault.CONTEXT_OVERFLOW else -1
    return None


@pytest.mark.parametrize(
    ("wire_format", "counted", "found"),
    [
        (CHAT, 4096, 4096),
        (CHAT, 11_900, 11_900),
        (CHAT, 12_100, None),
        (ANTHROPIC, 4096, 4096),
        (ANTHROPIC, 10_500, None),  # half of what Claude's tokenizer would make of it
    ],
)
def test_a_local_server_that_counts_far_fewer_prompt_tokens_cut_the_prompt(
    wire_format: WireFormat, counted: int, found: int | None
) -> None:
    assert window(Usage(counted, 5), wire_format=wire_format, expected=20_000) == found


@pytest.mark.parametrize(("base", "expected"), [(REMOTE, 20_000), (LOCAL, 900)])
def test_remote_servers_and_short_prompts_are_not_suspected(base: str, expected: int) -> None:
    assert window(Usage(100, 5), base=base, expected=expected) is None


@pytest.mark.parametrize("base", [LOCAL, REMOTE])
@pytest.mark.parametrize("wire_format", [CHAT, ANTHROPIC])
@pytest.mark.parametrize(
    ("usage", "found"),
    [
        (Usage(900, 3196), 4096),
        (Usage(901, 3194), 4095),  # llama.cpp stops one token before
        (Usage(3000, 1000), 4000),
        (Usage(777, 4096), None),  # the provider's own output limit
        (Usage(777, 8192), None),
        (Usage(777, 16_384), None),
        (Usage(777, 1000), None),  # limits in round numbers
        (Usage(1333, 100), None),
        (Usage(15, 5), None),  # no window is that small
        (Usage(777, 14_000), None),  # near enough to the limit that was sent
    ],
)
def test_an_answer_that_ends_by_length_far_below_its_limit_filled_the_window(
    usage: Usage, found: int | None, wire_format: WireFormat, base: str
) -> None:
    assert window(usage, finish="length", base=base, wire_format=wire_format) == found


def test_an_answer_that_ended_by_itself_or_without_counts_was_not_cut() -> None:
    assert window(Usage(900, 3196)) is None
    refuse_cuts(request_of(LOCAL), Completion("x", finish="length"), 16_384)
