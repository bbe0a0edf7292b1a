"""The requests in flight at one provider: slots, who waits for one, and the budget for retries.

A provider receives so many requests at once as `max_concurrency` of the manifest says, and fewer
once it proved to be busy: the limit is halved where a request timed out in the provider's own
queue, raised by one for each full round of answers (additive increase, multiplicative decrease, as
in TCP). Where it holds one model at a time, requests for another one wait until the running ones
have ended. Pure: the time is handed in, and nothing here waits.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from asyncio import Future

RETRY_WINDOW_S: Final = 60.0
RETRY_FLOOR: Final = 3
"""Retries that are always allowed in a window, so that a lone model can be waited for."""
RETRY_SHARE: Final = 0.2
UNLIMITED: Final = 64.0
"""An adaptive limit that has grown to so many requests is lifted."""


@dataclass(slots=True)
class Traffic:
    """The requests to one provider.

    `limit`: at once, adaptive; `most`: the manifest's. `halved`: since the last answer.
    `holds_one`: model at a time; `model`: of the latest request. `recent`: when each of the last
    minute began, and whether it retried; `retries`: how many did.
    """

    most: float
    limit: float
    holds_one: bool
    model: str = ""
    halved: bool = False
    held: int = 0
    waiting: deque[tuple[Future[None], str]] = field(default_factory=deque)
    recent: deque[tuple[float, bool]] = field(default_factory=deque)
    retries: int = 0

    def has_room(self, model: str) -> bool:
        """Whether one more request for the model can be sent."""
        fits = not self.holds_one or not self.held or self.model == model
        return fits and self.held + 1 <= self.limit

    def admit(self) -> None:
        """Give the slots that are free to those who wait, in order."""
        while self.waiting:
            waiter, model = self.waiting[0]
            if waiter.done():  # cancelled
                self.waiting.popleft()
            elif self.has_room(model):
                self.waiting.popleft()
                self.take(model)
                waiter.set_result(None)
            else:
                return

    def take(self, model: str) -> None:
        """Occupy a slot."""
        self.held += 1
        self.model = model

    def release(self) -> None:
        """Free a slot."""
        self.held -= 1
        self.admit()

    def note(self, now: float, *, retry: bool) -> None:
        """A request begins."""
        self.recent.append((now, retry))
        self.retries += retry
        self._forget(now)

    def may_retry(self, now: float) -> bool:
        """Whether the retry budget allows one more."""
        self._forget(now)
        return self.retries < max(RETRY_FLOOR, RETRY_SHARE * len(self.recent))

    def _forget(self, now: float) -> None:
        while self.recent and self.recent[0][0] < now - RETRY_WINDOW_S:
            self.retries -= self.recent.popleft()[1]
