"""genai-prices as a list of prices in the manifest's own words. It comes with its data: no network.

It tells prices by date and, for a price with daily hours, by hour; no weekdays and no data date.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ConditionalPrice

if TYPE_CHECKING:
    from collections.abc import Iterator

    from genai_prices.data_snapshot import DataSnapshot
    from genai_prices.types import ModelPrice

KEYS: Final = {
    "input_mtok": "input",
    "output_mtok": "output",
    "cache_read_mtok": "cache_read",
    "cache_write_mtok": "cache_write",
    "cache_write_1h_mtok": "cache_write_1h",
    "input_audio_mtok": "input_audio",
}
"""Their name of a price → ours. What else they price (searches, batches) is not used here."""


@dataclass(frozen=True, slots=True)
class Listed:
    """What the list says of a model, as `cost` and `cost_when` in USD per million tokens.

    `since`: the day on which the price that holds now began, `None` where the list does not say.
    """

    cost: dict[str, Any]
    when: list[dict[str, Any]]
    since: dt.date | None = None


class PriceList:
    """`today`: prices that begin later are `cost_when`, and earlier ones are history."""

    def __init__(self, data: DataSnapshot, today: dt.date) -> None:
        self._data = data
        self._today = today
        self.name = f"genai-prices {version('genai-prices')}"

    @property
    def newest(self) -> dt.date | None:
        """The latest day up to today on which a price in it began: it is no older than that."""
        models = (model for provider in self._data.providers for model in provider.models)
        days = (_start(price) for model in models for price in _conditional(model.prices))
        return max((day for day in days if day and day <= self._today), default=None)

    def find(self, base_url: str, wire: str) -> Listed | None:
        """The prices of a model at a provider, `None` where the list has none."""
        try:
            provider = self._data.find_provider(None, None, f"{base_url}/")
        except LookupError:
            return None
        model = provider.find_model(wire)
        return None if model is None else self._listed(_conditional(model.prices))

    def _listed(self, prices: list[ConditionalPrice]) -> Listed:
        begun = [
            p for p in prices if _hours(p) is None and (_start(p) or dt.date.min) <= self._today
        ]
        now = begun[-1] if begun else prices[0]
        cost, when = _entries(now.prices, {})
        for price in prices:
            start = _start(price)
            if start and start > self._today:
                first, more = _entries(price.prices, {"since": start})
                when += [first, *more]
        by_price: dict[str, dict[str, Any]] = {}
        for price in prices:
            if hours := _hours(price):
                first, _ = _entries(price.prices, {})
                by_price.setdefault(repr(first), {"utc": [], **first})["utc"].append(hours)
        return Listed(cost, [*when, *by_price.values()], _start(now))


def read_genai(today: dt.date) -> PriceList:
    """The list as installed."""
    return PriceList(get_snapshot(), today)


def _conditional(prices: ModelPrice | list[ConditionalPrice]) -> list[ConditionalPrice]:
    return prices if isinstance(prices, list) else [ConditionalPrice(prices=prices)]


def _start(price: ConditionalPrice) -> dt.date | None:
    return getattr(price.constraint, "start_date", None)


def _hours(price: ConditionalPrice) -> str | None:
    start, end = (getattr(price.constraint, name, None) for name in ("start_time", "end_time"))
    return f"{start:%H:%M}-{end:%H:%M}" if start and end else None


def _entries(
    prices: ModelPrice, terms: dict[str, Any]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The price up to the first threshold, and one entry for each threshold."""
    base: dict[str, Any] = dict(terms)
    above: dict[int, dict[str, Any]] = {}
    for key, value in _known(prices):
        base[key] = getattr(value, "base", value)
        for tier in getattr(value, "tiers", ()):
            entry = above.setdefault(tier.start, {**terms, "input_above": tier.start})
            entry[key] = tier.price
    return base, [above[start] for start in sorted(above)]


def _known(prices: ModelPrice) -> Iterator[tuple[str, Any]]:
    for theirs, ours in KEYS.items():
        value = getattr(prices, theirs)
        if value is not None:
            yield ours, value
