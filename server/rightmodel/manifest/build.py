"""Tables of the manifest, in layers → the catalog's objects, with the catalog's defaults."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass, field, fields, replace
from fnmatch import fnmatchcase
from math import log10
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from rightmodel.core.decision import Trust
from rightmodel.core.errors import ManifestError, TaskError, UnknownNameError
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
    Routing,
    Rule,
)
from rightmodel.manifest.price import FREE, Price, Terms
from rightmodel.manifest.read import shipped_manifest
from rightmodel.manifest.schema import ModelTable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from rightmodel.manifest.local_servers import Served, ServedModel
    from rightmodel.manifest.schema import (
        BudgetTable,
        ProviderTable,
        RoutingTable,
        RuleTable,
        WhenTable,
    )

_PER_MILLION = -6
_PRICES = frozenset(field.name for field in fields(Price)) - {"others"}
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MERGED: Final = ("cost", "limits", "skills", "cache")
"""Tables of a model or provider that an override changes key by key instead of replacing."""


@dataclass(slots=True)
class Draft:
    """Values laid over one another, and the file that each came from."""

    values: dict[str, Any] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)

    def lay_over(self, table: ModelTable | ProviderTable, origin: str) -> None:
        """Add a layer on top: the keys that the table sets win."""
        for key, value in table.model_dump(exclude_unset=True).items():
            if key == "cost" and value and self.values.get("cost_when"):
                self._outrank(value)
            if key in _MERGED and isinstance(value, dict):
                self.values[key] = {**self.values.get(key, {}), **value}
                self.origins.update({f"{key}.{sub}": origin for sub in value})
            else:
                self.values[key] = value
                self.origins[key] = origin

    def lay_over_draft(self, other: Draft) -> None:
        """The same for what another draft has gathered."""
        self.values.update(other.values)
        self.origins.update(other.origins)

    def _outrank(self, cost: Mapping[str, Any]) -> None:
        """A price in `cost` holds at every size and hour, also over a lower `cost_when`."""
        self.values["cost_when"] = [
            {k: v for k, v in entry.items() if k not in cost} for entry in self.values["cost_when"]
        ]


def shipped_label(name: str) -> str:
    """The origin of values from a shipped manifest."""
    return f"shipped {name}.toml"


def shipped_draft(model_id: str) -> Draft:
    """The shipped manifest's entry for an id, empty where there is none."""
    draft = Draft()
    provider = model_id.partition("/")[0]
    shipped = shipped_manifest(provider)
    for table in shipped.models if shipped else ():
        if table.id == model_id:
            draft.lay_over(table, shipped_label(provider))
    return draft


def served_drafts(name: str, served: Served, notes: list[str]) -> dict[str, Draft]:
    """Models that a local server lists: what a shipped manifest knows of them, else defaults.

    What the server sends is validated like the models of a file; `notes` lists what is left out.
    """
    drafts = {}
    for model in served.models:
        model_id = re.sub(r"[\s,]", "-", f"{name}/{model.name}")
        shipped = shipped_draft(model_id)
        try:
            basic = ModelTable(id=model_id, provider=name, name=model.name)
            known = _as_table(model_id, model, shipped.values)
        except ValidationError:
            notes.append(f"{name} lists a model with an unusable name; it is left out")
            continue
        draft = Draft()
        draft.lay_over(basic, f"the running {name}")
        draft.lay_over_draft(shipped)
        draft.lay_over(known, f"the running {name}")
        drafts[model_id] = draft
    return drafts


def _as_table(model_id: str, served: ServedModel, shipped: Mapping[str, Any]) -> ModelTable:
    """A server's facts about a model, added to the shipped ones."""
    stated: dict[str, Any] = {"id": model_id}
    if served.context:
        stated["limits"] = {"context": served.context}
    if served.features:
        stated["features"] = sorted({*shipped.get("features", ()), *served.features})
    if served.image:
        stated["input"] = sorted({*shipped.get("input", ()), "text", "image"})
    return ModelTable.model_validate(stated)


def build_provider(name: str, values: Mapping[str, Any], file: str) -> Provider:
    """A provider. Raises `ManifestError` for a missing key or a base URL that is not allowed."""
    for key in ("protocol", "base_url"):
        if not values.get(key):
            raise ManifestError(f"{key} is missing", file=file, key=f"providers.{name}")
    problem = http_problem(values["base_url"], allow_http=bool(values.get("allow_http")))
    if problem:
        raise ManifestError(problem, file=file, key=f"providers.{name}.base_url")
    written = {key: value for key, value in values.items() if value is not None}
    typed = {
        "protocol": WireFormat(values["protocol"]),
        "trust": Trust[values.get("trust") or "any"],
        "cache": _cache(values.get("cache") or {}),
    }
    return Provider(name=name, **(written | typed))


def _cache(table: Mapping[str, Any]) -> Cache:
    names = {field.name for field in fields(Cache)}
    return Cache(**{key: value for key, value in table.items() if key in names and value})


def build_model(
    model_id: str,
    values: Mapping[str, Any],
    provider: Callable[[str, str], Provider],
    file: str,
) -> Model:
    """A model. `provider(name, key)`: the provider, or an error at the manifest's `key`."""
    limits = values.get("limits") or {}
    default = Model(id=model_id, endpoints=())
    endpoints = _endpoints(model_id, values, provider, file)
    price = build_price(values.get("cost") or {}, values.get("cost_when") or ())
    if values.get("cost") is None and all(is_loopback(e.provider.base_url) for e in endpoints):
        price = FREE
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


def build_routing(table: RoutingTable) -> Routing:
    """`[routing]` with the defaults filled in."""
    return Routing(**table.model_dump(exclude_none=True))


def _endpoints(
    model_id: str,
    values: Mapping[str, Any],
    provider: Callable[[str, str], Provider],
    file: str,
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
            file=file,
            key=key,
        )
    wire = values.get("name") or (rest if rest and prefix == name else model_id)
    return (Endpoint(_speaking(provider(name, f"{key}.provider"), protocol), wire),)


def _speaking(provider: Provider, protocol: str | None) -> Provider:
    """The provider, reached over another of its APIs where the model asks for it."""
    return replace(provider, protocol=WireFormat(protocol)) if protocol else provider


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
