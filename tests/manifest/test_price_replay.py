"""A day of 5,000 calls, from the bytes on the wire to the ledger's total, against a sum by hand."""

from __future__ import annotations

import asyncio
import datetime as dt
import random
import tomllib
from collections import Counter, defaultdict
from contextlib import closing
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

from rightmodel.core.call import Attempt
from rightmodel.ledger.call_rows import attempt_record
from rightmodel.ledger.ledger import Ledger
from rightmodel.ledger.recovery import SqliteOpener
from rightmodel.ledger.reports import summed
from rightmodel.ledger.sqlite import SqliteStore
from rightmodel.manifest.load import load_catalog
from rightmodel.manifest.read import shipped_dir
from upstream.wire import CARRIES, DIALECTS, Billed, read_back

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rightmodel.ledger.records import AttemptRecord
    from rightmodel.manifest.price import Price


CALLS = 5000
EXACT = Fraction(1, 10**9)
"""USD that the ledger may be off."""
FROM = dt.datetime(2026, 11, 30, 18, tzinfo=dt.UTC)
"""A Monday evening: the day has both of DeepSeek's peaks, and a price that rises at midnight."""
EDGES = (32_000, 100_000, 128_000, 199_999, 200_000, 256_000, 272_000)


class Call(NamedTuple):
    """One call: the model as its file has it, when, and what its provider will bill."""

    provider: str
    model: dict[str, Any]
    at: dt.datetime
    billed: Billed

    @property
    def usd(self) -> Fraction:
        """By hand, without any of the code under test."""
        paid = {key: Fraction(str(usd)) for key, usd in self._prices().items()}
        read = paid.get("cache_read", paid["input"])
        write = paid.get("cache_write", paid["input"])
        long = paid.get("cache_write_1h", write)
        audio = paid.get("input_audio", paid["input"])
        rows = (
            (self.billed.plain, paid["input"]),
            (self.billed.output, paid["output"]),
            (self.billed.read, read),
            (self.billed.write, write),
            (self.billed.write_1h, long),
            (self.billed.audio, audio),
        )
        return sum((tokens * usd for tokens, usd in rows), Fraction(0)) / 1_000_000

    def _prices(self) -> dict[str, Any]:
        cost: dict[str, Any] = dict(self.model["cost"])
        clock, weekday = self.at.strftime("%H:%M"), self.at.strftime("%a").lower()
        for entry in self.model.get("cost_when", []):
            spans = [span.split("-") for span in entry.get("utc", [])]
            if (
                self.billed.prompt > entry.get("input_above", -1)
                and self.at.date() >= entry.get("since", dt.date.min)
                and (not spans or any(start <= clock < end for start, end in spans))
                and weekday in entry.get("days", [weekday])
            ):
                cost = {**self.model["cost"], **entry}
        terms = ("input_above", "since", "utc", "days")
        return {key: value for key, value in cost.items() if key not in terms}


def shipped() -> list[tuple[str, dict[str, Any]]]:
    """Every priced model of every remote provider, as its file has it."""
    found = []
    for provider in DIALECTS:
        text = (shipped_dir() / f"{provider}.toml").read_text(encoding="utf-8")
        models = tomllib.loads(text, parse_float=Decimal)["models"]
        found += [(provider, model) for model in models]
    return found


def drawn(chance: random.Random, provider: str) -> Billed:
    """A call of any size, often one at the edge of a price; of what its dialect can tell."""
    size = chance.choice((chance.randint(1, 3000), chance.randint(3000, 400_000), 0))
    size = size or chance.choice(EDGES) + chance.randint(0, 1)
    output = chance.randint(1, 20_000)
    carried = CARRIES.get(provider, frozenset({"read", "reasoning"}))
    parts: dict[str, int] = {}
    left = size
    for key in ("read", "write", "write_1h", "audio"):
        if key in carried and chance.random() < 0.5:
            parts[key] = chance.randint(0, left)
            left -= parts[key]
    if "reasoning" in carried and chance.random() < 0.5:
        parts["reasoning"] = chance.randint(0, output)
    return Billed(plain=left, output=output, **parts)


