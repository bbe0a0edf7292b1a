"""What a database has to offer the ledger: `sqlite.py` for one machine, `postgres.py` for a team.

Every method blocks, so a store is used on a thread of its own: never on the event loop. A store is
used by one thread alone; several processes may use one ledger. What a store cannot do is told as
`LedgerError`, whatever the database's own errors are. The contract is `tests/ledger/contract.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
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
    """What is summed up: a UTC day ("2026-11-20") or month ("2026-11"), of one model or one skill.

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
        """What happened when it was opened that people should know; "" for nothing."""
        ...

    def transaction(self, *, durable: bool = False) -> AbstractContextManager[None]:
        """All or nothing, and alone: what is read inside stays true until it ends.

        Once it has ended without an error, what was written survives the death of this process;
        with `durable` a power cut, too. One inside another joins it.
        """
        ...

    def add_attempt(self, row: AttemptRecord) -> None:
        """Add an attempt; nothing where its call already has one of that number."""
        ...

    def add_call(self, row: CallRecord) -> None:
        """Add a call; nothing where its id is known."""
        ...

    def add_texts(self, row: Texts) -> None:
        """Keep what was asked and answered."""
        ...

    def add_outcome(self, row: OutcomeRecord) -> None:
        """Add an outcome, in the place of what its kind said before of that call and model."""
        ...

    def add_hold(self, hold: Hold) -> None:
        """Reserve. Whether there is room is for `budget.py` to say."""
        ...

    def drop_holds(self, ids: Iterable[int]) -> None:
        """Release; an id that is not there is no error."""
        ...

    def holds(self) -> list[Hold]:
        """Everything that is reserved."""
        ...

    def add_cooldown(self, row: Cooldown) -> None:
        """Say that a key is out of order; the later of what stands and what is new."""
        ...

    def drop_cooldown(self, key: str) -> None:
        """Say that it is in order again; one that is not there is no error."""
        ...

    def cooldowns(self, now: float) -> list[Cooldown]:
        """Those that still last."""
        ...

    def charged(self, key: Key) -> Decimal:
        """The exact sum of `charged_usd`. Called for every reservation: it must be quick."""
        ...

    def sums(self) -> Mapping[Key, Decimal]:
        """What `charged` last knew, for going on without the store. Never raises."""
        ...

    def find_call(self, ref: str) -> CallRecord | None:
        """The latest call of that ref."""
        ...

    def find_texts(self, call: int) -> Texts | None:
        """What was asked and answered in a call, where that was kept."""
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
        """Let go of it; closing twice is no error."""
        ...
