"""The caller's hints and the user's `[[rules]]`: deterministic, explainable, free.

Both are taken as true, hints above rules, rules above whatever was inferred.

`require` of every matching rule holds, the strictest wins. Each other setting comes from the first
matching rule that sets it. A skill or difficulty that a rule sets is what later rules compare with.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cache
from math import prod
from typing import TYPE_CHECKING, Final

from rightmodel.core.decision import Assessment, Trust
from rightmodel.core.format import unified
from rightmodel.core.task import DIFFICULTIES, Attachment, Task, texts_of

if TYPE_CHECKING:
    from decimal import Decimal

    from rightmodel.manifest.catalog import Budget, Client, Condition, Rule

    Search = Callable[[re.Pattern[str], Sequence[str]], Awaitable[bool | None]]
    """Whether a pattern is found in one of the texts; `None` where that took too long."""

UNSURE: Final = 0.5
"""Below this confidence an inferred skill does not let a rule set the tier."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """The strictest of what rules require. `max_cost_usd`: `None` for no ceiling.

    `trust_rule`: the rule that sets the trust; `cost_by`: the key or rule that sets the ceiling.
    `client`: may use some models only; `None` for one that may use all.
    """

    trust: Trust = Trust.any
    features: frozenset[str] = frozenset()
    max_cost_usd: Decimal | None = None
    trust_rule: str = ""
    cost_by: str = ""
    client: Client | None = None

    def and_of(self, rule: Rule) -> Requirement:
        """This and the rule's own, the stricter of both."""
        trust = max(self.trust, rule.trust or Trust.any)
        lower = rule.max_cost_usd is not None and (
            self.max_cost_usd is None or rule.max_cost_usd < self.max_cost_usd
        )
        return Requirement(
            trust,
            self.features | rule.features,
            rule.max_cost_usd if lower else self.max_cost_usd,
            self.trust_rule if trust == self.trust else rule.name,
            f"rule {rule.name!r}" if lower else self.cost_by,
            self.client,
        )


def required_by(of_call: Decimal | None, budget: Budget, client: Client | None) -> Requirement:
    """What holds before any rule: the lowest of the ceilings over a call, and the client's models.

    `of_call`: the caller's own ceiling, USD.
    """
    ceilings = [(of_call, "max_cost_usd"), (budget.per_call_usd, "[budget] per_call_usd")]
    if client is not None:
        ceilings.append((client.per_call_usd, f"[clients.{client.name}] per_call_usd"))
    given = [(usd, key) for usd, key in ceilings if usd is not None]
    if not given:
        return Requirement(client=client)
    usd, key = min(given, key=lambda ceiling: ceiling[0])
    return Requirement(max_cost_usd=usd, cost_by=key, client=client)


NOTHING_REQUIRED: Final = Requirement()


@dataclass(frozen=True, slots=True)
class Applied:
    """What the matching rules come to. Empty strings and tuples: no rule sets it.

    `names`: the rules that contribute, in order. `use_rule`, `skill_rule`: which rule set it.
    """

    required: Requirement = NOTHING_REQUIRED
    use: tuple[str, ...] = ()
    use_rule: str = ""
    skill: str = ""
    skill_rule: str = ""
    difficulty: str = ""
    tier: str = ""
    assess: str = ""
    names: tuple[str, ...] = ()


_NO_TEXT: Final = frozenset({"role", "type", "model", "data"})
"""Fields of a body that hold words of the API, or files."""
_ALL_TEXT: Final = frozenset({"input", "arguments", "args", "variables", "metadata"})
"""Fields of a body whose keys are not the API's."""

_LITERALS: Final = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]])*\]", re.DOTALL)
"""Escaped characters and classes of a pattern, where a `*` repeats nothing."""
_REPEATS: Final = re.compile(r"[*+]|\{\d*,(\d*)\}")
_REPEATED_GROUP: Final = re.compile(r"\)[*+{]")
_OPTIONAL: Final = re.compile(r"(?<!\()\?")
EXPONENTIAL: Final = 20
"""What a repeated group counts for: `(a+)+`."""
FEW_STEPS: Final = 300_000
MOST_FACTOR: Final = 64
"""A search with so many steps, or so many for each character, holds up nothing."""

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
"""`assess = "rules"`: the assessment where neither a hint nor a rule sets one."""


