"""The official SDKs as clients of the gateway, over upstreams of every wire format.

`docs/gateway.md` shows the matrix of what passes.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any, Protocol

import anthropic
import openai
import pytest

from rightmodel.core.task import Attachment, Text, ToolCall, ToolResult, WireFormat
from rightmodel.simulator import Behaviour, SimulatedProvider, answer, fault
from rightmodel.simulator import ToolCall as Call
from rightmodel.wire.codecs import CODECS
from surfaces.http.gateway import KEY, gateway, manifest, run

if TYPE_CHECKING:
    from pathlib import Path

    from rightmodel.core.task import ChatRequest

PNG = b"\x89PNG\r\n\x1a\n"
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
CALLS = (Call("read", '{"city":"Rome"}'), Call("list", '{"city":"Ulm"}'))
ONCE = "[routing]\nmax_attempts = 1\n"


class Client(Protocol):
    """One SDK: every method returns what it read, in neutral words."""

    error: type[Exception]
    model: str

    async def text(self, *, stream: bool, **more: Any) -> str: ...
    async def calls(self, *, stream: bool) -> list[tuple[str, str, Any]]: ...
    async def results(self, calls: list[tuple[str, str, Any]]) -> str: ...
    async def schema(self) -> Any: ...
    async def image(self) -> str: ...


def data_url() -> str:
    return f"data:image/png;base64,{base64.b64encode(PNG).decode()}"


class Chat:
    error = openai.APIError
    model = "p/m"

    def __init__(self, url: str) -> None:
        self.sdk = openai.AsyncOpenAI(api_key="k", base_url=f"{url}/v1", max_retries=0)
        self._tools: Any = [
            {"type": "function", "function": {"name": call.name, "parameters": SCHEMA}}
            for call in CALLS
        ]

    async def _create(self, messages: Any, *, stream: bool = False, **more: Any) -> Any:
        create = self.sdk.chat.completions.create
        if not stream:
            found = await create(model=self.model, messages=messages, **more)
            return found.choices[0].message
        manager = self.sdk.chat.completions.stream(model=self.model, messages=messages, **more)
        async with manager as events:
            return (await events.get_final_completion()).choices[0].message

    async def text(self, *, stream: bool, **more: Any) -> str:
        return str((await self._create([self._user("hi")], stream=stream, **more)).content)

    async def calls(self, *, stream: bool) -> list[tuple[str, str, Any]]:
        found = await self._create([self._user("hi")], stream=stream, tools=self._tools)
        return [(c.id, c.function.name, json.loads(c.function.arguments)) for c in found.tool_calls]

    async def results(self, calls: list[tuple[str, str, Any]]) -> str:
        made = [
            {"id": i, "type": "function", "function": {"name": n, "arguments": json.dumps(a)}}
            for i, n, a in calls
        ]
        told = [{"role": "tool", "tool_call_id": i, "content": f"of {n}"} for i, n, _ in calls]
        said = [self._user("hi"), {"role": "assistant", "tool_calls": made}, *told]
        return str((await self._create(said, tools=self._tools)).content)

    async def schema(self) -> Any:
        form = {"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA}}
        found = await self._create([self._user("hi")], response_format=form)
        return json.loads(found.content)

    async def image(self) -> str:
        parts = [{"type": "image_url", "image_url": {"url": data_url()}}]
        return str((await self._create([self._user(parts)])).content)

    @staticmethod
    def _user(content: Any) -> dict[str, Any]:
        return {"role": "user", "content": content}


class Responses:
    error = openai.APIError
    model = "p/m"

    def __init__(self, url: str) -> None:
        self.sdk = openai.AsyncOpenAI(api_key="k", base_url=f"{url}/v1", max_retries=0)
        self._tools: Any = [
            {"type": "function", "name": call.name, "parameters": SCHEMA, "strict": False}
            for call in CALLS
        ]

    async def _create(self, said: Any, *, stream: bool = False, **more: Any) -> Any:
        if not stream:
            return await self.sdk.responses.create(model=self.model, input=said, **more)
        async with self.sdk.responses.stream(model=self.model, input=said, **more) as events:
            return await events.get_final_response()

    async def text(self, *, stream: bool, **more: Any) -> str:
        return str((await self._create("hi", stream=stream, **more)).output_text)

    async def calls(self, *, stream: bool) -> list[tuple[str, str, Any]]:
        found = await self._create("hi", stream=stream, tools=self._tools)
        made = [item for item in found.output if item.type == "function_call"]
        return [(c.call_id, c.name, json.loads(c.arguments)) for c in made]

    async def results(self, calls: list[tuple[str, str, Any]]) -> str:
        said: list[Any] = [{"role": "user", "content": "hi"}]
        for i, n, a in calls:
            said.append(
                {"type": "function_call", "call_id": i, "name": n, "arguments": json.dumps(a)}
            )
        said += [
            {"type": "function_call_output", "call_id": i, "output": f"of {n}"} for i, n, _ in calls
        ]
        return str((await self._create(said, tools=self._tools)).output_text)

    async def schema(self) -> Any:
        form = {"format": {"type": "json_schema", "name": "a", "schema": SCHEMA}}
        return json.loads((await self._create("hi", text=form)).output_text)

    async def image(self) -> str:
        part = {"type": "input_image", "image_url": data_url(), "detail": "auto"}
        found = await self._create([{"role": "user", "content": [part]}])
        return str(found.output_text)


class Messages:
    error = anthropic.APIError
    model = "p/m"

    def __init__(self, url: str) -> None:
        self.sdk = anthropic.AsyncAnthropic(api_key="k", base_url=url, max_retries=0)
        self._tools: Any = [{"name": call.name, "input_schema": SCHEMA} for call in CALLS]

    async def _create(self, messages: Any, *, stream: bool = False, **more: Any) -> Any:
        asked: dict[str, Any] = {
            "model": self.model,
            "max_tokens": 99,
            "messages": messages,
            **more,
        }
        if not stream:
            return await self.sdk.messages.create(**asked)
        async with self.sdk.messages.stream(**asked) as events:
            return await events.get_final_message()

    async def text(self, *, stream: bool, **more: Any) -> str:
        found = await self._create([{"role": "user", "content": "hi"}], stream=stream, **more)
        return "".join(block.text for block in found.content if block.type == "text")

    async def calls(self, *, stream: bool) -> list[tuple[str, str, Any]]:
        said = [{"role": "user", "content": "hi"}]
        found = await self._create(said, stream=stream, tools=self._tools)
        return [(b.id, b.name, b.input) for b in found.content if b.type == "tool_use"]

    async def results(self, calls: list[tuple[str, str, Any]]) -> str:
        made = [{"type": "tool_use", "id": i, "name": n, "input": a} for i, n, a in calls]
        told = [
            {"type": "tool_result", "tool_use_id": i, "content": f"of {n}"} for i, n, _ in calls
        ]
        said = [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": made},
            {"role": "user", "content": told},
        ]
        found = await self._create(said, tools=self._tools)
        return "".join(block.text for block in found.content if block.type == "text")

    async def schema(self) -> Any:
        form = {"format": {"type": "json_schema", "schema": SCHEMA}}
        found = await self._create([{"role": "user", "content": "hi"}], output_config=form)
        return json.loads("".join(b.text for b in found.content if b.type == "text"))

    async def image(self) -> str:
        source = {"type": "base64", "media_type": "image/png", "data": data_url().split(",")[1]}
        said = [{"role": "user", "content": [{"type": "image", "source": source}]}]
        found = await self._create(said)
        return "".join(block.text for block in found.content if block.type == "text")


CLIENTS: dict[str, type[Any]] = {"chat": Chat, "responses": Responses, "messages": Messages}


def received(up: SimulatedProvider) -> ChatRequest:
    """The last request, as the upstream understood it."""
    last = up.requests[-1]
    body: Any = last.body
    if up.protocol is WireFormat.GEMINI:
        body = {**body, "model": "m", "stream": last.stream}
    return CODECS[up.protocol].decode_request(body)


async def text(sdk: Client, up: SimulatedProvider, *, stream: bool) -> None:
    up.script("m", [answer("Grüße 😀")])
    assert await sdk.text(stream=stream, extra_body={"temperature": 0.5}) == "Grüße 😀"
    assert received(up).temperature == 0.5


async def parallel_tools(sdk: Client, up: SimulatedProvider, *, stream: bool) -> None:
    called = answer(None, finish="tool_calls", tool_call=CALLS[0], more_calls=CALLS[1:])
    meant = [(call.name, json.loads(call.arguments)) for call in CALLS]
    up.script("m", [called, answer("done")])
    calls = await sdk.calls(stream=stream)
    assert [(n, a) for _, n, a in calls] == meant
    assert len({i for i, _, _ in calls}) == len(CALLS)
    assert [tool.name for tool in received(up).tools] == ["read", "list"]
    assert await sdk.results(calls) == "done"
    _, made, told = (m for m in received(up).messages if m.role != "system")
    parts = [part for part in made.parts if isinstance(part, ToolCall)]
    assert [(c.name, json.loads(c.arguments)) for c in parts] == meant
    results = [part for part in told.parts if isinstance(part, ToolResult)]
    assert [r.id for r in results] == [c.id for c in parts]
    assert [r.parts for r in results] == [(Text("of read"),), (Text("of list"),)]


async def schema(sdk: Client, up: SimulatedProvider) -> None:
    assert set(await sdk.schema()) == {"city"}
    assert received(up).schema == SCHEMA


async def image(sdk: Client, up: SimulatedProvider) -> None:
    up.script("m", [answer("a dot")])
    assert await sdk.image() == "a dot"
    (said,) = (m for m in received(up).messages if m.role == "user")
    (found,) = (p for p in said.parts if isinstance(p, Attachment))
    assert (found.media_type, found.data) == ("image/png", PNG)


async def cut_in_mid_stream(sdk: Client) -> None:
    sdk.model = "p/cut"
    with pytest.raises(sdk.error):
        await sdk.text(stream=True)


async def error(sdk: Client, *, stream: bool) -> None:
    sdk.model = f"p/broken-{stream}"
    with pytest.raises(sdk.error) as caught:
        await sdk.text(stream=stream)
    assert getattr(caught.value, "status_code", 0) >= 500


@pytest.mark.parametrize("protocol", list(WireFormat))
@pytest.mark.parametrize("client", CLIENTS)
def test_an_official_sdk_over_an_upstream(
    tmp_path: Path, client: str, protocol: WireFormat
) -> None:
    async def work() -> None:
        broken = Behaviour(faults=(fault.status(500),))
        models = {
            "m": Behaviour(chunk_tokens=1),
            "cut": Behaviour(faults=(fault.clean_cut_in_event(),)),
            "broken-False": broken,
            "broken-True": broken,
        }
        async with (
            SimulatedProvider(protocol, key=KEY, models=models) as up,
            gateway(tmp_path, manifest({"p": up}, extra=ONCE)) as gw,
        ):
            sdk = CLIENTS[client](gw.url)
            async with sdk.sdk:
                for stream in (False, True):
                    await text(sdk, up, stream=stream)
                    await parallel_tools(sdk, up, stream=stream)
                await schema(sdk, up)
                await image(sdk, up)
                await cut_in_mid_stream(sdk)
                for stream in (False, True):
                    await error(sdk, stream=stream)

    run(work())
