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
    native = f"{url.removesuffix('/v1')}/api/v0/models" if name == "lmstudio" else ""
    listings = await asyncio.gather(*(_list(client, at) for at in (f"{url}/models", native) if at))
    return _served(name, {**listings[0], **listings[-1]})


async def _list(client: httpx2.AsyncClient, url: str) -> dict[str, dict[str, Any]]:
    """Model name → its entry; empty for a server that does not answer in this form."""
    import httpx2

    try:
        async with asyncio.timeout(PATIENCE_S):
            response = await client.get(url)
            if len(response.content) > _MOST_BYTES:
                return {}
            data = response.json()["data"]
            return {m["id"]: m for m in data if isinstance(m.get("id"), str)}
    except (
        httpx2.HTTPError, httpx2.InvalidURL, TimeoutError, ValueError, KeyError, TypeError,
        AttributeError, RecursionError,
    ):  # fmt: skip
        return {}


def _served(name: str, entries: Mapping[str, dict[str, Any]]) -> Served | None:
    models = tuple(_model(model, entry) for model, entry in entries.items() if _chats(entry))
    if not models:
        return None
    # `transformers serve` has vLLM's usual port and lists its download cache.
    on_disk = name == "vllm" and not any(
        entry.get("max_model_len") or entry.get("owned_by") == "vllm" for entry in entries.values()
    )
    return Served(models, on_disk)


def _chats(entry: Mapping[str, Any]) -> bool:
    return not _NOT_CHAT.search(entry["id"]) and entry.get("type") not in _NOT_CHAT_TYPES


def _model(name: str, entry: Mapping[str, Any]) -> ServedModel:
    meta = entry.get("meta")
    windows = [
        entry.get("loaded_context_length"),  # LM Studio
        entry.get("max_model_len"),  # vLLM, SGLang
        meta.get("n_ctx") if isinstance(meta, dict) else None,  # llama.cpp
    ]
    window = next((w for w in windows if isinstance(w, int) and w > 0), None)
    enforced = entry.get("owned_by") in _SCHEMA_OWNERS
    return ServedModel(
        name, window, ("json_schema",) if enforced else (), image=entry.get("type") == "vlm"
    )
