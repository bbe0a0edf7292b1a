"""How a task was read and what follows from each reading: `choose --explain`."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from rightmodel.core.format import dollars
from rightmodel.manifest.catalog import DEFAULT_SLOPE, Catalog
from rightmodel.routing.decide import CERTAIN
from rightmodel.routing.signals import envelope, local_model

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rightmodel.core.decision import Decision
    from rightmodel.core.task import Task

MOST_SHOWN: Final = 200
"""Characters of the instruction that are shown."""


def explanation(task: Task, decision: Decision, catalog: Catalog) -> dict[str, Any]:
    """The instruction without its wrapping, skills and slopes, readings and their winners."""
    instruction = " ".join(envelope.read(task.prompt, local_model.load()).sentences)
    assessment = decision.assessment
    stated = assessment.difficulty_confidence >= CERTAIN
    winners: dict[tuple[str, str], float] = defaultdict(float)
    for reading, model in decision.winners:
        skill = " + ".join(name for name, _ in reading.skills)
        winners[skill, model] += reading.share
    return {
        "instruction": instruction[:MOST_SHOWN],
        "context_characters": max(0, len(task.prompt) - len(instruction)),
        "skills": dict(assessment.skills),
        "difficulty": assessment.difficulty,
        "difficulty_stated": stated,
        "slopes": {
            skill: catalog.slopes.get(skill, DEFAULT_SLOPE)._asdict()
            for skill, _ in assessment.skills
        },
        "level": decision.level,
        "readings": [
            {"share": round(share, 3), "skill": skill, "model": model}
            for (skill, model), share in winners.items()
        ],
        "loss_usd": Decimal(f"{decision.loss_usd:.7f}"),
    }


def lines_of(explained: Mapping[str, Any]) -> Iterator[str]:
    """The same for people, short."""
    yield f"instruction: {explained['instruction']!r}"
    if explained["difficulty_stated"]:
        yield f"difficulty {explained['difficulty']:.1f}, stated: it counts in full"
    else:
        for skill, slope in explained["slopes"].items():
            level = slope["center"] + slope["slope"] * (explained["difficulty"] - slope["center"])
            yield (
                f"difficulty {explained['difficulty']:.1f} counts as {level:.1f} in {skill}: "
                f"slope {slope['slope']:.2f} around {slope['center']:.1f}"
            )
    for reading in explained["readings"]:
        model = reading["model"] or "no model with a known price"
        yield f"{reading['share']:.0%} {reading['skill']}: {model}"
    yield f"a wrong answer costs {dollars(explained['loss_usd'])}"
