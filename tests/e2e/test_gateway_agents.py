"""Real agents whose own model is the gateway, in front of upstreams of every API.

Each is set up by what `rightmodel config CLIENT --model --write` writes, and has to write a file
and read it. The upstream is a simulated provider with a scripted model: it refuses every request
that is not valid by the types of the API's official SDK, and what is not a whole conversation.
"""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pytest

from e2e.install import agent_program, client, machine_env
from e2e.processes import Finished, background, free_port, run
from e2e.real_agents import ISOLATED
from e2e.setup import KEY, MODEL, PROVIDER, RIGHTMODEL, build
from rightmodel.core.task import Attachment, Reasoning, ToolResult, WireFormat
from rightmodel.core.task import ToolCall as Call
from rightmodel.simulator import Behaviour, Received, Reply, SimulatedProvider, ToolCall
from rightmodel.wire.codecs import CODECS
from wire.test_sdk_types import valid_request

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
    from pathlib import Path

    from rightmodel.core.task import Part

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

TASK: Final = "Write hello into note.txt, then read it back."
PART: Final = "Say how many files there are."
"""What a sub-agent is handed over."""
TOKEN: Final = "token-of-an-agent-0123456789"
FEATURES: Final = """limits = { context = 200000, output = 32000 }
input = ["text", "image"]
features = ["tools", "json_schema"]
"""
CHORES: Final = {"title", "probe", "heartbeat", "classifier"}


class Step(NamedTuple):
    """A tool call of the scripted model."""

    tool: str
    arguments: dict[str, Any]


@dataclass(frozen=True)
class Agent:
    """`api`: in which it speaks to the gateway. `command`: takes the task.

    `chores`: kinds of calls beside the turns. `hand_over`: calls that start a sub-agent and wait.
    `keeps_reasoning`: signed reasoning of another API is sent back.
    """

    name: str
    api: WireFormat
    command: Callable[[str], Sequence[str]]
    steps: tuple[Step, ...]
    chores: tuple[str, ...] = ()
    hand_over: tuple[Step, ...] = ()
    look: Step | None = None
    """The call that shows the model an image."""
    keeps_reasoning: bool = False


def _files(write: str, read: str, key: str) -> tuple[Step, Step]:
    return (
        Step(write, {key: "{work}/note.txt", "content": "hello"}),
        Step(read, {key: "{work}/note.txt"}),
    )


def _openclaw(api: WireFormat) -> Agent:
    return Agent(
        "openclaw",
        api,
        lambda task: (client("openclaw"), "agent", "exec", task, "--json"),
        _files("write", "read", "path"),
        look=Step("read", {"path": "{work}/red.png"}),
        keeps_reasoning=api is WireFormat.OPENAI_RESPONSES,
    )


SIGNED: Final = (WireFormat.OPENAI_RESPONSES, WireFormat.ANTHROPIC_MESSAGES)
"""APIs that take their signed reasoning back."""

AGENTS: Final = (
    _openclaw(WireFormat.OPENAI_CHAT),
    _openclaw(WireFormat.OPENAI_RESPONSES),
    _openclaw(WireFormat.ANTHROPIC_MESSAGES),
    Agent(
        "claude-code",
        WireFormat.ANTHROPIC_MESSAGES,
        lambda task: (agent_program("claude"), "-p", task, "--allowedTools", "Write,Read,Agent"),
        _files("Write", "Read", "file_path"),
        keeps_reasoning=True,
        hand_over=(
            Step("Agent", {"description": "x", "prompt": PART, "subagent_type": "general-purpose"}),
        ),
        look=Step("Read", {"file_path": "{work}/red.png"}),
    ),
    Agent(
        "codex",
        WireFormat.OPENAI_RESPONSES,
        lambda task: (
            agent_program("codex"),
            "exec",
            "--skip-git-repo-check",
            "--dangerously-bypass-approvals-and-sandbox",
            task,
        ),
        (
            Step("exec_command", {"cmd": "printf hello > note.txt"}),
            Step("exec_command", {"cmd": "cat note.txt"}),
        ),
        keeps_reasoning=True,
        hand_over=(
            Step("multi_agent_v1__spawn_agent", {"message": PART}),
            Step("multi_agent_v1__wait_agent", {"targets": ["{agent}"]}),
        ),
        look=Step("view_image", {"path": "{work}/red.png"}),
    ),
    Agent(
        "opencode",
        WireFormat.OPENAI_CHAT,
        lambda task: (agent_program("opencode"), "run", task),
        _files("write", "read", "filePath"),
        chores=("title",),
        hand_over=(Step("task", {"description": "x", "prompt": PART, "subagent_type": "general"}),),
        look=Step("read", {"filePath": "{work}/red.png"}),
    ),
)

