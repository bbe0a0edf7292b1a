"""Task → decision, for `choose_model` and `complete` alike, in one straight line.

Local assessment → plausible readings, weighed in one pass → worth asking? → judge → decide.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from rightmodel.core.decision import Requirements
from rightmodel.core.errors import NoCandidateError, TaskError
from rightmodel.core.format import listed
from rightmodel.core.task import ASSESS_MODES
from rightmodel.routing import scoring
from rightmodel.routing.decide import ranked, weigh
from rightmodel.routing.scoring import Question
from rightmodel.routing.signals import local_model, routing_rules
from rightmodel.routing.signals.hints import NOTHING_KNOWN, settle
from rightmodel.routing.signals.judge import price_for
from rightmodel.routing.signals.routing_rules import Applied, least
from rightmodel.routing.tokens import attachment_tokens, estimate_tokens
from rightmodel.routing.worth_asking import reason_not_to_ask

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from decimal import Decimal

    from rightmodel.core.decision import Assessment, Decision
    from rightmodel.core.task import Task
    from rightmodel.manifest.catalog import Catalog, Model, Rule
    from rightmodel.routing.decide import Outlook
    from rightmodel.routing.signals.judge import Judge

    LocalAssess = Callable[[Task, Sequence[str]], Assessment]

MOST_CACHED: Final = 128
LONGEST_CACHED: Final = 20_000
"""Characters of a prompt whose assessment is kept: `complete` often follows `choose_model`."""


@dataclass(frozen=True, slots=True)
class _Request:
    """What a decision needs of a task and its catalog, whatever the assessment.

    `rules`: those that apply if their conditions on skill and difficulty hold. `named`: the models
    that the caller named. `ceiling`: USD over the whole call.
    """

    task: Task
    catalog: Catalog
    input_tokens: int
    rules: Sequence[Rule]
    named: Sequence[Model]
    ceiling: Decimal | None
    unavailable: Mapping[str, str]
    extra: tuple[Model, ...]
    at: float | None


class Router:
    """`unavailable`: model → why no request can be sent to it at all ("" if one can).

    `corrected`: the catalog with what was learned; default: the manifest's. `clock`: seconds since
    1970; without it the dearest of prices that depend on time apply. `assess`: the classifier.
    """

    def __init__(
        self,
        catalog: Catalog,
        unavailable: Callable[[Model], str],
        *,
        judge: Judge | None = None,
        corrected: Callable[[], Awaitable[Catalog]] | None = None,
        clock: Callable[[], float] | None = None,
        assess: LocalAssess = local_model.assess,
    ) -> None:
        self._catalog = catalog
        self._corrected = corrected
        self._clock = clock
        self._judge = judge
        self._assess = assess
        self._unavailable = unavailable
        self._assessed: OrderedDict[tuple[str, bool], Assessment] = OrderedDict()
        self._out = {m.id: why for m in catalog.models.values() if (why := unavailable(m))}

    async def route(self, task: Task) -> Decision:
        """The decision. One without candidates is valid. Raises `UnknownNameError`."""
        request = self._request(task, await self._corrected() if self._corrected else self._catalog)
        mode, local = self._local(request)
        question = question_for(request, local)
        outlook = weigh(request.catalog, question)
        if mode not in {"judge", "hybrid"}:
            return ranked(outlook, question)
        return await self._judged(request, question, outlook, always=mode == "judge")

    async def _judged(
        self,
        request: _Request,
        question: Question,
        outlook: Outlook,
        *,
        always: bool,
    ) -> Decision:
        """The decision on the judge's assessment where asking pays, else on the local one."""
        task = request.task
        required = routing_rules.possible_requirement(request.rules, task)
        model = self._judge.model(required) if self._judge else None
        if self._judge is None or model is None:
            why = "no judge" if self._judge is None else "no model is fit to judge"
            return ranked(outlook, _noted(question, why))
        why = reason_not_to_ask(
            question.assessment,
            outlook,
            price_usd=price_for(model, task),
            ceiling_usd=least(request.ceiling, required.max_cost_usd),
            always=always,
        )
        if why:
            return ranked(outlook, _noted(question, why))
        verdict = await self._judge.ask(task, question.assessment, model, required.trust)
        if verdict.assessment is None:
            decision = ranked(outlook, _noted(question, verdict.why))
        else:
            judged = question_for(request, verdict.assessment)
            decision = ranked(weigh(request.catalog, judged), judged)
        return replace(decision, judge=model.id, judge_usd=verdict.cost_usd)

    def _request(self, task: Task, catalog: Catalog) -> _Request:
        named = self._named(task)
        extra = tuple(m for m in named if m.id not in self._catalog.models)
        out = self._out
        if extra:
            out = out | {m.id: why for m in extra if (why := self._unavailable(m))}
        tokens = count_tokens(task)
        tier = task.tier or catalog.routing.tier
        return _Request(
            task=task,
            catalog=catalog,
            input_tokens=tokens,
            rules=routing_rules.candidates(catalog.rules, task, tier=tier, input_tokens=tokens),
            named=named,
            ceiling=least(task.max_cost_usd, catalog.budget.per_call_usd),
            unavailable=out,
            extra=extra,
            at=self._clock() if self._clock else None,
        )

    def _local(self, request: _Request) -> tuple[str, Assessment]:
        """The mode of assessment and what is inferred without asking. A rule may set the mode."""
        task = request.task
        mode = _checked(request.catalog.routing.assess)
        inferred = self._infer(mode, request)
        wanted = _checked(routing_rules.apply(request.rules, task, inferred).assess or mode)
        if "rules" in {mode, wanted} and mode != wanted:
            inferred = self._infer(wanted, request)
        return wanted, inferred

    def _infer(self, mode: str, request: _Request) -> Assessment:
        if mode == "rules":
            return NOTHING_KNOWN
        task = request.task
        key = (task.prompt, any(file.modality == "image" for file in task.files))
        assessment = self._assessed.get(key)
        if assessment is None:
            assessment = self._assess(task, request.catalog.skills)
            if len(task.prompt) <= LONGEST_CACHED:
                self._assessed[key] = assessment
                if len(self._assessed) > MOST_CACHED:
                    self._assessed.popitem(last=False)
        return assessment

    def _named(self, task: Task) -> list[Model]:
        """The models that the caller named, in order. Raises `UnknownNameError`."""
        names = [name.strip() for name in task.model.split(",") if name.strip()]
        if task.model and not names:
            raise TaskError("model names nothing; leave it empty to let rightmodel choose")
        return [self._catalog.find(name) for name in dict.fromkeys(names)]


