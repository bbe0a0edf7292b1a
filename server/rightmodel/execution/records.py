"""The part of a ledger that an engine needs, and a ledger that keeps nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar, cast

from rightmodel.ledger.budget import Limits

if TYPE_CHECKING:
    from collections.abc import Callable

    from rightmodel.core.errors import LedgerError
    from rightmodel.ledger.budget import HoldRequest
    from rightmodel.ledger.records import (
        AttemptRecord,
        CallRecord,
        Cooldown,
        Hold,
        OutcomeRecord,
        Row,
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

    async def reserve(self, request: HoldRequest) -> Hold | None:
        """Reserve the worst case. Raises `BudgetError`."""
        ...

    def settle(self, hold: Hold | None, *rows: Row) -> tuple[str, ...]:
        """Write rows and settle the reservation. Returns flags for the receipt."""
        ...

    async def record(self, *rows: Row) -> None:
        """Write rows. Raises `LedgerError`."""
        ...

    def note(self, *rows: Row) -> None:
        """Write rows; does not wait."""
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

    async def reserve(self, request: HoldRequest) -> None:
        """Nothing is reserved."""

    def settle(self, hold: Hold | None, *rows: Row) -> tuple[str, ...]:  # noqa: ARG002
        """Nothing is kept."""
        return ()

    async def record(self, *rows: Row) -> None:
        """Nothing is kept."""

    def note(self, *rows: Row) -> None:
        """Nothing is kept."""

    async def read(self, question: Callable[[Store], _T]) -> _T:
        """Answered from an empty store."""
        return question(cast("Store", _EmptyStore()))

    async def find_call(self, ref: str) -> None:
        """There is none."""

    async def close(self) -> None:
        """There is nothing to close."""
