"""What the ledger raises: trouble with where it is kept, and budgets that leave no room."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from rightmodel.core.errors import RightmodelError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal


class Trouble(StrEnum):
    """What is wrong with the place where the ledger is kept."""

    FULL = "disk_full"
    READ_ONLY = "read_only"
    DAMAGED = "damaged"
    LOCKED = "locked"
    NEWER = "newer_schema"
    UNREACHABLE = "unreachable"


class LedgerTrouble(RightmodelError):  # noqa: N818 - the answer still goes out: it is no error of the call
    """The ledger cannot be read or written. `kind`: why. `place`: which file or database.

    A call goes on without it; what should have been written is kept in memory until it can be.
    """

    code = "ledger_trouble"

    def __init__(self, kind: Trouble, message: str, *, place: str = "") -> None:
        super().__init__(message, retryable=kind is not Trouble.NEWER)
        self.kind = kind
        self.place = place

    @property
    def flag(self) -> str:
        """A word for the receipt."""
        return f"ledger={self.kind.value}"


class BudgetError(RightmodelError):
    """A budget has no room for the worst case of a call; nothing was reserved, nothing spent.

    `limit`: its name in the manifest. `left_usd`: what neither was spent nor is reserved.
    `held_usd`: what calls that still run have reserved under it. `resets_s`: seconds until the
    period ends, `None` for a limit per call. `cheaper`: models that would fit, in the order given.
    """

    code = "budget_exhausted"

    def __init__(  # noqa: PLR0913 - one keyword for each fact that a caller can act on
        self,
        message: str,
        *,
        limit: str,
        left_usd: Decimal,
        held_usd: Decimal,
        resets_s: float | None,
        cheaper: Sequence[str] = (),
        passing: bool = False,
    ) -> None:
        # Room that running calls hold comes free within seconds; all else waits for the reset.
        super().__init__(
            message,
            retryable=passing or resets_s is not None,
            retry_after_s=5.0 if passing else resets_s,
        )
        self.limit = limit
        self.left_usd = left_usd
        self.held_usd = held_usd
        self.resets_s = resets_s
        self.cheaper = tuple(cheaper)
