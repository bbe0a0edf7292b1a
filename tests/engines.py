"""Catalogs and engines of a manifest's text, and the tools of an engine, without a process."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from rightmodel.execution.engine import build
from rightmodel.manifest.load import load_catalog
from rightmodel.manifest.settings import Settings
from rightmodel.surfaces.mcp.server import ToolCalls

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from mcp_types import CallToolResult

    from rightmodel.execution.engine import Engine
    from rightmodel.manifest.catalog import Catalog


def catalog_from(folder: Path, manifest: str, **options: Any) -> Catalog:
    """The catalog of a manifest; all keys are there."""
    path = folder / "m.toml"
    path.write_text(manifest)
    return load_catalog(path, has_key=lambda _: True, **options)


def engine_from(folder: Path, manifest: str, **environment: str) -> Engine:
    """The engine of a manifest; its ledger is in the folder."""
    catalog = catalog_from(folder, manifest)
    variables = {"RIGHTMODEL_STATE_DIR": str(folder / "state"), **environment}
    return build(Settings(folder / "m.toml", variables), catalog)


class Tools:
    """Calls tools for an agent that hears nothing of progress.

    "{ref}" in an argument is the last ref that a result named.
    """

    def __init__(self, engine: Callable[[], Awaitable[Engine]]) -> None:
        self._calls = ToolCalls(engine, 5.0)
        self._ref = ""

    @classmethod
    def of(cls, engine: Engine) -> Tools:
        async def get() -> Engine:
            return engine

        return cls(get)

    async def call(
        self, tool: str, arguments: dict[str, Any], client: str = "mcp"
    ) -> CallToolResult:
        filled = {
            k: v.replace("{ref}", self._ref) if isinstance(v, str) else v
            for k, v in arguments.items()
        }
        result = await self._calls.answer(tool, filled, None, client)
        found = re.search(r"\[ref=(\w+)", text_of(result))
        self._ref = found[1] if found else self._ref
        return result


def text_of(result: CallToolResult) -> str:
    return "\n".join(getattr(block, "text", "") for block in result.content)
