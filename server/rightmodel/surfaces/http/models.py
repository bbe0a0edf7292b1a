"""`GET /v1/models`: what a client may name, in OpenAI's shape or Anthropic's."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from rightmodel.core.format import per_million
from rightmodel.manifest.clients import AUTO
from rightmodel.manifest.read import how_to_connect
from rightmodel.surfaces.http.asgi import Reply, json_reply
from rightmodel.surfaces.http.errors import HttpError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rightmodel.manifest.catalog import Catalog, Client, Model
    from rightmodel.manifest.settings import Settings

OWNER: Final = "rightmodel"
_ROUTED: Final[Mapping[str, str]] = {
    "auto": "Routed: the model that is expected to do each turn well at the least cost",
    "auto:cheap": "Routed, a wrong answer costs little",
    "auto:balanced": "Routed, a wrong answer costs as much as usual",
    "auto:best": "Routed, a wrong answer costs much",
}


def listed(
    catalog: Catalog, settings: Settings, client: Client | None, headers: Mapping[str, str]
) -> Reply:
    """Every name that the client may use: routed ones, ids, aliases."""
    entries = _entries(catalog, settings, client)
    if "anthropic-version" not in headers:
        return json_reply({"object": "list", "data": list(map(_openai, entries))})
    data = list(map(_anthropic, entries))
    ends = {"first_id": data[0]["id"], "last_id": data[-1]["id"]}
    return json_reply({"data": data, "has_more": False, **ends})


def one(
    name: str,
    catalog: Catalog,
    settings: Settings,
    client: Client | None,
    headers: Mapping[str, str],
) -> Reply:
    """One of them. Raises `HttpError`."""
    entries = _entries(catalog, settings, client)
    found = next((entry for entry in entries if entry["id"] == name), None)
    if found is None:
        text = f"no model {name[:80]!r}: GET /v1/models lists them. {how_to_connect(name)}"
        raise HttpError(404, "unknown_name", text.rstrip(" ."))
    return json_reply((_anthropic if "anthropic-version" in headers else _openai)(found))


def _entries(catalog: Catalog, settings: Settings, client: Client | None) -> list[dict[str, Any]]:
    usable = [
        model
        for model in catalog.models.values()
        if (client is None or client.may_use(model.id))
        and not settings.missing_keys(model)
        and model.id not in catalog.absent
    ]
    entries = [
        {
            "id": name,
            "description": _ROUTED[name],
            "context_window": max((m.context for m in usable), default=0),
            "max_output_tokens": max((m.output_limit for m in usable), default=0),
            "input_modalities": sorted({kind for m in usable for kind in m.modalities}),
            "features": sorted({feature for m in usable for feature in m.features}),
        }
        for name in AUTO
    ]
    for model in usable:
        facts = _facts(model)
        entries.append({"id": model.id, **facts})
        entries += [{"id": alias, "alias_of": model.id, **facts} for alias in model.aliases]
    return entries


def _facts(model: Model) -> dict[str, Any]:
    """`pricing`: USD per million tokens as text, without what is not known."""
    kinds = ("input", "output", "cache_read", "cache_write")
    prices = {kind: getattr(model.price, kind) for kind in kinds}
    return {
        "description": model.description,
        "providers": list(dict.fromkeys(e.provider.name for e in model.endpoints)),
        "context_window": model.context,
        "max_output_tokens": model.output_limit,
        "input_modalities": sorted(model.modalities),
        "features": sorted(model.features),
        "effort": list(model.effort),
        "pricing": {k: per_million(v) for k, v in prices.items() if v is not None},
    }


def _openai(entry: Mapping[str, Any]) -> dict[str, Any]:
    owner = (entry.get("providers") or [OWNER])[0]
    return {"object": "model", "created": 0, "owned_by": owner, **entry}


def _anthropic(entry: Mapping[str, Any]) -> dict[str, Any]:
    released = datetime.fromtimestamp(0, UTC).isoformat().replace("+00:00", "Z")
    sizes = {"max_input_tokens": entry["context_window"], "max_tokens": entry["max_output_tokens"]}
    named = {"type": "model", "display_name": entry["id"], "created_at": released}
    return {**named, **sizes, **entry}
