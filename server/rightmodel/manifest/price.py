"""Token prices: by cache use, prompt size, hour and date."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rightmodel.core.call import Usage

_DAY_S: Final = 86_400
_THURSDAY: Final = 3
"""The first of January 1970; Monday is 0."""


@dataclass(frozen=True, slots=True)
class Terms:
    """Conditions of a price; all that are given must hold. A moment is seconds since 1970.

    `input_above`: prompts of more tokens than this. `minutes`: spans of the UTC day, from the first
    up to the second, over midnight if the second is smaller. `days`: UTC weekdays, 0 is Monday.
    `since`: from this moment on.
    """

    input_above: int = -1
    minutes: tuple[tuple[int, int], ...] = ()
    days: frozenset[int] = frozenset()
    since: float | None = None

    @property
    def timed(self) -> bool:
        """Whether the conditions depend on when the call is made."""
        return bool(self.minutes or self.days) or self.since is not None

    def hold_at(self, moment: float) -> bool:
        """Whether the conditions on time hold at that moment."""
        day, second = divmod(int(moment), _DAY_S)
        minute = second // 60
        return (
            (self.since is None or moment >= self.since)
            and (not self.days or (day + _THURSDAY) % 7 in self.days)
            and (not self.minutes or any(_within(minute, span) for span in self.minutes))
        )


def _within(minute: int, span: tuple[int, int]) -> bool:
    start, end = span
    return start <= minute < end if start < end else minute >= start or minute < end


@dataclass(frozen=True, slots=True)
class Price:
    """USD per token (scaled once, when the manifest is loaded). `None` is unknown.

    Unknown cache prices count as `input`, so that a read is never billed for less than expected.
    One-hour writes without a price count as other writes, audio without a price as other input.
    `others`: complete prices that replace this one while their terms hold; the last one wins.
    """

    input: Decimal | None = None
    output: Decimal | None = None
    cache_read: Decimal | None = None
    cache_write: Decimal | None = None
    cache_write_1h: Decimal | None = None
    input_audio: Decimal | None = None
    others: tuple[tuple[Terms, Price], ...] = field(default=(), kw_only=True)

    @property
    def known(self) -> bool:
        """Whether a cost can be computed."""
        return self.input is not None and self.output is not None

    def rates(self, input_tokens: int = 0, at: float | None = None) -> Price:
        """The price of a call with a prompt of that size, made at that moment (s since 1970).

        Without a moment: the highest price that may hold.
        """
        if not self.others:
            return self
        possible = self._possible(input_tokens, at)
        return max(possible, key=lambda p: (not p.known, (p.input or 0) + (p.output or 0)))

    def cost(self, usage: Usage, at: float | None = None) -> Decimal | None:
        """USD for what was used at that moment (s since 1970); `None` if a price is unknown.

        Without a moment: the highest possible cost.
        """
        if not self.others:
            return _sum(self, usage)
        sums = [_sum(price, usage) for price in self._possible(usage.input, at)]
        known = [usd for usd in sums if usd is not None]
        return max(known) if len(known) == len(sums) else None

    def _possible(self, input_tokens: int, at: float | None) -> Iterator[Price]:
        """The price that holds; without a moment, every price that may hold."""
        for terms, price in reversed(self.others):
            if input_tokens <= terms.input_above:
                continue
            if not terms.timed or (at is not None and terms.hold_at(at)):
                yield price
                return
            if at is None:
                yield price
        yield self


UNPRICED: Final = Price()
"""No price is known."""

FREE: Final = Price(Decimal(0), Decimal(0))
"""A model on this machine for which no `cost` is written."""


def _sum(price: Price, usage: Usage) -> Decimal | None:
    if price.input is None or price.output is None:
        return None
    if not (usage.cache_read or usage.cache_write or usage.audio):
        return usage.input * price.input + usage.output * price.output
    read = price.input if price.cache_read is None else price.cache_read
    write = price.input if price.cache_write is None else price.cache_write
    long = write if price.cache_write_1h is None else price.cache_write_1h
    audio = price.input if price.input_audio is None else price.input_audio
    plain = usage.input - usage.cache_read - usage.cache_write - usage.audio
    return (
        plain * price.input
        + usage.audio * audio
        + usage.cache_read * read
        + (usage.cache_write - usage.cache_write_1h) * write
        + usage.cache_write_1h * long
        + usage.output * price.output
    )
