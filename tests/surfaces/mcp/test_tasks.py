"""MCP as of 2026-07-28 with the SDK's client: tasks, cache hints, annotations, trace context."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

import pytest
from mcp.client.client import Client
from mcp.client.extension import ClaimContext, ClientExtension, ResultClaim
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult, Request, RequestParams, Result, TextContent
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan

from rightmodel.execution.engine import App
from rightmodel.manifest.settings import read_settings
from rightmodel.simulator import Behaviour, SimulatedProvider
from rightmodel.surfaces.mcp import server as mcp_server
from rightmodel.surfaces.mcp.server import make_server
from rightmodel.surfaces.mcp.tools import TASKS_EXTENSION, TOOL_NAMES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

MANIFEST = """
version = 1
[providers.p]
protocol = "openai-chat"
base_url = "{url}"
[[models]]
id = "p/m"
"""
ANSWER = "forty-two"


class TaskResult(Result):
    """As the extension's schema has it; all fields beyond the id are kept as they come."""

    model_config = Result.model_config | {"extra": "allow"}
    result_type: Literal["task"]
    task_id: str


class AnyResult(Result):
    model_config = Result.model_config | {"extra": "allow"}


class TaskRequest(Request[RequestParams, str]):
    method: str
    params: Any = None


@dataclass
class Tasks(ClientExtension):
    """A client that polls. `polls`: what it was told."""

    polls: list[dict[str, Any]] = field(default_factory=list)
    created: list[str] = field(default_factory=list)
    cancels: bool = False
    identifier = TASKS_EXTENSION

    def claims(self) -> Sequence[ResultClaim[Any]]:
        return [ResultClaim(result_type="task", model=TaskResult, resolve=self.resolve)]

    async def resolve(self, task: TaskResult, context: ClaimContext) -> CallToolResult:
        self.created.append(task.task_id)
        if self.cancels:
            await ask(context.session, "cancel", task.task_id)
        while True:
            state = await ask(context.session, "get", task.task_id)
            self.polls.append(state)
            if state["status"] == "completed":
                return CallToolResult.model_validate(state["result"])
            if state["status"] == "cancelled":
                return CallToolResult(content=[TextContent(text="cancelled")], is_error=True)
            await asyncio.sleep(0.02)


async def ask(session: Any, what: str, task_id: str, **more: Any) -> dict[str, Any]:
    """`tasks/get`, `tasks/update` or `tasks/cancel`."""
    request = TaskRequest(method=f"tasks/{what}", params={"taskId": task_id, **more})
    result = await session.send_request(request, AnyResult)
    return dict(result.model_dump(by_alias=True, exclude_none=True))


