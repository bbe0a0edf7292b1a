"""Which local servers answer, and which chat models they list."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any, Final

from rightmodel.manifest.local_servers import Served, ServedModel

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx2

PATIENCE_S: Final = 0.5
_MOST_BYTES: Final = 4_000_000
_NOT_CHAT: Final = re.compile(
    r"embed|(^|[-_/:. ])(bge|gte|e5|minilm|sbert|clip|siglip|colbert|splade|jina-reranker)[-_.]"
    r"|all-minilm|paraphrase-|rerank|cross-encoder|whisper|wav2vec|parakeet|canary-\d|moonshine"
    r"|(^|[-_/:. ])(tts|stt|asr|vad|t2i|t2v|vae|unet)([-_/:. ]|\d|$)|kokoro|piper|bark(-|$)|xtts"
    r"|orpheus|musicgen|stable-diffusion|sdxl|sd3|(^|[-_/])flux|dall-?e|imagen|moderation"
    r"|reward-model|(^|[-_/])draft[-_]|mmproj",
    re.IGNORECASE,
)
"""Names of models that embed, rank, speak, listen, paint or judge instead of chatting."""
_NOT_CHAT_TYPES: Final = frozenset(
    {"embedding", "embeddings", "rerank", "reranker", "tts", "stt", "asr", "image", "audio"}
)
_NATIVE: Final = {"lmstudio": ("/api/v0/models",), "ollama": ("/api/tags", "/api/ps")}
"""Listings of a server's own API, which say more than the OpenAI-compatible one."""
_SCHEMA_OWNERS: Final = frozenset({"vllm", "llamacpp", "sglang", "library", "organization_owner"})
"""`owned_by` of servers that enforce a JSON schema: vLLM, llama.cpp, SGLang, Ollama, LM Studio."""


async def ask_local_servers(urls: Mapping[str, str]) -> dict[str, Served]:
    """Local provider → what its server lists. `urls`: local provider → base URL.

    Only servers that answer within half a second with at least one chat model.
    """
    if not urls:
        return {}
    import httpx2

    async with httpx2.AsyncClient(timeout=PATIENCE_S, verify=False, trust_env=False) as client:
        answers = await asyncio.gather(*(_ask(client, name, url) for name, url in urls.items()))
    return {name: served for name, served in zip(urls, answers, strict=True) if served is not None}


async def _ask(client: httpx2.AsyncClient, name: str, url: str) -> Served | None:
    root = url.removesuffix("/v1")
    paths = [f"{url}/models", *(f"{root}{path}" for path in _NATIVE.get(name, ()))]
    entries: dict[str, dict[str, Any]] = {}
    for listing in await asyncio.gather(*(_list(client, path) for path in paths)):
        for model, entry in listing.items():
            entries[model] = {**entries.get(model, {}), **entry}
    return _served(name, entries)


async def _list(client: httpx2.AsyncClient, url: str) -> dict[str, dict[str, Any]]:
    """Model name → its entry; empty for a server that does not answer in this form."""
    import httpx2

    try:
        async with asyncio.timeout(PATIENCE_S):
            response = await client.get(url)
            if len(response.content) > _MOST_BYTES:
                return {}
            body = response.json()
        return dict(filter(None, map(_entry, body.get("data") or body.get("models") or ())))
    except (
        httpx2.HTTPError, httpx2.InvalidURL, TimeoutError, ValueError, KeyError, TypeError,
        AttributeError, RecursionError,
    ):  # fmt: skip
        return {}


def _entry(entry: dict[str, Any]) -> tuple[str, dict[str, Any]] | None:
    """An entry by its model's name. Only models in memory have Ollama's `context_length`."""
    name = entry.get("id") or entry.get("model")
    if not isinstance(name, str):
        return None
    if "context_length" in entry:
        entry = {**entry, "state": "loaded", "loaded_context_length": entry["context_length"]}
    return name, entry


def _served(name: str, entries: Mapping[str, dict[str, Any]]) -> Served | None:
    models = tuple(_model(model, entry) for model, entry in entries.items() if _chats(model, entry))
    if not models:
        return None
    # `transformers serve` has vLLM's usual port and lists its download cache.
    on_disk = name == "vllm" and not any(
        entry.get("max_model_len") or entry.get("owned_by") == "vllm" for entry in entries.values()
    )
    return Served(models, on_disk)


def _chats(name: str, entry: Mapping[str, Any]) -> bool:
    capabilities = entry.get("capabilities")  # Ollama
    if isinstance(capabilities, list) and capabilities:
        return "completion" in capabilities
    kind = entry.get("type")  # LM Studio
    return not _NOT_CHAT.search(name) and not (isinstance(kind, str) and kind in _NOT_CHAT_TYPES)


def _model(name: str, entry: Mapping[str, Any]) -> ServedModel:
    meta, status = entry.get("meta"), entry.get("status")
    windows = [
        entry.get("loaded_context_length"),  # LM Studio, Ollama
        entry.get("max_model_len"),  # vLLM, SGLang
        meta.get("n_ctx") if isinstance(meta, dict) else None,  # llama.cpp
    ]
    window = next((w for w in windows if isinstance(w, int) and w > 0), None)
    state = status.get("value") if isinstance(status, dict) else entry.get("state")
    owner, capabilities = entry.get("owned_by"), entry.get("capabilities")
    known = capabilities if isinstance(capabilities, list) else []
    enforced = isinstance(owner, str) and owner in _SCHEMA_OWNERS
    return ServedModel(
        name,
        window,
        (*(["json_schema"] if enforced else []), *(["tools"] if "tools" in known else [])),
        image=entry.get("type") == "vlm" or "vision" in known,
        loaded=state == "loaded" if isinstance(state, str) else None,
    )
