"""Tool calls that open models write into the text of an answer, in each template's own notation."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightmodel.core.task import ToolSpec
from rightmodel.wire.inline_calls import inline_calls
from rightmodel.wire.inline_reasoning import split_reasoning
from rightmodel.wire.inline_stream import InlineSplitter
from rightmodel.wire.response import CallDelta, CallStart, ReasoningDelta, StreamEvent, parts_of

TOOLS = (
    ToolSpec(
        "read",
        "",
        {"type": "object", "properties": {"path": {"type": "string"}, "n": {"type": "integer"}}},
    ),
    ToolSpec("list", "", {}),
)
ARGUMENTS = {"path": "a b.txt", "n": 2}
JSON = json.dumps(ARGUMENTS)
NAMED = json.dumps({"name": "read", "arguments": ARGUMENTS})
FORMS = {
    "qwen, hermes": f"<tool_call>\n{NAMED}\n</tool_call>",
    "hermes, cut": f"<tool_call>\n{NAMED}",
    "qwen coder": (
        "<tool_call>\n<function=read>\n<parameter=path>\na b.txt\n</parameter>\n"
        "<parameter=n>\n2\n</parameter>\n</function>\n</tool_call>"
    ),
    "llama": f"<function=read>{JSON}</function>",
    "llama, python tag": '<|python_tag|>{"name": "read", "parameters": ' + JSON + "}",
    "mistral": f"[TOOL_CALLS] [{NAMED}]",
    "mistral, new": f"[TOOL_CALLS]read[ARGS]{JSON}",
    "mistral, bare": f"[TOOL_CALLS]read{JSON}",
    "glm": (
        "<tool_call>read\n<arg_key>path</arg_key>\n<arg_value>a b.txt</arg_value>\n"
        "<arg_key>n</arg_key>\n<arg_value>2</arg_value>\n</tool_call>"
    ),
    "invoke": (
        '<function_calls><invoke name="read"><parameter name="path">a b.txt</parameter>'
        '<parameter name="n">2</parameter></invoke></function_calls>'
    ),
    "deepseek": (
        "<\uff5ctool\u2581calls\u2581begin\uff5c><\uff5ctool\u2581call\u2581begin\uff5c>read<\uff5ctool\u2581sep\uff5c>"
        f"{JSON}<\uff5ctool\u2581call\u2581end\uff5c><\uff5ctool\u2581calls\u2581end\uff5c>"
    ),
    "deepseek, fenced": (
        "<\uff5ctool\u2581calls\u2581begin\uff5c><\uff5ctool\u2581call\u2581begin\uff5c>function<\uff5ctool\u2581sep\uff5c>"
        f"read\n```json\n{JSON}\n```<\uff5ctool\u2581call\u2581end\uff5c><\uff5ctool\u2581calls\u2581end\uff5c>"
    ),
    "kimi": (
        "<|tool_calls_section_begin|><|tool_call_begin|>functions.read:0"
        f"<|tool_call_argument_begin|>{JSON}<|tool_call_end|><|tool_calls_section_end|>"
    ),
    "gpt-oss": (
        "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>commentary "
        f"to=functions.read <|constrain|>json<|message|>{JSON}<|call|>"
    ),
    "cohere": (
        '<|START_ACTION|>[{"tool_call_id": "0", "tool_name": "read", "parameters": '
        f"{JSON}}}]<|END_ACTION|>"
    ),
}


@pytest.mark.parametrize("said", FORMS.values(), ids=FORMS)
def test_a_call_is_read_in_every_notation(said: str) -> None:
    assert split_reasoning(said).is_call
    (call,) = inline_calls(said, TOOLS)
    assert (call.name, json.loads(call.arguments)) == ("read", ARGUMENTS)


def test_several_calls_are_read_in_order() -> None:
    said = f'<tool_call>{NAMED}</tool_call>\n<tool_call>{{"name": "list"}}</tool_call>'
    assert [call.name for call in inline_calls(said, TOOLS)] == ["read", "list"]


@pytest.mark.parametrize(
    "said",
    [
        '<tool_call>{"name": "rm", "arguments": {}}</tool_call>',
        '<tool_call>{"name": "read", "arguments": {"path": "a',
        "<tool_call></tool_call>",
        f'<tool_call>{NAMED}</tool_call><tool_call>{{"name": "rm"}}</tool_call>',
        "No call.",
    ],
)
def test_what_is_no_call_of_these_tools_is_none(said: str) -> None:
    assert inline_calls(said, TOOLS) == []


def streamed(
    said: str, size: int, prompt: str = "", tools: tuple[ToolSpec, ...] = TOOLS
) -> list[StreamEvent]:
    splitter = InlineSplitter(tools, lambda: prompt)
    events: list[StreamEvent] = []
    for start in range(0, len(said), size):
        events += splitter.take([said[start : start + size]])
    return [*events, *splitter.end(lambda index: f"call_{index + 1}")]


def parts(events: list[StreamEvent]) -> tuple[str, str, list[tuple[str, str]]]:
    """Reasoning, text and calls of a stream."""
    said = "".join(e for e in events if isinstance(e, str))
    thought = "".join(e.text for e in events if isinstance(e, ReasoningDelta))
    names = {e.number: e.name for e in events if isinstance(e, CallStart)}
    calls = [(names[e.number], e.arguments) for e in events if isinstance(e, CallDelta)]
    assert parts_of(events) or not events
    return thought, said, calls


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize("said", FORMS.values(), ids=FORMS)
def test_a_call_in_a_stream_becomes_one_behind_the_text_before_it(said: str, size: int) -> None:
    _, text, calls = parts(streamed(said, size))
    assert (text, [name for name, _ in calls]) == ("", ["read"])
    assert json.loads(calls[0][1]) == ARGUMENTS
    if not said.startswith("<|channel"):
        _, text, calls = parts(streamed(f"Let me look: a < b.\n{said}", size))
        assert (text, [name for name, _ in calls]) == ("Let me look: a < b.\n", ["read"])


REASONED = [
    ("<think>Hm: a < b?</think>\n\nRome.", "Hm: a < b?", "Rome."),
    ("[THINK]Hm.[/THINK]Rome.", "Hm.", "Rome."),
    ("<think>a</think><think>b</think>Rome.", "ab", "Rome."),
    ("<think>never closed", "never closed", ""),
    ("<div>no reasoning</div>", "", "<div>no reasoning</div>"),
    ("[1] a list", "", "[1] a list"),
    ("<", "", "<"),
    ("Rome. <think>late</think>", "", "Rome. <think>late</think>"),
    ("<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>final<|message|>Rome.",
     "", "Rome."),
    ("analysis<|message|>a<|end|><|start|>assistant<|channel|>final<|message|>Rome.", "", "Rome."),
    ("an answer", "", "an answer"),
]  # fmt: skip


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize(("said", "thought", "text"), REASONED)
def test_reasoning_in_a_stream_becomes_reasoning(
    said: str, thought: str, text: str, size: int
) -> None:
    assert parts(streamed(said, size)) == (thought, text, [])


def test_reasoning_is_handed_on_before_it_ends() -> None:
    splitter = InlineSplitter((), str)
    assert splitter.take(["<think>It is long and"]) == [ReasoningDelta("It is long and")]


def test_markers_that_the_request_is_about_are_content() -> None:
    for said in ("<think>a</think>b", FORMS["llama"]):
        assert "".join(map(str, streamed(said, 5, prompt=f"Explain {said}"))) == said


def test_without_tools_a_call_is_text() -> None:
    assert "".join(map(str, streamed(FORMS["llama"], 5, tools=()))) == FORMS["llama"]


@pytest.mark.parametrize("said", ["[1] Rain", "[]", "- [x] done", "a[0] = [2, 3]", "[Rain](https"])
def test_brackets_that_begin_no_marker_are_not_withheld(said: str) -> None:
    for tools in (TOOLS, ()):
        assert "".join(map(str, InlineSplitter(tools, lambda: "").take([said]))) == said
    first = InlineSplitter(TOOLS, lambda: "")
    assert first.take(["["]) == []
    assert first.take(["1]"]) == ["[1]"]
    assert InlineSplitter(TOOLS, lambda: "").take(["[TOOL_C"]) == []


@given(
    st.lists(st.sampled_from(["<", "think>", "[", "a ", "</think>", "\n", "x" * 50])),
    st.integers(1, 9),
)
def test_nothing_but_markers_is_lost_however_a_stream_is_cut(pieces: list[str], size: int) -> None:
    said = "".join(pieces)
    whole, cut = (parts(streamed(said, n)) for n in (max(1, len(said)), size))
    assert whole == cut
    assert "".join(cut[:2]).count("x") == said.count("x")
