"""Kinds of turn, the human ask, stall and session, read from requests as the clients send them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest

from rightmodel.core.task import (
    Attachment,
    ChatRequest,
    Message,
    Text,
    ToolCall,
    ToolResult,
    ToolSpec,
    WireFormat,
)
from rightmodel.routing.session import assessment_of
from rightmodel.routing.signals.turn import TurnReading, read_turn, without_envelope
from rightmodel.wire.codecs import CODECS

CAPTURED: Final = [
    json.loads(line)
    for line in Path(__file__).with_name("turns.jsonl").read_text("utf-8").splitlines()
]
"""Requests of Claude Code 2.1.332, Codex 0.171.0, opencode 1.18.33 and OpenClaw 2026.9.6 to a
scripted model on loopback, 2026-11-29; long texts and paths are cut out."""

TOOLS = (ToolSpec("write", "", {}),)
CLAUDE = {"user-agent": "claude-cli/2.1.332 (external, sdk-cli)", "x-claude-code-session-id": "s1"}


def user(*texts: str) -> Message:
    return Message("user", tuple(map(Text, texts)))


def called(number: int, *, says: str, path: str = "a", is_error: bool = False) -> list[Message]:
    call = ToolCall(f"c{number}", "write", f'{{"path": "{path}"}}')
    result = ToolResult(call.id, (Text(says),), is_error=is_error)
    return [Message("assistant", (call,)), Message("user", (result,))]


def captured(name: str) -> TurnReading:
    found = next(capture for capture in CAPTURED if capture["name"] == name)
    decoded = CODECS[WireFormat(found["dialect"])].decode_request(found["body"])
    return read_turn(decoded, found["headers"], found["body"])


def request(*messages: Message, tools: Any = TOOLS, **fields: Any) -> ChatRequest:
    return ChatRequest("auto", messages, tools=tools, **fields)


def test_a_turn_that_returns_results_only_keeps_the_ask_before_it() -> None:
    found = read_turn(request(user("Fix it"), *called(1, says="ok")), CLAUDE, {})
    assert (found.kind, found.ask, found.client_name) == ("tool_result", "Fix it", "claude-code")


def test_the_same_call_with_the_same_result_three_times_is_a_stall() -> None:
    turns = [m for n in range(3) for m in called(n, says=f"took {n}.5 s")]
    found = read_turn(request(user("Fix it"), *turns), {}, {})
    assert "same call of write" in found.stall
    assert read_turn(request(user("Fix it"), *turns[:4]), {}, {}).stall == ""
    assert read_turn(request(user("Fix it"), *turns, user("Now that")), {}, {}).stall == ""


def test_three_failures_of_six_are_a_stall_if_the_newest_is_one() -> None:
    failing = [m for n in range(3) for m in called(n, says="no", path=f"p{n}", is_error=True)]
    assert "3 of the last 3" in read_turn(request(user("Fix it"), *failing), {}, {}).stall
    after = [*failing, *called(9, says="ok", path="q")]
    assert read_turn(request(user("Fix it"), *after), {}, {}).stall == ""


def test_the_first_ask_separates_sessions_and_the_envelope_does_not() -> None:
    def session(*messages: Message, headers: Any = CLAUDE) -> str:
        return read_turn(request(*messages), headers, {}).session

    first = session(user("<system-reminder>\nMonday\n</system-reminder>", "Fix it"))
    assert first == session(user("Fix it"), *called(1, says="ok"), user("And that"))
    assert first != session(user("List files"))
    assert first != session(user("Fix it"), headers={})
    assert session(user("<system-reminder>\n</system-reminder>"), headers={}) == ""


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"max_output_tokens": 1}, "probe"),
        ({"max_output_tokens": 5}, "ask"),
        ({"max_output_tokens": 32, "tools": ()}, "classifier"),
    ],
)
def test_tools_forbid_a_downgrade_of_all_but_a_probe(fields: dict[str, Any], kind: str) -> None:
    system = Message("system", (Text("Answer yes or no."),))
    assert read_turn(request(system, user("Is it?"), **fields), {}, {}).kind == kind


def test_housekeeping_is_easy_and_an_ask_is_not_judged_by_its_kind() -> None:
    title = assessment_of("title")
    assert title is not None
    assert title.difficulty == 2
    assert assessment_of("compaction") is None
    assert assessment_of("ask") is None


@pytest.mark.parametrize("capture", CAPTURED, ids=lambda capture: capture["name"])
def test_a_captured_turn_is_read_as_what_it_was(capture: dict[str, str]) -> None:
    found = captured(capture["name"])
    for field in ("kind", "ask", "stall"):
        assert getattr(found, field) == capture[field]
    assert found.client_name == capture["client"]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("claude-task/00", "claude-task/02", True),
        ("claude-task-multi/03", "claude-task-multi/04", True),
        ("claude-sub/02", "claude-sub/03", False),
        ("claude-task/00", "claude-task-multi/03", False),
        ("codex-task/00", "codex-task/02", True),
        ("codex-task-multi/01", "codex-task-multi/02", True),
        ("opencode-task/00", "opencode-task/01", False),
        ("openclaw-task/00", "openclaw-task/02", True),
        ("openclaw-task/00", "openclaw-task-multi/03", False),
        ("openclaw-resp-task/00", "openclaw-msg-task/02", False),
        ("openclaw-gateway/02", "openclaw-gateway/03", False),
        ("openclaw-gateway/03", "openclaw-gateway/04", True),
    ],
)
def test_captured_turns_of_one_conversation_have_one_session(
    one: str,
    other: str,
    same: bool,
) -> None:
    assert (captured(one).session == captured(other).session) is same


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Sender: ⟦openclaw:ctx⟧\n```json\n{\n}\n```\n\nFix it", "Fix it"),
        ("Chat: ⟦openclaw:ctx⟧\nsomewhere\nloud\n\nFix it", "Fix it"),
        ("<command-name>/do</command-name>\n<command-args>Fix it</command-args>", "Fix it"),
        ("Fix it\n<system-reminder>that never ends", "Fix it\n<system-reminder>that never ends"),
        ("[Request interrupted by user for tool use]\nFix it", "Fix it"),
        ("Why does <path>a</path> fail?", "Why does <path>a</path> fail?"),
    ],
)
def test_the_envelope_goes_and_the_humans_words_stay(text: str, left: str) -> None:
    assert without_envelope(text) == left


def test_a_large_history_is_read_in_no_time_and_a_hostile_text_too() -> None:
    hostile = (
        "<system-reminder>" * 50_000 + "x ⟦openclaw:ctx⟧\n" * 20_000 + "Runtime: agent=" * 9_000
    )
    assert read_turn(request(user(hostile), user("Fix it")), {}, {}).ask.endswith("Fix it")


def test_a_heartbeat_with_tools_and_a_classifier_call_with_an_image_are_asks() -> None:
    system = Message("system", (Text("<!-- openclaw:attempt -->"),))
    poll = user("Follow the heartbeat monitor scratch context when provided.")
    assert read_turn(request(system, poll), {}, {}).kind == "ask"
    assert read_turn(request(system, poll, tools=()), {}, {}).kind == "heartbeat"
    image = Message("user", (Attachment("a.png", "image/png", b"x"), Text("Is it?")))
    fields: dict[str, Any] = {"tools": (), "max_output_tokens": 8}
    assert read_turn(request(system, image, **fields), {}, {}).kind == "ask"


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        ("OpenAI/JS 7.15.0", "openai-js"),
        ("AsyncOpenAI/Python 3.1.0", "asyncopenai-python"),
        ("python-httpx/0.28.1", "python-httpx"),
        ("<script>/1", "script"),
        ("", ""),
    ],
)
def test_an_unknown_client_is_called_by_its_user_agent(agent: str, name: str) -> None:
    assert read_turn(request(user("Hi")), {"user-agent": agent}, {}).client_name == name
