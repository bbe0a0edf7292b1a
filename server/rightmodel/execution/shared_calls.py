"""Calls that run at another of a team's servers: their answers come through the shared ledger."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

from rightmodel.core.errors import LedgerError, TaskError
from rightmodel.execution.records import Records, recall
from rightmodel.execution.sessions import session_hash
from rightmodel.ledger.records import Session

if TYPE_CHECKING:
    from collections.abc import Callable

    from rightmodel.core.call import Answer
    from rightmodel.core.task import Task

POLL_S: Final = 0.5
"""Between two checks for an answer."""
MARGIN_S: Final = 30.0
"""After a call should have given up, until its server counts as dead."""


class SharedCalls:
    """`clock`: seconds since 1970. `give_up_s`: when a pending call ends."""

    def __init__(self, records: Records, clock: Callable[[], float], give_up_s: float) -> None:
        self._records = records
        self._clock = clock
        self._lasts_s = give_up_s + MARGIN_S

    async def announce(self, ref: str, client: str) -> None:
        """The call is pending: its client may ask any server for it."""
        with contextlib.suppress(LedgerError):  # then only this server knows the call
            await self._records.record(Session(_key(ref, client), self._clock(), ""))

    async def runs(self, ref: str, client: str) -> bool:
        """Whether the client's call may be running elsewhere."""
        key = _key(ref, client)
        try:
            row = await self._records.read(lambda store: store.find_session(key))
        except LedgerError:
            return False
        return row is not None and row.at > self._clock() - self._lasts_s

    async def answer(self, ref: str, client: str) -> tuple[Task, Answer]:
        """The call once it has ended. Raises `TaskError` where it has no answer to share."""
        while True:
            if (kept := await recall(self._records, ref)) is not None:
                return kept
            call = await self._records.find_call(ref)
            if call is not None and not call.model:
                raise TaskError(f"ref {ref}: the call ended with {call.outcome}", argument="ref")
            if call is not None:
                raise TaskError(
                    f"ref {ref}: another server has the answer in its memory; servers share "
                    "answers where the manifest has [privacy] store_text = true",
                    argument="ref",
                )
            if not await self.runs(ref, client):
                raise TaskError(
                    f"ref {ref} is gone: the server that ran the call has ended. "
                    "Hand the subtask over anew",
                    argument="ref",
                )
            await asyncio.sleep(POLL_S)


def _key(ref: str, client: str) -> str:
    return session_hash(client, f"call {ref}")
