from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from rightmodel.core.task import Task
from rightmodel.execution.engine import effective_catalog, make_router
from rightmodel.manifest.local_servers import Served, ServedModel
from rightmodel.manifest.settings import Settings
from rightmodel.simulator import Behaviour, SimulatedProvider
from rightmodel.upstream.discovery import ask_local_servers

if TYPE_CHECKING:
    from pathlib import Path

    from rightmodel.core.decision import Decision

MANIFEST = """
version = 1
[providers.ollama]
protocol = "openai-chat"
base_url = "{url}"
[[models]]
id = "ollama/here"
cost = {{ input = 0, output = 0 }}
[[models]]
id = "ollama/elsewhere"
cost = {{ input = 0, output = 0 }}
"""


def decision(tmp_path: Path, url: str) -> Decision:
    settings = Settings(tmp_path / "m.toml", {})
    (tmp_path / "m.toml").write_text(MANIFEST.format(url=url))

    async def route() -> Decision:
        return await make_router(await effective_catalog(settings), settings).route(Task("hi"))

    return asyncio.run(route())


async def test_a_local_server_is_not_asked_for_a_model_that_it_does_not_have(
    tmp_path: Path,
) -> None:
    async with SimulatedProvider(models={"here": Behaviour()}) as upstream:
        found = await asyncio.to_thread(decision, tmp_path, upstream.base_url)
    assert [c.model for c in found.candidates] == ["ollama/here"]
    assert [(r.model, r.reason) for r in found.rejections] == [
        ("ollama/elsewhere", "ollama does not have elsewhere: pull or load it")
    ]


def test_a_server_that_does_not_answer_keeps_the_manifests_values(tmp_path: Path) -> None:
    found = decision(tmp_path, "http://127.0.0.1:1/v1")
    assert {c.model for c in found.candidates} == {"ollama/here", "ollama/elsewhere"}


def listing(*entries: Any, name: str = "llamacpp") -> Served | None:
    """What is made of the entries that a server lists."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = json.dumps({"object": "list", "data": entries}).encode()
        head = f"HTTP/1.1 200 OK\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        writer.close()

    async def run() -> Served | None:
        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            asked = await ask_local_servers({name: f"http://127.0.0.1:{port}/v1"})
            return asked.get(name)

    return asyncio.run(run())


@pytest.mark.parametrize(
    "name",
    [
        "text-embedding-nomic-embed-text-v1.5",
        "nomic-embed-text:latest",
        "mxbai-embed-large",
        "BAAI/bge-m3",
        "thenlper/gte-large",
        "intfloat/e5-mistral-7b-instruct",
        "all-minilm:33m",
        "Qwen/Qwen3-Reranker-4B",
        "Qwen/Qwen3-Embedding-8B",
        "whisper-large-v3",
        "hexgrad/Kokoro-82M",
        "tts-1",
        "stabilityai/stable-diffusion-3.5-large",
        "black-forest-labs/FLUX.1-dev",
        "nvidia/parakeet-tdt-0.6b-v2",
    ],
)
def test_models_that_do_not_chat_are_left_out(name: str) -> None:
    served = listing({"id": name}, {"id": "qwen3-8b"})
    assert served is not None
    assert [model.name for model in served.models] == ["qwen3-8b"]


@pytest.mark.parametrize(
    "name",
    [
        "qwen3-8b",
        "my-finetune-8b",
        "Influx-7b",
        "llava:13b",
        "gpt-oss:20b",
        "command-r-plus",
        "deepseek-r1-distill-qwen-32b",
        "phi-4-multimodal-instruct",
        "mistral-small3.2:24b",
        "glm-4.6",
    ],
)
def test_models_that_chat_are_kept(name: str) -> None:
    served = listing({"id": name})
    assert served is not None
    assert [model.name for model in served.models] == [name]


def test_what_a_server_lists_of_a_model_is_used() -> None:
    llama_cpp = {"id": "a", "owned_by": "llamacpp", "meta": {"n_ctx": 16384, "n_ctx_train": 9}}
    vllm = {"id": "b", "owned_by": "vllm", "max_model_len": 32000}
    studio = {"id": "c", "type": "vlm", "state": "loaded", "loaded_context_length": 4096}
    odd = {"id": "d", "meta": [], "max_model_len": "many"}
    embedding = {"id": "e", "type": "embeddings"}
    ollama = {"model": "f", "capabilities": ["completion", "tools", "vision"]}
    in_memory = {"model": "g", "context_length": 4096}
    bert = {"model": "h", "capabilities": ["embedding"]}
    router = {"id": "i", "status": {"value": "unloaded"}}
    served = listing(llama_cpp, vllm, studio, odd, embedding, ollama, in_memory, bert, router)
    assert served is not None
    assert served.models == (
        ServedModel("a", 16384, ("json_schema",)),
        ServedModel("b", 32000, ("json_schema",)),
        ServedModel("c", 4096, image=True, loaded=True),
        ServedModel("d"),
        ServedModel("f", features=("tools",), image=True),
        ServedModel("g", 4096, loaded=True),
        ServedModel("i", loaded=False),
    )


def test_a_server_on_vllms_port_that_lists_its_download_cache_holds_one_model_at_a_time() -> None:
    cache = listing({"id": "org/a", "owned_by": "org"}, name="vllm")
    real = listing({"id": "org/a", "owned_by": "vllm", "max_model_len": 8000}, name="vllm")
    assert cache is not None
    assert real is not None
    assert (cache.on_disk, real.on_disk) == (True, False)


@pytest.mark.parametrize(
    "entries", [(), ({"id": 5},), ({"name": "x"},), ("text",), ({"id": "nomic-embed-text"},)]
)
def test_a_server_without_a_chat_model_is_no_server(entries: tuple[Any, ...]) -> None:
    assert listing(*entries) is None
