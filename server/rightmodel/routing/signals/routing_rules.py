"""The caller's hints and the user's `[[rules]]`: deterministic, explainable, free.

Both are taken as true, hints above rules, rules above whatever was inferred.

`require` of every matching rule holds, the strictest wins. Each other setting comes from the first
matching rule that sets it. A skill or difficulty that a rule sets is what later rules compare with.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final
from unicodedata import category, normalize

from rightmodel.core.decision import Assessment, Trust
from rightmodel.core.task import DIFFICULTIES, texts_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from decimal import Decimal

    from rightmodel.core.task import Attachment, Task
    from rightmodel.manifest.catalog import Budget, Client, Condition, Rule

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

_INVISIBLE: Final = frozenset({"Cc", "Cf"})

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
NO_RULES: Final = Applied()


def candidates(rules: Sequence[Rule], task: Task, *, tier: str, input_tokens: int) -> list[Rule]:
    """The rules whose conditions on text, files, size and tier hold.

    They apply if their conditions on skill and difficulty hold, too, which need an assessment.
    `tier`: the call's, else the manifest's.
    """
    everything: tuple[list[str], list[Attachment]] | None = None
    found = []
    for rule in rules:
        if rule.when.tier and tier not in rule.when.tier:
            continue
        if not _size_holds(rule.when, input_tokens):
            continue
        texts, files = [task.prompt], list(task.files)
        if _requires(rule):
            # A secret in the schema or in an earlier turn is sent, too.
            everything = everything or (_all_texts(task), _all_files(task))
            texts, files = everything
        if _text_holds(rule.when, texts) and _files_hold(rule.when, files):
            found.append(rule)
    return found


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
    if _requires(rule):
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


def _requires(rule: Rule) -> bool:
    return rule.trust is not None or bool(rule.features) or rule.max_cost_usd is not None


def _all_texts(task: Task) -> list[str]:
    """Every text that is sent, and without characters that hide a word from a search."""
    texts = list(texts_of(task.content))
    if task.turn is not None:
        texts += _passing(task.turn.document)
        texts += [inner for text in texts for inner in _within_json(text)]
    return texts + [_plain(text) for text in texts if not (text.isascii() and text.isprintable())]


def _passing(value: object) -> Iterator[str]:
    """The strings of a turn's body: it may pass through, with fields that nothing here reads."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            if key not in _NO_TEXT:
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


def _plain(text: str) -> str:
    """Compatibility forms unified (full width), invisible characters removed but white space."""
    kept = (c for c in normalize("NFKC", text) if c.isspace() or category(c) not in _INVISIBLE)
    return "".join(kept)


def _all_files(task: Task) -> list[Attachment]:
    return [file for message in task.messages for file in message.files]


def _text_holds(when: Condition, texts: Sequence[str]) -> bool:
    if when.matches is not None and not any(map(when.matches.search, texts)):
        return False
    if not when.contains:
        return True
    folded = "\n".join(texts).casefold()
    return any(word in folded for word in when.contains)


def _size_holds(when: Condition, input_tokens: int) -> bool:
    if when.min_input_tokens is not None and input_tokens < when.min_input_tokens:
        return False
    return when.max_input_tokens is None or input_tokens <= when.max_input_tokens


def _files_hold(when: Condition, files: Sequence[Attachment]) -> bool:
    if when.files and not any(
        fnmatchcase(file.path.rpartition("/")[2], pattern) or fnmatchcase(file.path, pattern)
        for file in files
        for pattern in when.files
    ):
        return False
    return (
        not when.input
        or any(file.modality in when.input for file in files)
        or (when.input == {"text"} and not files)
    )


# -- rules without effect, for `check` -----------------------------------------------------------


def ineffective(rules: Sequence[Rule]) -> list[tuple[Rule, str]]:
    """Rules that can never have an effect, each with the reason."""
    found = []
    for number, rule in enumerate(rules):
        why = _contradiction(rule.when) or _nothing_set(rule) or _shadowed(rule, rules[:number])
        if why:
            found.append((rule, why))
    return found


def _contradiction(when: Condition) -> str:
    low, high = when.min_input_tokens, when.max_input_tokens
    if low is not None and high is not None and low > high:
        return f"min_input_tokens {low} is more than max_input_tokens {high}"
    return ""


def _settings(rule: Rule) -> dict[str, object]:
    values = {
        "use": rule.use,
        "skill": rule.skill,
        "difficulty": rule.difficulty,
        "tier": rule.tier,
        "assess": rule.assess,
    }
    return {name: value for name, value in values.items() if value}


def _nothing_set(rule: Rule) -> str:
    if _settings(rule) or _requires(rule):
        return ""
    return "it sets and requires nothing"


def _shadowed(rule: Rule, earlier: Sequence[Rule]) -> str:
    """Whether earlier rules, which match whenever this one does, set all that it sets."""
    if _requires(rule):
        return ""
    open_settings = set(_settings(rule))
    by = []
    for number, other in enumerate(earlier):
        between = earlier[number:]
        if open_settings & set(_settings(other)) and _implied(other, rule, between):
            open_settings -= set(_settings(other))
            by.append(other.name)
    if open_settings:
        return ""
    names = ", ".join(repr(name) for name in by)
    return f"earlier rules match whenever it does and set the same: {names}"


def _implied(earlier: Rule, later: Rule, between: Sequence[Rule]) -> bool:
    """Whether `earlier` matches whenever `later` does. False where that cannot be shown."""
    a, b = earlier.when, later.when
    if (a.skill or a.difficulty) and any(rule.skill or rule.difficulty for rule in between):
        return False
    sets = ((a.skill, b.skill), (a.difficulty, b.difficulty), (a.tier, b.tier), (a.input, b.input))
    return (
        all(not wide or (narrow and narrow <= wide) for wide, narrow in sets)
        and (a.matches is None or a.matches == b.matches)
        and (not a.contains or _all_contain(b.contains, a.contains))
        and (not a.files or (bool(b.files) and set(b.files) <= set(a.files)))
        and (a.min_input_tokens or 0) <= (b.min_input_tokens or 0)
        and (a.max_input_tokens is None or (b.max_input_tokens or 10**12) <= a.max_input_tokens)
    )


def _all_contain(words: Sequence[str], parts: Sequence[str]) -> bool:
    return bool(words) and all(any(part in word for part in parts) for word in words)
