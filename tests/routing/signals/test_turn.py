"""Kinds of turn, the human ask, stall and session, read from requests as the clients send them."""

from __future__ import annotations

from typing import Any

import pytest

from rightmodel.core.task import ChatRequest, Message, Text, ToolCall, ToolResult, ToolSpec
from rightmodel.routing.session import assessment_of
from rightmodel.routing.signals.turn import read_turn

TOOLS = (ToolSpec("write", "", {}),)
CLAUDE = {"user-agent": "claude-cli/2.1.332 (external, sdk-cli)", "x-claude-code-session-id": "s1"}


def user(*texts: str) -> Message:
    return Message("user", tuple(map(Text, texts)))


def called(number: int, *, says: str, path: str = "a", is_error: bool = False) -> list[Message]:
    call = ToolCall(f"c{number}", "write", f'{{"path": "{path}"}}')
    result = ToolResult(call.id, (Text(says),), is_error=is_error)
    return [Message("assistant", (call,)), Message("user", (result,))]


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
