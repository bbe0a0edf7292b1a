"""What holds when nothing but the caller's hints and the user's rules is asked."""

from __future__ import annotations

from typing import Final

from rightmodel.core.decision import Assessment
from rightmodel.core.task import DIFFICULTIES

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
"""`assess = "rules"`: hints and the user's rules are laid over this."""
