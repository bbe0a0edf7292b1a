"""A refusal that one changed field cures is repaired once, and remembered."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from hardening.bench import HEAD, Home, Pieces, Provider, Request, chat, http, model, provider

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WHOLE = http(
    {
        "choices": [{"message": {"content": "[1]"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5},
    }
)


class Trouble(NamedTuple):
    """When a model refuses, and in what words."""

    occurs: Callable[[dict[str, Any]], bool]
    message: str
    more: dict[str, str]


TROUBLES = {
    "stream": Trouble(
        lambda body: bool(body.get("stream")),
        "Your organization must be verified to stream this model.",
        {"param": "stream", "code": "unsupported_value"},
    ),
    "system": Trouble(
        lambda body: '"role": "system"' in json.dumps(body),
        "System role not supported",
        {"type": "BadRequestError"},
    ),
    "schema": Trouble(
        lambda body: "response_format" in body,
        "Failed to convert the grammar: schema is too complex",
        {"type": "invalid_request_error"},
    ),
    "cap": Trouble(
        lambda body: "max_tokens" in body,
        "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.",
        {"param": "max_tokens", "code": "unsupported_parameter"},
    ),
}  # fmt: skip


def reply(request: Request) -> Pieces:
    occurs, message, more = TROUBLES[str(request.body["model"])]
    if occurs(request.body):
        return http({"error": {"message": message, **more}}, 400)
    return chat("[1]") if request.body.get("stream") else WHOLE


def test_the_second_call_is_right_at_once(tmp_path: Path) -> None:
    with Provider(reply) as upstream:
        manifest = HEAD + provider("a", upstream.port)
        for name in TROUBLES:
            manifest += model(f"a/{name}", more='features = ["json_schema"]')
        with Home(tmp_path / "m", manifest).session() as session:
            for name in TROUBLES:
                given = {"system": "be short", "schema": '{"type": "array"}', "model": f"a/{name}"}
                upstream.requests.clear()
                for expected in (2, 3):
                    found = session.call(prompt="hello", **given)
                    assert found.text == "[1]", (name, found.text)
                    assert len(upstream.requests) == expected, name
