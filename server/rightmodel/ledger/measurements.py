"""Measured speed and verbosity of each model: moving averages over its attempts. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import exp, log
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rightmodel.ledger.records import AttemptRecord

LEAST_STEP: Final = 0.05
"""Share of the newest attempt in an average of many: about the last twenty count."""
SHRINK: Final = 5
"""Attempts after which half of a measured verbosity counts."""
MOST_VERBOSE: Final = 4.0
LEAST_TOKENS: Final = 8
"""Shorter answers do not measure speed."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Of one model. `first_token_s` and `tokens_s` (per second): `None` until measured.

    `verbosity`: answer tokens as a multiple of what was expected, drawn towards 1 while few.
    `reasoning`: mean reasoning tokens of an attempt. `attempts`: how many reported usage.
    """

    first_token_s: float | None = None
    tokens_s: float | None = None
    log_verbosity: float = 0.0
    expected: int = 0
    reasoning: float = 0.0
    attempts: int = 0

    @property
    def verbosity(self) -> float:
        """1 is as expected; between a quarter and four times."""
        believed = exp(self.log_verbosity * self.expected / (self.expected + SHRINK))
        return min(MOST_VERBOSE, max(1 / MOST_VERBOSE, believed))


class Measurements:
    """Moving averages of every model that was used."""

    def __init__(self) -> None:
        self._by_model: dict[str, Measured] = {}

    def of(self, model: str) -> Measured:
        """The model's averages; empty ones where it was never used."""
        return self._by_model.get(model, Measured())

    def learn(self, attempts: Iterable[AttemptRecord]) -> None:
        """Learn from attempts, oldest first. Failed ones and the judge's are skipped."""
        for attempt in attempts:
            if attempt.fault or attempt.role != "answer":
                continue
            self._by_model[attempt.model] = _updated(self.of(attempt.model), attempt)


def _updated(old: Measured, attempt: AttemptRecord) -> Measured:
    count, first = old.attempts, attempt.first_token_s
    if first is not None:
        old = replace(old, first_token_s=_average(old.first_token_s, first, count))
    if attempt.output is None:
        return old
    writing = attempt.time_s - (first or 0.0)
    if writing > 0 and attempt.output >= LEAST_TOKENS:
        old = replace(old, tokens_s=_average(old.tokens_s, attempt.output / writing, count))
    visible = attempt.output - (attempt.reasoning or 0)
    if attempt.expected_output and visible > 0:
        ratio = log(visible / attempt.expected_output)
        verbosity = _average(old.log_verbosity, ratio, old.expected)
        old = replace(old, log_verbosity=verbosity, expected=old.expected + 1)
    reasoning = _average(old.reasoning, float(attempt.reasoning or 0), count)
    return replace(old, reasoning=reasoning, attempts=count + 1)


def _average(before: float | None, now: float, count: int) -> float:
    if before is None:
        return now
    return before + max(LEAST_STEP, 1 / (count + 1)) * (now - before)
