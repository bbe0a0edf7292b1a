"""`rightmodel check`: manifest, keys, and which models answer."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import click

from rightmodel.core.fault import Fault
from rightmodel.core.format import mask_keys
from rightmodel.execution.engine import effective_catalog
from rightmodel.execution.probe import Finding, probe
from rightmodel.surfaces.cli import settings_summary, with_settings
from rightmodel.surfaces.cli.terminal import echo, styled

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from rightmodel.manifest.catalog import Catalog, Endpoint
    from rightmodel.manifest.settings import Settings
    from rightmodel.surfaces.cli.terminal import Styled


USUAL_WATCH_S: Final = 30.0
LEAST_WATCH_S: Final = 1.0


@click.command("check")
@click.option("--no-call", is_flag=True, help="Only manifest and keys; ask no model.")
@click.option(
    "--watch",
    "every_s",
    type=click.FloatRange(min=LEAST_WATCH_S),
    is_flag=False,
    flag_value=USUAL_WATCH_S,
    metavar="[SECONDS]",
    help=f"Ask again and again, every {USUAL_WATCH_S:.0f} s by default, until Ctrl-C.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@with_settings
def command(settings: Settings, *, no_call: bool, every_s: float | None, as_json: bool) -> None:
    """Check the manifest and the keys, and ask every connected model for one word.

    Ends with 0 when at least one model works. With --watch, a terminal shows a table that is kept
    up to date; anything else gets a line whenever the state of an endpoint changes.
    """
    if every_s is not None:
        if no_call:
            raise click.UsageError("--watch asks models; --no-call asks none")
        from rightmodel.surfaces.cli.check_watch import watch

        works = asyncio.run(watch(settings, every_s, as_json=as_json))
    else:
        works = asyncio.run(_check(settings, no_call=no_call, as_json=as_json))
    sys.exit(0 if works else 1)


async def _check(settings: Settings, *, no_call: bool, as_json: bool) -> bool:
    catalog = await effective_catalog(settings)
    if not as_json:
        echo(f"manifest: {settings_summary(settings)}: {len(catalog.models)} models")
        for note in catalog.notes:
            echo(f"note: {note}")
    works = 0
    total = 0
    async for model, finding in _findings(catalog, settings, no_call=no_call):
        total += 1
        works += finding.fault is None
        if as_json:
            echo(json.dumps(as_object(model, finding), ensure_ascii=False))
        else:
            echo(*_line(model, finding))
    if not as_json:
        verb = "could be called" if no_call else "answered"
        echo(f"{works} of {total} endpoints {verb}")
    return works > 0


async def _findings(
    catalog: Catalog, settings: Settings, *, no_call: bool
) -> AsyncIterator[tuple[str, Finding]]:
    """Every endpoint with what was found out, in the order in which it is known."""
    asker = Asker(catalog, settings)

    async def ask(model: str, endpoint: Endpoint) -> tuple[str, Finding]:
        return model, await asker.ask(endpoint, no_call=no_call)

    try:
        asked = [ask(m.id, e) for m in catalog.models.values() for e in m.endpoints]
        for next_done in asyncio.as_completed(asked):
            yield await next_done
    finally:
        await asker.close()


class Asker:
    """Asks endpoints for a word, over connections of its own."""

    def __init__(self, catalog: Catalog, settings: Settings) -> None:
        from rightmodel.upstream.exchange import make_upstreams
        from rightmodel.upstream.http import HttpClient

        self._settings = settings
        self._client = HttpClient()
        self._providers = make_upstreams(self._client)
        self._secrets = settings.secrets(catalog)

    async def ask(self, endpoint: Endpoint, *, no_call: bool = False) -> Finding:
        """What is found out about one endpoint, keys masked."""
        missing = self._settings.missing_key(endpoint.provider)
        if missing:
            return Finding(endpoint, Fault.AUTH, missing, "", 0.0)
        if no_call:
            return Finding(endpoint, None, "not called", "", 0.0)
        found = await probe(
            endpoint,
            self._providers[endpoint.provider.protocol],
            self._settings.key(endpoint.provider),
            time.monotonic,
        )
        return replace(found, message=mask_keys(found.message, self._secrets))

    async def close(self) -> None:
        """End every connection."""
        await self._client.close()


def label(model: str, endpoint: Endpoint) -> str:
    """An endpoint by its model's name, and its provider where that does not name it."""
    where = endpoint.provider.name
    return model if model.startswith(f"{where}/") else f"{model} at {where}"


def _line(model: str, finding: Finding) -> tuple[Styled, str]:
    ok = finding.fault is None
    mark = styled("ok  ", fg="green") if ok else styled("FAIL", fg="red")
    return mark, f" {label(model, finding.endpoint)}: {told(finding)}"


def told(finding: Finding) -> str:
    """What was found out, in words."""
    if finding.fault is None:
        return finding.message + (f" ({finding.time_s:.1f} s)" if finding.time_s else "")
    return finding.message + (f" → {finding.advice}" if finding.advice else "")


def as_object(model: str, finding: Finding) -> dict[str, Any]:
    """What was found out, for programs."""
    return {
        "model": model,
        "provider": finding.endpoint.provider.name,
        "ok": finding.fault is None,
        "code": finding.fault.value if finding.fault else None,
        "message": finding.message,
        "advice": finding.advice,
        "time_s": round(finding.time_s, 3),
    }
