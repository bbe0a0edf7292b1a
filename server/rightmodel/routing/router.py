"""Task → decision, for `choose_model` and `complete` alike, in one straight line.

Local assessment → plausible readings, weighed in one pass → worth asking? → judge → decide.

Asking the judge is pointless where one model wins under every plausible reading. Otherwise the
value of knowing the reading is the expected total cost of the model that is best on average, less
that of the model that is best under each reading (the expected value of perfect information). A
judge brings a part of it: much of what the skill hides, little of what the difficulty hides.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import groupby
from math import inf
from typing import TYPE_CHECKING, Final

from rightmodel.core.decision import Assessment, Decision, Requirements
from rightmodel.core.errors import TaskError
from rightmodel.core.task import ASSESS_MODES, Task, Turn, WireFormat
from rightmodel.routing import scoring
from rightmodel.routing.decide import CERTAIN, Outlook, ranked, weigh
from rightmodel.routing.reasons import barred
from rightmodel.routing.scoring import Question
from rightmodel.routing.session import assessment_of, horizon
from rightmodel.routing.signals import local_model, routing_rules
from rightmodel.routing.signals.judge import Judge, price_for
from rightmodel.routing.signals.routing_rules import (
    NOTHING_KNOWN,
    Applied,
    Requirement,
    search_here,
)
from rightmodel.routing.tokens import tokens_of
from rightmodel.wire.codecs import CODECS
from rightmodel.wire.request import HARMLESS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
    from random import Random

    from rightmodel.manifest.catalog import Catalog, Model, Rule
    from rightmodel.routing.signals.routing_rules import Search

    LocalAssess = Callable[[Task, Sequence[str]], Assessment]

MOST_CACHED: Final = 128
LONGEST_CACHED: Final = 20_000
"""Characters of a prompt whose assessment is kept: `complete` often follows `choose_model`."""
SKILL_SHARE: Final = 0.7
"""Share of the value of knowing the skill that a judge brings: it is not always right."""
DIFFICULTY_SHARE: Final = 0.1
"""The same for the difficulty, which a text says little about, whoever reads it."""
CEILING_SHARE: Final = Decimal("0.1")
"""The judge may cost at most this share of max_cost_usd."""
MOST_REGRET: Final = 2.0
"""A candidate may be explored if its expected total cost is at most this multiple of
the first choice's."""


@dataclass(frozen=True, slots=True)
class _Request:
    """What a decision needs of a task and its catalog, whatever the assessment.

    `rules`: those that apply if their conditions on skill and difficulty hold. `named`: the models
    that the caller named. `required`: before any rule: the ceiling over the call. `features`,
    `unfit`: as in `Requirements`. `chore`: the assessment of a turn that is the client's
    housekeeping. `tier`: of a task that states none.
    """

    task: Task
    catalog: Catalog
    input_tokens: int
    modalities: frozenset[str]
    features: frozenset[str]
    unfit: Mapping[str, frozenset[str]]
    rules: Sequence[Rule]
    named: Sequence[Model]
    required: Requirement
    unavailable: Mapping[str, str]
    extra: tuple[Model, ...]
    at: float | None
    chore: Assessment | None
    tier: str


