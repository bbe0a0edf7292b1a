"""Routes every prompt of a table, as `choose --batch` does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

from rightmodel.core.task import Task

if TYPE_CHECKING:
    from rightmodel.core.decision import Assessment, Candidate
    from rightmodel.evaluation.samples import Sample
    from rightmodel.routing.router import Router


@dataclass(frozen=True, slots=True)
class Routed:
    """A prompt and what was decided for it.

    `ranked`: the candidates that the sample has an outcome of, best first. `preferred`: models
    that a rule puts first. `time_s`: how long the decision took.
    """

    sample: Sample
    assessment: Assessment
    ranked: tuple[Candidate, ...]
    preferred: tuple[str, ...]
    loss_usd: float
    time_s: float

    @property
    def model(self) -> str | None:
        """The model chosen, `None` where no candidate has an outcome."""
        return self.ranked[0].model if self.ranked else None

    def at(self, loss_usd: float) -> str | None:
        """The model chosen if a wrong answer cost `loss_usd`: `decide`'s order once more.

        Which models are candidates, their chances and costs do not depend on the loss.
        """
        if not self.ranked:
            return None
        position = {model: number for number, model in enumerate(self.preferred)}

        def order(candidate: Candidate) -> tuple[float | str, ...]:
            cost = inf if candidate.cost_usd is None else float(candidate.cost_usd)
            total = cost + (1.0 - candidate.p_success) * loss_usd
            first = position.get(candidate.model, len(position))
            return (first, candidate.group, total, -candidate.p_success, candidate.model)

        return min(self.ranked, key=order).model


async def replay(
    router: Router, samples: Sequence[Sample], *, tier: str, clock: Callable[[], float]
) -> list[Routed]:
    """Route every prompt. `tier`: "" for the manifest's own; `clock`: gives seconds."""
    routed = []
    for sample in samples:
        task = Task(prompt=sample.prompt, tier=tier)
        began = clock()
        decision = await router.route(task)
        took = clock() - began
        routed.append(
            Routed(
                sample=sample,
                assessment=decision.assessment,
                ranked=tuple(c for c in decision.candidates if c.model in sample.cells),
                preferred=decision.requirements.preferred,
                loss_usd=decision.loss_usd,
                time_s=took,
            )
        )
    return routed
