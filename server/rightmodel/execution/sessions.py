"""Agents' sessions in memory, and shared with a team's other servers through its database.

A session is known by its client and its key, so that no client meets another's. Two turns of one
session at once are no error: the later answer counts. Only a hash of client and key is stored, and
no text.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter, OrderedDict
from dataclasses import asdict, replace
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

from rightmodel.core.decision import Assessment, SessionView, WarmPrefix
from rightmodel.core.errors import LedgerError
from rightmodel.ledger.call_rows import day_of
from rightmodel.ledger.records import Session, SessionsEnded
from rightmodel.manifest.catalog import Cache, Provider
from rightmodel.routing.session import (
    FURTHER_TURNS,
    HOUSEKEEPING,
    PRIOR_SEEN,
    UNPROMISED,
    Served,
    advanced,
    further_turns,
    read_back,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rightmodel.core.call import Receipt
    from rightmodel.core.task import Task
    from rightmodel.execution.records import Records

logger = logging.getLogger("rightmodel")

MOST: Final = 4_096
"""Sessions in memory; beyond that, those that were used least recently are forgotten."""
IDLE_S: Final = 86_400.0
"""A session without a turn for so long is over: no provider promises to cache longer."""
PATIENCE_S: Final = 0.25
"""How long a turn waits for the database before it uses what is in memory."""
UPKEEP_S: Final = 3_600.0
"""How often lengths of sessions are read, and stored sessions that are over are dropped."""
MOST_SEEN: Final = 200
"""Turns over which the share that a provider's cache gives back is a mean."""
DAYS_READ: Final = 30
"""Days of sessions from which their usual length is read."""


class Sessions:
    """`clock`: seconds since 1970. `is_shared`: whether other servers use the same ledger."""

    def __init__(
        self,
        providers: Mapping[str, Provider],
        records: Records,
        clock: Callable[[], float],
        *,
        is_shared: bool = False,
    ) -> None:
        self._providers = providers
        self._records = records
        self._clock = clock
        self._is_shared = is_shared
        self._views: OrderedDict[tuple[str, str], SessionView] = OrderedDict()
        self._further: Mapping[str, float] = {}
        self._shares: Mapping[str, float] = {}
        self._seen: Counter[str] = Counter()
        self._upkeep: asyncio.Task[None] | None = None
        self._upkeep_at = float("-inf")

    async def view(self, client: str, key: str) -> SessionView | None:
        """What is known of a session; `None` without a key, an empty view before its first turn."""
        if not key:
            return None
        if self._clock() >= self._upkeep_at:
            self._upkeep_at = self._clock() + UPKEEP_S
            self._upkeep = asyncio.create_task(self._keep_up())
        known = self._known((client, key))
        if self._is_shared:
            stored = await self._stored(client, key)
            if stored is not None and stored.at > known.at:
                known = stored
        further = self._further.get(client, FURTHER_TURNS)
        return replace(known, further_turns=further, shares=self._shares)

    def record(self, task: Task, receipt: Receipt) -> None:
        """A turn was answered: what its session and the caches are after it."""
        turn = task.turn
        if turn is None or not turn.session:
            return
        attempt, now = receipt.attempts[-1], self._clock()
        provider = self._providers.get(attempt.provider)
        name = (task.client, turn.session)
        view = self._known(name)
        if task.session is not None and task.session.at > view.at:  # another server was faster
            view = task.session
        served = Served(
            model=attempt.model,
            provider=attempt.provider,
            cache=provider.cache if provider else Cache(),
            usage=attempt.usage,
            prompt=receipt.decision.requirements.input_tokens,
            assessment=receipt.decision.assessment,
            kind=turn.kind,
            at=now,
        )
        self._learn(read_back(view.warm.get(attempt.model), served), served)
        after = advanced(view, served)
        if after is view:
            return
        self._keep(name, after)
        if self._is_shared:
            self._records.note(Session(session_hash(*name), now, _state(after)))

    def _learn(self, given_back: float | None, turn: Served) -> None:
        """How much of former prompts an automatic cache gives back, over the latest turns."""
        if given_back is None or turn.cache.marked or turn.kind in HOUSEKEEPING:
            return
        share = self._shares.get(turn.provider, UNPROMISED)
        self._seen[turn.provider] = min(self._seen[turn.provider] + 1, MOST_SEEN)
        share += (given_back - share) / (PRIOR_SEEN + self._seen[turn.provider])
        self._shares = {**self._shares, turn.provider: share}

    def _known(self, name: tuple[str, str]) -> SessionView:
        view = self._views.get(name)
        if view is None or self._clock() - view.at > IDLE_S:
            return SessionView()
        return view

    def _keep(self, name: tuple[str, str], view: SessionView) -> None:
        self._views[name] = view
        self._views.move_to_end(name)
        while len(self._views) > MOST or self._is_over(next(iter(self._views.values()))):
            self._views.popitem(last=False)

    def _is_over(self, view: SessionView) -> bool:
        return self._clock() - view.at > IDLE_S

    # -- with other servers -----------------------------------------------------------------------

    async def _stored(self, client: str, key: str) -> SessionView | None:
        hashed = session_hash(client, key)
        reading = asyncio.ensure_future(
            self._records.read(lambda store: store.find_session(hashed))
        )
        done, _ = await asyncio.wait({reading}, timeout=PATIENCE_S)
        if not done:
            reading.add_done_callback(_ignore)
            return None
        try:
            row = reading.result()
        except LedgerError as error:
            logger.warning("sessions of other servers are unknown: %s", error)
            return None
        return view_of(row.state) if row is not None else None

    async def _keep_up(self) -> None:
        """Learn how many turns follow an ask, and drop stored sessions that are over."""
        now = self._clock()
        since = day_of(now - DAYS_READ * 86_400.0)
        try:
            counted = await self._records.read(lambda store: store.turns_by_kind(since))
        except LedgerError as error:
            logger.warning("the usual length of sessions cannot be read: %s", error)
            return
        turns: dict[str, Counter[str]] = {}
        for client, kind, count in counted:
            turns.setdefault(client, Counter())[kind] += count
        self._further = {client: further_turns(kinds) for client, kinds in turns.items()}
        if self._is_shared:
            self._records.note(SessionsEnded(now - IDLE_S))


def session_hash(client: str, key: str) -> str:
    """Identifies a session without storing its key, which may be the user's words."""
    name = f"{len(client)} {client} {key}".encode("utf-8", "replace")
    return blake2b(name, digest_size=16).hexdigest()


def _state(view: SessionView) -> str:
    return json.dumps(asdict(replace(view, shares={})))


def view_of(state: str) -> SessionView | None:
    """A session as another server stored it; `None` where it cannot be read."""
    try:
        return _view(json.loads(state))
    except (ValueError, TypeError, KeyError) as error:
        logger.warning("skipped a stored session that cannot be read: %r", error)
        return None


def _view(stored: dict[str, Any]) -> SessionView:
    assessed = stored["assessment"]
    if assessed is not None:
        skills = tuple((str(skill), float(weight)) for skill, weight in assessed["skills"])
        stored["assessment"] = Assessment(**assessed | {"skills": skills})
    stored["warm"] = {model: WarmPrefix(*prefix) for model, prefix in stored["warm"].items()}
    return replace(SessionView(), **stored)


def _ignore(reading: asyncio.Future[Any]) -> None:
    """A late answer; its error, too, is of no use any more."""
    if not reading.cancelled():
        reading.exception()
