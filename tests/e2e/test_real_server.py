"""Inference servers that others wrote, with a model that answers for real."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from e2e import tiny_model
from e2e.install import has_compiler, machine_env, server_python
from e2e.processes import Finished, background, free_port, run
from e2e.setup import (
    MODEL,
    PROVIDER,
    RIGHTMODEL,
    Setup,
    build,
    called,
    stdio_session,
    texts,
    two_models,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mcp_types import CallToolResult

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

KEY = "sk-the-real-servers-key"
QUESTION = "What is the capital of France?"
TOO_LONG = "tell me more and more " * (tiny_model.WINDOW // 8)
TRUTH = {
    "type": "object",
    "properties": {"true": {"type": "boolean"}},
    "required": ["true"],
    "additionalProperties": False,
}


@contextlib.asynccontextmanager
async def llama_cpp(folder: Path, key: str = KEY) -> AsyncIterator[Setup]:
    """llama.cpp serves the tiny model; rightmodel knows it, and another name that nobody has."""
    model, port = folder / "tiny.gguf", free_port()
    tiny_model.write(model)
    script = str(Path(__file__).with_name("llama_server.py"))
    options = [str(model), str(port), str(tiny_model.WINDOW), KEY]
    command = [server_python("llama-cpp"), script, *options]
    async with background(command, env=machine_env(folder), cwd=folder, port=port, says="ready at"):
        yield real_models(folder, port, key)


@contextlib.asynccontextmanager
async def llama_cpp_python(folder: Path) -> AsyncIterator[Setup]:
    """The same with llama-cpp-python's server."""
    model, port = folder / "tiny.gguf", free_port()
    tiny_model.write(model)
    options = {
        "model": model, "model_alias": "tiny", "n_ctx": tiny_model.WINDOW,
        "host": "127.0.0.1", "port": port, "api_key": KEY,
    }  # fmt: skip
    command = [server_python("llama-cpp-python"), "-m", "llama_cpp.server"]
    command += [word for name, value in options.items() for word in (f"--{name}", str(value))]
    async with background(command, env=machine_env(folder), cwd=folder, port=port):
        yield real_models(folder, port, KEY)


def real_models(folder: Path, port: int, key: str) -> Setup:
    return build(
        folder,
        PROVIDER.format(name="real", url=f"http://127.0.0.1:{port}/v1", key_env="REAL_KEY"),
        MODEL.format(id="real/tiny", price=1) + 'features = ["json_schema"]\n',
        MODEL.format(id="real/nobody", price=1),
        REAL_KEY=key,
    )


async def ask(setup: Setup, *arguments: str) -> Finished:
    env = machine_env(setup.folder) | setup.env
    command = [RIGHTMODEL, "ask", *setup.files, "--json", *arguments]
    return await run(command, env=env, cwd=setup.folder)


async def complete(setup: Setup, prompt: str, **arguments: str) -> CallToolResult:
    async with stdio_session(setup) as session:
        return await called(session, "complete", prompt=prompt, **arguments)


def metadata(result: CallToolResult) -> dict[str, Any]:
    """The receipt, or what an error has instead."""
    assert result.meta is not None
    found: dict[str, Any] = next(
        value for key, value in result.meta.items() if key.startswith("rightmodel/")
    )
    return found


async def test_ask_prints_the_real_models_answer_and_what_the_server_counted(
    tmp_path: Path,
) -> None:
    async with llama_cpp(tmp_path) as setup:
        asked = await ask(setup, "--model", "real/tiny", QUESTION)
    assert asked.code == 0, str(asked)
    printed = json.loads(asked.out)
    assert printed["answer"].strip() == tiny_model.ANSWER
    (attempt,) = printed["receipt"]["attempts"]
    assert attempt["served"] == "tiny"
    assert attempt["usage"]["output"] == 8  # seven words and the end
    assert attempt["usage"]["input"] >= len(QUESTION)  # a byte is a token
    assert attempt["first_token_s"] > 0


async def test_complete_returns_the_real_models_answer(tmp_path: Path) -> None:
    async with llama_cpp(tmp_path) as setup:
        result = await complete(setup, QUESTION, model="real/tiny", system="Be brief.")
    assert not result.is_error, texts(result)
    assert texts(result)[0].strip() == tiny_model.ANSWER


async def test_the_real_servers_answer_matches_the_schema_that_was_asked_for(
    tmp_path: Path,
) -> None:
    async with llama_cpp(tmp_path) as setup:
        result = await complete(
            setup, "Is it?", model="real/tiny", schema=json.dumps(TRUTH, separators=(",", ":"))
        )
    assert not result.is_error, texts(result)
    assert json.loads(texts(result)[0]) in ({"true": True}, {"true": False})