async def candidates(
    rules: Sequence[Rule], task: Task, search: Search, *, tier: str, input_tokens: int
) -> list[Rule]:
    """The rules whose conditions on text, files, size and tier hold.

    They apply if their conditions on skill and difficulty hold, too, which need an assessment.
    `tier`: the call's, else the manifest's. `search`: for patterns that may be slow.
    """
    texts = _Texts(task)
    found = []
    for rule in rules:
        when = rule.when
        if (when.tier and tier not in when.tier) or not _size_holds(when, input_tokens):
            continue
        # A secret in the schema or in an earlier turn is sent, too.
        files = task.content.files if requires(rule) else task.files
        if _files_hold(when, files) and await _text_holds(rule, texts, search):
            found.append(rule)
    return found


async def search_here(pattern: re.Pattern[str], texts: Sequence[str]) -> bool:
    """A search that takes as long as it takes."""
    return any(map(pattern.search, texts))


def may_be_slow(pattern: re.Pattern[str], characters: int) -> bool:
    """Whether a search of a text of that length may take long. An estimate, rather too high."""
    factor, unbounded = _steps(pattern)
    steps: int = factor * characters ** (1 + unbounded)
    return steps > max(FEW_STEPS, MOST_FACTOR * characters)


@cache
def _steps(pattern: re.Pattern[str]) -> tuple[int, int]:
    """The most steps of a search: a factor, and how many repeats may each reach the text's end."""
    plain = _LITERALS.sub(".", pattern.pattern)
    if _REPEATED_GROUP.search(plain):
        return 1, EXPONENTIAL
    repeats = _REPEATS.findall(plain)
    bounds = [int(most) for most in repeats if most]
    choices = [1 + group.count("|") for group in plain.split(")")]
    return prod(bounds) * prod(choices) * 2 ** len(_OPTIONAL.findall(plain)), repeats.count("")


def apply(
    rules: Sequence[Rule],
    task: Task,
    inferred: Assessment,
    required: Requirement = NOTHING_REQUIRED,
) -> tuple[Applied, Assessment]:
    """What the rules that `candidates` left come to, and the assessment after rules and hints.

    `required`: before any rule.
    """
    applied = Applied(required)
    if rules:
        applied = _matching(rules, task, inferred, applied)
    return applied, _settle(task, applied, inferred)


def _matching(
    rules: Sequence[Rule], task: Task, assessment: Assessment, applied: Applied
) -> Applied:
    skill = task.skill or assessment.skill
    sure = bool(task.skill) or assessment.confidence >= UNSURE
    difficulty = task.difficulty or nearest_word(assessment.difficulty)
    for rule in rules:
        if rule.when.skill and skill not in rule.when.skill:
            continue
        if rule.when.difficulty and difficulty not in rule.when.difficulty:
            continue
        before = applied
        applied = _with(applied, rule, may_set_tier=sure or not rule.when.skill)
        if applied != before:
            applied = replace(applied, names=(*applied.names, rule.name))
        if applied.skill and not task.skill:
            skill, sure = applied.skill, True
        difficulty = task.difficulty or applied.difficulty or difficulty
    return applied


def _settle(task: Task, applied: Applied, inferred: Assessment) -> Assessment:
    """The caller's hints over the rules' settings over what was inferred."""
    settled = inferred
    skill = task.skill or applied.skill
    if skill:
        note = "the caller named the skill"
        if not task.skill:
            note = f"rule {applied.skill_rule!r} sets the skill"
        settled = replace(
            settled,
            skills=((skill, 1.0),),
            confidence=1.0,
            source="hint" if task.skill else "rule",
            output_tokens=inferred.output_tokens if inferred.skill == skill else None,
            note=note,
        )
    difficulty = task.difficulty or applied.difficulty
    if difficulty:
        settled = replace(settled, difficulty=DIFFICULTIES[difficulty], difficulty_confidence=1.0)
    return settled


def possible_requirement(rules: Sequence[Rule], task: Task, required: Requirement) -> Requirement:
    """What may yet be required, whatever the assessment will be: the judge obeys this.

    `required`: before any rule.
    """
    settable = {rule.skill for rule in rules}
    for rule in rules:
        skill_open = not task.skill or not rule.when.skill or task.skill in rule.when.skill
        if skill_open or rule.when.skill & settable:
            required = required.and_of(rule)
    return required


