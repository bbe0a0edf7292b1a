"""Measured speed and verbosity of each model: moving averages over its attempts. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import exp, log
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rightmodel.ledger.records import AttemptRecord

LEAST_STEP: Final = 0.05
"""Share of the newest attempt in an average of many: about the last twenty count."""
SHRINK: Final = 5
"""Attempts after which half of a measured verbosity counts."""
MOST_VERBOSE: Final = 4.0
LEAST_TOKENS: Final = 8
"""Shorter answers tell little about speed."""


@dataclass(frozen=True, slots=True)
class Habit:
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


class Habits:
    """Habits of every model that was used."""

    def __init__(self) -> None:
        self._habits: dict[str, Habit] = {}

    def of(self, model: str) -> Habit:
        """The model's habit; an empty one where it was never used."""
        return self._habits.get(model, Habit())

    def learn(self, attempts: Iterable[AttemptRecord]) -> None:
        """Take attempts in, oldest first. Failed ones and the judge's are skipped."""
        for attempt in attempts:
            if attempt.fault or attempt.role != "answer":
                continue
            self._habits[attempt.model] = _moved(self.of(attempt.model), attempt)


def _moved(habit: Habit, attempt: AttemptRecord) -> Habit:
    if attempt.first_token_s is not None:
        habit = replace(
            habit,
            first_token_s=_average(habit.first_token_s, attempt.first_token_s, habit.attempts),
        )
    if attempt.output is None:
        return habit
    writing = attempt.time_s - (attempt.first_token_s or 0.0)
    if writing > 0 and attempt.output >= LEAST_TOKENS:
        speed = attempt.output / writing
        habit = replace(habit, tokens_s=_average(habit.tokens_s, speed, habit.attempts))
    visible = attempt.output - (attempt.reasoning or 0)
    if attempt.expected_output and visible > 0:
        ratio = log(visible / attempt.expected_output)
        verbosity = _average(habit.log_verbosity, ratio, habit.expected)
        habit = replace(habit, log_verbosity=verbosity, expected=habit.expected + 1)
    reasoning = _average(habit.reasoning, float(attempt.reasoning or 0), habit.attempts)
    return replace(habit, reasoning=reasoning, attempts=habit.attempts + 1)


def _average(before: float | None, now: float, count: int) -> float:
    if before is None:
        return now
    return before + max(LEAST_STEP, 1 / (count + 1)) * (now - before)