async def test_a_prompt_too_long_for_the_real_server_is_a_context_overflow(tmp_path: Path) -> None:
    async with llama_cpp(tmp_path) as setup:
        result = await complete(setup, TOO_LONG, model="real/tiny")
    assert result.is_error
    assert [a["fault"] for a in metadata(result)["attempts"]] == ["context_overflow"]
    assert "exceeds the available context size (1024 tokens)" in texts(result)[0]
    assert metadata(result)["retryable"] is False


async def test_an_answer_that_fills_the_real_servers_window_does_not_pass_as_whole(
    tmp_path: Path,
) -> None:
    endless = {"type": "array", "items": {"type": "string", "minLength": 40}, "minItems": 400}

    async with llama_cpp(tmp_path) as setup:
        result = await complete(setup, "List", model="real/tiny", schema=json.dumps(endless))
    assert result.is_error
    assert [a["fault"] for a in metadata(result)["attempts"]] == ["context_overflow"]
    assert f"context window is full at {tiny_model.WINDOW} tokens" in texts(result)[0]


async def test_a_schema_beyond_the_real_servers_grammar_is_put_in_words(tmp_path: Path) -> None:
    beyond = {"type": "array", "items": {"type": "string"}, "minItems": 3000}

    async with llama_cpp(tmp_path) as setup:
        result = await complete(setup, "List", model="real/tiny", schema=json.dumps(beyond))
    # The tiny model answers in prose: that is told of its answer, and not of a refusal.
    assert {a["fault"] for a in metadata(result)["attempts"]} == {"schema_mismatch"}


async def test_a_base_url_without_its_path_is_reported_as_such(tmp_path: Path) -> None:
    async with llama_cpp(tmp_path) as setup:
        manifest = setup.folder / "rightmodel.toml"
        manifest.write_text(manifest.read_text().replace("/v1", "/v1/v1"))
        result = await complete(setup, QUESTION, model="real/tiny")
    assert result.is_error
    assert {a["fault"] for a in metadata(result)["attempts"]} == {"wrong_base_url"}
    assert "/v1/v1" in texts(result)[0]


async def test_a_model_that_the_real_server_does_not_know_is_answered_by_the_one_it_has(
    tmp_path: Path,
) -> None:
    """llama.cpp does not look at the name; the receipt says who answered."""
    async with llama_cpp(tmp_path) as setup:
        result = await complete(setup, QUESTION, model="real/nobody")
    answer, line = texts(result)
    assert answer.strip() == tiny_model.ANSWER
    assert metadata(result)["served"] == "tiny"
    assert "model=real/nobody served=tiny" in line


async def test_a_key_that_the_real_server_refuses_is_reported_as_such(tmp_path: Path) -> None:
    async with llama_cpp(tmp_path, key="sk-another-key") as setup:
        result = await complete(setup, QUESTION, model="real/tiny")
    assert result.is_error
    assert {a["fault"] for a in metadata(result)["attempts"]} == {"auth_failed"}
    assert "sk-another-key" not in texts(result)[0]


async def test_check_finds_that_the_real_server_answers(tmp_path: Path) -> None:
    async with llama_cpp(tmp_path) as setup:
        env = machine_env(setup.folder) | setup.env
        command = [RIGHTMODEL, "check", *setup.files, "--json"]
        checked = await run(command, env=env, cwd=setup.folder)
    assert checked.code == 0, str(checked)
    found = {f["model"]: f["ok"] for f in map(json.loads, checked.out.splitlines())}
    assert found == {"real/tiny": True, "real/nobody": True}


@pytest.mark.skipif(not has_compiler(), reason="llama-cpp-python has to be compiled: no c++ here")
async def test_the_other_real_servers_answer_comes_through_without_its_usage(
    tmp_path: Path,
) -> None:
    """llama-cpp-python streams no usage, whatever `stream_options` says."""
    async with llama_cpp_python(tmp_path) as setup:
        result = await complete(setup, QUESTION, model="real/tiny")
    assert not result.is_error, texts(result)
    assert texts(result)[0].strip() == tiny_model.ANSWER
    (attempt,) = metadata(result)["attempts"]
    assert "usage" not in attempt


@pytest.mark.skipif(not has_compiler(), reason="llama-cpp-python has to be compiled: no c++ here")
async def test_a_prompt_too_long_for_the_other_real_server_goes_to_another_model(
    tmp_path: Path,
) -> None:
    """It opens a stream and closes it without a word; the error is in its log alone."""
    spare = tmp_path / "spare"
    spare.mkdir()
    async with llama_cpp_python(tmp_path) as setup, two_models(spare) as other:
        sections = other.manifest.read_text().removeprefix("version = 1\n")
        setup.manifest.write_text(setup.manifest.read_text() + sections)
        setup.keys.write_text(setup.keys.read_text() + other.keys.read_text())
        result = await complete(setup, TOO_LONG, model="real/tiny, p/first")
    assert not result.is_error, texts(result)
    assert texts(result)[0] == "forty-two, says first"
    assert metadata(result)["attempts"][0]["model"] == "real/tiny"
