"""Task → assessment: hints are true, the user's rules come next, inference fills the gaps."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rightmodel.assess import user_rules
from rightmodel.domain import DIFFICULTIES, Assessment

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from rightmodel.domain import Task
    from rightmodel.manifest.catalog import Catalog, Rule

    Inference = Callable[[Task], Awaitable[Assessment]]


@dataclass(frozen=True, slots=True)
class Assessed:
    """An assessment, the rule that applies, and the tier after hint, rule and default."""

    assessment: Assessment
    tier: str
    rule: Rule | None = None


class Assessor:
    """`inferences`: the value of `assess` in the manifest → what infers an assessment."""

    def __init__(self, catalog: Catalog, inferences: Mapping[str, Inference]) -> None:
        self._catalog = catalog
        self._inferences = inferences

    async def assess(self, task: Task, input_tokens: int) -> Assessed:
        """What kind of work, how hard, under which rule and tier."""
        rules = self._catalog.rules
        default = task.tier or self._catalog.routing.tier
        inferred: Assessment | None = None
        skill, difficulty = task.skill, task.difficulty
        if user_rules.ask_for_assessment(rules, task):
            inferred = await self._infer(task, self._catalog.routing.assess)
            skill = skill or inferred.skill
            difficulty = difficulty or nearest_word(inferred.difficulty)
        rule = user_rules.match(
            rules,
            task,
            tier=default,
            input_tokens=input_tokens,
            skill=skill,
            difficulty=difficulty,
        )
        if inferred is None or (rule and rule.assess):
            mode = (rule.assess if rule else "") or self._catalog.routing.assess
            inferred = await self._infer(task, mode)
        tier = task.tier or (rule.tier if rule else "") or default
        return Assessed(_settle(task, rule, inferred), tier, rule)

    async def _infer(self, task: Task, mode: str) -> Assessment:
        return await self._inferences[mode](task)


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
