"""A session on one of two models, the strong one five times as dear as the small one."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from rightmodel.core.decision import Assessment, SessionView, WarmPrefix
from rightmodel.core.task import WireFormat
from rightmodel.manifest.catalog import Cache, Catalog, Endpoint, Model, Provider, by_id
from rightmodel.manifest.price import Price

MARKED = Cache(life_s=300, long_life_s=3600, min_tokens=1024, marked=True)
AUTOMATIC = Cache(life_s=600, min_tokens=1024)
NOW = 1_000_000.0


def price(read: str, write: str, plain: str, output: str) -> Price:
    usd = [Decimal(one).scaleb(-6) for one in (plain, output, read, write)]
    return Price(*usd)


def model(name: str, rating: float, cost: Price, cache: Cache = MARKED, **values: Any) -> Model:
    provider = Provider(name, WireFormat.OPENAI_CHAT, "http://127.0.0.1:9/v1", cache=cache)
    known: dict[str, Any] = {"context": 900_000, "output_limit": 30_000}
    return Model(
        id=name,
        endpoints=(Endpoint(provider, name),),
        price=cost,
        skills={"general": rating},
        **known | values,
    )


STRONG = model("strong", 9.0, price("0.5", "6.25", "5", "25"))
SMALL = model("small", 7.0, price("0.1", "1.25", "1", "5"))
CATALOG = Catalog(
    models=by_id([STRONG, SMALL]),
    providers={m.id: m.endpoints[0].provider for m in (STRONG, SMALL)},
    baseline="strong",
)


def stated(difficulty: float) -> Assessment:
    return Assessment((("general", 1.0),), difficulty, "hint")


def prefix(tokens: int, model: str, at: float = NOW, life_s: float = 300.0) -> WarmPrefix:
    return WarmPrefix(tokens, 1.0, at, life_s, model)


def in_session(model: str, tokens: int, **values: Any) -> SessionView:
    """A session of ten turns on one model, whose cache holds that prompt."""
    known: dict[str, Any] = {"turns": 10, "growth": 1000.0, "output_tokens": 400.0, "at": NOW}
    warm = {model: prefix(tokens, model)}
    return SessionView(model=model, last_tokens=tokens, **known | {"warm": warm} | values)
