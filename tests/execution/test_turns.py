"""Agents' own turns through the engine: pass-through, translation, and the first-event gate."""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from engines import engine_from
from rightmodel.core.errors import ExhaustedError, NoCandidateError
from rightmodel.core.fault import Fault
from rightmodel.core.task import Task, Text, ToolCall, Turn, WireFormat
from rightmodel.execution import attempt, outcome
from rightmodel.execution.engine import build, make_ledger
from rightmodel.manifest.load import load_catalog
from rightmodel.manifest.settings import Settings
from rightmodel.simulator import Behaviour, Reply, SimulatedProvider, fault
from rightmodel.simulator import ToolCall as SimulatedCall
from rightmodel.wire.codecs import CODECS
from rightmodel.wire.response import CallStart

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from rightmodel.core.call import Answer
    from rightmodel.execution.engine import Engine
    from rightmodel.execution.relay import ResponseStart
    from rightmodel.ledger.ledger import Ledger
    from rightmodel.ledger.records import AttemptRecord
    from rightmodel.ledger.store import Store
    from rightmodel.wire.response import StreamEvent

MANIFEST = """
version = 1
[providers.chat]
protocol = "openai-chat"
base_url = "{chat}"
[providers.messages]
protocol = "anthropic-messages"
base_url = "{messages}"
[[models]]
id = "chat/m"
cost = {{input = 1, output = 2}}
limits = {{context = 100000, output = 32000}}
features = ["tools"]
skills = {{general = 8}}
[[models]]
id = "messages/m"
cost = {{input = 10, output = 20}}
limits = {{context = 100000, output = 32000}}
features = ["tools"]
skills = {{general = 8}}
"""
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
LOOK = Reply(text=None, finish="tool_calls", tool_call=SimulatedCall("look", '{"at": "sky"}'))


@dataclass
class Kept:
    """A relay that keeps what it gets."""

    start: ResponseStart | None = None
    data: bytes = b""
    found: list[StreamEvent] = field(default_factory=list)
    got: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def opened(self) -> bool:
        return self.start is not None

    async def open(self, start: ResponseStart) -> None:
        self.start = start

    async def raw(self, data: bytes) -> None:
        self.data += data
        self.got.set()

    async def events(self, events: Sequence[StreamEvent]) -> None:
        self.found += events
        self.got.set()


@dataclass
class Setup:
    engine: Engine
    ledger: Ledger
    chat: SimulatedProvider
    messages: SimulatedProvider

    async def run(self, task: Task, relay: Kept | None = None) -> Answer:
        return await self.engine.turns.run(task, relay)


@contextlib.asynccontextmanager
async def setup(tmp_path: Path, behaviour: Behaviour | None = None) -> AsyncIterator[Setup]:
    models = {"m": behaviour or Behaviour(answers="hello there", chunk_tokens=1)}
    async with (
        SimulatedProvider("openai-chat", models=models) as chat,
        SimulatedProvider("anthropic-messages", models=models) as messages,
    ):
        path = tmp_path / "m.toml"
        path.write_text(MANIFEST.format(chat=chat.base_url, messages=messages.base_url))
        settings = Settings(path, {"RIGHTMODEL_STATE_DIR": str(tmp_path)})
        catalog = load_catalog(path, has_key=lambda _: True)
        ledger = make_ledger(settings, catalog)
        engine = build(settings, catalog, ledger=ledger)
        try:
            yield Setup(engine, ledger, chat, messages)
        finally:
            assert engine.health.in_flight == 0
            await engine.close()


def turn_of(body: str, dialect: WireFormat = WireFormat.OPENAI_CHAT, model: str = "") -> Task:
    document = json.loads(body)
    request = CODECS[dialect].decode_request(document)
    turn = Turn(request, dialect, body.encode(), document)
    return Task("hi", model=model, turn=turn, max_output_tokens=request.max_output_tokens)


def chat_body(**more: Any) -> str:
    return json.dumps(
        {
            "model": "auto",
            "messages": [{"role": "user", "content": "hi"}],
            "seed": 7,
            "an_unknown_field": {"kept": [1.50, "é"]},
            **more,
        }
    )


