"""The application: which path leads where, and who may go there."""

from __future__ import annotations

import re
from itertools import chain
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import unquote

from rightmodel import __version__
from rightmodel.core.errors import RightmodelError
from rightmodel.core.format import listed
from rightmodel.core.task import WireFormat
from rightmodel.surfaces.http import models
from rightmodel.surfaces.http.access import ANYONE, SCOPE_KEY, Access, Origins
from rightmodel.surfaces.http.asgi import (
    MOST_HEAD_BYTES,
    ClientGoneError,
    Reply,
    headers_of,
    json_reply,
    parse,
    read_body,
    send_reply,
)
from rightmodel.surfaces.http.dashboard import Dashboard
from rightmodel.surfaces.http.errors import HttpError
from rightmodel.surfaces.http.listening import MCP_PATH
from rightmodel.surfaces.http.metrics import CONTENT_TYPE, Metrics
from rightmodel.surfaces.http.route import counted, routed
from rightmodel.surfaces.http.turns import Request, answer_turn, error_of
from rightmodel.surfaces.mcp.server import ManifestWatch
from rightmodel.wire.codecs import CODECS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.types import ASGIApp, Receive, Scope, Send

    from rightmodel.execution.engine import Engine
    from rightmodel.manifest.settings import Settings

    GetEngine = Callable[[], Awaitable[Engine]]
    Handler = Callable[[Request, Scope, Receive, Send], Awaitable[None]]

DASHBOARD: Final = "/"
METRICS: Final = "/metrics"
MODELS: Final = "/v1/models"
HEALTH: Final = "/health"
COUNT: Final = "/v1/messages/count_tokens"
TURNS: Final[Mapping[str, WireFormat]] = {
    "/v1/chat/completions": WireFormat.OPENAI_CHAT,
    "/v1/responses": WireFormat.OPENAI_RESPONSES,
    "/v1/messages": WireFormat.ANTHROPIC_MESSAGES,
}
_SLASHES: Final = re.compile("/{2,}")
AS_TEXT: Final = frozenset({MCP_PATH, DASHBOARD, METRICS})
"""Paths whose errors are read by people."""


class Route(NamedTuple):
    """`surface`: as in `Caller.require`. `dialect`: of the path's requests."""

    method: str
    surface: str
    handle: Handler
    dialect: WireFormat = WireFormat.OPENAI_CHAT


