"""A refusal concerns what it speaks of, and anything at all that goes wrong fails over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hardening.bench import HEAD, Home, Pieces, Provider, Request, chat, http, model, provider

if TYPE_CHECKING:
    from pathlib import Path


def refusal(status: int, message: str, **more: str) -> Pieces:
    return http({"error": {"message": message, **more}}, status)


REFUSALS: dict[str, Pieces] = {
    "firewall": http(b"<html>Request blocked</html>", 403, "text/html"),
    "silent": http(b"", 403),
    "moderated": refusal(403, "Your request was flagged by our moderation system"),
    "model": refusal(403, "Project has no access to model `m`", code="model_not_found"),
    "no-such-model": refusal(404, "The model `m` does not exist", code="model_not_found"),
    "image": refusal(404, "No endpoints found that support image input"),
    "proxy": http(b"<html>413 Request Entity Too Large</html>", 413, "text/html"),
    "redirect": http(b"", 302, more="Location: http://[broken\r\n"),
    "not-modified": http(b"", 304),
    "nothing": b"",
    "garbage": b"\x16\x03\x01\xff\xfe\r\n\r\n",
    "length": b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
    "head": b"HTTP/1.1 200 OK\r\nX: " + b"a" * 1_000_000 + b"\r\n\r\n",
    "compressed": http(b"not gzip", more="Content-Encoding: gzip\r\n"),
    "list": http([1, 2]),
    "text": http("x"),
    "deep": http(b'{"a":' * 5_000 + b"1" + b"}" * 5_000, 400),
    "teapot": http({"why": "just because"}, 418),
    "huge": http(b"x" * 2_000_000, 500, "text/plain"),
}


def reply(request: Request) -> Pieces:
    return chat("from the other model") if request.body["model"] == "n" else REFUSALS[request.case]


def test_the_call_fails_over_and_other_models_of_the_provider_go_on(tmp_path: Path) -> None:
    with Provider(reply) as upstream, Provider(lambda _: chat("fine")) as good:
        manifest = HEAD + provider("good", good.port) + model("good/m", "{ input = 9, output = 9 }")
        for case in REFUSALS:
            manifest += provider(case, upstream.port, "key_env = 'KEY'")
            manifest += model(f"{case}/m") + model(f"{case}/n")
        home = Home(tmp_path / "m", manifest, {"KEY": "key-1234567890"})
        with home.session() as session:
            for case in REFUSALS:
                found = session.call(prompt=f"case:{case}", model=f"{case}/m, good/m")
                assert found.text == "fine", (case, found.text)
                other = session.call(prompt=f"case:{case}", model=f"{case}/n")
                assert other.text == "from the other model", (case, other.text)


def test_the_error_shows_what_the_upstream_sent_and_never_the_key(tmp_path: Path) -> None:
    body = {"why": "\x1b[2Jbad header Authorization: Bearer key-1234567890"}
    with Provider(lambda _: http(body, 400)) as upstream:
        manifest = HEAD + provider("a", upstream.port, "key_env = 'KEY'") + model("a/m")
        with Home(tmp_path / "m", manifest, {"KEY": "key-1234567890"}).session() as session:
            found = session.call(prompt="hello")
            assert found.failed
            assert "bad header" in found.text
            assert "key-1234567890" not in found.text
            assert "\x1b" not in found.text