def _with(applied: Applied, rule: Rule, *, may_set_tier: bool) -> Applied:
    """The rule's requirement added, and what no earlier rule has set."""
    changes: dict[str, object] = {}
    if requires(rule):
        changes["required"] = applied.required.and_of(rule)
    if rule.use and not applied.use:
        changes |= {"use": rule.use, "use_rule": rule.name}
    if rule.skill and not applied.skill:
        changes |= {"skill": rule.skill, "skill_rule": rule.name}
    if rule.tier and not applied.tier and may_set_tier:
        changes["tier"] = rule.tier
    if rule.difficulty and not applied.difficulty:
        changes["difficulty"] = rule.difficulty
    if rule.assess and not applied.assess:
        changes["assess"] = rule.assess
    return replace(applied, **changes) if changes else applied  # type: ignore[arg-type]


def nearest_word(difficulty: float) -> str:
    """The word for a difficulty that is closest to it; of two as close, the harder one."""
    harder_first = sorted(DIFFICULTIES, key=DIFFICULTIES.__getitem__, reverse=True)
    return min(harder_first, key=lambda word: abs(DIFFICULTIES[word] - difficulty))


# -- conditions ----------------------------------------------------------------------------------


def requires(rule: Rule) -> bool:
    """Whether the rule restricts which models may be tried."""
    return rule.trust is not None or bool(rule.features) or rule.max_cost_usd is not None


class _Texts:
    """What the patterns and words of rules are searched in, made once for all of them."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._prompt: list[str] = []
        self._all: list[str] = []

    def of(self, rule: Rule) -> list[str]:
        """The prompt; all that is sent where the rule requires something."""
        if not requires(rule):
            self._prompt = self._prompt or _with_unified([self._task.prompt])
            return self._prompt
        self._all = self._all or _with_unified(_all_texts(self._task))
        return self._all


def _all_texts(task: Task) -> list[str]:
    texts = list(texts_of(task.content._replace(files=())))  # they are in its messages
    if task.turn is not None:
        texts += _passing(task.turn.document)
    return texts + [inner for text in texts for inner in _within_json(text)]


def _with_unified(texts: list[str]) -> list[str]:
    """The texts, and those that `unified` changes once more."""
    changed = [plain for text in texts if (plain := unified(text)) != text]
    return texts + changed


def _passing(value: object) -> Iterator[str]:
    """The strings of a turn's body: it may pass through, with fields that nothing here reads."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            if key in _ALL_TEXT and isinstance(item, Mapping):
                yield from texts_of(item)
            elif key not in _NO_TEXT:
                yield from _passing(item)
    elif isinstance(value, list):
        for item in value:
            yield from _passing(item)
    elif isinstance(value, str) and not value.startswith("data:"):
        yield value


def _within_json(text: str) -> Iterator[str]:
    """The strings of a text that is JSON, without its escapes: arguments of tools, and results."""
    if text.lstrip()[:1] in {"{", "["}:
        with suppress(ValueError, RecursionError):
            yield from texts_of(json.loads(text))


async def _text_holds(rule: Rule, texts: _Texts, search: Search) -> bool:
    when = rule.when
    if when.contains:
        folded = "\n".join(texts.of(rule)).casefold()
        if not any(word in folded for word in when.contains):
            return False
    if when.matches is None:
        return True
    slow = may_be_slow(when.matches, sum(map(len, texts.of(rule))))
    found = await (search if slow else search_here)(when.matches, texts.of(rule))
    # What took too long counts: the pattern may mark what must not be sent.
    return requires(rule) if found is None else found


def _size_holds(when: Condition, input_tokens: int) -> bool:
    if when.min_input_tokens is not None and input_tokens < when.min_input_tokens:
        return False
    return when.max_input_tokens is None or input_tokens <= when.max_input_tokens


def _files_hold(when: Condition, files: Sequence[Attachment]) -> bool:
    if when.files and not any(
        fnmatchcase(name.casefold(), pattern)
        for file in files
        for name in file.names
        for pattern in when.files
    ):
        return False
    modalities = {file.modality for file in files} or {"text"}
    return not when.input or not when.input.isdisjoint(modalities)