class Router:
    """`unavailable`: model → why no request can be sent to it at all ("" if one can).

    `corrected`: the catalog with what was learned; default: the manifest's. `clock`: seconds since
    1970; without it the dearest of prices that depend on time apply. `assess`: the classifier.
    `search`: for patterns of rules that may be slow; by default they take their time.
    """

    def __init__(  # noqa: PLR0913 - all but two are optional and named
        self,
        catalog: Catalog,
        unavailable: Callable[[Model], str],
        *,
        judge: Judge | None = None,
        corrected: Callable[[], Awaitable[Catalog]] | None = None,
        clock: Callable[[], float] | None = None,
        assess: LocalAssess = local_model.assess,
        search: Search | None = None,
    ) -> None:
        self._catalog = catalog
        self._corrected = corrected
        self._clock = clock
        self._judge = judge
        self._assess = assess
        self._search = search or search_here
        self._unavailable = unavailable
        self._assessed: OrderedDict[tuple[str, bool], Assessment] = OrderedDict()
        self._protocols = {p.protocol for p in catalog.providers.values()}
        models = (*catalog.models.values(), *catalog.unlisted.values())
        self._out = {m.id: why for m in models if (why := unavailable(m))}
        self._out_for = {
            client.name: self._out | barred(client, models) for client in catalog.clients.values()
        }

    async def route(self, task: Task, *, judge: bool = True) -> Decision:
        """The decision. One without candidates is valid. Raises `UnknownNameError`.

        `judge`: whether the judge may be asked, which takes a call.
        """
        catalog = await self._corrected() if self._corrected else self._catalog
        request = await self._request(task, catalog)
        mode, local = _settled(request) or self._local(request)
        question = question_for(request, local)
        outlook = weigh(request.catalog, question)
        if not judge or mode not in {"judge", "hybrid"}:
            return ranked(outlook, question)
        return await self._judged(request, question, outlook, always=mode == "judge")

    async def _judged(
        self, request: _Request, question: Question, outlook: Outlook, *, always: bool
    ) -> Decision:
        """The decision on the judge's assessment where asking pays, else on the local one."""
        judge, task, required = self._judge, request.task, request.required
        if judge is None:
            return ranked(outlook, question, note="no judge")
        if why := _pointless(question.assessment, outlook, always=always):
            return ranked(outlook, question, note=why)
        if request.rules:
            required = routing_rules.possible_requirement(request.rules, task, required)
        model = judge.model(required)
        if model is None:
            return ranked(outlook, question, note="no model is fit to judge")
        price_usd = price_for(model, task)
        if why := _too_dear(price_usd, required.max_cost_usd, None if always else outlook):
            return ranked(outlook, question, note=why)
        verdict = await judge.ask(task, question.assessment, model, required.trust)
        if verdict.assessment is None:
            decision = ranked(outlook, question, note=verdict.why)
        else:
            judged = question_for(request, verdict.assessment)
            decision = ranked(weigh(request.catalog, judged), judged)
        return replace(decision, judge=model.id, judge_usd=verdict.cost_usd)

    async def _request(self, task: Task, catalog: Catalog) -> _Request:
        named = self._named(task)
        extra = tuple(m for m in named if m.id not in self._catalog.models)
        client = catalog.clients.get(task.client)
        out = self._out_for[client.name] if client else self._out
        if extra:
            out = out | {m.id: why for m in extra if (why := self._unavailable(m))}
            out |= barred(client, extra) if client else {}
        content, unfit = task.content, _unfit(task.turn, self._protocols)
        tokens = tokens_of(content)
        usual = (client and client.tier) or catalog.routing.tier
        tier = task.tier or usual
        rules: Sequence[Rule] = ()
        if catalog.rules:
            rules = await routing_rules.candidates(
                catalog.rules, task, self._search, tier=tier, input_tokens=tokens
            )
        return _Request(
            task=task,
            catalog=catalog,
            input_tokens=tokens,
            modalities=frozenset({"text"} | {f.modality for f in content.files}),
            features=frozenset({"tools"} if content.tools else ()),
            unfit=unfit,
            rules=rules,
            named=named,
            required=routing_rules.required_by(task.max_cost_usd, catalog.budget, client),
            unavailable=out,
            extra=extra,
            at=self._clock() if self._clock else None,
            chore=assessment_of(task.turn.kind) if task.turn else None,
            tier=usual,
        )

    def _local(self, request: _Request) -> tuple[str, Assessment]:
        """The mode of assessment and what is inferred without asking. A rule may set the mode."""
        mode = wanted = _checked(request.catalog.routing.assess)
        inferred = self._infer(mode, request)
        if any(rule.assess for rule in request.rules):
            applied, _ = routing_rules.apply(request.rules, request.task, inferred)
            wanted = _checked(applied.assess or mode)
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


def _settled(request: _Request) -> tuple[str, Assessment] | None:
    """A mode that asks nobody and the assessment, of a turn that needs none of its own.

    That is housekeeping, and a turn that only returns the results of tools: it goes on with what
    was asked before.
    """
    turn, view, found = request.task.turn, request.task.session, request.chore
    if turn is not None and turn.kind == "tool_result" and view is not None:
        found = view.assessment
    return None if found is None else ("learned", found)


def question_for(request: _Request, inferred: Assessment) -> Question:
    """The rules and hints applied to what was inferred: all that a decision depends on. Pure."""
    task, routing = request.task, request.catalog.routing
    applied, assessment = routing_rules.apply(request.rules, task, inferred, request.required)
    turn, ahead = task.turn, None
    unlisted = request.catalog.unlisted
    answer = scoring.answer_tokens(assessment, task.max_output_tokens)
    if turn is not None and task.session is not None:
        models = request.catalog.models
        ahead = horizon(task.session, turn.kind, request.input_tokens, request.at, models)
        answer = ahead.answer_tokens(answer)
    needed = _requirements(request, applied, answer)
    is_stated = assessment.difficulty_confidence >= CERTAIN
    failure = task.failure_cost_usd
    if failure is None and not task.tier:
        failure = routing.failure_cost_usd
    return Question(
        assessment=assessment,
        requirements=needed,
        tier=task.tier or applied.tier or ("cheap" if request.chore else request.tier),
        effort=task.effort,
        max_output_tokens=task.max_output_tokens,
        failure_cost_usd=failure,
        rule=", ".join(applied.names),
        unavailable=request.unavailable,
        extra=(*request.extra, *(unlisted[n] for n in needed.preferred if n in unlisted)),
        at=request.at,
        horizon=ahead,
        stall=turn.stall if turn is not None and not is_stated else "",
    )