@contextlib.asynccontextmanager
async def served(
    tmp_path: Path,
    behaviour: Behaviour,
    *extensions: ClientExtension,
    mode: Any = "2026-07-28",
) -> AsyncIterator[Client]:
    """A client of a server whose only model behaves so."""
    async with SimulatedProvider("openai-chat", models={"m": behaviour}) as provider:
        manifest = tmp_path / "m.toml"
        manifest.write_text(MANIFEST.format(url=provider.base_url))
        env = {"RIGHTMODEL_STATE_DIR": str(tmp_path / "state")}
        app = App(read_settings(manifest=str(manifest), environment=env))
        server = make_server(app.engine, deadline_s=None)
        try:
            async with Client(server, mode=mode, extensions=extensions) as client:
                yield client
        finally:
            await app.close()


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every call becomes a task."""
    monkeypatch.setattr(mcp_server, "TASK_AFTER_S", 0.0)


def text_of(result: Any) -> str:
    return "\n".join(block.text for block in result.content)


SLOW = Behaviour(ANSWER, first_token_s=0.3)


@pytest.mark.usefixtures("at_once")
async def test_a_long_call_becomes_a_task_whose_result_is_that_of_the_call(tmp_path: Path) -> None:
    tasks = Tasks()

    async with served(tmp_path, SLOW, tasks) as client:
        result = await client.call_tool("complete", {"prompt": "6 × 7?"})
        assert text_of(result).startswith(ANSWER)
        assert f"ref={tasks.created[0]}" in text_of(result)
    first, last = tasks.polls[0], tasks.polls[-1]
    assert first["status"] == "working"
    assert first["ttlMs"] > 0
    assert first["pollIntervalMs"] > 0
    assert first["resultType"] == last["resultType"] == "complete"
    assert first["createdAt"] == last["createdAt"]
    began, ended = map(datetime.fromisoformat, (last["createdAt"], last["lastUpdatedAt"]))
    assert began < ended


async def test_a_call_that_is_done_soon_is_answered_without_a_task(tmp_path: Path) -> None:
    tasks = Tasks()

    async with served(tmp_path, Behaviour(ANSWER), tasks) as client:
        assert text_of(await client.call_tool("complete", {"prompt": "x"})).startswith(ANSWER)
    assert not tasks.created


@pytest.mark.usefixtures("at_once")
async def test_a_client_that_declares_no_tasks_gets_none(tmp_path: Path) -> None:
    async with served(tmp_path, SLOW) as client:
        assert text_of(await client.call_tool("complete", {"prompt": "x"})).startswith(ANSWER)
        with pytest.raises(MCPError) as refused:
            await ask(client.session, "get", "abcd")
        assert refused.value.code == -32021
        assert TASKS_EXTENSION in str(refused.value.data)


@pytest.mark.usefixtures("at_once")
async def test_a_handshake_client_gets_no_task_and_knows_no_such_method(tmp_path: Path) -> None:
    async with served(tmp_path, SLOW, mode="legacy") as client:
        assert text_of(await client.call_tool("complete", {"prompt": "x"})).startswith(ANSWER)
        with pytest.raises(MCPError) as refused:
            await ask(client.session, "get", "abcd")
        assert refused.value.code == -32601


@pytest.mark.usefixtures("at_once")
async def test_a_cancelled_task_ends_the_request_to_the_provider(tmp_path: Path) -> None:
    tasks = Tasks(cancels=True)

    async with served(tmp_path, Behaviour(ANSWER, first_token_s=3600), tasks) as client:
        assert text_of(await client.call_tool("complete", {"prompt": "x"})) == "cancelled"
        again = await ask(client.session, "cancel", tasks.created[0])
        assert again["resultType"] == "complete"


@pytest.mark.usefixtures("at_once")
async def test_a_failed_call_is_a_completed_task_with_a_tool_error(tmp_path: Path) -> None:
    tasks = Tasks()

    async with served(tmp_path, Behaviour("no JSON", first_token_s=0.1), tasks) as client:
        result = await client.call_tool("complete", {"prompt": "x", "schema": '{"type": "object"}'})
        assert result.is_error
        assert "code=" in text_of(result)
    assert tasks.polls[-1]["status"] == "completed"
    assert tasks.polls[-1]["result"]["isError"] is True


@pytest.mark.usefixtures("at_once")
async def test_unknown_tasks_are_invalid_and_updates_are_acknowledged(tmp_path: Path) -> None:
    tasks = Tasks()

    async with served(tmp_path, SLOW, tasks) as client:
        await client.call_tool("complete", {"prompt": "x"})
        await ask(client.session, "update", tasks.created[0], inputResponses={})
        for what in ("get", "update", "cancel"):
            with pytest.raises(MCPError) as refused:
                await ask(client.session, what, "zzzz", inputResponses={})
            assert refused.value.code == -32602
            assert "is gone" in str(refused.value)


async def test_the_list_may_be_kept_and_says_what_each_tool_is(tmp_path: Path) -> None:
    async with served(tmp_path, Behaviour(ANSWER), mode="auto") as client:
        assert client.server_capabilities.extensions == {TASKS_EXTENSION: {}}
        listed = await client.list_tools()
        assert listed.ttl_ms >= 60_000
        assert tuple(tool.name for tool in listed.tools) == TOOL_NAMES
        hints = {}
        for tool in listed.tools:
            assert tool.title
            assert tool.annotations
            hints[tool.name] = tool.annotations
        assert hints["complete"].open_world_hint is True
        assert hints["choose_model"].open_world_hint is False
        assert hints["choose_model"].idempotent_hint is True
        assert hints["report_outcome"].idempotent_hint is True


async def test_the_spans_of_a_call_are_children_of_the_clients_span(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parents: dict[str, int] = {}

    class Tracer(trace.NoOpTracer):
        """Remembers in which trace each span begins."""

        def start_as_current_span(self, name: str, *_: Any, **kwargs: Any) -> Any:
            context = trace.get_current_span(kwargs.get("context")).get_span_context()
            parents[name] = context.trace_id
            return trace.use_span(NonRecordingSpan(context))

    monkeypatch.setattr("rightmodel.execution.recorder.tracer", Tracer())
    monkeypatch.setattr("mcp.shared._otel._tracer", Tracer())

    async with served(tmp_path, Behaviour(ANSWER)) as client:
        meta: Any = {"traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01"}
        await client.call_tool("complete", {"prompt": "x"}, meta=meta)
    assert parents["rightmodel.complete"] == int("ab" * 16, 16)
