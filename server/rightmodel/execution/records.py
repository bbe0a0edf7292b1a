"""The part of a ledger that an engine needs, and a ledger that keeps nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar, cast

from rightmodel.ledger.budget import Limits
from rightmodel.ledger.ledger import Told

if TYPE_CHECKING:
    from collections.abc import Callable

    from rightmodel.core.errors import LedgerError
    from rightmodel.ledger.budget import Ask
    from rightmodel.ledger.ledger import Row
    from rightmodel.ledger.records import (
        AttemptRecord,
        CallRecord,
        Cooldown,
        Hold,
        OutcomeRecord,
    )
    from rightmodel.ledger.store import Store

_T = TypeVar("_T")


class Records(Protocol):
    """The part of a ledger that an engine needs."""

    @property
    def limits(self) -> Limits:
        """The budgets over time."""
        ...

    @property
    def trouble(self) -> LedgerError | None:
        """What is wrong with it now."""
        ...

    async def reserve(self, ask: Ask) -> Hold | None:
        """Room for the worst case. Raises `BudgetError`."""
        ...

    async def record(self, *rows: Row, hold: Hold | None = None) -> Told:
        """Write rows, settle the hold, say what a caller should hear."""
        ...

    def note(self, *rows: Row, hold: Hold | None = None) -> None:
        """The same without waiting."""
        ...

    def lift(self, key: str) -> None:
        """The key with that hash works again."""
        ...

    async def read(self, question: Callable[[Store], _T]) -> _T:
        """Ask the store. Raises `LedgerError`."""
        ...

    async def find_call(self, ref: str) -> CallRecord | None:
        """The latest call with that ref."""
        ...

    async def close(self) -> None:
        """Write what was noted, and close the store."""
        ...


class _EmptyStore:
    """What an engine reads from a ledger without rows."""

    def outcomes(self, after: int = 0) -> list[OutcomeRecord]:  # noqa: ARG002
        return []

    def recent_attempts(self, limit: int) -> list[AttemptRecord]:  # noqa: ARG002
        return []

    def cooldowns(self, now: float) -> list[Cooldown]:  # noqa: ARG002
        return []

    def find_call(self, ref: str) -> None:  # noqa: ARG002
        return None


class Unrecorded:
    """Records of calls that are not paid for, such as a rehearsal's: nothing is kept."""

    limits = Limits()
    trouble: LedgerError | None = None

    async def reserve(self, ask: Ask) -> None:
        """Nothing is reserved."""

    async def record(self, *rows: Row, hold: Hold | None = None) -> Told:  # noqa: ARG002
        """Nothing is kept."""
        return Told()

    def note(self, *rows: Row, hold: Hold | None = None) -> None:
        """Nothing is kept."""

    def lift(self, key: str) -> None:
        """Nothing is kept."""

    async def read(self, question: Callable[[Store], _T]) -> _T:
        """Answered from an empty store."""
        return question(cast("Store", _EmptyStore()))

    async def find_call(self, ref: str) -> None:
        """There is none."""

    async def close(self) -> None:
        """There is nothing to close."""