async def test_a_turn_in_the_upstreams_own_dialect_passes_through_byte_for_byte(
    tmp_path: Path,
) -> None:
    body = '{ "messages":[{"role":"user","content":"hi \\u00e9"}],\n "x": 1.50, "model" : "auto"}'

    async with setup(tmp_path) as s:
        answer = await s.run(turn_of(body, model="chat/m"))
        raw = s.chat.requests[0].raw
    assert raw.endswith(body.replace('"auto"', '"m"').encode())
    assert answer.text == "hello there"
    assert answer.completion is not None
    whole = json.loads(answer.completion.body)
    assert whole["choices"][0]["message"]["content"] == "hello there"


async def test_a_stream_in_the_clients_dialect_is_handed_on_as_it_came(tmp_path: Path) -> None:
    async with setup(tmp_path) as s:
        relay = Kept()
        answer = await s.run(turn_of(chat_body(stream=True), model="chat/m"), relay)
    assert relay.start is not None
    assert relay.start.is_raw
    assert relay.start.ref == answer.receipt.ref != ""
    assert relay.data.endswith(b"data: [DONE]\n\n")
    chunks = [json.loads(line[6:]) for line in relay.data.decode().split("\n\n")[:-2]]
    text = "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks if c["choices"])
    assert text == answer.text == "hello there"


class Slow(Kept):
    """A client that takes longer than an upstream may be silent."""

    async def raw(self, data: bytes) -> None:
        if not self.data:
            await asyncio.sleep(0.4)
        await super().raw(data)


