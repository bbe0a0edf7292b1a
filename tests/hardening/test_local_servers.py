"""Local servers in their own words, on both of their endpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hardening.bench import HEAD, Home, Pieces, Provider, Request, chat, http, model, provider

if TYPE_CHECKING:
    from pathlib import Path

BODIES: dict[str, tuple[Pieces, str]] = {
    "llamacpp": (
        http(
            {
                "error": {
                    "code": 400,
                    "message": "request (5102 tokens) exceeds the available context size (2048)",
                    "type": "exceed_context_size_error",
                }
            },
            400,
        ),
        "context_overflow",
    ),
    "sglang": (
        http(
            {
                "object": "error",
                "message": "The input (9000 tokens) is longer than the model's context length "
                "(2048 tokens).",
                "type": "BadRequestError",
            },
            400,
        ),
        "context_overflow",
    ),
    "tgi": (
        http(
            {
                "error": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= "
                "2048. Given: 5000 `inputs` tokens and 100 `max_new_tokens`",
                "error_type": "validation",
            },
            422,
        ),
        "context_overflow",
    ),
    "image": (
        http({"error": {"code": 500, "message": "image input is not supported"}}, 500),
        "bad_request",
    ),
    "path": (http({"detail": "Not Found"}, 404), "wrong_base_url"),
    "missing": (
        http({"error": {"message": "model 'x' not found, try pulling it first"}}, 404),
        "model_not_found",
    ),
    "disk": (http({"error": "write: no space left on device"}, 500), "server_error"),
    "bytes": (http(b"<h1>413 Request Entity Too Large</h1>", 413, "text/html"), "bad_request"),
    "own-field": (http({"why": "the moon is full"}, 400), "bad_request"),
}


def reply(request: Request) -> Pieces:
    return BODIES[request.case][0]


def test_their_complaints_are_known_on_both_endpoints(tmp_path: Path) -> None:
    with Provider(reply) as upstream:
        manifest = HEAD + "max_attempts = 1\n"
        for case in BODIES:
            for wire_format in ("openai-chat", "anthropic-messages"):
                name = f"{case}-{wire_format[:6]}"
                manifest += provider(name, upstream.port, wire_format=wire_format)
                manifest += model(f"{name}/x")
        with Home(tmp_path / "m", manifest).session() as session:
            for case, (_, code) in BODIES.items():
                for kind in ("openai", "anthro"):
                    found = session.call(prompt=f"case:{case}", model=f"{case}-{kind}/x")
                    assert f"code={code} " in found.line, (case, kind, found.text)
                    shown = {"disk": "disk", "own-field": "moon is full", "path": "base_url"}
                    assert shown.get(case, "") in found.text


def test_a_window_that_fills_is_learned_and_an_output_limit_is_not(tmp_path: Path) -> None:
    full = chat("half", "length", prompt_tokens=1500, completion_tokens=548, total_tokens=2048)
    limited = chat("half", "length", prompt_tokens=77, completion_tokens=512, total_tokens=589)
    with Provider(lambda r: full if r.body["model"] == "full" else limited) as upstream:
        manifest = HEAD + "max_attempts = 1\n" + provider("a", upstream.port)
        manifest += model("a/full") + model("a/limited")
        with Home(tmp_path / "m", manifest).session() as session:
            text = "word " * 1400
            assert "code=context_overflow" in session.call(prompt=text, model="a/full").line
            assert "code=cut_off" in session.call(prompt="hello", model="a/limited").line
            upstream.requests.clear()
            assert "proved" in session.call(prompt=text * 2, model="a/full").text
            assert not upstream.requests
            session.call(prompt=text, model="a/limited")
            assert upstream.requests


def test_more_cached_tokens_than_prompt_tokens_are_counts_apart(tmp_path: Path) -> None:
    apart = chat(
        "fine",
        prompt_tokens=10,
        total_tokens=5015,
        prompt_tokens_details={"cached_tokens": 5000},
    )
    with Provider(lambda _: apart) as upstream:
        manifest = HEAD + provider("a", upstream.port) + model("a/m")
        with Home(tmp_path / "m", manifest).session() as session:
            found = session.call(prompt="word " * 4900)
            assert found.text == "fine"
            assert float(found.receipt["cost_usd"]) > 0.004
