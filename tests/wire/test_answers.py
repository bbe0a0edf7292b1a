"""What of an upstream's response is an answer."""

from __future__ import annotations

from typing import Any

import pytest

from rightmodel.core.fault import Fault, Scope
from rightmodel.core.task import Message, WireFormat
from upstream.upstream import Reply, ask, chat, chunk, events, failure, generated, message, plain

OPENAI, RESPONSES, ANTHROPIC, GEMINI = (
    WireFormat.OPENAI_CHAT,
    WireFormat.OPENAI_RESPONSES,
    WireFormat.ANTHROPIC_MESSAGES,
    WireFormat.GEMINI,
)
CALL = {"index": 0, "id": "x", "type": "function", "function": {"name": "read", "arguments": "{}"}}
USE = {"type": "tool_use", "id": "x", "name": "read", "input": {}}
SENTENCE = "Let me look at the file first."
CALLS: dict[str, tuple[WireFormat, Reply]] = {
    "openai": (
        OPENAI,
        events(
            chunk({"content": SENTENCE}),
            chunk({"tool_calls": [CALL]}),
            chunk(finish="tool_calls"),
            done=True,
        ),
    ),
    "openai, in one piece": (
        OPENAI,
        plain({"choices": [{"message": {"content": SENTENCE, "tool_calls": [CALL]}}]}),
    ),
    "openai, the reason alone": (
        OPENAI,
        events(chunk({"content": SENTENCE}), chunk(finish="tool_calls"), done=True),
    ),
    "anthropic": (
        ANTHROPIC,
        events(
            {"type": "content_block_delta", "delta": {"type": "text_delta", "text": SENTENCE}},
            {"type": "content_block_start", "index": 1, "content_block": USE},
            {"type": "message_delta", "delta": {"stop_reason": "tool_use"}},
            {"type": "message_stop"},
        ),
    ),
    "anthropic, the reason alone": (ANTHROPIC, message(SENTENCE, "tool_use")),
    "gemini": (
        GEMINI,
        events(
            {"candidates": [{"content": {"parts": [{"text": SENTENCE}, {"functionCall": {}}]},
                             "finishReason": "STOP"}]}
        ),
    ),
    "gemini, the reason alone": (GEMINI, generated(SENTENCE, "UNEXPECTED_TOOL_CALL")),
    "as text": (OPENAI, chat(f"{SENTENCE}\n<tool_call>\n{{}}\n</tool_call>")),
}  # fmt: skip


@pytest.mark.parametrize(("protocol", "reply"), CALLS.values(), ids=CALLS)
def test_an_answer_that_ends_in_an_unrequested_tool_call_is_rejected(
    protocol: WireFormat, reply: Reply
) -> None:
    error = failure(reply, protocol=protocol)
    assert error.fault is Fault.UNFINISHED
    assert "tool call" in str(error)


def response(status: str, *items: dict[str, Any], kind: str = "", **more: object) -> Reply:
    """A response of which nothing but the last event came."""
    body = {"status": status, "output": list(items), **more}
    return events({"type": f"response.{kind or status}", "response": body})


def output(*content: dict[str, Any]) -> dict[str, Any]:
    return {"type": "message", "role": "assistant", "content": list(content)}


def test_what_was_not_streamed_is_read_from_the_whole_response() -> None:
    text, refusal = {"type": "output_text", "text": "Rome."}, {"type": "refusal", "refusal": "No."}
    completion, _ = ask(response("completed", output(text)), protocol=RESPONSES)
    assert (completion.text, completion.finish) == ("Rome.", "stop")
    completion, _ = ask(response("completed", output(refusal)), protocol=RESPONSES)
    assert (completion.text, completion.finish) == ("No.", "refused")


@pytest.mark.parametrize("call", ["custom_tool_call", "local_shell_call", "apply_patch_call"])
def test_a_call_of_any_tool_that_the_client_runs_is_no_answer(call: str) -> None:
    added = {"type": "response.output_item.added", "output_index": 1, "item": {"type": call}}
    said = {"type": "response.output_text.delta", "delta": SENTENCE}
    end = {"type": "response.completed", "response": {"status": "completed"}}
    assert failure(events(said, added, end), protocol=RESPONSES).fault is Fault.UNFINISHED
    ran = {**added, "item": {"type": "web_search_call"}}
    assert ask(events(said, ran, end), protocol=RESPONSES)[0].text == SENTENCE


