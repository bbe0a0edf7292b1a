"""Figures in words, the same on a terminal and on a page."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

from rightmodel.core.format import usd

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rightmodel.ledger.budget import Standing
    from rightmodel.ledger.reports import Quality, Spread, UsageRow
    from rightmodel.surfaces.cli.usage_view.picture import Picture

NONE: Final = "–"
NO_ANSWER: Final = "(no answer)"
_UNKNOWN: Final = "(unknown)"
_CENTS: Final = Decimal("0.01")
_THOUSAND: Final = 1000


def saved(row: UsageRow) -> str:
    """What was saved and its share, or that nothing was compared."""
    share = row.saved_share
    return usd(row.saved_usd) + (f" ({percent(share)})" if share is not None else "")


def percent(share: float) -> str:
    """A share, whole percents."""
    text = f"{share:,.0%}" if abs(share) >= 0.1 or not share else f"{share:.1%}"  # noqa: PLR2004
    return text.replace("%", " %").replace("-", "−")


def seconds(time_s: float | None) -> str:
    """A span of time."""
    if time_s is None:
        return NONE
    if time_s < 1:
        return f"{time_s * 1000:.0f} ms"
    return f"{time_s:.1f} s" if time_s < 100 else f"{time_s:,.0f} s"  # noqa: PLR2004


def both(spread: Spread | None) -> str:
    """Half within, 95 % within."""
    return f"{seconds(spread.p50)} / {seconds(spread.p95)}" if spread else NONE


def tokens(count: int) -> str:
    """A number of tokens, three digits or so."""
    for unit in ("", "k", "M", "G"):
        if count < _THOUSAND or unit == "G":
            break
        count /= _THOUSAND  # type: ignore[assignment]
    return f"{count:.0f}{unit}" if not unit or count >= 100 else f"{count:.1f}{unit}"  # noqa: PLR2004


def counted(count: int, one: str, many: str = "") -> str:
    """So many: "1 call", "2 calls"."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def key(row: UsageRow, group: str) -> str:
    """The name of a row, fit to print: names come from files and servers of other people."""
    if not row.key:
        return NO_ANSWER if group == "model" else _UNKNOWN
    return plain(row.key)


def plain(text: str) -> str:
    """The text without control characters, which could take over a terminal."""
    return "".join(c if c.isprintable() else "�" for c in text)


def good_share(quality: Quality) -> str:
    """How much was good: "83 % of 12 outcomes"."""
    if not quality.reported:
        return NONE
    return f"{percent(quality.good / quality.reported)} of {counted(quality.reported, 'outcome')}"


def limit_of(standing: Standing) -> str:
    """How much it allows: "$5.00 a day"."""
    limit = standing.limit
    fraction = limit.usd % 1 and not (limit.usd * 100) % 1
    return (
        f"${limit.usd.quantize(_CENTS) if fraction else limit.usd.normalize():,f} a {limit.period}"
    )


def resets(standing: Standing) -> str:
    """When: "in 5 h"."""
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if standing.resets_s >= size:
            return f"in {standing.resets_s / size:.0f} {unit}"
    return f"in {standing.resets_s:.0f} s"


def against(picture: Picture) -> str:
    """What the saving is reckoned against."""
    found = picture.usage.baselines
    if not found:
        if picture.baseline:
            name = plain(picture.baseline)
            return f"No call of these days was compared with the baseline {name}."
        return (
            "No baseline is set, so no saving is known: name the model that your agent runs on as "
            "baseline in rightmodel.toml."
        )
    names = [f"{plain(model)} ({counted(calls, 'call')})" for model, calls in found]
    shown = plain(found[0][0]) if len(found) == 1 else ", ".join(names)
    return (
        f"Saved against always using {shown}, net: failed attempts, the judge, escalations and "
        "calls without an answer are counted against it."
    )


def cautions(picture: Picture) -> list[str]:
    """What these figures do not know, a sentence each."""
    total = picture.usage.total
    found = list(picture.notes)
    if total.unpriced:
        found.append(
            f"{counted(total.unpriced, 'attempt')} at a cost that nobody knows: in no sum (“+ ?”). "
            "State the model's price in the manifest, where it has one."
        )
    missing = total.answered - total.compared
    if picture.usage.baselines and missing > 0:
        found.append(
            f"{counted(missing, 'answered call')} could not be compared with a baseline: in no "
            "saving."
        )
    return found


def asking(picture: Picture) -> str:
    """The estimate of the agent's own cost, "" where nothing was asked."""
    found = picture.asking
    if found is None or not found.written:
        return ""
    cost = (
        f"about {usd(found.usd)} at the baseline's price"
        if found.usd is not None
        else ("no baseline with a known price is set to reckon its cost")
    )
    text = (
        f"Estimate, in no other sum: to ask, the agent itself wrote at most about "
        f"{tokens(found.written)} tokens and read {tokens(found.read)} "
        f"({counted(found.sessions, 'session')}); {cost}."
    )
    if found.unsized:
        text += f" {counted(found.unsized, 'call')} of unknown size left out."
    return text


def empty(picture: Picture) -> str:
    """What to say and do where there is nothing to show; "" where there is."""
    total = picture.usage.total
    if total.calls or total.attempts:
        return ""
    if picture.days is None:
        return (
            f"Nothing is recorded yet in {plain(picture.place)}. Every call that an agent or "
            "`rightmodel ask` makes is written down there; if yours were made elsewhere, set "
            "RIGHTMODEL_STATE_DIR as that server has it."
        )
    return (
        f"No calls from {picture.span.since} to {picture.span.until}. The ledger "
        f"{plain(picture.place)} has calls from {picture.days[0]} to {picture.days[1]}: "
        f"try --since {picture.days[0]}."
    )


def columns(picture: Picture) -> Sequence[tuple[str, UsageRow]]:
    """The first glance: a heading and a total for each span."""
    month = picture.month
    found = [("today", picture.today.total), ("this month", month.total)]
    if picture.span.name != "this month":
        found.append((picture.span.name, picture.usage.total))
    return found


def glance(row: UsageRow) -> list[tuple[str, str]]:
    """A total, line by line. A name that begins with a space is a part of what is above it."""
    return [
        ("spent", usd(row.spent_usd)),
        (" billed by the provider", usd(row.billed_usd)),
        (" computed from prices", usd(row.computed_usd)),
        (" of unknown cost", counted(row.unpriced, "attempt") if row.unpriced else NONE),
        (" in failed attempts", usd(row.fault_usd)),
        (" for the judge", usd(row.judge_usd)),
        (" in calls without an answer", usd(row.lost_usd)),
        ("saved, net", saved(row)),
        ("calls", f"{row.calls:,}"),
        (" answered", f"{row.answered:,}"),
        (" failed", f"{row.failed:,}"),
        (" slower than 30 s", f"{row.slow:,}"),
        ("attempts", f"{row.attempts:,}"),
        (" failed", f"{row.faults:,}"),
        ("time of a call, 50 % / 95 %", both(row.call_s)),
        ("time to first token, 50 % / 95 %", both(row.first_token_s)),
    ]
