"""Calls read back from the ledger: the latest ones, and one with everything that is known of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from math import inf, isinf
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from rightmodel.core.format import fits
from rightmodel.ledger.call_rows import day_of

if TYPE_CHECKING:
    from decimal import Decimal

    from rightmodel.ledger.records import AttemptRecord, CallRecord, Choice, OutcomeRecord, Texts
    from rightmodel.ledger.store import Reader

ANSWERED: Final = "answered"
GOOD: Final = 0.5
"""From which on an outcome counts as good."""
LATE_S: Final = 60.0
"""Rows are written a moment after a call has ended, and not in that order."""
_ATTEMPT: Final = (
    "number", "at", "model", "provider", "name", "served", "fault", "status", "input", "cached",
    "cache_writes", "output", "reasoning", "cost_usd", "cost_kind", "time_s", "first_token_s",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which calls to show. "" for any. `session`: its beginning is enough. `model`: or a pattern.

    `since`, `until`: when they ended (seconds since 1970). `failed`: only those without an answer.
    """

    client: str = ""
    session: str = ""
    model: str = ""
    kind: str = ""
    since: float = 0.0
    until: float = inf
    failed: bool = False

    def takes(self, call: CallRecord) -> bool:
        """Whether the call is one of them."""
        return (
            self.since <= call.at <= self.until
            and self.client in {"", call.client}
            and self.kind in {"", call.kind}
            and call.session.startswith(self.session)
            and (not self.model or fits(call.model, self.model))
            and not (self.failed and call.outcome == ANSWERED)
        )


class Logged(NamedTuple):
    """A call with its rows. `choice`, `texts`: `None` where they were not kept or not asked for."""

    call: CallRecord
    attempts: tuple[AttemptRecord, ...]
    outcomes: tuple[OutcomeRecord, ...]
    texts: Texts | None = None
    choice: Choice | None = None

    @property
    def verdict(self) -> str:
        """How it went: "good" or "bad" where that is known; the error where there is no answer."""
        if self.call.outcome != ANSWERED:
            return self.call.outcome
        known = [o for o in self.outcomes if o.model == self.call.model]
        reported = [o for o in known if o.kind == "reported"] or known
        if not reported:
            return ANSWERED
        return "good" if reported[-1].good >= GOOD else "bad"


def latest(reader: Reader, wanted: Wanted, count: int) -> list[Logged]:
    """The last calls that are wanted, the latest first."""
    calls = reader.latest_calls(day_of(wanted.since), day_of(wanted.until))
    return [_logged(reader, call) for call in list(islice(filter(wanted.takes, calls), count))]


def find(reader: Reader, ref: str) -> Logged | None:
    """The latest call of a ref, with all that is known."""
    call = reader.find_call(ref)
    if call is None:
        return None
    return _logged(reader, call)._replace(choice=reader.find_choice(call.id))


def _logged(reader: Reader, call: CallRecord) -> Logged:
    attempts, outcomes = reader.attempts_of(call.id), reader.outcomes_of(call.id)
    return Logged(call, tuple(attempts), tuple(outcomes), reader.find_texts(call.id))


def follow(
    ask: Callable[[Wanted], list[Logged]],
    wanted: Wanted,
    known: Iterable[Logged],
    *,
    began: float,
    pause: Callable[[], object],
) -> Iterator[Logged]:
    """Further calls as they end, without end.

    `ask`: the latest calls that are wanted, from the ledger. `known`: those that came before.
    `began`: from when on (seconds since 1970).
    """
    seen = {logged.call.id: logged.call.at for logged in known}
    while True:
        pause()
        since = max([began, *seen.values()]) - LATE_S
        for logged in reversed(ask(replace(wanted, since=max(wanted.since, since)))):
            if logged.call.id not in seen and logged.call.at >= began:
                yield logged
            seen[logged.call.id] = logged.call.at
        seen = {call: at for call, at in seen.items() if at >= since}


def as_json(logged: Logged) -> dict[str, Any]:
    """One call, with stable keys. Money as strings in USD, times in seconds, `null` unknown."""
    call = logged.call
    return {
        "ref": call.ref or None,
        "at": iso(call.at),
        "client": call.client or None,
        "session": call.session or None,
        "kind": call.kind or None,
        "host": call.host or None,
        "user": call.user_name or None,
        "task": call.task,
        "prompt": logged.texts.prompt if logged.texts else None,
        "skills": dict(call.skills),
        "difficulty": call.difficulty,
        "source": call.source,
        "confidence": round(call.confidence, 4),
        "tier": call.tier,
        "rule": call.rule or None,
        "judge": call.judge or None,
        "model": call.model or None,
        "reason": call.reason,
        "outcome": call.outcome,
        "verdict": logged.verdict,
        "attempts": len([a for a in logged.attempts if a.number > 0]),
        "cost_usd": _usd(call.cost_usd),
        "baseline": call.baseline or None,
        "baseline_usd": _usd(call.baseline_usd),
        "saved_usd": _usd(call.saved_usd),
        "time_s": round(call.time_s, 3),
        "flags": call.flags.splitlines(),
    }


def receipt_json(logged: Logged) -> dict[str, Any]:
    """One call with its attempts, candidates, rejections and outcomes."""
    choice, texts = logged.choice, logged.texts
    return as_json(logged) | {
        "attempts": [_attempt_json(a) for a in logged.attempts],
        "loss_usd": choice.loss if choice else None,
        "candidates": None
        if choice is None
        else [
            {
                "model": c.model,
                "p_success": c.p_success,
                "cost_usd": _usd(c.cost_usd),
                "time_s": c.time_s,
                "total_usd": None if isinf(c.total_usd) else c.total_usd,
            }
            for c in choice.candidates
        ],
        "rejected": None
        if choice is None
        else [{"model": r.model, "code": r.code, "reason": r.reason} for r in choice.rejections],
        "outcomes": [
            {"at": iso(o.at), "kind": o.kind, "model": o.model, "good": o.good, "note": o.note}
            for o in logged.outcomes
        ],
        "answer": texts.answer if texts else None,
    }


def _attempt_json(attempt: AttemptRecord) -> dict[str, Any]:
    shown = {name: getattr(attempt, name) for name in _ATTEMPT}
    found = {k: round(v, 3) if isinstance(v, float) else v for k, v in shown.items()}
    known = {name: found[name] or None for name in ("served", "fault", "status")}
    return found | known | {"at": iso(attempt.at), "cost_usd": _usd(attempt.cost_usd)}


def iso(at: float) -> str:
    """A time in UTC."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")


def _usd(amount: Decimal | None) -> str | None:
    return None if amount is None else f"{amount:f}"
