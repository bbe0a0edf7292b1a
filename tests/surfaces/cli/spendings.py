"""Ledgers to look at, written by the real ledger: some months of calls at three providers."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Final, NamedTuple

from ledger.rows import attempt, call, outcome
from rightmodel.ledger.call_rows import new_id
from rightmodel.ledger.ledger import Ledger
from rightmodel.ledger.paths import FILE
from rightmodel.ledger.recovery import SqliteOpener

if TYPE_CHECKING:
    from pathlib import Path

    from rightmodel.ledger.records import AttemptRecord, CallRecord, OutcomeRecord, Row

DAY_S: Final = 86_400
BASELINE: Final = "anthropic/claude-opus-4-8"
SKILLS: Final = ("code", "summarize", "extract", "translate", "reasoning", "writing")
FAULTS: Final = ("overloaded", "rate_limited", "timeout", "schema_mismatch", "connection")


class Sold(NamedTuple):
    """A model that was used. `prices`: USD per million tokens in and out, `None` unknown.

    `pace`: seconds of a typical answer. `bad`: share of attempts that fail.
    """

    model: str
    provider: str
    prices: tuple[str, str] | None
    pace: float
    billed: bool = False
    bad: float = 0.02

    def usd(self, used: int, said: int) -> Decimal | None:
        if self.prices is None:
            return None
        into, out = self.prices
        return (used * Decimal(into) + said * Decimal(out)) / 10**6


BASE: Final = Sold(BASELINE, "anthropic", ("5", "25"), 9.0)
MODELS: Final = (
    Sold("openai/gpt-6-luna", "openai", ("0.20", "0.80"), 1.4, bad=0.08),
    Sold("anthropic/claude-sonnet-5-5", "anthropic", ("3", "15"), 4.0),
    BASE,
    Sold("openrouter/deepseek-v4-flash", "openrouter", ("0.1", "0.3"), 2.2, billed=True),
    Sold("house/nobody-knows-its-price", "house", None, 0.7),
)
JUDGE: Final = Sold("openai/gpt-6-nano", "openai", ("0.05", "0.40"), 0.3)


@dataclass
class Rows:
    """What was written down."""

    calls: list[CallRecord] = field(default_factory=list)
    attempts: list[AttemptRecord] = field(default_factory=list)
    outcomes: list[OutcomeRecord] = field(default_factory=list)

    def on(self, since: str, until: str) -> Rows:
        """Of the days from `since` to `until`; outcomes as they are."""
        return Rows(
            [c for c in self.calls if since <= c.day <= until],
            [a for a in self.attempts if since <= a.day <= until],
            self.outcomes,
        )


def months(now: float, *, calls: int = 1500, days: int = 40, seed: int = 7) -> Rows:
    """Calls of the days up to now, each with attempts of which some fail."""
    chance = random.Random(seed)
    rows = Rows()
    for _ in range(calls):
        _one_call(rows, now - chance.random() ** 1.5 * days * DAY_S, chance)
    rows.calls.sort(key=lambda c: c.at)
    rows.attempts.sort(key=lambda a: a.at)
    return rows


def _one_call(rows: Rows, at: float, chance: random.Random) -> None:
    number = new_id()
    skill = chance.choice(SKILLS)
    (sold,) = chance.choices(MODELS, (50, 25, 8, 25, 6))
    tried: list[AttemptRecord] = []
    total = Decimal(0)
    if chance.random() < 0.15:
        judged = _attempt(JUDGE, new_id(), 0, at, "classify", chance)._replace(role="judge")
        rows.attempts.append(judged)
        total += judged.cost_usd or 0
    while chance.random() < sold.bad + 0.05 and len(tried) < 3:
        fault = chance.choice(FAULTS)
        row = _attempt(sold, number, len(tried) + 1, at, skill, chance)
        free = fault in {"overloaded", "rate_limited", "connection"}
        tried.append(row._replace(fault=fault, cost_usd=Decimal(0) if free else row.cost_usd))
        sold = chance.choice(MODELS)
    failed = len(tried) == 3
    if not failed:
        tried.append(_attempt(sold, number, len(tried) + 1, at, skill, chance))
    costs = [row.cost_usd for row in tried]
    cost = None if None in costs else total + sum(c for c in costs if c is not None)
    last = tried[-1]
    would = Decimal(0) if failed else BASE.usd(last.input or 0, last.output or 0)
    rows.attempts += tried
    rows.calls.append(
        call(
            id=number,
            at=at,
            skills=((skill, 1.0),),
            model="" if failed else sold.model,
            outcome="all_attempts_failed" if failed else "answered",
            judge=JUDGE.model if total else "",
            cost_usd=cost,
            baseline=BASELINE,
            baseline_usd=would if cost is not None else None,
            saved_usd=None if cost is None or would is None else would - cost,
            time_s=sum(row.time_s for row in tried),
        )
    )
    if not failed and chance.random() < 0.2:
        good = float(chance.random() < 0.85)
        rows.outcomes.append(
            outcome(call=number, at=at, model=sold.model, good=good, skills=((skill, 1.0),))
        )


def _attempt(
    sold: Sold, number: int, place: int, at: float, skill: str, chance: random.Random
) -> AttemptRecord:
    used, said = chance.randint(50, 900), chance.randint(20, 900)
    if sold is JUDGE:
        used, said = chance.randint(200, 400), 10
    usd = sold.usd(used, said)
    time_s = sold.pace * chance.lognormvariate(0, 0.6)
    cost_kind = "unknown" if usd is None else "billed" if sold.billed else "computed"
    return attempt(
        None if usd is None else str(usd),
        at=at,
        call=number,
        number=place,
        provider=sold.provider,
        model=sold.model,
        name=sold.model.partition("/")[2],
        skill=skill,
        cost_kind=cost_kind,
        input=used,
        cached=0,
        output=said,
        reasoning=chance.randint(0, said // 4),
        time_s=time_s,
        first_token_s=time_s * 0.2,
    )


def write(state: Path, rows: Rows) -> Path:
    """Through the real ledger; returns the file's path."""
    file = state / FILE

    async def through() -> None:
        ledger = Ledger(SqliteOpener(file, lambda: 0.0))
        everything: list[Row] = [*rows.attempts, *rows.calls, *rows.outcomes]
        for start in range(0, len(everything), 500):
            await ledger.record(*everything[start : start + 500])
        await ledger.close()

    asyncio.run(through())
    return file


