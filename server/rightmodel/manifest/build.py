"""Tables of the manifest, in layers → the catalog's objects, with the catalog's defaults."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import fields, replace
from decimal import Decimal
from math import log10
from typing import TYPE_CHECKING, Any
from unicodedata import normalize

from rightmodel.core.decision import Trust
from rightmodel.core.errors import ManifestError
from rightmodel.core.format import fits, unified
from rightmodel.core.task import WireFormat
from rightmodel.manifest.base_url import http_problem, is_loopback
from rightmodel.manifest.catalog import (
    Budget,
    Cache,
    Catalog,
    Condition,
    Endpoint,
    Model,
    Provider,
    Rule,
    by_id,
)
from rightmodel.manifest.price import Price, Terms
from rightmodel.manifest.problems import Problems, entry_label
from rightmodel.manifest.quirks import Quirks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from rightmodel.manifest.schema import BudgetTable, RuleTable, WhenTable

_PER_MILLION = -6
_PRICES = frozenset(field.name for field in fields(Price)) - {"others"}
_QUIRKS = frozenset(field.name for field in fields(Quirks))
_FREE = {"input": Decimal(0), "output": Decimal(0)}
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def build_provider(name: str, values: Mapping[str, Any]) -> Provider:
    """A provider. Raises `ManifestError` for a missing key or a base URL that is not allowed."""
    if missing := [key for key in ("protocol", "base_url") if not values.get(key)]:
        verb = "is" if len(missing) == 1 else "are"
        raise ManifestError(f"{' and '.join(missing)} {verb} missing", key=f"providers.{name}")
    problem = http_problem(values["base_url"], allow_http=bool(values.get("allow_http")))
    if problem:
        raise ManifestError(problem, key=f"providers.{name}.base_url")
    written = {key: value for key, value in values.items() if value is not None}
    quirks = {key: written.pop(key) for key in _QUIRKS & written.keys()}
    typed = {
        "protocol": WireFormat(values["protocol"]),
        "trust": Trust[values.get("trust") or "any"],
        "cache": _cache(values.get("cache") or {}),
        "quirks": Quirks(**quirks),
    }
    return Provider(name=name, **(written | typed))


def _cache(table: Mapping[str, Any]) -> Cache:
    names = {field.name for field in fields(Cache)}
    return Cache(**{key: value for key, value in table.items() if key in names and value})


def build_model(
    model_id: str, values: Mapping[str, Any], provider: Callable[[str, str], Provider]
) -> Model:
    """A model. `provider(name, key)`: the provider, or an error at the manifest's `key`."""
    limits = values.get("limits") or {}
    default = Model(id=model_id, endpoints=())
    endpoints = _endpoints(model_id, values, provider)
    cost = values.get("cost")
    if cost is None:
        cost = _FREE if all(is_loopback(e.provider.base_url) for e in endpoints) else {}
    price = build_price(cost, values.get("cost_when") or ())
    context = limits.get("context") or limits.get("input") or default.context
    guess = {} if values.get("skills") else guess_skills(price)
    return Model(
        id=model_id,
        endpoints=endpoints,
        price=price,
        context=context,
        input_limit=limits.get("input"),
        output_limit=limits.get("output") or min(default.output_limit, context),
        modalities=frozenset(values.get("input") or default.modalities) | {"text"},
        features=frozenset(values.get("features") or ()),
        skills={k: float(v) for k, v in (values.get("skills") or guess).items()},
        guessed=bool(guess),
        effort=tuple(values.get("effort") or ()),
        aliases=tuple(values.get("aliases") or ()),
        description=values.get("description") or "",
        source=values.get("source") or "",
        checked=str(values.get("checked") or ""),
    )


def guess_skills(price: Price) -> dict[str, float]:
    """Ratings for a model of which the price is all that is known; none if that is not, or free.

    7.0 at a dollar per million tokens (prompt tokens counted threefold) and 1.2 for every tenfold:
    the line through the shipped models, which lie 0.8 to either side of it.
    """
    if price.input is None or price.output is None:
        return {}
    dollars = float((3 * price.input + price.output) / 4) * 1e6
    if not dollars:
        return {}
    return {"general": round(min(9.0, max(3.0, 7.0 + 1.2 * log10(dollars))), 2)}


def build_price(cost: Mapping[str, Any], when: Sequence[Mapping[str, Any]] = ()) -> Price:
    """`cost` and `cost_when`, USD per million tokens → USD per token."""
    others = tuple((_terms(entry), Price(**_scaled({**cost, **entry}))) for entry in when)
    return Price(**_scaled(cost), others=others)


def _scaled(cost: Mapping[str, Any]) -> dict[str, Any]:
    given = {k: v for k, v in cost.items() if k in _PRICES and v is not None}
    return {k: v.scaleb(_PER_MILLION) for k, v in given.items()}


def _terms(entry: Mapping[str, Any]) -> Terms:
    since = entry.get("since")
    return Terms(
        input_above=entry.get("input_above", -1),
        minutes=tuple(_span(hours) for hours in entry.get("utc", ())),
        days=frozenset(DAYS.index(day) for day in entry.get("days", ())),
        since=None if since is None else dt.datetime.combine(since, dt.time(), dt.UTC).timestamp(),
    )


def _span(hours: str) -> tuple[int, int]:
    """Hours such as 06:00-10:00 → minutes of the day."""
    start, end = (int(part[:2]) * 60 + int(part[3:]) for part in hours.split("-"))
    return start, end


