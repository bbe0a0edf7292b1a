"""The Tasks extension of MCP: a long call as a task that the client polls.

For requests that declare `io.modelcontextprotocol/tasks`, in the protocol revision 2026-07-28 and
later. A call that is done within `TASK_AFTER_S` is answered at once. A longer one becomes a task,
whose id is the call's `ref`: it lives as long as the `ref`, and over a restart where the manifest's
`store_text` keeps answers. Schema: modelcontextprotocol/ext-tasks, seen on 2026-11-29.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    RequestParams,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from rightmodel.core.errors import RightmodelError
from rightmodel.execution.calls import KEPT_S, Calls, CallStatus, Page
from rightmodel.surfaces import rendering as render
from rightmodel.surfaces.mcp.tools import EXTENSIONS, TASKS_EXTENSION

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mcp.server.context import ServerRequestContext
    from mcp.server.lowlevel import Server
    from mcp_types import CallToolResult

    Context = ServerRequestContext[dict[str, Any], Any]
    GetCalls = Callable[[], Awaitable[Calls]]
    ClientOf = Callable[[Context], str]
    Render = Callable[[Page | RightmodelError], CallToolResult]

TASK_AFTER_S: Final = 5.0
"""Most calls are done by then; a task costs the client a request more and a wait between polls."""
POLL_MS: Final = 1000


class TaskParams(RequestParams):
    """Of `tasks/get`, `tasks/update` and `tasks/cancel`."""

    task_id: str


def takes_tasks(context: Context) -> bool:
    """Whether the request's client can be given a task in place of a result."""
    declared = context.session.client_capabilities
    extensions = (declared.extensions if declared else None) or {}
    return context.protocol_version in MODERN_PROTOCOL_VERSIONS and TASKS_EXTENSION in extensions


def created(status: CallStatus) -> dict[str, Any]:
    """The result of a request that has become a task."""
    return {"resultType": "task", **_task(status, "working")}


class TaskMethods:
    """The methods of the extension. `calls`: of the engine. `render`: the result of a call."""

    def __init__(self, calls: GetCalls, client_of: ClientOf, render: Render) -> None:
        self._calls = calls
        self._client_of = client_of
        self._render = render

    def add_to(self, server: Server[dict[str, Any]]) -> None:
        """Serve the methods and advertise the extension."""
        server.extensions.update(EXTENSIONS)
        server.add_request_handler("tasks/get", TaskParams, self.get)
        server.add_request_handler("tasks/update", TaskParams, self.update)
        server.add_request_handler("tasks/cancel", TaskParams, self.cancel)

    async def get(self, context: Context, params: TaskParams) -> dict[str, Any]:
        """The state of a task, with its result once there is one."""
        status = await self._status(context, params)
        if status.cancelled:
            return _task(status, "cancelled")
        if status.outcome is None:
            return _task(status, "working")
        result = self._render(status.outcome).model_dump(by_alias=True, exclude_none=True)
        return {**_task(status, "completed"), "result": result}

    async def update(self, context: Context, params: TaskParams) -> dict[str, Any]:
        """Nothing: no task ever asks for input."""
        await self._status(context, params)
        return {}

    async def cancel(self, context: Context, params: TaskParams) -> dict[str, Any]:
        """End the call, unless it is done."""
        status = await self._status(context, params)
        await (await self._calls()).cancel(status.ref, self._client_of(context))
        return {}

    async def _status(self, context: Context, params: TaskParams) -> CallStatus:
        if context.protocol_version not in MODERN_PROTOCOL_VERSIONS:
            raise MCPError(METHOD_NOT_FOUND, "Method not found", data=context.method)
        if not takes_tasks(context):
            raise MCPError(
                MISSING_REQUIRED_CLIENT_CAPABILITY,
                "Missing required client capability",
                data={"requiredCapabilities": {"extensions": EXTENSIONS}},
            )
        try:
            return await (await self._calls()).status(params.task_id, self._client_of(context))
        except RightmodelError as error:
            raise MCPError(INVALID_PARAMS, str(error)) from error


def _task(status: CallStatus, state: str) -> dict[str, Any]:
    return {
        "taskId": status.ref,
        "status": state,
        "statusMessage": render.event_text(status.event),
        "createdAt": _iso(status.began_at),
        "lastUpdatedAt": _iso(status.changed_at),
        "ttlMs": int(KEPT_S * 1000),
        "pollIntervalMs": POLL_MS,
    }


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
