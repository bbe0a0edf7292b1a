"""Task → assessment: hints are true, the user's rules come next, inference fills the gaps."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from rightmodel.core.task import DIFFICULTIES, Trust
from rightmodel.routing.signals import routing_rules as user_rules
from rightmodel.routing.worth_asking import UNSURE, Asked, ask_judge, assess_hybrid

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rightmodel.core.decision import Assessment, Decision
    from rightmodel.core.task import Task
    from rightmodel.manifest.catalog import Catalog, Rule
    from rightmodel.routing.signals.judge import Judge

    Local = Callable[[Task], Assessment]
    Consider = Callable[["Assessed"], Decision]


@dataclass(frozen=True, slots=True)
class Assessed:
    """An assessment, the rule that applies, and the tier after hint, rule and default.

    `judge`: the model that was asked, "" for none; `judge_usd`: what that cost.
    """

    assessment: Assessment
    tier: str
    rule: Rule | None = None
    judge: str = ""
    judge_usd: Decimal | None = Decimal(0)


class Assessor:
    """`locals_`: "rules" and "learned" → what infers without asking. `judge`: may be none."""

    def __init__(
        self, catalog: Catalog, locals_: Mapping[str, Local], judge: Judge | None = None
    ) -> None:
        self._catalog = catalog
        self._locals = locals_
        self._judge = judge

    async def assess(self, task: Task, input_tokens: int, consider: Consider) -> Assessed:
        """What kind of work, how hard, under which rule and tier.

        `consider`: what would be decided under an assessment; the hybrid weighs the judge with it.
        """
        rules, routing = self._catalog.rules, self._catalog.routing
        default = task.tier or routing.tier
        asked: Asked | None = None
        skill, difficulty = task.skill, task.difficulty
        if user_rules.ask_for_assessment(rules, task):
            # Which rule applies hangs on the answer: until then the strictest of them holds.
            trust = user_rules.strictest_trust(rules, task, input_tokens)
            asked = await self._infer(task, routing.assess, None, default, trust, consider)
            skill = skill or asked.assessment.skill
            difficulty = difficulty or nearest_word(asked.assessment.difficulty)
        rule = user_rules.match(
            rules,
            task,
            tier=default,
            input_tokens=input_tokens,
            skill=skill,
            difficulty=difficulty,
        )
        tier = _tier(task, rule, asked) or default
        if asked is None:
            mode = (rule.assess if rule else "") or routing.assess
            trust = (rule.trust if rule else None) or Trust.any
            asked = await self._infer(task, mode, rule, tier, trust, consider)
        settled = _settle(task, rule, asked.assessment)
        return Assessed(settled, tier, rule, asked.judge, asked.cost_usd)

    async def _infer(
        self,
        task: Task,
        mode: str,
        rule: Rule | None,
        tier: str,
        trust: Trust,
        consider: Consider,
    ) -> Asked:
        local = _settle(task, rule, self._locals.get(mode, self._locals["learned"])(task))
        if mode == "judge":
            return await ask_judge(task, local, self._judge, trust)
        if mode == "hybrid":
            return await assess_hybrid(
                task,
                local,
                lambda assessment: consider(Assessed(assessment, tier, rule)),
                self._judge,
                trust,
            )
        return Asked(local)


def _tier(task: Task, rule: Rule | None, asked: Asked | None) -> str:
    """The tier that a rule sets, "" for none.

    A rule that applies by an unsure guess does not change how much a mistake may cost.
    """
    if task.tier or rule is None:
        return task.tier
    guessed = asked is not None and rule.when.skill and not task.skill
    if asked is not None and guessed and asked.assessment.confidence < UNSURE:
        return ""
    return rule.tier


def _settle(task: Task, rule: Rule | None, inferred: Assessment) -> Assessment:
    """Hints over the rule over what was inferred."""
    settled = inferred
    skill = task.skill or (rule.skill if rule else "")
    if skill:
        settled = replace(
            settled,
            skills=((skill, 1.0),),
            confidence=1.0,
            source="hint" if task.skill else "rule",
            output_tokens=inferred.output_tokens if inferred.skill == skill else None,
            note="the caller named the skill" if task.skill else f"rule {_name(rule)} sets it",
        )
    difficulty = task.difficulty or (rule.difficulty if rule else "")
    if difficulty:
        settled = replace(settled, difficulty=DIFFICULTIES[difficulty], difficulty_confidence=1.0)
    return settled


def _name(rule: Rule | None) -> str:
    return repr(rule.name) if rule else ""


def nearest_word(difficulty: float) -> str:
    """The caller's word that is closest to a difficulty."""
    return min(DIFFICULTIES, key=lambda word: abs(DIFFICULTIES[word] - difficulty))