WITH_SUB_AGENTS: Final = [agent for agent in AGENTS if agent.hand_over]

CASES: Final = [
    pytest.param(agent, upstream, id=f"{agent.name}-{agent.api}-to-{upstream}")
    for agent in AGENTS
    for upstream in WireFormat
]


@dataclass
class Run:
    """`calls`: rows of the ledger."""

    finished: Finished
    calls: list[dict[str, Any]]


def scripted(
    steps: Sequence[Step], upstream: WireFormat, work: Path, *, keeps_reasoning: bool
) -> Behaviour:
    """A model that makes the tool calls, one in each turn, then says what came back.

    `keeps_reasoning`: the model reasons, and the agent sends its signed reasoning back.
    """

    def answers(request: Received) -> str | Reply:
        valid_request(upstream, request.body)
        in_path = {"model": request.model, "stream": request.stream}
        document = {**in_path, **request.body} if upstream is WireFormat.GEMINI else request.body
        chat = CODECS[upstream].decode_request(document)
        if not chat.tools:
            return "Notes"
        parts = [part for message in chat.messages for part in message.parts]
        results = [part for part in parts if isinstance(part, ToolResult)]
        assert [result.id for result in results] == [p.id for p in parts if isinstance(p, Call)]
        signed = [p for p in parts if isinstance(p, Reasoning) and p.signature]
        assert len(signed) == (
            len(results) if keeps_reasoning and PART not in request.prompt else 0
        )
        if PART in request.prompt:
            return "There are none."
        if len(results) == len(steps):
            shown = [p for part in (*parts, *results[-1].parts) for p in _files_of(part)]
            said = "hello" if "hello" in str(results[-1].parts) else ""
            return f"All done: {said}{', '.join(file.media_type for file in shown)}"
        step = steps[len(results)]
        assert step.tool in {tool.name for tool in chat.tools}
        started = re.search(r'"agent_id": ?"([\w-]+)', str(results[-1].parts) if results else "")
        arguments = json.dumps(step.arguments).replace("{work}", str(work))
        arguments = arguments.replace("{agent}", started[1] if started else "")
        return Reply(None, finish="tool_calls", tool_call=ToolCall(step.tool, arguments))

    return Behaviour(answers=answers, reasoning="Let me think." if keeps_reasoning else "")


def _files_of(part: Part) -> list[Attachment]:
    return [part] if isinstance(part, Attachment) else []


@contextlib.asynccontextmanager
async def started(
    agent: Agent, provider: SimulatedProvider, folder: Path, *, budget: str = ""
) -> AsyncIterator[Callable[[str], Awaitable[Finished]]]:
    """A gateway, and the agent as `rightmodel config` has set it up; to be called with a task."""
    work, port = folder / "work", free_port()
    work.mkdir(exist_ok=True)
    setup = build(
        folder,
        f'[clients.{agent.name}]\ntoken_env = "AGENT_TOKEN"\n{budget}',
        PROVIDER.format(name="p", url=provider.base_url, key_env="P_KEY").replace(
            "openai-chat", provider.protocol.value
        ),
        MODEL.format(id="p/main", price=1),
        FEATURES,
        P_KEY=KEY,
        AGENT_TOKEN=TOKEN,
    )
    env = machine_env(folder) | ISOLATED | setup.env
    configure = [RIGHTMODEL, "config", agent.name, "--model", "--write", *setup.files]
    here = ["--url", f"http://127.0.0.1:{port}", "--api", agent.api.value]
    written = await run([*configure, *here], env=env, cwd=work)
    assert written.code == 0, str(written)
    serve = [*setup.serve, "--http", f"127.0.0.1:{port}"]
    async with background(serve, env=env, cwd=folder, port=port):
        yield lambda task: run(agent.command(task), env=env, cwd=work, within_s=120)


