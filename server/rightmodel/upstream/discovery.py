"""Which local servers answer on their usual loopback ports, and with which models."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from rightmodel.manifest.read import shipped_manifest, shipped_names

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rightmodel.manifest.catalog import Catalog

LOCAL: Final = ("ollama", "lmstudio", "llamacpp", "vllm")
PATIENCE_S: Final = 0.5


async def local_models() -> dict[str, Sequence[str]]:
    """Local provider → names of the models it has; only those that answer within half a second."""
    return await _served({name: url for name in LOCAL if (url := _base_url(name))})


async def not_pulled(catalog: Catalog) -> dict[str, str]:
    """Models of local servers that answer and do not have them → what to do about it."""
    urls = {p.name: p.base_url for p in catalog.providers.values() if p.name in LOCAL}
    served = await _served(urls) if urls else {}
    found = {}
    for model in catalog.models.values():
        places = [e for e in model.endpoints if e.provider.name in served]
        has = any({e.name, f"{e.name}:latest"} & {*served[e.provider.name]} for e in places)
        if len(places) == len(model.endpoints) and not has:
            first = places[0]
            found[model.id] = f"{first.provider.name} does not have {first.name}: pull or load it"
    return found


async def _served(urls: Mapping[str, str]) -> dict[str, Sequence[str]]:
    import httpx2

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
