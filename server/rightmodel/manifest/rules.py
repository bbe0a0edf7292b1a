"""The user's rules and budgets, with every name in them checked at load."""

from __future__ import annotations

import re
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from rightmodel.core.errors import ManifestError, TaskError, UnknownNameError
from rightmodel.core.task import Trust
from rightmodel.manifest.catalog import Budget, Catalog, Condition, Rule

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rightmodel.manifest.schema import BudgetTable, RuleTable, WhenTable


def build_rules(catalog: Catalog, tables: Sequence[RuleTable], file: str) -> Catalog:
    """The catalog with its rules. Raises `ManifestError` for an unknown name."""
    rules, notes = [], list(catalog.notes)
    for number, table in enumerate(tables, 1):
        name = table.name or f"rule {number}"
        try:
            rules.append(_rule(catalog, table, name))
        except TaskError as error:
            raise ManifestError(
                str(error), file=file, key=f'rules."{name}".{error.argument}'
            ) from None
        if table.use and not rules[-1].use:
            notes.append(f"rule {name!r}: use = {table.use} matches no connected model")
    return replace(catalog, rules=tuple(rules), notes=tuple(notes))


def build_budget(catalog: Catalog, table: BudgetTable) -> Catalog:
    """The catalog with its budgets. Raises `ManifestError` for an unknown name."""
    models = {}
    for name, usd in table.models.items():
        model = catalog.aliases.get(name, name)
        if model not in catalog.models:
            unknown = UnknownNameError("model", name, [*catalog.models, *catalog.aliases])
            raise ManifestError(str(unknown), file=catalog.file, key="budget.models")
        models[model] = usd
    for skill in table.skills:
        if skill not in catalog.skills:
            unknown = UnknownNameError("skill", skill, catalog.skills)
            raise ManifestError(str(unknown), file=catalog.file, key="budget.skills")
    simple = table.model_dump(exclude_none=True, exclude={"models", "skills"})
    return replace(catalog, budget=Budget(**simple, models=models, skills=table.skills))


def _rule(catalog: Catalog, table: RuleTable, name: str) -> Rule:
    if table.skill is not None:
        _known_skill(catalog, table.skill, "skill")
    trust = table.require.trust
    return Rule(
        name=name,
        when=_condition(catalog, table.when),
        use=tuple(dict.fromkeys(_named(catalog, table.use or ()))),
        trust=None if trust is None else Trust[trust],
        features=frozenset(table.require.features or ()),
        max_cost_usd=table.require.max_cost_usd,
        skill=table.skill or "",
        difficulty=table.difficulty or "",
        tier=table.tier or "",
        assess=table.assess or "",
    )


def _named(catalog: Catalog, names: Iterable[str]) -> Iterator[str]:
    """Ids for names and patterns; the models of a pattern best rated first."""
    for name in names:
        if "*" in name:
            matching = [m for m in catalog.models.values() if fnmatchcase(m.id, name)]
            yield from (m.id for m in sorted(matching, key=lambda m: -m.rating("general")))
            continue
        try:
            yield catalog.find(name).id
        except TaskError as error:
            error.argument = "use"
            raise


def _known_skill(catalog: Catalog, skill: str, argument: str) -> None:
    if skill not in catalog.skills:
        raise UnknownNameError("skill", skill, catalog.skills, argument=argument)


def _condition(catalog: Catalog, when: WhenTable) -> Condition:
    for skill in _as_set(when.skill):
        _known_skill(catalog, skill, "when.skill")
    return Condition(
        skill=_as_set(when.skill),
        difficulty=_as_set(when.difficulty),
        tier=_as_set(when.tier),
        matches=re.compile(when.matches) if when.matches is not None else None,
        contains=tuple(word.casefold() for word in when.contains or ()),
        min_input_tokens=when.min_input_tokens,
        max_input_tokens=when.max_input_tokens,
        files=tuple(when.files or ()),
        input=_as_set(when.input),
    )


def _as_set(value: str | Sequence[str] | None) -> frozenset[str]:
    return frozenset([value] if isinstance(value, str) else value or ())
