"""An agent's own turns: the same decision and the same executor as for delegated subtasks."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from rightmodel.core.errors import ClosedError
from rightmodel.ledger.records import new_ref

if TYPE_CHECKING:
    from rightmodel.core.call import Answer
    from rightmodel.core.task import Task
    from rightmodel.execution.executor import Executor
    from rightmodel.execution.relay import Relay
    from rightmodel.execution.sessions import Sessions
    from rightmodel.manifest.catalog import Routing


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
        return replace(task, session=await self._sessions.view(task.client, key)) if key else task

    async def close(self) -> None:
        """End whatever runs: each turn records what it cost and raises `ClosedError`."""
        self._is_closed = True
        running = dict(self._running)
        for current in running:
            if current is not None:
                current.cancel()
        for ended in running.values():
            await ended.wait()
