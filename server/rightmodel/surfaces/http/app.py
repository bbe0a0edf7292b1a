"""The application: which path leads where, and who may go there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from rightmodel import __version__
from rightmodel.core.errors import RightmodelError
from rightmodel.core.format import listed
from rightmodel.core.task import WireFormat
from rightmodel.surfaces.http import models
from rightmodel.surfaces.http.access import ANYONE, SCOPE_KEY
from rightmodel.surfaces.http.asgi import (
    MOST_HEAD_BYTES,
    ClientGoneError,
    Reply,
    headers_of,
    json_reply,
    send_reply,
)
from rightmodel.surfaces.http.errors import HttpError
from rightmodel.surfaces.http.listening import MCP_PATH
from rightmodel.surfaces.http.turns import Request, answer_turn, error_of
from rightmodel.wire.codecs import CODECS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.types import ASGIApp, Receive, Scope, Send

    from rightmodel.execution.engine import Engine
    from rightmodel.manifest.settings import Settings
    from rightmodel.surfaces.http.access import Access, Caller, Origins

    GetEngine = Callable[[], Awaitable[Engine]]

MODELS_PATH: Final = "/v1/models"
TURNS: Final[Mapping[str, WireFormat]] = {
    "/v1/chat/completions": WireFormat.OPENAI_CHAT,
    "/v1/responses": WireFormat.OPENAI_RESPONSES,
    "/v1/messages": WireFormat.ANTHROPIC_MESSAGES,
}
PATHS: Final[Mapping[str, str]] = {
    **dict.fromkeys(TURNS, "POST"),
    MODELS_PATH: "GET",
    "/health": "GET",
}
"""Path → method."""


class HttpApp:
    """Everything that the HTTP server answers. `mcp`: what serves `/mcp`; it has the lifespan."""

    def __init__(
        self, mcp: ASGIApp, engine: GetEngine, settings: Settings, access: Access, origins: Origins
    ) -> None:
        self._mcp = mcp
        self._get_engine = engine
        self._engine: Engine | None = None
        self._settings = settings
        self._access = access
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._mcp(scope, receive, send)
            return
        headers = headers_of(scope)
        try:
            await self._serve(scope, headers, receive, send)
        except ClientGoneError:
            return
        except Exception as failed:  # noqa: BLE001 - it is logged there
            error = error_of(failed, self._engine)
            await send_reply(send, _error_reply(error, scope["path"], headers))

    async def _serve(
        self, scope: Scope, headers: Mapping[str, str], receive: Receive, send: Send
    ) -> None:
        path: str = scope["path"]
        if sum(len(name) + len(value) for name, value in scope["headers"]) > MOST_HEAD_BYTES:
            raise HttpError(431, "headers_too_large", f"headers over {MOST_HEAD_BYTES} bytes")
        self._origins.check(headers)
        if path == "/health":
            _check_method(path, scope["method"])
            await send_reply(send, json_reply({"status": "ok", "version": __version__}))
            return
        engine, broken = await self._usable_engine()
        caller = self._access.caller(headers, engine.catalog if engine else None)
        if path == MCP_PATH:
            caller.require("mcp")
            scope[SCOPE_KEY] = "mcp" if caller.name == ANYONE else caller.name
            await self._mcp(scope, receive, send)
            return
        _check_method(path, scope["method"])
        if engine is None:
            raise broken or AssertionError
        caller.require("v1")
        dialect = TURNS.get(path)
        if dialect is not None:
            request = Request(engine, caller, dialect, headers)
            await answer_turn(request, scope, receive, send)
        else:
            await send_reply(send, self._list(path, engine, caller, headers))

    async def _usable_engine(self) -> tuple[Engine | None, RightmodelError | None]:
        """The engine, or why there is none: MCP answers all the same."""
        if self._engine is None:
            try:
                self._engine = await self._get_engine()
            except RightmodelError as error:
                return None, error
        return self._engine, None

    def _list(self, path: str, engine: Engine, caller: Caller, headers: Mapping[str, str]) -> Reply:
        if path == MODELS_PATH:
            return models.listed(engine.catalog, self._settings, caller.client, headers)
        name = unquote(path.removeprefix(f"{MODELS_PATH}/"))
        return models.one(name, engine.catalog, self._settings, caller.client, headers)


def _check_method(path: str, method: str) -> None:
    """Raises `HttpError` for an unknown path and for a method that it does not take."""
    known = "GET" if path.startswith(f"{MODELS_PATH}/") else PATHS.get(path)
    if known is None:
        near = [p for p in PATHS if path.strip("/") and p.endswith(path.rstrip("/"))]
        hint = f"did you mean {near[0]}?" if near else f"there are {listed([*PATHS, MCP_PATH])}"
        raise HttpError(404, "unknown_path", f"no path {path[:80]!r} here: {hint}")
    if method not in {known, "HEAD" if known == "GET" else known}:
        raise HttpError(405, "method_not_allowed", f"{path} takes {known}, not {method}")


def _error_reply(error: HttpError, path: str, headers: Mapping[str, str]) -> Reply:
    """In the shape of the path's API; MCP's clients and browsers get text."""
    extra = error.headers
    if path == MCP_PATH:
        if error.status == 401:  # noqa: PLR2004 - HTTP's
            extra = (*extra, (b"www-authenticate", b"Bearer"))
        return Reply(error.status, f"{error}\n".encode(), b"text/plain", extra)
    fallback = (
        WireFormat.ANTHROPIC_MESSAGES if "anthropic-version" in headers else WireFormat.OPENAI_CHAT
    )
    codec = CODECS[TURNS.get(path, fallback)]
    body = codec.encode_error(error.status, error.code, error.message, error.param)
    reply = json_reply(body, error.status)
    return reply._replace(headers=extra)