def question_for(request: _Request, inferred: Assessment) -> Question:
    """The rules and hints applied to what was inferred: all that a decision depends on. Pure."""
    task, routing = request.task, request.catalog.routing
    applied = routing_rules.apply(request.rules, task, inferred)
    assessment = settle(task, applied, inferred)
    failure = task.failure_cost_usd
    if failure is None and not task.tier:
        failure = routing.failure_cost_usd
    return Question(
        assessment=assessment,
        requirements=_requirements(request, applied, assessment),
        tier=task.tier or applied.tier or routing.tier,
        effort=task.effort,
        max_output_tokens=task.max_output_tokens,
        failure_cost_usd=failure,
        rule=", ".join(applied.names),
        unavailable=request.unavailable,
        extra=request.extra,
        at=request.at,
    )


def _requirements(request: _Request, applied: Applied, assessment: Assessment) -> Requirements:
    task, required = request.task, applied.required
    preferred: tuple[str, ...] = ()
    why = ""
    if request.named:
        pass
    elif applied.use:
        preferred, why = applied.use, f"rule {applied.use_rule!r} uses it"
    elif task.prefer:
        preferred, why = (task.prefer,), "the conversation continues with its model"
    return Requirements(
        input_tokens=request.input_tokens,
        output_tokens=scoring.answer_tokens(assessment, task.max_output_tokens),
        modalities=frozenset({"text"} | {f.modality for t in task.turns for f in t.files}),
        features=required.features,
        trust=required.trust,
        max_cost_usd=least(request.ceiling, required.max_cost_usd),
        pinned=tuple(model.id for model in request.named),
        preferred=preferred,
        preferred_why=why,
        trust_by=required.trust_rule,
        cost_by=_ceiling_source(request, applied),
    )


def _ceiling_source(request: _Request, applied: Applied) -> str:
    """The key or rule that sets the ceiling over the call."""
    required, task = applied.required, request.task
    if required.max_cost_usd is not None and request.ceiling != least(
        request.ceiling, required.max_cost_usd
    ):
        return f"rule {required.cost_rule!r}"
    return "max_cost_usd" if request.ceiling == task.max_cost_usd else "[budget] per_call_usd"


def _checked(mode: str) -> str:
    if mode not in ASSESS_MODES:
        msg = f"unknown assess mode {mode!r}; known: {', '.join(ASSESS_MODES)}"
        raise ValueError(msg)
    return mode


def _noted(question: Question, why: str) -> Question:
    assessment = question.assessment
    note = f"{assessment.note}; {why}" if assessment.note else why
    return replace(question, assessment=replace(assessment, note=note))


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
    models_by_reason: dict[str, list[str]] = {}
    for rejection in decision.rejections:
        if rejection.code != "not_named":
            models_by_reason.setdefault(rejection.reason, []).append(rejection.model)
    reasons = "; ".join(
        f"{listed(models, most=3)}: {why}" for why, models in list(models_by_reason.items())[:6]
    )
    if not models_by_reason:
        return NoCandidateError(
            "no model is connected. Set a provider's key in the server's environment or "
            "--env-file, or write a manifest; `rightmodel check` says what is missing"
        )
    return NoCandidateError(
        f"no connected model can take this task. {reasons}. "
        "Loosen what excludes them, or call choose_model for the whole list",
        rejections=decision.rejections,
    )