@pytest.mark.parametrize(("phase", "text"), [("final_answer", "AB"), ("commentary", "B")])
def test_commentary_before_the_final_answer_is_no_part_of_it(phase: str, text: str) -> None:
    reply = []
    for index, (piece, marked) in enumerate((("A", phase), ("B", "final_answer"))):
        item = {"type": "message", "phase": marked}
        at = {"output_index": index}
        reply += [
            {"type": "response.output_item.added", **at, "item": item},
            {"type": "response.output_text.delta", **at, "delta": piece},
        ]
    end = {"type": "response.completed", "response": {"status": "completed"}}
    assert ask(events(*reply, end), protocol=RESPONSES)[0].text == text


UNKNOWN: list[tuple[WireFormat, Reply]] = [
    (OPENAI, events(chunk({"content": "half"}), chunk(finish="new_reason"), done=True)),
    (ANTHROPIC, message("half", "pause_turn")),
    (ANTHROPIC, message("half", "new_reason")),
    (RESPONSES, response("cancelled", kind="completed")),
    (RESPONSES, response("incomplete", incomplete_details={"reason": "new_reason"})),
    (GEMINI, generated("half", "OTHER")),
    (GEMINI, generated("half", "FINISH_REASON_UNSPECIFIED")),
    (GEMINI, generated("half", "MALFORMED_RESPONSE")),
]


@pytest.mark.parametrize(("protocol", "reply"), UNKNOWN)
def test_an_unknown_finish_reason_is_not_a_clean_stop(protocol: WireFormat, reply: Reply) -> None:
    error = failure(reply, protocol=protocol)
    assert (error.fault, error.scope) == (Fault.UNFINISHED, Scope.REQUEST)
    assert "may be unfinished" in str(error)


@pytest.mark.parametrize("reason", ["stop", "STOP", "eos", "eos_token", "end_turn", "COMPLETE"])
def test_every_server_s_finish_reason_for_a_clean_stop_is_known(reason: str) -> None:
    reply = events(chunk({"content": "ok"}), chunk(finish=reason), done=True)
    assert ask(reply)[0].finish == "stop"


def test_reasoning_in_the_text_is_not_handed_over() -> None:
    completion, _ = ask(chat("<think>Paris? No.</think>\n\nRome."))
    assert completion.text == "Rome."
    assert completion.reasoning_chars == len("<think>Paris? No.</think>\n\n")


def test_markers_that_the_prompt_is_about_stay() -> None:
    text = "<think>a</think>Rome."
    completion, _ = ask(chat(text), messages=(Message.of("user", "Wrap it in <think>."),))
    assert completion.text == text


def pieces(*texts: str) -> dict[str, tuple[WireFormat, Reply]]:
    """The texts, escaped as JSON, as events of each protocol."""

    def text_delta(text: str) -> dict[str, Any]:
        return {"type": "content_block_delta", "delta": {"type": "text_delta", "text": text}}

    def part(text: str, **more: str) -> dict[str, Any]:
        return {"candidates": [{"content": {"parts": [{"text": text}]}, **more}]}

    *first, last = texts
    return {
        "openai": (OPENAI, events(*(chunk({"content": t}) for t in texts), chunk(finish="stop"))),
        "anthropic": (ANTHROPIC, events(*map(text_delta, texts), {"type": "message_stop"})),
        "gemini": (GEMINI, events(*map(part, first), part(last, finishReason="STOP"))),
    }


@pytest.mark.parametrize(
    ("protocol", "reply"), pieces("A\ud83d", "\ude00B").values(), ids=["o", "a", "g"]
)
def test_a_character_split_over_two_events_is_joined(protocol: WireFormat, reply: Reply) -> None:
    assert ask(reply, protocol=protocol)[0].text == "A😀B"


def test_half_a_character_is_replaced() -> None:
    for half in ("\ud83d", "\ude00"):
        for protocol, reply in pieces("A", f"{half}!").values():
            assert ask(reply, protocol=protocol)[0].text == "A\ufffd!"


def test_white_space_in_front_of_an_answer_takes_linear_time() -> None:
    reply = chat()
    blank = Reply((*[b" "] * 20_000, b"\xef\xbb\xbf", b"\n", *reply.chunks), burst=500)
    assert ask(blank, patience=50)[0].text == "ok"
    error = failure(Reply((b" ",) * 20_000, burst=500), patience=50)
    assert error.fault is Fault.CONNECTION