def day(chance: random.Random) -> Iterator[Call]:
    models = shipped()
    for number in range(CALLS):
        provider, model = models[number] if number < len(models) else chance.choice(models)
        moment = FROM + dt.timedelta(seconds=chance.uniform(0, 86_400))
        yield Call(provider, model, moment, drawn(chance, provider))


def on_the_wire(call: Call, chance: random.Random) -> tuple[list[dict[str, Any]], Fraction | None]:
    """The answer's events; and what the provider says that it billed, where it says so."""
    events = DIALECTS[call.provider](call.billed)
    if call.provider == "openrouter":
        named = round(float(call.usd) * chance.choice((1, 0.98)), 10)
        events[-1]["usage"]["cost"] = named
        return events, Fraction(repr(named))
    if call.provider == "xai" and chance.random() < 0.3:
        ticks = round(call.usd * 10**10)
        events[-1]["usage"]["cost_in_usd_ticks"] = ticks
        return events, Fraction(ticks, 10**10)
    return events, None


async def write_ledger(rows: list[AttemptRecord], file: Path) -> None:
    """The rows as the ledger keeps them."""
    ledger = Ledger(SqliteOpener(file, lambda: rows[0].at))
    for row in rows:
        ledger.note(row)
    await ledger.close()


def attempted(call: Call, events: list[dict[str, Any]], price: Price) -> Attempt:
    """What the executor records of the answer: what was billed, or else what it comes to."""
    completion = read_back(call.provider, events)
    cost = completion.cost_usd
    if cost is None:
        assert completion.usage is not None
        cost = price.cost(completion.usage, call.at.timestamp())
    billed = completion.cost_usd is not None
    model = call.model["id"]
    return Attempt(model, call.provider, "m", usage=completion.usage, cost_usd=cost, billed=billed)


def test_a_day_of_5000_calls_costs_what_a_sum_by_hand_says(tmp_path: Path) -> None:
    chance = random.Random(20261130)
    manifest = tmp_path / "rightmodel.toml"
    manifest.write_text(f"version = 1\ninclude = {sorted(DIALECTS)}\n")
    catalog = load_catalog(manifest, has_key=lambda _: True)
    rows, by_day, kinds = [], defaultdict[str, Fraction](Fraction), Counter[str]()
    for number, call in enumerate(day(chance)):
        events, named = on_the_wire(call, chance)
        attempt = attempted(call, events, catalog.models[call.model["id"]].price)
        usd = call.usd if named is None else named
        assert Fraction(str(attempt.cost_usd)) == usd, call
        at = call.at.timestamp()
        rows.append(attempt_record(attempt, call=number, number=1, at=at, skill="code"))
        by_day[rows[-1].day] += usd
        kinds.update(_kinds(call, named))
    asyncio.run(write_ledger(rows, tmp_path / "ledger.sqlite3"))
    with closing(SqliteStore(tmp_path / "ledger.sqlite3")) as store:
        days = ("2026-11-30", "2026-12-01")
        (found,) = summed(store.calls(*days), store.attempts(*days), days)
    assert abs(Fraction(str(found.total.spent_usd)) - sum(by_day.values())) < EXACT
    assert {row.key for row in found.rows("day")} == set(by_day)
    assert all(abs(Fraction(str(r.spent_usd)) - by_day[r.key]) < EXACT for r in found.rows("day"))
    assert (found.total.attempts, found.total.unpriced) == (CALLS, 0)
    assert min(kinds.values()) > 50, kinds  # each kind of price took part
    assert len(kinds) == 9


def _kinds(call: Call, named: Fraction | None) -> Iterator[str]:
    """What of interest the call has in it."""
    for key in ("read", "write", "write_1h", "audio", "reasoning"):
        if getattr(call.billed, key):
            yield key
    for entry in call.model.get("cost_when", []):
        yield from (
            f"{key} in its price" for key in ("input_above", "utc", "since") if key in entry
        )
    if named is not None:
        yield "billed"
