"""`[clients]`, `[gateway]` and `[alerts]` → the catalog's objects, and the clients' tokens."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from rightmodel.core.errors import UnknownNameError
from rightmodel.core.format import fits
from rightmodel.core.task import TIERS
from rightmodel.manifest.base_url import http_problem
from rightmodel.manifest.catalog import Alerts, Catalog, Client, Gateway

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rightmodel.manifest.problems import Problems
    from rightmodel.manifest.schema import ClientTable, GatewayTable, Manifest
    from rightmodel.manifest.settings import Settings

LEAST_TOKEN: Final = 16
"""Characters of a client's token."""
AUTO: Final = ("auto", *(f"auto:{tier}" for tier in TIERS))
"""Names of models that are routed, whatever the manifest says."""
OWN: Final = ("mcp", "cli", "check")
"""Clients that need no table: agents over standard input, `rightmodel ask`, `rightmodel check`."""


def build_clients(catalog: Catalog, user: Manifest, problems: Problems) -> Catalog:
    """The catalog with its clients, gateway and alerts."""
    notes: list[str] = []
    for name in OWN:
        if name in user.clients:
            own = ", ".join(OWN)
            why = f"{name!r} is a name of rightmodel's own ({own}): choose another one"
            problems.add(f"clients.{name}", why)
    clients = {name: _client(catalog, name, table, notes) for name, table in user.clients.items()}
    alerts = user.alerts.model_dump(exclude_none=True)
    alerts["command"] = tuple(alerts.get("command", ()))
    return replace(
        catalog,
        clients=clients,
        gateway=_gateway(catalog, user.gateway, problems),
        alerts=Alerts(**alerts),
        notes=(*catalog.notes, *notes),
    )


def _client(catalog: Catalog, name: str, table: ClientTable, notes: list[str]) -> Client:
    given = table.model_dump(exclude_none=True, exclude={"models", "surfaces"})
    if table.models is not None:
        given["models"] = tuple(catalog.aliases.get(m, m) for m in table.models)
        notes += [
            f"client {name}: models {pattern!r} matches no connected model"
            for pattern in given["models"]
            if not any(fits(model, pattern) for model in catalog.models)
        ]
    if table.surfaces is not None:
        given["surfaces"] = tuple(table.surfaces)
    return Client(name=name, **given)


def _gateway(catalog: Catalog, table: GatewayTable, problems: Problems) -> Gateway:
    for name, target in table.map.items():
        if target in AUTO:
            continue
        with problems.at(f'gateway.map."{name}"'):
            try:
                catalog.find(target)
            except UnknownNameError as error:
                known = [*AUTO, *catalog.models, *catalog.aliases]
                raise UnknownNameError("model", target, known, advice=error.advice) from None
    return Gateway(tuple(table.route or Gateway().route), table.map)


def tokens(settings: Settings, catalog: Catalog) -> Mapping[str, Client]:
    """Token → client. A token that is too short, or that two clients have, admits nobody."""
    found = [(settings.variable(c.token_env), c) for c in catalog.clients.values()]
    times = Counter(token for token, _ in found)
    return {t: c for t, c in found if len(t) >= LEAST_TOKEN and times[t] == 1}


def client_notes(settings: Settings, catalog: Catalog) -> Iterator[str]:
    """What is wrong with the tokens of the clients and with the receiver of alerts."""
    admitted: dict[str, str] = {}
    for client in catalog.clients.values():
        token, problem = settings.variable(client.token_env), ""
        if not token:
            problem = settings.variable_problem(client.token_env)
        elif len(token) < LEAST_TOKEN:
            problem = f"the token in {client.token_env} has fewer than {LEAST_TOKEN} characters"
        elif token in admitted:
            problem = f"its token is that of client {admitted[token]}, too, and admits neither"
        admitted.setdefault(token, client.name)
        if problem:
            yield f"client {client.name} cannot log in: {problem}"
    if problem := _webhook(settings, catalog)[1]:
        yield f"alerts are not sent: {problem}"


def webhook_of(settings: Settings, catalog: Catalog) -> str:
    """The URL that alerts are sent to, "" where there is none that can be used."""
    return _webhook(settings, catalog)[0]


def _webhook(settings: Settings, catalog: Catalog) -> tuple[str, str]:
    """The URL, and what is wrong with it, without its words: it is a secret."""
    name = catalog.alerts.webhook_env
    if not name:
        return "", ""
    url = settings.variable(name)
    if not url:
        return "", settings.variable_problem(name)
    try:
        is_open = http_problem(url.partition("?")[0], allow_http=True)
    except ValueError as error:
        return "", f"the URL in {name} {error}"
    if is_open:
        return "", f"the URL in {name} must start with https:// outside your own network"
    return url, ""
