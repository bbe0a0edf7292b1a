"""What a form returns, and how sure it may be."""

from __future__ import annotations

from typing import Final, NamedTuple

PLAIN: Final = 0.9
"""A verb with an object that leaves no doubt."""
LIKELY: Final = 0.85
"""A form that has been seen to mislead now and then."""
HUNCH: Final = 0.6
"""Right about every other time: said, but nothing to build on."""


class Found(NamedTuple):
    """A recognised piece of work. `note`: half a sentence on what was recognised."""

    skill: str
    confidence: float
    note: str
