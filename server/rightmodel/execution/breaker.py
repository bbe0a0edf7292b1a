"""Circuit breaker of a key, a model or an endpoint: when it may be tried again after a fault. Pure.

An open breaker cools down; then it is half-open: one probe is let through, and its outcome closes
or re-opens it. A later fault never shortens a cooldown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rightmodel.core.fault import Cooldown, Fault, Scope

if TYPE_CHECKING:
    from rightmodel.core.errors import ProviderError

FIRST_COOLDOWN_S: Final = 5.0
"""Cooldown after a first fault; doubled by each further one in a row."""
MOST_COOLDOWN_S: Final = 120.0
"""The longest cooldown after faults in a row, silence apart."""
OUT_S: Final = 600.0
"""How long a key without quota or a model that does not exist stays out before it is probed, a
silent endpoint at most, and a window smaller than the manifest says is remembered."""
MOST_RETRY_AFTER_S: Final = 3600.0
PROBE_S: Final = 60.0
"""A probe without a result is forgotten after this."""
PROBING_S: Final = 1.0
"""While a probe is under way: fail over, or check again after this."""


@dataclass(slots=True)
class Breaker:
    """`open_until`: 0 is closed. `spare_from`: when it may be tried where all else is down.

    `faults`: in a row; those of requests that were under way when it opened are one. `opened`: the
    last ticket by then. `probe`: the ticket of the probe. `responded`: the latest fault was one of
    a response.
    """

    open_until: float = 0.0
    spare_from: float = 0.0
    faults: int = 0
    probing_since: float | None = None
    probe: int = 0
    opened: int = 0
    fault: Fault | None = None
    responded: bool = False

    def wait_s(self, now: float, until: float | None = None) -> float:
        """Seconds until it may be tried, by default normally; 0 when it is fit or half-open."""
        until = self.open_until if until is None else until
        if until > now:
            return until - now
        if self.probing_since is not None and now - self.probing_since < PROBE_S:
            return PROBING_S
        return 0.0

    def trip(self, error: ProviderError, now: float, *, ticket: int, latest: int) -> None:
        """A request failed. `ticket`: its own, 0 for the probe's; `latest`: of any request."""
        if not ticket or ticket > self.opened:
            self.faults += 1
            self.opened = latest
        self.fault, self.responded = error.fault, bool(error.status)
        cooldown = self._cooldown_s(error)
        limited = error.fault is Fault.RATE_LIMITED
        spare = cooldown if limited else min(cooldown, FIRST_COOLDOWN_S)
        self.spare_from = max(self.spare_from, now + spare)
        self.open_until = max(self.open_until, now + cooldown)

    def _cooldown_s(self, error: ProviderError) -> float:
        if error.fault.cooldown is Cooldown.LONG or (
            error.scope in {Scope.KEY, Scope.MODEL} and error.fault is not Fault.RATE_LIMITED
        ):
            return OUT_S
        asked = error.retry_after_s or 0.0  # a date in the past and a negative number are none
        if asked > 0:
            return min(asked, MOST_RETRY_AFTER_S)
        most = OUT_S if error.fault is Fault.TIMEOUT else MOST_COOLDOWN_S  # a probe takes 5 s
        return min(FIRST_COOLDOWN_S * 2.0 ** min(self.faults - 1, 10), most)
