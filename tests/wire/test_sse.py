from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightmodel.wire.sse import Event, SseDecoder

STREAM = (
    ': a comment\n\nevent: message\ndata: {"a": "größer €"}\n\n'
    "data: first\ndata: second\ndata\ndata:\n\n"
    ":keep-alive\ndata:no space\nid: 7\nretry: 10\n\nevent: nothing\n\ndata: [DONE]\n\n"
).encode()
EVENTS = [
    Event(b"message", '{"a": "größer €"}'.encode()),
    Event(b"", b"first\nsecond\n\n"),
    Event(b"", b"no space"),
    Event(b"", b"[DONE]"),
]


def decoded(*chunks: bytes) -> list[Event]:
    decoder = SseDecoder()
    return [event for chunk in chunks for event in decoder.feed(chunk)]


@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b"\r"])
def test_lines_may_end_in_cr_lf_or_both(ending: bytes) -> None:
    assert decoded(STREAM.replace(b"\n", ending)) == EVENTS


@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b"\r"])
def test_a_stream_may_be_cut_into_single_bytes(ending: bytes) -> None:
    stream = STREAM.replace(b"\n", ending)
    assert decoded(*(stream[i : i + 1] for i in range(len(stream)))) == EVENTS


@given(cuts=st.lists(st.integers(0, len(STREAM) * 2), max_size=12))
def test_where_a_stream_is_cut_makes_no_difference(cuts: list[int]) -> None:
    stream = STREAM.replace(b"\n", b"\r\n")
    at = sorted({0, len(stream), *(c % len(stream) for c in cuts)})
    assert decoded(*(stream[a:b] for a, b in pairwise(at))) == EVENTS


def test_a_byte_order_mark_is_passed_over() -> None:
    assert decoded(b"\xef\xbb\xbfdata: x\n\n") == [Event(b"", b"x")]


def test_the_error_field_of_llama_cpp_counts_as_data() -> None:
    assert decoded(b'error: {"code": 500}\n\n') == [Event(b"error", b'{"code": 500}')]


def test_an_event_that_was_never_ended_is_given_at_the_close() -> None:
    decoder = SseDecoder()
    assert decoder.feed(b"data: [DONE]") == []
    assert decoder.close() == [Event(b"", b"[DONE]")]
    assert decoder.close() == []


def test_an_endless_line_is_looked_at_once() -> None:
    decoder = SseDecoder()
    for _ in range(20_000):
        assert decoder.feed(b"x" * 1000) == []  # quadratic work would take minutes
    assert decoder.feed(b"\n\n") == []