async def on_gateway(
    agent: Agent, upstream: WireFormat, folder: Path, *, task: str, steps: Sequence[Step]
) -> Run:
    """One run of an agent to its end, checked in what always holds."""
    work = folder / "work"
    work.mkdir()
    (work / "red.png").write_bytes(_red_image())
    keeps = agent.keeps_reasoning and upstream in SIGNED and upstream is not agent.api
    models = {"main": scripted(steps, upstream, work, keeps_reasoning=keeps)}
    async with (
        SimulatedProvider(upstream.value, key=KEY, models=models) as provider,
        started(agent, provider, folder) as ask,
    ):
        finished = await ask(task)
    assert finished.code == 0, str(finished)
    assert "All done:" in finished.out, str(finished)
    asked = [r for r in provider.requests if r.method == "POST"]
    assert all(r.stream and r.status == 200 for r in asked), [(r.stream, r.fault) for r in asked]
    calls = ledger(folder)
    assert len(calls) == len(asked)
    assert {call["client"] for call in calls} == {agent.name}
    assert {call["outcome"] for call in calls} == {"answered"}
    assert all(call["session"] for call in calls)
    assert {c["kind"] for c in calls if c["kind"] in CHORES} == {*agent.chores}
    return Run(finished, calls)


def ledger(folder: Path) -> list[dict[str, Any]]:
    with sqlite3.connect(folder / "state" / "ledger.sqlite3") as database:
        database.row_factory = sqlite3.Row
        rows = database.execute("SELECT * FROM calls ORDER BY at").fetchall()
    return [dict(row) for row in rows]


@pytest.mark.parametrize(("agent", "upstream"), CASES)
async def test_an_agent_works_on_the_gateway(
    agent: Agent, upstream: WireFormat, tmp_path: Path
) -> None:
    done = await on_gateway(agent, upstream, tmp_path, task=TASK, steps=agent.steps)
    assert "All done: hello" in done.finished.out
    assert (tmp_path / "work" / "note.txt").read_text().strip() == "hello"
    turns = [call for call in done.calls if call["kind"] not in CHORES]
    assert [turn["kind"] for turn in turns] == ["ask", "tool_result", "tool_result"]
    assert len({turn["session"] for turn in turns}) == 1


@pytest.mark.parametrize("agent", WITH_SUB_AGENTS, ids=lambda agent: agent.name)
async def test_a_sub_agent_has_a_session_of_its_own(agent: Agent, tmp_path: Path) -> None:
    upstream = WireFormat.GEMINI
    done = await on_gateway(agent, upstream, tmp_path, task=TASK, steps=agent.hand_over)
    of_kind = {call["kind"]: call["session"] for call in done.calls}
    assert {"ask", "tool_result", "subagent"} <= {*of_kind}
    assert of_kind["ask"] == of_kind["tool_result"] != of_kind["subagent"]


@pytest.mark.parametrize("upstream", [WireFormat.OPENAI_CHAT, WireFormat.GEMINI])
@pytest.mark.parametrize("agent", [AGENTS[0], *WITH_SUB_AGENTS], ids=lambda agent: agent.name)
async def test_an_image_that_a_tool_reads_reaches_the_model(
    agent: Agent, upstream: WireFormat, tmp_path: Path
) -> None:
    assert agent.look
    done = await on_gateway(agent, upstream, tmp_path, task=TASK, steps=[agent.look])
    assert "All done: image/" in done.finished.out


@pytest.mark.parametrize("agent", WITH_SUB_AGENTS, ids=lambda agent: agent.name)
async def test_a_budget_that_is_spent_ends_the_run_and_says_so(
    agent: Agent, tmp_path: Path
) -> None:
    budget = "per_day_usd = 0.000001\n"
    async with (
        SimulatedProvider(key=KEY, models={"main": Behaviour()}) as provider,
        started(agent, provider, tmp_path, budget=budget) as ask,
    ):
        finished = await ask(TASK)
    assert finished.code != 0
    said = finished.out + finished.err
    assert f"budget clients.{agent.name}.per_day_usd ($0.000001)" in said, str(finished)
    assert not provider.requests
    assert {call["outcome"] for call in ledger(tmp_path)} == {"budget_exhausted"}


def _red_image() -> bytes:
    """A PNG of 16 × 16 pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        checked = name + data
        return struct.pack(">I", len(data)) + checked + struct.pack(">I", zlib.crc32(checked))

    head = struct.pack(">IIBBBBB", 16, 16, 8, 2, 0, 0, 0)
    rows = (b"\0" + b"\xff\0\0" * 16) * 16
    pieces = (chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(pieces)
