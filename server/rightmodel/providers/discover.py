"""Which local servers answer on their usual loopback ports, and with which models."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from rightmodel.manifest.load import shipped_manifest
from rightmodel.manifest.read import shipped_names

if TYPE_CHECKING:
    from collections.abc import Sequence

LOCAL: Final = ("ollama", "lmstudio", "llamacpp", "vllm")
PATIENCE_S: Final = 0.5


async def local_models() -> dict[str, Sequence[str]]:
    """Local provider → names of the models it has; only those that answer within half a second."""
    import httpx2

    urls = {name: url for name in LOCAL if (url := _base_url(name))}
    async with httpx2.AsyncClient(timeout=PATIENCE_S, verify=False, trust_env=False) as client:

        async def ask(url: str) -> list[str]:
            try:
                body = (await client.get(f"{url}/models")).json()
                return [m["id"] for m in body["data"] if isinstance(m.get("id"), str)]
            except (httpx2.HTTPError, ValueError, KeyError, TypeError, AttributeError):
                return []

        answers = await asyncio.gather(*map(ask, urls.values()))
    return {name: models for name, models in zip(urls, answers, strict=True) if models}


def _base_url(name: str) -> str:
    shipped = shipped_manifest(name) if name in shipped_names() else None
    return (shipped.providers[name].base_url or "") if shipped else ""
