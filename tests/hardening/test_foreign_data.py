"""Schemas and answers that cost time without end: others are served meanwhile."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from hardening.bench import (
    GUARD_S,
    HEAD,
    Home,
    Pieces,
    Provider,
    Request,
    chat,
    model,
    provider,
    result,
)

if TYPE_CHECKING:
    from pathlib import Path

PATIENCE_S = 5.0
"""Far more than a ping takes on a loaded machine, far less than what is tried here would."""


def doubling(levels: int) -> dict[str, Any]:
    """Each definition refers twice to the next one."""
    defs: dict[str, Any] = {
        f"d{i}": {"allOf": [{"$ref": f"#/$defs/d{i + 1}"}] * 2} for i in range(levels)
    }
    return {"$defs": {**defs, f"d{levels}": {"type": "object"}}, "$ref": "#/$defs/d0"}


SCHEMAS: dict[str, Any] = {
    "doubling": doubling(30),
    "distinct": {"type": "array", "uniqueItems": True},
    "backtracking": {"type": "string", "pattern": "^(([a-z])+.)+[A-Z]([a-z])+$"},
    "names": {"patternProperties": {"(x+x+)+y": {}}},
    "contains": {"type": "array", "items": {"contains": {"contains": {"const": 1}}}},
    "enum": {"enum": [{"a": [i]} for i in range(3000)]},
    "deep": {"type": "array"},
    "braces": {"type": "object"},
    "digits": {"type": "number", "multipleOf": 0.01},
}
ANSWERS = {
    "doubling": "{}",
    "distinct": json.dumps([{"a": [i]} for i in range(5000)]),
    "backtracking": json.dumps("a" * 60),
    "names": json.dumps({"x" * 60: 1}),
    "contains": json.dumps([[[0] * 60] * 60] * 60),
    "enum": '{"a": [-1]}',
    "deep": "[" * 200_000,
    "braces": "{" * 300_000,
    "digits": "9" * 400_000,
}


def reply(request: Request) -> Pieces:
    return chat(ANSWERS[request.case]) if "case:" in str(request.body) else chat("fine")


def test_what_takes_for_ever_holds_up_nobody(tmp_path: Path) -> None:
    with Provider(reply) as upstream:
        manifest = HEAD + "max_attempts = 1\n" + provider("a", upstream.port) + model("a/m")
        with Home(tmp_path / "m", manifest).session() as session:
            calls = [
                session.begin(prompt=f"case:{name}", schema=json.dumps(schema))
                for name, schema in SCHEMAS.items()
            ]
            slowest = 0.0
            while any(call.empty() for call in calls):
                began = time.monotonic()
                session.start("ping").get(timeout=GUARD_S)
                slowest = max(slowest, time.monotonic() - began)
                time.sleep(0.05)
            assert slowest < PATIENCE_S
            for call in calls:
                result(call)
            assert session.call(prompt="and now?").text == "fine"


def test_an_answer_that_arrives_byte_by_byte_holds_up_nobody(tmp_path: Path) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
    body = chat("fine").partition(b"\r\n\r\n")[2]
    drip: Pieces = [head, *[b"\n"] * 20_000, *(bytes([byte]) for byte in body)]
    with Provider(lambda _: drip) as upstream:
        manifest = HEAD + provider("a", upstream.port) + model("a/m")
        with Home(tmp_path / "m", manifest).session() as session:
            call = session.begin(prompt="hello")
            began = time.monotonic()
            session.start("ping").get(timeout=GUARD_S)
            assert time.monotonic() - began < PATIENCE_S
            assert result(call).text == "fine"
