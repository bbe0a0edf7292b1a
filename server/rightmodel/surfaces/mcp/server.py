"""The MCP server: lists the tools, answers their calls, reports progress.

Built on the SDK's low-level server, which advertises tools and nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from mcp.server.caching import CacheHint
from mcp.server.lowlevel import Server
from mcp_types import CallToolRequestParams, CallToolResult, ListToolsResult, TextContent, Tool
from pydantic_core import to_json

from rightmodel.core.call import CallEvent, Listener, Token
from rightmodel.core.errors import ManifestError, RightmodelError, UnknownNameError
from rightmodel.execution.calls import Calls, Page, Pending
from rightmodel.surfaces import rendering as render
from rightmodel.surfaces.arguments import CompleteCall, choose_task, complete_task, reported_outcome
from rightmodel.surfaces.choosing import choose
from rightmodel.surfaces.mcp.tasks import TASK_AFTER_S, TaskMethods, created, takes_tasks
from rightmodel.surfaces.mcp.tools import INSTRUCTIONS, LIST_TTL_MS, SERVER_INFO, TOOL_NAMES, TOOLS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from mcp.server.context import HandlerResult, ServerRequestContext
    from mcp.server.session import ServerSession
    from mcp_types import PaginatedRequestParams

    from rightmodel.execution.engine import Engine
    from rightmodel.manifest.catalog import Catalog

    GetEngine = Callable[[], Awaitable[Engine]]
    Context = ServerRequestContext[dict[str, Any], Any]

T = TypeVar("T")

PROGRESS_S: Final = 10.0
"""A caller hears something at least this often."""
MANIFEST_CHANGED: Final = "manifest changed: it applies after a restart of rightmodel"
MANIFEST_BROKEN: Final = (
    "manifest changed and has errors: rightmodel goes on with the former one until it restarts; "
    "`rightmodel check --no-call` lists them"
)

logger = logging.getLogger("rightmodel")


def make_server(engine: GetEngine, *, deadline_s: float | None) -> Server[dict[str, Any]]:
    """The server. `engine` may raise `RightmodelError`, which becomes the tool's error.

    `deadline_s`: overrides the manifest's.
    """
    calls = ToolCalls(engine, deadline_s)
    tools = [Tool.model_validate(tool) for tool in TOOLS]

    async def list_tools(
        _context: Context, _params: PaginatedRequestParams | None
    ) -> ListToolsResult:
        return ListToolsResult(tools=tools)

    async def call_tool(context: Context, params: CallToolRequestParams) -> HandlerResult:
        client = client_of(context.request)
        arguments, listens = params.arguments or {}, "progress_token" in (context.meta or {})
        session = context.session if listens else None
        if not takes_tasks(context):
            return await calls.answer(params.name, arguments, session, client)
        result = await calls.answer(params.name, arguments, session, client, wait_s=TASK_AFTER_S)
        ref = _pending_ref(result)
        return created(await (await calls.running()).status(ref, client)) if ref else result

    fresh = CacheHint(ttl_ms=LIST_TTL_MS)
    server: Server[dict[str, Any]] = Server(
        SERVER_INFO["name"],
        version=SERVER_INFO["version"],
        instructions=INSTRUCTIONS,
        cache_hints={"tools/list": fresh, "server/discover": fresh},
        on_list_tools=list_tools,
    )
    server.add_request_handler("tools/call", CallToolRequestParams, call_tool)
    TaskMethods(calls.running, lambda c: client_of(c.request), calls.rendered).add_to(server)
    return server


def client_of(request: Any) -> str:
    """Who calls: the client that the HTTP server has let in, else "mcp"."""
    return str(getattr(request, "scope", {}).get("rightmodel.client", "mcp"))


class ToolCalls:
    """What a tool call leads to."""

    def __init__(self, engine: GetEngine, deadline_s: float | None) -> None:
        self._get_engine = engine
        self._engine: Engine | None = None
        self._deadline_s = deadline_s
        self._manifest: ManifestWatch | None = None

    async def running(self) -> Calls:
        """The calls of the engine. Raises `RightmodelError`."""
        self._engine = self._engine or await self._get_engine()
        return self._engine.calls

    def rendered(self, outcome: Page | RightmodelError) -> CallToolResult:
        """The result of a call that has ended."""
        mask = self._engine.mask if self._engine else str
        if isinstance(outcome, RightmodelError):
            return _error(outcome, mask)
        return _answered(outcome, mask)

    async def answer(
        self,
        tool: str,
        arguments: dict[str, Any],
        session: ServerSession | None = None,
        client: str = "mcp",
        *,
        wait_s: float = math.inf,
    ) -> CallToolResult:
        """The result of one call of a client; a foreseeable failure is a result, too.

        `session`: receives progress; `None` for a client that did not ask for it.
        `wait_s`: after that long, at the latest at the deadline, the call is pending.
        """
        mask: Callable[[str], str] = str
        try:
            engine = self._engine = self._engine or await self._get_engine()
            self._manifest = self._manifest or ManifestWatch(engine.catalog.file)
            mask = engine.mask
            if tool == "complete":
                call = await _decoded(complete_task, arguments, engine.catalog, client)
                return await self._complete(engine, call, session, client, wait_s)
            if tool == "choose_model":
                return await self._choose(engine, arguments, client)
            if tool == "report_outcome":
                return await _report(engine, arguments, client)
            raise UnknownNameError("tool", tool, TOOL_NAMES)
        except RightmodelError as error:
            return _error(error, mask)
        except Exception as error:
            logger.exception("internal error")
            return _error(
                RightmodelError(
                    f"internal error ({type(error).__name__}); details are in the server log; "
                    "do this subtask yourself or try another"
                ),
                mask,
            )

    async def _complete(
        self,
        engine: Engine,
        call: CompleteCall,
        session: ServerSession | None,
        client: str,
        wait_s: float,
    ) -> CallToolResult:
        deadline = self._deadline_s or engine.catalog.routing.deadline_s
        async with _progress(session) as listener:
            if call.task is None or call.ref:
                outcome = await engine.calls.resume(
                    call.ref,
                    call.task,
                    client=client,
                    deadline_s=deadline,
                    listener=listener,
                    wait_s=wait_s,
                )
            else:
                outcome = await engine.calls.complete(
                    call.task, deadline_s=deadline, listener=listener, wait_s=wait_s
                )
        if isinstance(outcome, Pending):
            return _pending(outcome)
        note = self._manifest.note(client) if self._manifest else ""
        return _answered(outcome, engine.mask, call.ignored, note)

    async def _choose(
        self, engine: Engine, arguments: dict[str, Any], client: str
    ) -> CallToolResult:
        call = await _decoded(choose_task, arguments, engine.catalog, client)
        shown = await choose(engine, call.task, call.limit)
        if call.ignored:
            shown["ignored_arguments"] = list(call.ignored)
        # As JavaScript writes it: OpenClaw then sees that it is the same as the structure.
        text = to_json(shown, indent=2).decode()
        return CallToolResult(content=[TextContent(text=text)], structured_content=shown)


class ManifestWatch:
    """Whether the manifest was changed after the server read it: what runs is the former one.

    `file`: the manifest that is in use. Each client is informed once of every change.
    """

    def __init__(self, file: str) -> None:
        self._path = Path(file)
        self._seen = self._stamp()
        self._note = ""
        self._told: set[str] = set()

    def note(self, client: str) -> str:
        """What to tell a client, "" where there is nothing new for it."""
        stamp = self._stamp()
        if stamp != self._seen:
            self._seen, self._note = stamp, self._changed()
            self._told.clear()
        if client in self._told:
            return ""
        self._told.add(client)
        return self._note

    def _changed(self) -> str:
        from rightmodel.manifest.read import read_manifest  # pydantic

        note = MANIFEST_CHANGED
        try:
            read_manifest(self._path)
        except ManifestError:
            note = MANIFEST_BROKEN
        logger.warning("%s: %s", self._path, note)
        return note

    def _stamp(self) -> tuple[int, ...]:
        try:
            facts = self._path.stat()
        except OSError:
            return ()
        return facts.st_mtime_ns, facts.st_size, facts.st_ino


async def _decoded(
    decode: Callable[[dict[str, Any], Catalog, str], T],
    arguments: dict[str, Any],
    catalog: Catalog,
    client: str,
) -> T:
    """Decode a call's arguments; in a thread where files are to be read."""
    if arguments.get("files"):
        if client in catalog.clients:
            catalog = replace(catalog, files=replace(catalog.files, is_remote=True))
        return await asyncio.to_thread(decode, arguments, catalog, client)
    return decode(arguments, catalog, client)


