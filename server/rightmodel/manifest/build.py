"""Merged values → the catalog's objects, with the catalog's defaults."""

from __future__ import annotations

import datetime as dt
from dataclasses import fields, replace
from math import log10
from typing import TYPE_CHECKING, Any

from rightmodel.core.errors import ManifestError
from rightmodel.core.task import Trust, WireFormat
from rightmodel.manifest.base_url import http_problem, is_loopback
from rightmodel.manifest.catalog import Endpoint, Model, Provider, Routing
from rightmodel.manifest.price import FREE, Price, Terms

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rightmodel.manifest.schema import RoutingTable

_PER_MILLION = -6
_PRICES = frozenset(field.name for field in fields(Price)) - {"others"}
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def build_provider(name: str, values: Mapping[str, Any], file: str) -> Provider:
    """A provider. Raises `ManifestError` for a missing key or a base URL that is not allowed."""
    for key in ("protocol", "base_url"):
        if not values.get(key):
            raise ManifestError(f"{key} is missing", file=file, key=f"providers.{name}")
    allow_http = bool(values.get("allow_http"))
    problem = http_problem(values["base_url"], allow_http=allow_http)
    if problem:
        raise ManifestError(problem, file=file, key=f"providers.{name}.base_url")
    protocol = WireFormat(values["protocol"])
    default = Provider(name, protocol, values["base_url"])
    return Provider(
        name=name,
        protocol=protocol,
        base_url=values["base_url"],
        key_env=values.get("key_env") or "",
        key_file=values.get("key_file") or "",
        trust=Trust[values.get("trust") or "any"],
        max_concurrency=values.get("max_concurrency") or 0,
        headers=values.get("headers") or {},
        allow_http=allow_http,
        one_model_at_a_time=bool(values.get("one_model_at_a_time")),
        output_cap=values.get("output_cap") or default.output_cap,
        effort_field=values.get("effort_field") or default.effort_field,
        stream_usage=values.get("stream_usage") is not False,
    )


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
