"""Real agents whose own model is the gateway, in front of an upstream of another API.

Each is set up by what `rightmodel config CLIENT --model --write` writes, and has to write a file
and read it. The upstream is a simulated provider with a scripted model: it refuses every request
that is not valid by the types of the API's official SDK, and what is not a whole conversation.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pytest

from e2e.install import agent_program, client, machine_env
from e2e.processes import background, free_port, run
from e2e.real_agents import ISOLATED
from e2e.setup import KEY, MODEL, PROVIDER, RIGHTMODEL, build
from rightmodel.core.task import ToolCall as Call
from rightmodel.core.task import ToolResult, WireFormat
from rightmodel.simulator import Behaviour, Received, Reply, SimulatedProvider, ToolCall
from rightmodel.wire.codecs import CODECS
from wire.test_sdk_types import valid_request

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from e2e.setup import Setup

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

TASK: Final = "Write hello into note.txt, then read it back."
TOKEN: Final = "token-of-an-agent-0123456789"
FEATURES: Final = """limits = { context = 200000, output = 32000 }
input = ["text", "image"]
features = ["tools", "json_schema"]
"""


class Step(NamedTuple):
    """A tool call of the scripted model."""

    tool: str
    arguments: dict[str, str]


@dataclass(frozen=True)
class Agent:
    """`api`: in which it speaks to the gateway. `calls`: beside the three turns, by kind."""

    name: str
    api: WireFormat
    command: Sequence[str]
    steps: tuple[Step, Step]
    calls: tuple[str, ...] = ()


def _files(write: str, read: str, key: str) -> tuple[Step, Step]:
    return (
        Step(write, {key: "{work}/note.txt", "content": "hello"}),
        Step(read, {key: "{work}/note.txt"}),
    )


def _openclaw(api: WireFormat) -> Agent:
    command = (client("openclaw"), "agent", "exec", TASK, "--json")
    return Agent("openclaw", api, command, _files("write", "read", "path"))


AGENTS: Final = (
    _openclaw(WireFormat.OPENAI_CHAT),
    _openclaw(WireFormat.OPENAI_RESPONSES),
    _openclaw(WireFormat.ANTHROPIC_MESSAGES),
    Agent(
        "claude-code",
        WireFormat.ANTHROPIC_MESSAGES,
        (agent_program("claude"), "-p", TASK, "--allowedTools", "Write,Read"),
        _files("Write", "Read", "file_path"),
    ),
    Agent(
        "codex",
        WireFormat.OPENAI_RESPONSES,
        (
            agent_program("codex"),
            "exec",
            "--skip-git-repo-check",
            "--dangerously-bypass-approvals-and-sandbox",
            TASK,
        ),
        (
            Step("exec_command", {"cmd": "printf hello > note.txt"}),
            Step("exec_command", {"cmd": "cat note.txt"}),
        ),
    ),
    Agent(
        "opencode",
        WireFormat.OPENAI_CHAT,
        (agent_program("opencode"), "run", TASK),
        _files("write", "read", "filePath"),
        calls=("title",),
    ),
)

CASES: Final = [
    pytest.param(agent, upstream, id=f"{agent.name}-{agent.api}-to-{upstream}")
    for agent in AGENTS
    for upstream in WireFormat
    if upstream is not agent.api
]


def scripted(agent: Agent, upstream: WireFormat, work: Path) -> Behaviour:
    """A model that makes the agent's tool calls, one in each turn, then says what it read."""

    def answers(request: Received) -> str | Reply:
        valid_request(upstream, request.body)
        wire = {WireFormat.GEMINI: {"model": request.model, "stream": request.stream}}
        chat = CODECS[upstream].decode_request({**request.body, **wire.get(upstream, {})})
        if not chat.tools:
            return "Notes"
        parts = [part for message in chat.messages for part in message.parts]
        calls = [part.id for part in parts if isinstance(part, Call)]
        results = [part for part in parts if isinstance(part, ToolResult)]
        assert [result.id for result in results] == calls
        if len(results) == len(agent.steps):
            return f"All done: {'hello' if 'hello' in str(results[-1].parts) else results[-1]}"
        step = agent.steps[len(results)]
        assert step.tool in {tool.name for tool in chat.tools}
        arguments = json.dumps(step.arguments).replace("{work}", str(work))
        return Reply(None, finish="tool_calls", tool_call=ToolCall(step.tool, arguments))

    return Behaviour(answers=answers)


def ledger(setup: Setup) -> list[dict[str, Any]]:
    with sqlite3.connect(setup.folder / "state" / "ledger.sqlite3") as database:
        database.row_factory = sqlite3.Row
        rows = database.execute("SELECT * FROM calls ORDER BY at").fetchall()
    return [dict(row) for row in rows]


@pytest.mark.parametrize(("agent", "upstream"), CASES)
def test_an_agent_works_on_the_gateway(agent: Agent, upstream: WireFormat, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()

    async def scenario() -> None:
        models = {"main": scripted(agent, upstream, work)}
        port = free_port()
        async with SimulatedProvider(upstream.value, key=KEY, models=models) as provider:
            setup = build(
                tmp_path,
                f'[clients.{agent.name}]\ntoken_env = "AGENT_TOKEN"\n',
                PROVIDER.format(name="p", url=provider.base_url, key_env="P_KEY").replace(
                    "openai-chat", upstream.value
                ),
                MODEL.format(id="p/main", price=1),
                FEATURES,
                P_KEY=KEY,
                AGENT_TOKEN=TOKEN,
            )
            env = machine_env(tmp_path) | ISOLATED | setup.env
            configure = [RIGHTMODEL, "config", agent.name, "--model", "--write", *setup.files]
            here = ["--url", f"http://127.0.0.1:{port}", "--api", agent.api.value]
            written = await run([*configure, *here], env=env, cwd=work)
            assert written.code == 0, str(written)
            serve = [*setup.serve, "--http", f"127.0.0.1:{port}"]
            async with background(serve, env=env, cwd=tmp_path, port=port):
                finished = await run(agent.command, env=env, cwd=work, within_s=120)
        assert finished.code == 0, str(finished)
        assert "All done: hello" in finished.out, str(finished)
        assert (work / "note.txt").read_text().strip() == "hello"
        asked = [r for r in provider.requests if r.method == "POST"]
        assert all(r.stream and r.status == 200 for r in asked), [
            (r.stream, r.fault) for r in asked
        ]
        calls = ledger(setup)
        assert len(calls) == len(asked)
        assert {call["client"] for call in calls} == {agent.name}
        assert {call["outcome"] for call in calls} == {"answered"}
        assert all(call["session"] for call in calls)
        turns = [call for call in calls if call["kind"] in {"ask", "tool_result"}]
        assert [turn["kind"] for turn in turns] == ["ask", "tool_result", "tool_result"]
        assert len({turn["session"] for turn in turns}) == 1
        assert sorted({c["kind"] for c in calls} - {"ask", "tool_result"}) == [*agent.calls]

    asyncio.run(scenario())
