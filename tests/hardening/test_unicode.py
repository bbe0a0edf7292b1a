"""Text that is not valid Unicode, in each argument and each place of an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

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

HALF = "\ud83d"
ANSWERS: dict[str, Pieces] = {
    "whole": chat(f"a{HALF}"),
    "split": sse(chunk({"content": f"a{HALF}"}), chunk({"content": "\ude00"}), chunk({}, "stop")),
    "reversed": sse(chunk({"content": "\ude00\ud83d"}), chunk({}, "stop")),
    "name": sse({**chunk({"content": "a"}, "stop"), "model": f"m{HALF}"}),
    "finish": sse(chunk({"content": "a"}, f"stop{HALF}")),
    "reasoning": sse(chunk({"reasoning_content": HALF}), chunk({"content": "a"}, "stop")),
    "usage": chat("a", **{HALF: 5}),
    "error": http({"error": {"message": f"no {HALF}", "code": HALF}}, 400),
    "bytes": http(
        b'data: {"choices":[{"delta":{"content":"a\xff"},"finish_reason":"stop"}]}\n\n',
        kind="text/event-stream",
    ),
    "null": chat("a\0b"),
}
ARGUMENTS: list[dict[str, object]] = [
    {"prompt": HALF},
    {"prompt": "x", "system": f"{HALF}{HALF}"},
    {"prompt": "x", "model": f"a/{HALF}"},
    {"prompt": "x", "skill": HALF},
    {"prompt": "x", "files": [f"{HALF}.txt"]},
    {"prompt": "x", "schema": f'{{"title": "{HALF}"}}'},
    {"prompt": "x", "schema": '{"title": "\\ud83d"}'},
    {"prompt": "x", "ref": HALF},
    {"prompt": "x", HALF: "x"},
    {HALF: {HALF: HALF}},
]


def reply(request: Request) -> Pieces:
    return ANSWERS.get(request.case, b"") if "case:" in str(request.body) else chat("fine")


def test_each_call_is_answered_in_valid_text_and_the_server_goes_on(tmp_path: Path) -> None:
    with Provider(reply) as upstream:
        manifest = HEAD + "max_attempts = 1\n" + provider("a", upstream.port) + model("a/m")
        with Home(tmp_path / "m", manifest).session() as session:
            for name in ANSWERS:
                found = session.call(prompt=f"hello case:{name}")
                (found.text + found.line).encode()
            assert session.call(prompt="case:split").text == "a😀"
            for arguments in ARGUMENTS:
                session.call(**arguments).text.encode()
                session.call("choose_model", **arguments)
            assert session.call("report_outcome", ref=HALF, good=True).failed
            assert session.call(prompt="and now?").text == "fine"