@pytest.mark.parametrize("model", ["chat/m", "messages/m"])
async def test_a_client_that_reads_slowly_is_no_silence_of_the_upstream(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    for name in ("STALL_S", "OPEN_STALL_S"):
        monkeypatch.setattr(attempt, name, 0.2)
    monkeypatch.setattr(outcome, "MOVED_S", 0.05)

    async with setup(tmp_path, Behaviour(answers="word " * 100, chunk_tokens=1)) as s:
        answer = await s.run(turn_of(chat_body(stream=True), model=model), Slow())
    assert answer.text == "word " * 100


async def test_a_stream_without_usage_costs_what_its_tokens_are_estimated_to_cost(
    tmp_path: Path,
) -> None:
    async with setup(tmp_path, Behaviour(answers="word " * 100)) as s:
        receipt = (await s.run(turn_of(chat_body(stream=True), model="chat/m"), Kept())).receipt
    assert receipt.attempts[-1].usage is None
    assert receipt.cost_usd is not None
    assert 0.0002 < receipt.cost_usd < 0.0004  # 500 characters, 2 USD per million tokens
    assert receipt.saved_usd is None


async def test_a_turn_is_translated_for_an_upstream_of_another_dialect(tmp_path: Path) -> None:
    async with setup(tmp_path, Behaviour(answers=LOOK)) as s:
        relay = Kept()
        task = turn_of(chat_body(stream=True, tools=[TOOL]), model="messages/m")
        answer = await s.run(task, relay)
    assert s.messages.requests[0].body["tools"][0]["name"] == "look"
    assert relay.start is not None
    assert not relay.start.is_raw
    assert any(isinstance(e, CallStart) and e.name == "look" for e in relay.found)
    assert answer.completion is not None
    [call] = [p for p in answer.completion.parts if isinstance(p, ToolCall)]
    assert json.loads(call.arguments) == {"at": "sky"}
    assert answer.completion.finish == "tool_calls"


async def test_a_translated_stream_shows_no_key(tmp_path: Path) -> None:
    said = "The key is sk-of-the-provider."

    answers = Behaviour(answers=said, chunk_tokens=100)
    async with SimulatedProvider("openai-chat", models={"m": answers}) as chat:
        manifest = (
            'version = 1\n[providers.p]\nprotocol = "openai-chat"\nkey_env = "KEY"\n'
            f'base_url = "{chat.base_url}"\n[[models]]\nid = "p/m"\n'
        )
        engine = engine_from(tmp_path, manifest, KEY="sk-of-the-provider")
        relay = Kept()
        body = json.dumps({"model": "auto", "input": "hi", "stream": True})
        await engine.turns.run(turn_of(body, WireFormat.OPENAI_RESPONSES), relay)
        await engine.close()
    shown = "".join(e for e in relay.found if isinstance(e, str))
    assert shown == said.replace("sk-of-the-provider", "[key removed]")


@pytest.mark.parametrize("broken", [fault.overloaded(), fault.rate_limit(), fault.reset_at_once()])
@pytest.mark.parametrize("streamed", [True, False])
async def test_a_failure_before_the_first_event_is_invisible(
    tmp_path: Path, broken: Any, streamed: bool
) -> None:
    async with setup(tmp_path) as s:
        s.chat.fail_all(broken)
        relay = Kept()
        task = turn_of(chat_body(stream=streamed), model="chat/m,messages/m")
        answer = await s.run(task, relay if streamed else None)
    assert [a.model for a in answer.receipt.attempts][-1] == "messages/m"
    assert answer.text == "hello there"
    assert answer.completion is not None
    assert answer.completion.parts == (Text("hello there"),)
    if streamed:
        assert relay.start is not None
        assert relay.start.model == "messages/m"
        assert "".join(e for e in relay.found if isinstance(e, str)) == "hello there"


async def test_an_empty_stream_is_asked_for_in_one_piece_and_nothing_is_lost(
    tmp_path: Path,
) -> None:
    async with setup(tmp_path) as s:
        s.chat.fail_all(fault.empty_stream())
        relay = Kept()
        answer = await s.run(turn_of(chat_body(stream=True), model="chat/m"), relay)
    assert not relay.opened
    assert answer.completion is not None
    assert answer.completion.parts == (Text("hello there"),)


async def test_a_cut_after_the_first_event_ends_the_turn_and_nothing_fails_over(
    tmp_path: Path,
) -> None:
    async with setup(tmp_path, Behaviour(answers="word " * 200, chunk_tokens=4)) as s:
        s.chat.fail_all(fault.reset_midway())
        relay = Kept()
        with pytest.raises(ExhaustedError) as caught:
            await s.run(turn_of(chat_body(stream=True), model="chat/m,messages/m"), relay)
    assert relay.data
    assert relay.data.endswith(b"\n\n")
    assert [a.fault for a in caught.value.attempts] == [Fault.CONNECTION]
    assert len(s.messages.requests) == 0


async def test_a_client_that_leaves_ends_the_upstreams_request_and_pays_for_what_it_got(
    tmp_path: Path,
) -> None:
    slow = Behaviour(answers="word " * 400, chunk_tokens=4, tokens_per_s=200)
    async with setup(tmp_path, slow) as s:
        relay = Kept()
        job = asyncio.create_task(s.run(turn_of(chat_body(stream=True), model="chat/m"), relay))
        await relay.got.wait()
        job.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await job
        await s.chat.until(lambda: s.chat.requests[0].cancelled)

        def attempts(store: Store) -> list[AttemptRecord]:
            return list(store.recent_attempts(10))

        [row] = await s.ledger.read(attempts)
        assert row.fault == "cancelled"
        assert row.cost_usd is not None
        assert row.cost_usd > 0


async def test_models_without_tools_are_rejected_for_a_turn_that_brings_some(
    tmp_path: Path,
) -> None:
    async with setup(tmp_path):
        manifest = (tmp_path / "m.toml").read_text().replace('features = ["tools"]\n', "")
        engine = engine_from(tmp_path, manifest)
        with pytest.raises(NoCandidateError, match="lacks tools"):
            await engine.turns.run(turn_of(chat_body(tools=[TOOL])))
        await engine.close()


async def test_a_turn_is_not_sent_to_an_api_that_cannot_carry_it(tmp_path: Path) -> None:
    audio = {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "wav"}}
    body = chat_body(messages=[{"role": "user", "content": [audio]}])
    async with setup(tmp_path) as s:
        manifest = (tmp_path / "m.toml").read_text()
        manifest = manifest.replace("features", 'input = ["text", "audio"]\nfeatures')
        engine = engine_from(tmp_path, manifest)
        with pytest.raises(NoCandidateError, match="no field for audio"):
            await engine.turns.run(turn_of(body, model="messages/m"))
        await engine.close()
        assert not s.messages.requests
