"""Rules that can never have an effect, for `check`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rightmodel.routing.signals.routing_rules import requires

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rightmodel.manifest.catalog import Condition, Rule


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
    if _settings(rule) or requires(rule):
        return ""
    return "it sets and requires nothing"


def _shadowed(rule: Rule, earlier: Sequence[Rule]) -> str:
    """Whether earlier rules, which match whenever this one does, set all that it sets."""
    if requires(rule):
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