class HttpApp:
    """Everything that the HTTP server answers. `mcp`: what serves `/mcp`; it has the lifespan."""

    def __init__(
        self,
        mcp: ASGIApp,
        engine: GetEngine,
        settings: Settings,
        *,
        access: Access,
        origins: Origins,
        metrics: Metrics,
    ) -> None:
        self._mcp = mcp
        self._get_engine = engine
        self._engine: Engine | None = None
        self._manifest: ManifestWatch | None = None
        self._settings = settings
        self._access = access
        self._origins = origins
        self._metrics = metrics
        self._dashboard = Dashboard(settings)
        self._routes: Mapping[str, Route] = {
            **{path: Route("POST", "v1", self._turn, api) for path, api in TURNS.items()},
            COUNT: Route("POST", "v1", self._count, WireFormat.ANTHROPIC_MESSAGES),
            "/v1/route": Route("POST", "v1", self._route),
            MODELS: Route("GET", "v1", self._models),
            METRICS: Route("GET", "operator", self._show_metrics),
            DASHBOARD: Route("GET", "operator", self._show_dashboard),
        }
        self._model = Route("GET", "v1", self._one_model)

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
        if sum(map(len, chain.from_iterable(scope["headers"]))) > MOST_HEAD_BYTES:
            raise HttpError(431, "headers_too_large", f"headers over {MOST_HEAD_BYTES} bytes")
        self._origins.check(headers)
        if path == HEALTH:
            _allow("GET", scope)
            await send_reply(send, json_reply({"status": "ok", "version": __version__}))
            return
        engine, broken = await self._usable_engine()
        caller = self._access.caller(headers, engine.catalog if engine else None)
        if path == MCP_PATH:
            caller.require("mcp")
            scope[SCOPE_KEY] = "mcp" if caller.name == ANYONE else caller.name
            await self._mcp(scope, receive, send)
            return
        route = self._find(path)
        _allow(route.method, scope)
        caller.require(route.surface)
        if engine is None:
            raise broken or AssertionError
        request = Request(engine, caller, route.dialect, headers)
        await route.handle(request, scope, receive, send)

    async def _usable_engine(self) -> tuple[Engine | None, RightmodelError | None]:
        """The engine, or why there is none: MCP answers all the same."""
        if self._engine is None:
            try:
                self._engine = await self._get_engine()
                self._manifest = ManifestWatch(self._engine.catalog.file)
            except RightmodelError as error:
                return None, error
        return self._engine, None

    def _find(self, path: str) -> Route:
        """Raises `HttpError` for an unknown path."""
        route = self._model if path.startswith(f"{MODELS}/") else self._routes.get(path)
        if route is None:
            raise HttpError(404, "unknown_path", f"no path {path[:80]!r} here: {self._hint(path)}")
        return route

    def _hint(self, path: str) -> str:
        """What is right instead of an unknown path."""
        within = next((known for known in TURNS if path.startswith(f"{known}/")), "")
        end = _SLASHES.sub("/", path).rstrip("/")
        near = [p for p in self._routes if len(p) > 1 < len(end) and _ends_alike(p, end)]
        if near:
            return f"did you mean {near[0]}?"
        if within:
            return f"of this API only {within} is served, which answers at once and stores nothing"
        return f"there are {listed([*self._routes, MCP_PATH, HEALTH])}"

    async def _turn(self, request: Request, scope: Scope, receive: Receive, send: Send) -> None:
        if self._manifest is not None:
            self._manifest.note("")  # for the log: agents show no receipt of a turn
        await answer_turn(request, scope, receive, send, self._metrics.added_s.observe)

    async def _route(self, request: Request, _: Scope, receive: Receive, send: Send) -> None:
        body, document = parse(await read_body(request.headers, receive))
        await send_reply(send, await routed(request, body, document))

    async def _count(self, request: Request, _: Scope, receive: Receive, send: Send) -> None:
        body, document = parse(await read_body(request.headers, receive))
        await send_reply(send, await counted(request, body, document))

    async def _models(self, request: Request, _: Scope, __: Receive, send: Send) -> None:
        catalog, client = request.engine.catalog, request.caller.client
        await send_reply(send, models.listed(catalog, self._settings, client, request.headers))

    async def _one_model(self, request: Request, scope: Scope, _: Receive, send: Send) -> None:
        name = unquote(scope["path"].removeprefix(f"{MODELS}/"))
        catalog, client = request.engine.catalog, request.caller.client
        await send_reply(send, models.one(name, catalog, self._settings, client, request.headers))

    async def _show_metrics(self, request: Request, _: Scope, __: Receive, send: Send) -> None:
        text = self._metrics.text(request.engine)
        await send_reply(send, Reply(200, text.encode(), CONTENT_TYPE))

    async def _show_dashboard(self, request: Request, _: Scope, __: Receive, send: Send) -> None:
        await send_reply(send, await self._dashboard.reply(request.engine))


def _ends_alike(path: str, other: str) -> bool:
    """Whether one is the other with something before it, as where a base URL has /v1 twice.

    Or both end in the same word, as `/v1/completions` and Azure's paths do.
    """
    same_word = path.rpartition("/")[2] == other.rpartition("/")[2]
    return same_word or path.endswith(other) or other.endswith(path)


def _allow(method: str, scope: Scope) -> None:
    """Raises `HttpError` for another method. Where GET is right, so is HEAD."""
    right = ("GET", "HEAD") if method == "GET" else (method,)
    if scope["method"] not in right:
        words = f"{scope['path']} takes {method}, not {scope['method'][:20]}"
        error = HttpError(405, "method_not_allowed", words)
        error.right = ((b"allow", ", ".join(right).encode()),)
        raise error


def _error_reply(error: HttpError, path: str, headers: Mapping[str, str]) -> Reply:
    """In the shape of the path's API; as text where no program reads it."""
    if path in AS_TEXT:
        scheme = b"Bearer" if path == MCP_PATH else b'Basic realm="rightmodel", charset="UTF-8"'
        login = ((b"www-authenticate", scheme),) if error.status == 401 else ()  # noqa: PLR2004 - HTTP's
        text = f"{error.message}\n".encode()
        return Reply(error.status, text, b"text/plain; charset=utf-8", (*error.headers, *login))
    fallback = (
        WireFormat.ANTHROPIC_MESSAGES if "anthropic-version" in headers else WireFormat.OPENAI_CHAT
    )
    codec = CODECS[TURNS.get(path.removesuffix("/count_tokens"), fallback)]
    body = codec.encode_error(error.status, error.code, error.message, error.param)
    return json_reply(body, error.status)._replace(headers=error.headers)
