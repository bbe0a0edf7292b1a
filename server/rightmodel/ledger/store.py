"""The interface of a database for the ledger: `sqlite.py` for one machine, `postgres.py` for teams.

Every method blocks: a store belongs to one thread, never the event loop's. Several processes may
use one ledger. Faults of the database are raised as `LedgerError`. The contract is
`tests/ledger/contract.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager
    from decimal import Decimal

    from rightmodel.ledger.records import (
        AttemptRecord,
        CallRecord,
        Cooldown,
        Hold,
        OutcomeRecord,
        Texts,
    )


class Key(NamedTuple):
    """What a sum covers: a UTC day ("2026-11-20") or month ("2026-11"), of one model or one skill.

    "" for every model, or every skill; not both a model and a skill.
    """

    period: str
    model: str = ""
    skill: str = ""


class Store(Protocol):
    """Rows in, rows out. Writing happens inside `transaction` only."""

    @property
    def location(self) -> str:
        """Its file or URL, for messages; without a password."""
        ...

    @property
    def notice(self) -> str:
        """A notice for people about what happened when it was opened; "" for nothing."""
        ...

    def transaction(self) -> AbstractContextManager[None]:
        """Atomic and exclusive: what is read inside stays true until it ends.

        Once it has ended without an error, what was written survives SIGKILL of this process. A
        transaction inside another joins it.
        """
        ...

    def add_attempt(self, row: AttemptRecord) -> None:
        """Add an attempt; nothing where its call already has one of that number."""
        ...

    def add_call(self, row: CallRecord) -> None:
        """Add a call; nothing where its id is known."""
        ...

    def add_texts(self, row: Texts) -> None:
        """Add prompt and answer."""
        ...

    def add_outcome(self, row: OutcomeRecord) -> None:
        """Add an outcome; it replaces a former one of its kind for that call and model."""
        ...

    def add_hold(self, hold: Hold) -> None:
        """Add a reservation; nothing where its id is known."""
        ...

    def drop_hold(self, number: int) -> bool:
        """Release the reservation with that id; whether it was there."""
        ...

    def holds(self) -> list[Hold]:
        """Everything that is reserved."""
        ...

    def add_cooldown(self, row: Cooldown) -> None:
        """Add a cooldown; the later of the former and the new one."""
        ...

    def drop_cooldown(self, key: str) -> None:
        """End a cooldown; one that is not there is no error."""
        ...

    def cooldowns(self, now: float) -> list[Cooldown]:
        """Those that still last."""
        ...

    def charged(self, key: Key) -> Decimal:
        """The exact sum of `charged_usd`. Called for every reservation: it must be quick."""
        ...

    def sums(self) -> Mapping[Key, Decimal]:
        """The sums that `charged` last read. Never raises."""
        ...

    def find_call(self, ref: str) -> CallRecord | None:
        """The latest call of that ref."""
        ...

    def find_attempt(self, call: int, number: int) -> AttemptRecord | None:
        """The attempt with that number of the call with that id."""
        ...

    def find_texts(self, call: int) -> Texts | None:
        """Prompt and answer of a call, where they were kept."""
        ...

    def calls(self, since: str, until: str) -> Iterator[CallRecord]:
        """Calls of the UTC days from `since` to `until`, both included, by time."""
        ...

    def attempts(self, since: str, until: str) -> Iterator[AttemptRecord]:
        """Attempts of the UTC days from `since` to `until`, both included, as written."""
        ...

    def recent_attempts(self, limit: int) -> list[AttemptRecord]:
        """The last ones written, oldest first."""
        ...

    def outcomes(self, after: int = 0) -> list[OutcomeRecord]:
        """Outcomes with an id above `after`, by id; a corrected one has a new id."""
        ...

    def close(self) -> None:
        """Close it; closing twice is no error."""
        ...
