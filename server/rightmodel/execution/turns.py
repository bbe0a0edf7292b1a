"""An agent's own turns: the same decision and executor as for delegated subtasks; their tokens."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, NamedTuple

from rightmodel.core.errors import ClosedError, ProviderError
from rightmodel.ledger.call_rows import new_ref
from rightmodel.wire.request import ModelRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rightmodel.core.call import Answer
    from rightmodel.core.task import Task, WireFormat
    from rightmodel.execution.executor import Executor
    from rightmodel.execution.relay import Relay
    from rightmodel.execution.sessions import Sessions
    from rightmodel.manifest.catalog import Catalog, Routing
    from rightmodel.routing.router import Router
    from rightmodel.upstream.exchange import Upstream

COUNT_S: Final = 5.0
"""A client asks before it sends: an upstream that takes longer is not waited for."""


class Turns:
    """Every turn of a server."""

    def __init__(self, executor: Executor, routing: Routing, sessions: Sessions) -> None:
        self._executor = executor
        self._routing = routing
        self._sessions = sessions
        self._running: dict[asyncio.Task[object] | None, asyncio.Event] = {}
        self._is_closed = False

    async def run(self, task: Task, relay: Relay | None = None, *, ref: str = "") -> Answer:
        """Route a turn and bring back its response.

        `task`: one with a `turn`. `relay`: takes the response while it arrives; without one it
        comes whole. `ref`: of the call, default a new one. The deadline shares out the time until
        the first event; a response that has begun may take as long as it goes on. Cancelling ends
        the upstream's request and records what it cost. Raises what `Executor.complete` does, and
        `ClosedError` when the server ends.
        """
        current, ended = asyncio.current_task(), asyncio.Event()
        self._running[current] = ended
        try:
            if self._is_closed:
                raise ClosedError
            return await self._run(task, relay, ref or new_ref())
        except asyncio.CancelledError:
            if not self._is_closed or current is None:
                raise
            current.uncancel()
            raise ClosedError from None
        finally:
            del self._running[current]
            ended.set()

    async def _run(self, task: Task, relay: Relay | None, ref: str) -> Answer:
        task = await self.with_session(task)
        answer = await self._executor.complete(
            task,
            deadline_s=self._routing.deadline_s,
            give_up_s=self._routing.give_up_s,
            live=False,
            ref=ref,
            relay=relay,
        )
        self._sessions.record(task, answer.receipt)
        return answer

    async def with_session(self, task: Task) -> Task:
        """The task with what is known of its turn's session, as it is routed."""
        key = task.turn.session if task.turn else ""
        return task.in_session(await self._sessions.view(task.client, key)) if key else task

    async def close(self) -> None:
        """End whatever runs: each turn records what it cost and raises `ClosedError`."""
        self._is_closed = True
        running = dict(self._running)
        for current in running:
            if current is not None:
                current.cancel()
        for ended in running.values():
            await ended.wait()


class Count(NamedTuple):
    """`model`: for which the tokens were counted, "" for an estimate."""

    tokens: int
    model: str = ""


class TokenCounter:
    """How many tokens a turn makes: counted by the upstream that would serve it, else estimated.

    `keys`: provider → its key or "".
    """

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
            task.content.messages,
            key=self._keys[endpoint.provider.name],
            turn=task.turn,
        )
        try:
            async with asyncio.timeout(COUNT_S):
                upstream = self._upstreams[endpoint.provider.protocol]
                tokens = await upstream.count_tokens(request)
        except (ProviderError, TimeoutError):
            return estimate
        return estimate if tokens is None else Count(tokens, model.id)
