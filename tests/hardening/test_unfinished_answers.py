"""Drafts, tool calls and cut answers, in every wire format: none of them passes as the answer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hardening.bench import (
    HEAD,
    Home,
    Pieces,
    Provider,
    Request,
    chat,
    chunk,
    http,
    model,
    provider,
    sse,
)

if TYPE_CHECKING:
    from pathlib import Path

DRAFT = "Let me look."
CALL = {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def anthropic(blocks: list[dict[str, Any]], stop: str) -> Pieces:
    counts = {"input_tokens": 10, "output_tokens": 5}
    body = {"type": "message", "role": "assistant", "content": blocks, "stop_reason": stop}
    return http({**body, "usage": counts})


def gemini(parts: list[dict[str, Any]], reason: str) -> Pieces:
    content = {"role": "model", "parts": parts}
    return sse({"candidates": [{"content": content, "finishReason": reason}]})


def responses(*items: dict[str, Any], status: str = "completed", reason: str = "") -> Pieces:
    details = {"reason": reason} if reason else None
    return http({"status": status, "output": list(items), "incomplete_details": details})


def text(piece: str, **more: str) -> dict[str, Any]:
    part = {"type": "output_text", "text": piece}
    return {"type": "message", "role": "assistant", "content": [part], **more}


BLOCK, PART = {"type": "text", "text": DRAFT}, {"text": DRAFT}
DRAFTS: dict[str, dict[str, Pieces]] = {
    "openai-chat": {
        "tool": sse(chunk({"content": DRAFT}), chunk({"tool_calls": [CALL]}), chunk({}, "stop")),
        "old-call": sse(chunk({"content": DRAFT, "function_call": {"name": "f"}}, "stop")),
        "call-as-text": chat(f'{DRAFT}\n<tool_call>{{"name": "f"}}</tool_call>'),
        "harmony": chat(f"<|channel|>analysis<|message|>{DRAFT}"),
        "unclosed": chat(f"<think>{DRAFT}"),
        "new-reason": chat(DRAFT, "model_overloaded"),
        "aborted": chat(DRAFT, "abort"),
        "length": chat(DRAFT, "length"),
        "filtered": chat(DRAFT, "content_filter"),
        "refusal": sse(chunk({"refusal": DRAFT}), chunk({}, "stop")),
        "no-end": sse(chunk({"content": DRAFT})),
    },
    "anthropic-messages": {
        "tool": anthropic([BLOCK, {"type": "tool_use", "id": "t", "name": "f"}], "tool_use"),
        "paused": anthropic([BLOCK], "pause_turn"),
        "refused": anthropic([BLOCK], "refusal"),
        "full": anthropic([BLOCK], "model_context_window_exceeded"),
        "new-reason": anthropic([BLOCK], "brand_new"),
        "thinking": anthropic([{"type": "thinking", "thinking": DRAFT}], "end_turn"),
    },
    "gemini": {
        "tool": gemini([PART, {"functionCall": {"name": "f"}}], "STOP"),
        "other": gemini([PART], "OTHER"),
        "malformed": gemini([PART], "MALFORMED_FUNCTION_CALL"),
        "prohibited": gemini([PART], "PROHIBITED_CONTENT"),
        "length": gemini([PART], "MAX_TOKENS"),
        "thought": gemini([{**PART, "thought": True}], "STOP"),
        "blocked": sse({"promptFeedback": {"blockReason": "SAFETY"}}),
    },
    "openai-responses": {
        "tool": responses(text(DRAFT), {"type": "function_call", "name": "f", "call_id": "c"}),
        "custom": responses(text(DRAFT), {"type": "custom_tool_call", "name": "f"}),
        "shell": responses(text(DRAFT), {"type": "local_shell_call"}),
        "commentary": responses(text(DRAFT, phase="commentary")),
        "cancelled": responses(text(DRAFT), status="cancelled"),
        "length": responses(text(DRAFT), status="incomplete", reason="max_output_tokens"),
        "new-reason": responses(text(DRAFT), status="incomplete", reason="brand_new"),
        "failed": responses(text(DRAFT), status="failed"),
    },
}  # fmt: skip


def test_the_next_model_answers_instead(tmp_path: Path) -> None:
    manifest, stack = HEAD, []
    with Provider(lambda _: chat("whole")) as good:
        for wire_format, cases in DRAFTS.items():
            upstream = Provider(lambda r, cases=cases: cases[r.case])  # type: ignore[misc]
            stack.append(upstream.__enter__())
            name = wire_format.replace("-", "_")
            for case in cases:  # one model each: what one of them does must not decide for others
                manifest += model(f"{name}/{case}")
            manifest += provider(name, upstream.port, wire_format=wire_format)
        manifest += provider("good", good.port) + model("good/m", "{ input = 50, output = 100 }")
        with Home(tmp_path / "m", manifest).session() as session:
            for wire_format, cases in DRAFTS.items():
                for case in cases:
                    named = f"{wire_format.replace('-', '_')}/{case}, good/m"
                    found = session.call(prompt=f"case:{case}", model=named)
                    assert found.text == "whole", (wire_format, case, found.text)
                    assert len(found.receipt["attempts"]) == 2, (wire_format, case)
        for upstream in stack:
            upstream.__exit__()


ANSWERS = {
    "thinking": '<thinking>perhaps {"city": "Draft"}</thinking>\n{"city": "Rome"}',
    "no-opening": 'perhaps {"city": "Draft"}\n</think>\n{"city": "Rome"}',
    "braces": 'Sure {as asked} ([1]): {"a": 1}\n```json\n{"city": "Rome"}\n```\nThat {was} it.',
    "corrected": '{"city": "Draft"}\nNo:\n{"city": "Rome"}',
}


def test_with_a_schema_the_final_object_is_the_answer(tmp_path: Path) -> None:
    schema = {"type": "object", "required": ["city"], "properties": {"city": {"type": "string"}}}
    given = json.dumps({**schema, "additionalProperties": False})

    def reply(request: Request) -> Pieces:
        return chat({**ANSWERS, "nan": '{"city": NaN}'}[request.case])

    with Provider(reply) as upstream:
        manifest = HEAD + provider("a", upstream.port) + model("a/m")
        with Home(tmp_path / "m", manifest).session() as session:
            for case in ANSWERS:
                found = session.call(prompt=f"case:{case}", schema=given)
                assert json.loads(found.text) == {"city": "Rome"}, case
            assert session.call(prompt="case:nan", schema=given).failed


def test_a_short_answer_that_was_cut_does_not_shut_its_model_out(tmp_path: Path) -> None:
    with Provider(lambda r: chat("whole", "length" if r.case == "cut" else "stop")) as upstream:
        manifest = HEAD + provider("a", upstream.port) + model("a/m")
        with Home(tmp_path / "m", manifest).session() as session:
            assert session.call(prompt="case:cut").failed
            assert session.call(prompt="a longer prompt than the other one, case:next").text
