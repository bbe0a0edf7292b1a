"""The built-in rules: recognise what is plain from the form of a request, else abstain.

The ask is parted from pasted material (`request`), cut into clauses (`clauses`), and each clause is
held against forms of a verb with its object (`forms`) or of a question (`questions`); Chinese and
Japanese have patterns of their own (`forms_cjk`). Nothing is decided by a word alone. What no form
fits is `general` with low confidence and the source "default".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rightmodel.domain import Assessment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rightmodel.domain import Task

SURE: Final = 0.8
"""From this confidence on a form counts; below it is a hunch."""
UNKNOWN: Final = 0.3
"""Confidence in `general` when nothing was recognised."""


def assess_by_rules(task: Task, skills: Sequence[str]) -> Assessment:
    """What is plain from the form of the request; `general` with low confidence otherwise.

    `skills`: the names that may be answered; a recognised skill that is not among them counts as
    not recognised. Never raises. Confidences are the precision measured on the tests' examples.
    """
    # Patterns take longer to compile than a server may take to start: loaded with the first task.
    from rightmodel.assess import recognise, size  # noqa: PLC0415
    from rightmodel.assess.request import split_request  # noqa: PLC0415

    images = any(file.modality == "image" for file in task.files)
    request = split_request(task.prompt)
    found = [f for f in recognise.recognise(request, images=images) if f.skill in skills]
    weights, confidence, note = recognise.weigh(found)
    if not weights:
        weights, confidence, note = (("general", 1.0),), UNKNOWN, "no plain form in the request"
    skill = weights[0][0]
    hard, hard_confidence = size.difficulty(request, len(task.prompt), skill, known=bool(found))
    return Assessment(
        skills=weights,
        difficulty=hard,
        source="rule" if found else "default",
        confidence=confidence,
        difficulty_confidence=hard_confidence,
        output_tokens=size.output_tokens(request, task.prompt, skill if found else ""),
        note=note,
    )