async def _report(engine: Engine, arguments: dict[str, Any], client: str) -> CallToolResult:
    ref, good, note = reported_outcome(arguments)
    line = await engine.learning.report(ref, good=good, note=note, client=client)
    return CallToolResult(content=[TextContent(text=line)])


def _answered(
    page: Page, mask: Callable[[str], str], ignored: Sequence[str] = (), note: str = ""
) -> CallToolResult:
    receipt = page.answer.receipt
    line = render.footer(receipt, render.page_note(page), render.ignored_note(ignored), note)
    return CallToolResult(
        _meta={render.META_KEY: render.receipt_meta(receipt)},
        content=[TextContent(text=mask(page.text)), TextContent(text=line)],
    )


def _pending_ref(result: CallToolResult) -> str:
    """The `ref` of a pending call, "" for any other result."""
    meta = (result.meta or {}).get(render.META_KEY, {})
    return str(meta["ref"]) if meta.get("pending") else ""


def _pending(pending: Pending) -> CallToolResult:
    status = render.event_text(pending.status)
    text = (
        f"pending: still running after {pending.time_s:.0f} s ({status}). It goes on in "
        f"the background; call complete with ref={pending.ref} and nothing else to collect it."
    )
    line = f"[ref={pending.ref} pending time={pending.time_s:.1f}s]"
    return CallToolResult(
        content=[TextContent(text=text), TextContent(text=line)],
        _meta={render.META_KEY: {"ref": pending.ref, "pending": True, "status": status}},
    )


def _error(error: RightmodelError, mask: Callable[[str], str]) -> CallToolResult:
    meta = render.error_meta(error)
    meta["message"] = mask(meta["message"])
    return CallToolResult(
        content=[TextContent(text=mask(render.error_text(error)))],
        is_error=True,
        _meta={render.ERROR_META_KEY: meta},
    )


@contextlib.asynccontextmanager
async def _progress(session: ServerSession | None) -> AsyncIterator[Listener | None]:
    """Sends every event but tokens at once, and the latest again after `PROGRESS_S` of silence."""
    if session is None:
        yield None
        return
    queue: asyncio.Queue[str] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    began = loop.time()

    def listen(event: CallEvent) -> None:
        if not isinstance(event, Token):
            queue.put_nowait(render.event_text(event))

    async def send() -> None:
        latest = "waiting for an answer"
        while True:
            with contextlib.suppress(TimeoutError):
                # Not wait_for: in Python 3.11 it swallows a cancel that comes with the last report.
                async with asyncio.timeout(PROGRESS_S):
                    latest = await queue.get()
            elapsed = loop.time() - began
            await session.report_progress(elapsed, None, f"{latest} ({elapsed:.0f} s)")

    sender = asyncio.create_task(send())
    try:
        yield listen
    finally:
        sender.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await sender
