"""Without any configuration: what a new user's local server has is used as it is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from hardening.bench import HEAD, Home, Pieces, Provider, Request, chat, http, model, provider

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHATS = ("my-own-tune:latest", "gemma3:4b")
OTHERS = ("nomic-embed-text:latest", "bge-m3", "whisper-large", "Qwen3-Reranker-4B", "flux-dev")


def local_server(request: Request) -> Pieces:
    if "chat/completions" in request.path:
        return chat("from here")
    names = [*CHATS, *OTHERS]
    if request.path == "/api/tags":
        return http({"models": [{"name": name, "model": name} for name in names]})
    return http({"object": "list", "data": [{"id": name} for name in names]})


@pytest.fixture(scope="module")
def server() -> Iterator[Provider]:
    with Provider(local_server) as provider:
        yield provider


@pytest.mark.parametrize("form", ["http://localhost:{}/", "0.0.0.0:{}"])
def test_a_model_that_no_manifest_knows_answers(
    tmp_path: Path, server: Provider, form: str
) -> None:
    home = Home(tmp_path / "m", env={"OLLAMA_HOST": form.format(server.port)})
    assert home.run("ask", "--model", "my-own-tune", "hello").stdout.startswith("from here")


def test_what_does_not_chat_is_no_candidate_and_each_command_works(
    tmp_path: Path, server: Provider
) -> None:
    home = Home(tmp_path / "m", env={"OLLAMA_HOST": f"127.0.0.1:{server.port}"})
    listed = home.run("models")
    assert listed.returncode == 0, listed.stderr
    assert all(name in listed.stdout for name in CHATS)
    assert not any(name in listed.stdout for name in OTHERS)
    chosen = home.run("choose", "--json", "Write a poem")
    ids = [candidate["model"] for candidate in json.loads(chosen.stdout)["candidates"]]
    assert sorted(ids) == sorted(f"ollama/{name}" for name in CHATS)
    assert home.run("check", "--no-call").returncode == 0


def test_with_nothing_at_all_each_command_says_what_to_do(tmp_path: Path) -> None:
    home = Home(tmp_path / "m")
    for command in (("check",), ("ask", "hello"), ("choose", "hello")):
        done = home.run(*command)
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        assert "write a manifest" in done.stdout + done.stderr


def test_with_nothing_at_all_the_providers_that_a_key_connects_are_listed(tmp_path: Path) -> None:
    lines = Home(tmp_path / "m").run("models").stdout.splitlines()
    listed = [line.split() for line in lines[1:] if line.split()[-1].endswith("_API_KEY")]
    assert ["openai", "OPENAI_API_KEY"] in listed
    assert f"lists all {len(listed)})" in " ".join(lines)


def test_where_a_provider_is_included_but_no_model_of_it_no_keys_are_listed(tmp_path: Path) -> None:
    home = Home(tmp_path / "m", 'version = 1\ninclude = ["openai"]\nexclude = ["*"]\n')
    assert home.run("models").stdout.startswith("exclude leaves no model\n")


def test_a_manifest_that_is_changed_under_a_running_server_is_told_once(tmp_path: Path) -> None:
    with Provider(lambda _: chat("hi")) as one:
        home = Home(tmp_path / "m", HEAD + provider("p", one.port) + model("p/m"))
        manifest = tmp_path / "m" / "manifest.toml"
        with home.session() as session:
            assert "changed" not in session.call(prompt="first").line
            manifest.write_text(manifest.read_text() + "\n[budget]\nper_day_usd = 0\n")
            assert "manifest changed: it applies after" in session.call(prompt="second").line
            assert "changed" not in session.call(prompt="third").line
            manifest.write_text("version = 1\nbudgte = 3\n")
            assert "changed and has errors" in session.call(prompt="fourth").line
            manifest.unlink()
            assert "manifest changed" in session.call(prompt="fifth").line
        assert home.log.read_text().count("manifest changed") == 3
