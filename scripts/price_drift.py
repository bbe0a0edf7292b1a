"""Where a manifest's prices and those of genai-prices differ, by how much and since when.

    python scripts/price_drift.py                     the shipped manifests
    python scripts/price_drift.py --manifest FILE     the models of a manifest
    python scripts/price_drift.py --json

Differences are no error; the exit code is 1 only when nothing could be compared. No network:
upgrade genai-prices first (`pip install -U genai-prices`).
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import sys
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from price_list import KEYS, PriceList, read_genai
from rightmodel.core.format import per_million
from rightmodel.manifest.build import build_price
from rightmodel.manifest.load import load_catalog

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rightmodel.manifest.catalog import Endpoint, Model
    from rightmodel.manifest.price import Price


class Spot(NamedTuple):
    """A prompt size and a moment (seconds since 1970) at which prices may differ; "" is always."""

    when: str
    input_tokens: int
    at: float


class Change(NamedTuple):
    """One price that is not the same, USD per token; `None` is unknown."""

    key: str
    when: str
    ours: Decimal | None
    theirs: Decimal | None

    @property
    def percent(self) -> Decimal | None:
        """By how much the listed price is higher; `None` without a comparable figure."""
        if self.ours is None or self.theirs is None or not self.ours:
            return None
        return ((self.theirs / self.ours - 1) * 100).quantize(Decimal("0.1"))

    def as_json(self) -> dict[str, Any]:
        """Amounts as decimal text, USD per million tokens."""
        return {
            "key": self.key,
            "when": self.when,
            "ours": None if self.ours is None else per_million(self.ours),
            "listed": None if self.theirs is None else per_million(self.theirs),
            "percent": None if self.percent is None else float(self.percent),
        }


@dataclass(frozen=True, slots=True)
class Drift:
    """A model with prices that are not the same. `since`: when the listed price began, if known."""

    model: str
    provider: str
    checked: str
    since: dt.date | None
    changes: tuple[Change, ...]

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return {
            "model": self.model,
            "provider": self.provider,
            "checked": self.checked,
            "listed_since": self.since.isoformat() if self.since else None,
            "changes": [change.as_json() for change in self.changes],
        }


@dataclass(slots=True)
class Comparison:
    """`drifted`: prices known to both that differ; `unknown`: known to one of the two only.

    `same`, `not_listed`: ids of models.
    """

    name: str
    newest: dt.date | None
    drifted: list[Drift] = field(default_factory=list)
    unknown: list[Drift] = field(default_factory=list)
    same: list[str] = field(default_factory=list)
    not_listed: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return {
            "list": self.name,
            "newest": self.newest.isoformat() if self.newest else None,
            "drifted": [drift.as_json() for drift in self.drifted],
            "unknown": [drift.as_json() for drift in self.unknown],
            "same": self.same,
            "not_listed": self.not_listed,
        }


def compare(models: Iterable[Model], prices: PriceList, today: dt.date) -> Comparison:
    """Every endpoint's price as the manifest has it and as the list has it."""
    found = Comparison(prices.name, prices.newest)
    for model in models:
        listed = [(e, prices.find(e.provider.base_url, e.name)) for e in model.endpoints]
        if not any(entry for _, entry in listed):
            found.not_listed.append(model.id)
            continue
        before = len(found.drifted) + len(found.unknown)
        for endpoint, entry in listed:
            if entry is not None:
                theirs = build_price(entry.cost, entry.when)
                changes = list(_changes(model.price, theirs, today))
                _note(found, model, endpoint, entry.since, changes)
        if len(found.drifted) + len(found.unknown) == before:
            found.same.append(model.id)
    return found


def _note(
    found: Comparison,
    model: Model,
    endpoint: Endpoint,
    since: dt.date | None,
    changes: list[Change],
) -> None:
    for place, hit in (
        (found.drifted, [c for c in changes if None not in (c.ours, c.theirs)]),
        (found.unknown, [c for c in changes if None in (c.ours, c.theirs)]),
    ):
        if hit:
            name = endpoint.provider.name
            place.append(Drift(model.id, name, model.checked, since, tuple(hit)))


def _changes(ours: Price, theirs: Price, today: dt.date) -> Iterator[Change]:
    seen: set[tuple[Any, ...]] = set()
    for spot in _spots((ours, theirs), today):
        here, there = (p.rates(spot.input_tokens, spot.at) for p in (ours, theirs))
        for key in KEYS.values():
            a, b = getattr(here, key), getattr(there, key)
            if a != b and (key, a, b) not in seen:
                seen.add((key, a, b))
                yield Change(key, spot.when, a, b)


def _spots(prices: tuple[Price, Price], today: dt.date) -> Iterator[Spot]:
    """Where either price may change. Hours are tried on a weekday: the list knows no weekdays."""
    noon = dt.datetime.combine(
        today - dt.timedelta(days=max(0, today.weekday() - 4)), dt.time(12), dt.UTC
    ).timestamp()
    yield Spot("", 1, noon)
    terms = [terms for price in prices for terms, _ in price.others]
    for size in sorted({t.input_above for t in terms if t.input_above > 0}):
        yield Spot(f"above {size:,} input tokens", size + 1, noon)
    for minute in sorted({start for t in terms for start, _ in t.minutes}):
        hour = f"{minute // 60:02}:{minute % 60:02}"
        yield Spot(f"at {hour} UTC", 1, noon + (minute - 12 * 60) * 60)
    for moment in sorted({t.since for t in terms if t.since is not None and t.since > noon}):
        day = dt.datetime.fromtimestamp(moment, dt.UTC).date()
        yield Spot(f"from {day}", 1, moment + 12 * 3600)


def _print(found: Comparison) -> None:
    newest = f", its newest dated price is of {found.newest}" if found.newest else ""
    print(f"compared with {found.name}{newest} (USD per million tokens; no network)")
    for title, drifts in (("drifted", found.drifted), ("unknown to one", found.unknown)):
        if drifts:
            print(f"\n{title}")
        for drift in drifts:
            print(f"  {drift.model} at {drift.provider}: {_age(drift)}")
            for change in drift.changes:
                print(f"    {_line(change)}")
    print(f"\nsame: {len(found.same)} models")
    if found.not_listed:
        print(f"not listed: {len(found.not_listed)}: {', '.join(found.not_listed)}")


def _age(drift: Drift) -> str:
    checked = f"checked {drift.checked}" if drift.checked else "never checked"
    if drift.since is None:
        return f"{checked}; since when the list does not say"
    after = drift.checked and drift.since.isoformat() > drift.checked
    return f"{checked}; listed since {drift.since}" + (", later than that" if after else "")


def _line(change: Change) -> str:
    ours, theirs = per_million(change.ours) or "unknown", per_million(change.theirs) or "unknown"
    percent = "" if change.percent is None else f"  {change.percent:+} %"
    when = f"  {change.when}" if change.when else ""
    return f"{change.key:<14} {ours} → {theirs}{percent}{when}"


def main(arguments: Sequence[str] | None = None) -> None:
    """The command. Ends with 1 and one line where nothing can be compared."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--manifest", type=Path, metavar="FILE", help="default: the shipped ones")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    given = parser.parse_args(arguments)
    today = dt.datetime.now(dt.UTC).date()
    models = load_catalog(given.manifest, has_key=lambda _: True).models.values()
    found = compare(models, read_genai(today), today)
    if not found.same and not found.drifted and not found.unknown:
        sys.exit(f"{found.name} has none of the models in the manifest")
    if given.json:
        print(json.dumps(found.as_json(), indent=2))
    else:
        _print(found)


if __name__ == "__main__":
    main()
