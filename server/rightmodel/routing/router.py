"""Task → decision: the part of the way that `choose_model` and `complete` share."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from rightmodel.core.decision import Requirements
from rightmodel.core.errors import NoCandidateError, TaskError
from rightmodel.core.format import listed
from rightmodel.core.task import Trust
from rightmodel.routing import scoring as estimate
from rightmodel.routing.decide import Question, decide
from rightmodel.routing.tokens import attachment_tokens, estimate_tokens

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from decimal import Decimal

    from rightmodel.core.decision import Decision
    from rightmodel.core.task import Task
    from rightmodel.manifest.catalog import Catalog, Model, Rule
    from rightmodel.routing.assessor import Assessed, Assessor


class Router:
    """`unavailable`: model → why no request to it can be sent at all ("" if one can).

    `learned`: the catalog as it has been corrected by now; without it the manifest is all.
    """

    def __init__(
        self,
        catalog: Catalog,
        assessor: Assessor,
        unavailable: Callable[[Model], str],
        learned: Callable[[], Awaitable[Catalog]] | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._catalog = catalog
        self._learned = learned
        self._clock = clock
        self._assessor = assessor
        self._unavailable = unavailable
        self._out = {m.id: why for m in catalog.models.values() if (why := unavailable(m))}

    async def route(self, task: Task) -> Decision:
        """Assess, filter, estimate, decide. A decision without candidates is a valid one."""
        named = self._named(task)
        catalog = await self._learned() if self._learned else self._catalog
        input_tokens = count_tokens(task)
        extra = tuple(m for m in named if m.id not in self._catalog.models)
        failure = task.failure_cost_usd
        if failure is None and not task.tier:
            failure = self._catalog.routing.failure_cost_usd

        at = self._clock() if self._clock else None
        ceiling = _least(task.max_cost_usd, self._catalog.budget.per_call_usd)

        def consider(assessed: Assessed) -> Decision:
            question = Question(
                assessment=assessed.assessment,
                requirements=_requirements(task, assessed, input_tokens, named, ceiling),
                tier=assessed.tier,
                effort=task.effort,
                max_output_tokens=task.max_output_tokens,
                failure_cost_usd=failure,
                rule=assessed.rule.name if assessed.rule else "",
                unavailable=self._out_with(extra),
                extra=extra,
                at=at,
            )
            return decide(catalog, question)

        assessed = await self._assessor.assess(task, input_tokens, consider)
        decision = consider(assessed)
        if assessed.judge:
            return replace(decision, judge=assessed.judge, judge_usd=assessed.judge_usd)
        return decision

    def _named(self, task: Task) -> list[Model]:
        """The models that the caller named, in order. Raises `UnknownNameError`."""
        names = [name.strip() for name in task.model.split(",") if name.strip()]
        if task.model and not names:
            raise TaskError("model names nothing; leave it empty to let rightmodel choose")
        return [self._catalog.find(name) for name in dict.fromkeys(names)]

    def _out_with(self, extra: tuple[Model, ...]) -> Mapping[str, str]:
        if not extra:
            return self._out
        return self._out | {m.id: why for m in extra if (why := self._unavailable(m))}


def count_tokens(task: Task) -> int:
    """Estimated prompt tokens: system, conversation, files and schema."""
    texts = [turn.text for turn in task.turns]
    if task.system:
        texts.append(task.system)
    if task.schema is not None:
        texts.append(json.dumps(task.schema))
    files = (file for turn in task.turns for file in turn.files)
    return sum(map(estimate_tokens, texts)) + sum(map(attachment_tokens, files)) + 8


def nothing_fits(decision: Decision) -> NoCandidateError:
    """The error for a decision without candidates: says what would help."""
    named: dict[str, list[str]] = {}
    for rejection in decision.rejections:
        if rejection.code != "not_named":
            named.setdefault(rejection.reason, []).append(rejection.model)
    reasons = "; ".join(
        f"{listed(models, most=3)}: {why}" for why, models in list(named.items())[:6]
    )
    if not named:
        return NoCandidateError(
            "no model is connected. Set a provider's key in the server's environment or "
            "--env-file, or write a manifest; `rightmodel check` says what is missing"
        )
    return NoCandidateError(
        f"no connected model can take this task. {reasons}. "
        "Loosen what excludes them, or call choose_model for the whole list",
        rejections=decision.rejections,
    )


def _requirements(
    task: Task,
    assessed: Assessed,
    input_tokens: int,
    named: list[Model],
    ceiling: Decimal | None,
) -> Requirements:
    rule = assessed.rule
    preferred, why = _preferred(task, rule)
    return Requirements(
        input_tokens=input_tokens,
        output_tokens=estimate.answer_tokens(assessed.assessment, task.max_output_tokens),
        modalities=frozenset({"text"} | {f.modality for t in task.turns for f in t.files}),
        features=rule.features if rule else frozenset(),
        trust=(rule.trust if rule else None) or Trust.any,
        max_cost_usd=_least(ceiling, rule.max_cost_usd if rule else None),
        pinned=tuple(model.id for model in named),
        preferred=preferred if not named else (),
        preferred_why=why,
    )


def _preferred(task: Task, rule: Rule | None) -> tuple[tuple[str, ...], str]:
    """A rule's models; else the one that the conversation has been with. And why."""
    if rule and rule.use:
        return rule.use, f"rule {rule.name!r} uses it"
    return (task.prefer,) if task.prefer else (), "the conversation goes on with its model"


def _least(*amounts: Decimal | None) -> Decimal | None:
    return min((a for a in amounts if a is not None), default=None)
