"""What servers on one ledger know of providers together, those that have ended included.

Agents start servers all day, and `ask` is a process of its own. Without this, a key without credit
costs each of them a failed attempt; and a call meets, one after the other, the providers that the
calls before it have found broken. A team's ledger knows of other machines, too, whose networks and
local servers are others: of them, only keys count. Only a hash of a key is ever recorded.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from rightmodel.core.fault import Fault
from rightmodel.execution.breaker import OUT_S
from rightmodel.ledger.records import AttemptRecord, Cooldown, Restored

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from rightmodel.execution.call_state import EndpointKey, Outcomes
    from rightmodel.execution.health import Health
    from rightmodel.execution.records import Records
    from rightmodel.manifest.catalog import Provider


_FAULTS: Final = frozenset(fault.value for fault in Fault)
"""A newer server may record others."""
MOST_AHEAD_S: Final = 600.0
"""Rows from later than that are of a clock that was wrong: they would count until it is so late."""
_DOUBTS: Final = _FAULTS - {Fault.SCHEMA.value}


class SharedHealth:
    """`key(provider)`: its key or "". `clock`: seconds since 1970. `host`: this machine's name."""

    def __init__(
        self,
        providers: Iterable[Provider],
        ledger: Records,
        health: Health,
        *,
        key: Callable[[Provider], str],
        clock: Callable[[], float],
        host: str,
    ) -> None:
        self._providers = {provider.name: provider for provider in providers}
        self._key = key
        self._seen = self._hashes()
        self._ledger = ledger
        self._health = health
        self._clock = clock
        self._host = host
        health.on_key = self.changed

    def changed(self, provider: str, fault: Fault | None) -> None:
        """Record that a key does not work, or (no fault) works again."""
        which = self._hashes().get(provider)
        if which is None:
            return
        if fault is None:
            self._ledger.note(Restored(which))
        else:
            self._ledger.note(Cooldown(which, self._clock() + OUT_S, fault.value))

    def apply(self, cooldowns: Iterable[Cooldown], attempts: Iterable[AttemptRecord]) -> None:
        """Apply what this or another server recorded. `attempts`: the recent ones, oldest first."""
        here, now = (attempt for attempt in attempts if attempt.host == self._host), self._clock()
        self._health.recall(latest_outcomes(here, now=now))
        known = {c.key: c for c in cooldowns if c.until < now + OUT_S + MOST_AHEAD_S}
        before, self._seen = self._seen, self._hashes()
        for provider, which in self._seen.items():
            if which != before.get(provider):
                self._health.renew(provider)
            row = known.get(which)
            if row is not None:
                fault = Fault(row.fault) if row.fault in _FAULTS else Fault.AUTH
                self._health.rest(provider, row.until - now, fault)

    def _hashes(self) -> dict[str, str]:
        """Of the keys that providers have now."""
        keys = {name: (p.base_url, self._key(p)) for name, p in self._providers.items()}
        return {name: key_hash(*of) for name, of in keys.items() if of[1]}


def latest_outcomes(attempts: Iterable[AttemptRecord], *, now: float) -> Outcomes:
    """The latest outcome at each provider and endpoint.

    A fault counts for as long as a key that is out, an answer until there is a fault. The judge's
    attempts do not count: it has far less time.
    """
    found: dict[str | EndpointKey, Fault | None] = {}
    for attempt in attempts:
        is_recent = now - OUT_S < attempt.at < now + MOST_AHEAD_S
        is_fault = attempt.fault in _DOUBTS and is_recent
        if attempt.role != "judge" and (is_fault or not attempt.fault):
            outcome = Fault(attempt.fault) if is_fault else None
            found[attempt.provider] = found[attempt.provider, attempt.name] = outcome
    return found


def key_hash(address: str, secret: str) -> str:
    """Identifies an API key without storing it: 128 bits over the provider's base URL and the key.

    Not over the provider's name, which every manifest chooses.
    """
    return blake2b(f"{address}\0{secret}".encode(), digest_size=16).hexdigest()