HOSTILE: Final = (
    "<script>document.title='taken'</script>",
    '"><img src=x onerror="document.title=1">',
    "a-model-with-a-name/" + "that-goes-on-and-on-" * 8 + "W" * 60,
    "=1+cmd|' /C calc'!A0",
    "evil/\x1b[31mred\x07 \u202eright-to-left [bold]not markup[/bold]",
    "p/many/slashes/" * 4,
)
"""Ids that no page, terminal or spreadsheet should take for anything but names."""


def hostile(now: float) -> Rows:
    """Strange names, amounts from nothing to millions, more lost than saved, a long time ago."""
    rows = Rows()
    names = [*HOSTILE, *(f"p/model-{number:03}" for number in range(60))]
    for place, name in enumerate(names):
        at = now - place * 11 * DAY_S
        number = new_id()
        cost = Decimal(10) ** (6 - place % 16)
        row = attempt(str(cost), at=at, call=number, number=1, model=name, provider=name[:40])
        skill = f"<i>skill {place % 30}</i>"
        slow = row._replace(skill=skill, served=name, time_s=10.0 ** (place % 6 - 2))
        rows.attempts += [slow, slow._replace(number=2, fault=f"<u>{name}", cost_usd=Decimal(0))]
        saved = cost if place % 3 else -cost * 3 / 4
        rows.calls.append(
            call(
                id=number,
                at=at,
                model=name,
                skills=((skill, 1.0),),
                cost_usd=cost,
                baseline=HOSTILE[place % 3],
                baseline_usd=saved + cost,
                saved_usd=saved,
                time_s=slow.time_s,
            )
        )
        rows.outcomes.append(outcome(call=number, at=at, model=name, good=place % 4 / 3))
    rows.calls.sort(key=lambda c: c.at)
    return rows
