"""Hints of the caller and settings of rules: taken as true, above whatever was inferred."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from rightmodel.core.decision import Assessment
from rightmodel.core.task import DIFFICULTIES

if TYPE_CHECKING:
    from rightmodel.core.task import Task
    from rightmodel.routing.signals.routing_rules import Applied

UNKNOWN: Final = 0.3
"""Confidence in `general` and in medium difficulty where nothing names the kind of work."""

NOTHING_KNOWN: Final = Assessment(
    skills=(("general", 1.0),),
    difficulty=DIFFICULTIES["medium"],
    source="default",
    confidence=UNKNOWN,
    difficulty_confidence=UNKNOWN,
    note="no hint and no rule names the kind of work",
)
"""`assess = "rules"`: the assessment where neither a hint nor a rule sets one."""


def settle(task: Task, applied: Applied, inferred: Assessment) -> Assessment:
    """The caller's hints over the rules' settings over what was inferred."""
    settled = inferred
    skill = task.skill or applied.skill
    if skill:
        note = "the caller named the skill"
        if not task.skill:
            note = f"rule {applied.skill_rule!r} sets the skill"
        settled = replace(
            settled,
            skills=((skill, 1.0),),
            confidence=1.0,
            source="hint" if task.skill else "rule",
            output_tokens=inferred.output_tokens if inferred.skill == skill else None,
            note=note,
        )
    difficulty = task.difficulty or applied.difficulty
    if difficulty:
        settled = replace(settled, difficulty=DIFFICULTIES[difficulty], difficulty_confidence=1.0)
    return settled
