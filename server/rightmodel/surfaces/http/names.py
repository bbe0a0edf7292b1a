"""What a client means by the name of a model: to be routed, with which tier, or one model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from rightmodel.core.errors import UnknownNameError
from rightmodel.core.format import fits
from rightmodel.manifest.clients import AUTO
from rightmodel.surfaces.http.errors import HttpError

if TYPE_CHECKING:
    from rightmodel.manifest.catalog import Catalog, Client

OWN_PREFIX: Final = "rightmodel/"
"""Clients that name a model by its provider may send the provider's name along."""


class Choice(NamedTuple):
    """`model`: the pinned one, "" where it is routed. `tier`: "" where the name states none."""

    model: str
    tier: str


def choice_of(name: str, catalog: Catalog, client: Client | None) -> Choice:
    """What the name means. Raises `UnknownNameError`, `HttpError` for what the client may not."""
    name = name.strip().removeprefix(OWN_PREFIX) or AUTO[0]
    gateway = catalog.gateway
    target = next((to for name_, to in gateway.map.items() if fits(name, name_)), name)
    usual = client.tier if client else ""
    if target in AUTO:
        return Choice("", target.partition(":")[2] or usual)
    if target == name and any(fits(name, pattern) for pattern in gateway.route):
        return Choice("", usual)
    for one in target.split(","):
        _check(one.strip(), catalog, client)
    return Choice(target, usual)


def _check(name: str, catalog: Catalog, client: Client | None) -> None:
    try:
        model = catalog.find(name)
    except UnknownNameError as error:
        known = [*AUTO, *catalog.models, *catalog.aliases]
        found = UnknownNameError("model", name, known, advice=error.advice)
        hint = f"{found} To have other names routed, list them in [gateway] route."
        raise HttpError(404, error.code, hint, param="model") from error
    if client is not None and not client.may_use(model.id):
        raise HttpError(
            403,
            "forbidden",
            f"client {client.name} may not use {model.id}: its models in [clients] are "
            f"{', '.join(client.models)}; the name auto routes among them",
            param="model",
        )
