"""How many tokens a turn makes: counted by the upstream that would serve it, else estimated."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, NamedTuple

from rightmodel.core.errors import ProviderError
from rightmodel.wire.request import ModelRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rightmodel.core.task import Task, WireFormat
    from rightmodel.manifest.catalog import Catalog
    from rightmodel.routing.router import Router
    from rightmodel.upstream.exchange import Upstream

COUNT_S: Final = 5.0
"""A client asks before it sends: an upstream that takes longer is not waited for."""


class Count(NamedTuple):
    """`model`: for which the tokens were counted, "" for an estimate."""

    tokens: int
    model: str = ""


class TokenCounter:
    """`keys`: provider → its key or ""."""

    def __init__(
        self,
        catalog: Catalog,
        router: Router,
        upstreams: Mapping[WireFormat, Upstream],
        keys: Mapping[str, str],
    ) -> None:
        self._catalog = catalog
        self._router = router
        self._upstreams = upstreams
        self._keys = keys

    async def count(self, task: Task) -> Count:
        """Prompt tokens of a turn. Raises `TaskError`."""
        decision = await self._router.route(task)
        estimate = Count(decision.requirements.input_tokens)
        if not decision.candidates:
            return estimate
        model = self._catalog.find(decision.candidates[0].model)
        endpoint = model.endpoints[0]
        request = ModelRequest(
            endpoint.provider,
            endpoint.name,
            task.messages,
            key=self._keys.get(endpoint.provider.name, ""),
            turn=task.turn,
        )
        try:
            async with asyncio.timeout(COUNT_S):
                upstream = self._upstreams[endpoint.provider.protocol]
                tokens = await upstream.count_tokens(request)
        except (ProviderError, TimeoutError):
            return estimate
        return estimate if tokens is None else Count(tokens, model.id)