def _requirements(request: _Request, applied: Applied, answer: int) -> Requirements:
    """`answer`: tokens that are expected of it."""
    task, required = request.task, applied.required
    preferred: tuple[str, ...] = ()
    why = ""
    if applied.use and not request.named:
        preferred, why = applied.use, f"rule {applied.use_rule!r} uses it"
    elif task.prefer and not request.named:
        preferred, why = (task.prefer,), "the conversation continues with its model"
    return Requirements(
        input_tokens=request.input_tokens,
        output_tokens=answer,
        modalities=request.modalities,
        features=required.features | request.features,
        trust=required.trust,
        max_cost_usd=required.max_cost_usd,
        pinned=tuple(model.id for model in request.named),
        preferred=preferred,
        preferred_why=why,
        trust_by=required.trust_rule,
        cost_by=required.cost_by,
        unfit=request.unfit,
    )


def _unfit(turn: Turn | None, protocols: Iterable[WireFormat]) -> dict[str, frozenset[str]]:
    """Which of the APIs a turn cannot be translated to, and what they have no field for."""
    if turn is None:
        return {}
    return {
        name: missing
        for name in protocols
        if name is not turn.dialect
        and (missing := CODECS[name].unsupported(turn.request) - HARMLESS)
    }


def _checked(mode: str) -> str:
    if mode not in ASSESS_MODES:
        msg = f"unknown assess mode {mode!r}; known: {', '.join(ASSESS_MODES)}"
        raise ValueError(msg)
    return mode


def count_tokens(task: Task) -> int:
    """Estimated prompt tokens: system, conversation, files and schema."""
    return tokens_of(task.content)


def _pointless(assessment: Assessment, outlook: Outlook, *, always: bool) -> str:
    """Why the judge's answer cannot change the choice, "" where it can.

    `always`: ask even where one model wins (`assess = "judge"`).
    """
    if assessment.confidence >= CERTAIN and assessment.difficulty_confidence >= CERTAIN:
        return "judge not asked: skill and difficulty are stated"
    if not always and len({winner for _, winner in outlook.by_reading()}) <= 1:
        return "judge not asked: every plausible reading leads to one model"
    return ""


def _too_dear(
    price_usd: Decimal | None, ceiling_usd: Decimal | None, outlook: Outlook | None
) -> str:
    """Why the judge's call costs too much, "" where it does not.

    `price_usd`: of that call, `None` where unknown. `ceiling_usd`: over the whole call. `outlook`:
    what the answer must be worth its price in; `None`: ask whatever it is worth.
    """
    if ceiling_usd is not None and (price_usd is None or price_usd > ceiling_usd * CEILING_SHARE):
        return "judge not asked: max_cost_usd cannot cover the judge's call"
    if outlook and (price_usd is None or value_of_asking(outlook) <= float(price_usd)):
        return "judge not asked: it would cost more than it could save"
    return ""


def value_of_asking(outlook: Outlook) -> float:
    """USD that the judge's answer is expected to save."""
    known = skill_known = 0.0
    pairs = zip(outlook.readings, outlook.by_reading(), strict=True)
    for _, group in groupby(pairs, key=lambda pair: pair[0].skills):
        sums = [0.0] * len(outlook.positions)
        for reading, (totals, winner) in group:
            known += reading.share * totals[winner] if winner >= 0 else 0.0
            sums = [s + reading.share * total for s, total in zip(sums, totals, strict=True)]
        skill_known += _least(sums)
    blind = _least(outlook.totals)
    return SKILL_SHARE * (blind - skill_known) + DIFFICULTY_SHARE * (skill_known - known)


def _least(totals: Sequence[float]) -> float:
    least = min(totals, default=inf)
    return 0.0 if least == inf else least


def explored(decision: Decision, share: float, random: Random) -> Decision:
    """The decision; in a `share` of calls (0–1) another near candidate comes first.

    Models that the caller or a rule named keep their order.
    """
    needed = decision.requirements
    if not share or needed.pinned or needed.preferred or random.random() >= share:
        return decision
    near = [
        candidate
        for candidate in decision.candidates[1:]
        if candidate.total_usd <= MOST_REGRET * decision.candidates[0].total_usd
    ]
    if not near:
        return decision
    tried = random.choice(near)
    others = tuple(c for c in decision.candidates if c is not tried)
    return replace(
        decision,
        candidates=(tried, *others),
        reason=f"explored, to learn how good it is; else {others[0].model}: {decision.reason}",
        explored=True,
    )
