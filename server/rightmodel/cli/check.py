"""`rightmodel check`: manifest, keys, and which models answer."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import TYPE_CHECKING

import click

from rightmodel.app import catalog_of
from rightmodel.cli import settings_summary, with_settings
from rightmodel.config import mask_keys
from rightmodel.dispatch.probe import Finding, probe
from rightmodel.errors import Fault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from rightmodel.config import Settings
    from rightmodel.manifest.catalog import Catalog, Endpoint


@click.command("check")
@click.option("--no-call", is_flag=True, help="Only manifest and keys; ask no model.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@with_settings
def command(settings: Settings, *, no_call: bool, as_json: bool) -> None:
    """Check the manifest and the keys, and ask every connected model for one word.

    Ends with 0 when at least one model works.
    """
    works = asyncio.run(_check(settings, no_call=no_call, as_json=as_json))
    sys.exit(0 if works else 1)


async def _check(settings: Settings, *, no_call: bool, as_json: bool) -> bool:
    catalog = await catalog_of(settings)
    if not as_json:
        click.echo(f"manifest: {settings_summary(settings)}: {len(catalog.models)} models")
        for note in catalog.notes:
            click.echo(f"note: {note}")
    works = 0
    total = 0
    async for model, finding in _findings(catalog, settings, no_call=no_call):
        total += 1
        works += finding.fault is None
        click.echo(_as_json(model, finding) if as_json else _as_line(model, finding))
    if not as_json:
        verb = "could be called" if no_call else "answered"
        click.echo(f"{works} of {total} endpoints {verb}")
    return works > 0


async def _findings(
    catalog: Catalog, settings: Settings, *, no_call: bool
) -> AsyncIterator[tuple[str, Finding]]:
    """Every endpoint with what was found out, in the order in which it is known."""
    from rightmodel.providers.http import HttpClient
    from rightmodel.providers.registry import make_providers

    client = HttpClient()
    providers = make_providers(client)
    keys = [k for k in map(settings.key, catalog.providers.values()) if k]

    async def ask(model: str, endpoint: Endpoint) -> tuple[str, Finding]:
        missing = settings.missing_key(endpoint.provider)
        if missing:
            return model, Finding(endpoint, Fault.AUTH, missing, "", 0.0)
        if no_call:
            return model, Finding(endpoint, None, "not called", "", 0.0)
        found = await probe(
            endpoint,
            providers[endpoint.provider.protocol],
            settings.key(endpoint.provider),
            time.monotonic,
        )
        message = mask_keys(found.message, keys)
        return model, Finding(endpoint, found.fault, message, found.advice, found.time_s)

    try:
        asked = [ask(m.id, e) for m in catalog.models.values() for e in m.endpoints]
        for next_done in asyncio.as_completed(asked):
            yield await next_done
    finally:
        await client.close()


def _as_line(model: str, finding: Finding) -> str:
    mark = (
        click.style("ok  ", fg="green") if finding.fault is None else click.style("FAIL", fg="red")
    )
    where = finding.endpoint.provider.name
    label = model if model.startswith(f"{where}/") else f"{model} at {where}"
    if finding.fault is None:
        return f"{mark} {label}: {finding.message}" + (
            f" ({finding.time_s:.1f} s)" if finding.time_s else ""
        )
    advice = f" → {finding.advice}" if finding.advice else ""
    return f"{mark} {label}: {finding.message}{advice}"


def _as_json(model: str, finding: Finding) -> str:
    return json.dumps(
        {
            "model": model,
            "provider": finding.endpoint.provider.name,
            "ok": finding.fault is None,
            "code": finding.fault.value if finding.fault else None,
            "message": finding.message,
            "advice": finding.advice,
            "time_s": round(finding.time_s, 3),
        },
        ensure_ascii=False,
    )