def _endpoints(
    model_id: str, values: Mapping[str, Any], provider: Callable[[str, str], Provider]
) -> tuple[Endpoint, ...]:
    key = f'models."{model_id}"'
    protocol = values.get("protocol")
    if values.get("endpoints"):
        return tuple(
            Endpoint(
                _speaking(
                    provider(e["provider"], f"{key}.endpoints"), e.get("protocol") or protocol
                ),
                e["name"],
                e.get("weight", 1.0),
            )
            for e in values["endpoints"]
        )
    prefix, _, rest = model_id.partition("/")
    name = values.get("provider") or (prefix if rest else "")
    if not name:
        raise ManifestError(
            "names no provider: write provider = … or endpoints = […], or begin the id with the "
            "provider's name and a slash",
            key=key,
        )
    wire = values.get("name") or (rest if rest and prefix == name else model_id)
    return (Endpoint(_speaking(provider(name, f"{key}.provider"), protocol), wire),)


def _speaking(provider: Provider, protocol: str | None) -> Provider:
    """The provider, reached over another of its APIs where the model asks for it."""
    return replace(provider, protocol=WireFormat(protocol)) if protocol else provider


def build_rules(catalog: Catalog, tables: Sequence[RuleTable], problems: Problems) -> Catalog:
    """The catalog with its rules."""
    rules, notes = [], list(catalog.notes)
    names = [table.name for table in tables]
    for number, table in enumerate(tables, 1):
        name = entry_label(names[:number], "rule")
        use = _use(catalog, table.use or (), f'rules."{name}".use', problems)
        for key, skills in (("when.skill", _as_set(table.when.skill)), ("skill", {table.skill})):
            for skill in skills - {None, *catalog.skills}:
                problems.unknown(f'rules."{name}".{key}', "skill", str(skill), catalog.skills)
        rules.append(_rule(table, name, use))
        if table.use and not use:
            notes.append(f"rule {name!r}: use = {table.use} matches no connected model")
        notes += _unmet(catalog, rules[-1])
    return _with_unlisted(replace(catalog, rules=tuple(rules), notes=tuple(notes)))


def _unmet(catalog: Catalog, rule: Rule) -> Iterator[str]:
    """What the rule requires and no connected model has: calls that it matches fail."""
    models = catalog.models.values()
    if rule.trust and not any(model.trust >= rule.trust for model in models):
        yield f"rule {rule.name!r}: no connected model has trust {rule.trust.name}"
    for feature in sorted(rule.features):
        if not any(feature in model.features for model in models):
            yield f"rule {rule.name!r}: no connected model has the feature {feature!r}"


def _with_unlisted(catalog: Catalog) -> Catalog:
    """The catalog with the models that its rules use and no manifest lists."""
    named = dict.fromkeys(name for rule in catalog.rules for name in rule.use)
    unlisted = by_id(catalog.find(name) for name in named if name not in catalog.models)
    notes = [
        f"{name} is in no manifest: the rule uses it with unknown abilities and price; [[models]] "
        "can state them"
        for name in unlisted
    ]
    return replace(catalog, unlisted=unlisted, notes=(*catalog.notes, *notes))


def build_budget(catalog: Catalog, table: BudgetTable, problems: Problems) -> Catalog:
    """The catalog with its budgets."""
    models = {catalog.aliases.get(name, name): usd for name, usd in table.models.items()}
    known = [*catalog.models, *catalog.aliases]
    for name in table.models:
        if name not in known:
            problems.unknown("budget.models", "model", name, known)
    for skill in table.skills:
        if skill not in catalog.skills:
            problems.unknown("budget.skills", "skill", skill, catalog.skills)
    simple = table.model_dump(exclude_none=True, exclude={"models", "skills"})
    return replace(catalog, budget=Budget(**simple, models=models, skills=table.skills))


def _rule(table: RuleTable, name: str, use: Sequence[str]) -> Rule:
    trust = table.require.trust
    return Rule(
        name=name,
        when=_condition(table.when),
        use=tuple(dict.fromkeys(use)),
        trust=None if trust is None else Trust[trust],
        features=frozenset(table.require.features or ()),
        max_cost_usd=table.require.max_cost_usd,
        skill=table.skill or "",
        difficulty=table.difficulty or "",
        tier=table.tier or "",
        assess=table.assess or "",
    )


def _use(catalog: Catalog, names: Iterable[str], key: str, problems: Problems) -> list[str]:
    """Ids for names and patterns; the models of a pattern best rated first."""
    found: list[str] = []
    for name in names:
        if "*" in name or "?" in name:
            matching = [m for m in catalog.models.values() if fits(m.id, name)]
            found += (m.id for m in sorted(matching, key=lambda m: -m.rating("general")))
            continue
        with problems.at(key):
            found.append(catalog.find(name).id)
    return found


def _condition(when: WhenTable) -> Condition:
    return Condition(
        skill=_as_set(when.skill),
        difficulty=_as_set(when.difficulty),
        tier=_as_set(when.tier),
        matches=re.compile(normalize("NFC", when.matches)) if when.matches is not None else None,
        contains=tuple(unified(word).casefold() for word in when.contains or ()),
        min_input_tokens=when.min_input_tokens,
        max_input_tokens=when.max_input_tokens,
        files=tuple(pattern.casefold() for pattern in when.files or ()),
        input=_as_set(when.input),
    )


def _as_set(value: str | Sequence[str] | None) -> frozenset[str]:
    return frozenset([value] if isinstance(value, str) else value or ())
