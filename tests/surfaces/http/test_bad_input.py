"""All that a client can get wrong: the error of its own API, with a text that teaches."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from rightmodel.simulator import Behaviour, SimulatedProvider
from rightmodel.surfaces.http import asgi
from rightmodel.wire.plain import with_model
from surfaces.http.gateway import KEY, Gateway, gateway, manifest
from surfaces.http.test_turns import BODIES, HI

if TYPE_CHECKING:
    from pathlib import Path

PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
    "+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
CHAT, RESPONSES, MESSAGES = "/v1/chat/completions", "/v1/responses", "/v1/messages"
PATHS = (CHAT, RESPONSES, MESSAGES)
TOOL = {
    CHAT: {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}},
    RESPONSES: {"type": "function", "name": "f", "parameters": {"type": "object"}},
    MESSAGES: {"name": "f", "input_schema": {"type": "object"}},
}
BODY = dict(BODIES.values())
IMAGE: dict[str, Any] = {
    CHAT: {"messages": [{"role": "user", "content": [
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}]}]},
    RESPONSES: {"input": [{"role": "user", "content": [
        {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}"}]}]},
    MESSAGES: {"messages": [{"role": "user", "content": [
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}]}]},
}  # fmt: skip
LONG: dict[str, Any] = {
    CHAT: {"messages": [{"role": "user", "content": "word " * 300_000}]},
    RESPONSES: {"input": "word " * 300_000},
    MESSAGES: {"messages": [{"role": "user", "content": "word " * 300_000}]},
}
PLAIN = {'features = ["tools", "json_schema"]': "", 'input = ["text", "image"]': ""}


def message_of(path: str, body: dict[str, Any]) -> str:
    """The error's text; fails for another shape than the path's API has."""
    error = body["error"]
    if path == MESSAGES:
        assert set(body) == {"type", "error"}
        assert body["type"] == "error"
        assert set(error) == {"type", "message", "details"}
    else:
        assert set(error) == {"message", "type", "param", "code"}
    assert error["type"]
    return str(error["message"])


async def refused(gw: Gateway, path: str, body: object, status: int = 400, **headers: str) -> str:
    """The text of the error, streamed or not."""
    texts = set()
    for stream in (False, True):
        streamed = {**body, "stream": True} if stream and isinstance(body, dict) else body
        answer = await gw.post(path, streamed, **headers)
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-should-retry"] == "false"
        texts.add(message_of(path, answer.json()))
    assert len(texts) == 1
    return texts.pop()


@pytest.mark.parametrize("path", PATHS)
async def test_bodies_that_are_no_request(tmp_path: Path, path: str) -> None:
    wrong: list[tuple[object, str]] = [
        (b"", "the body is empty"),
        (b"{", "not valid JSON"),
        (b"[1]", "must be a JSON object"),
        (b"null", "must be a JSON object"),
        (b"\xff\xfe", "not valid JSON"),
        (b'{"a": NaN}', "not valid JSON"),
        (b'{"a": 1e999}', "a number is too large"),
        (b'{"a":' * 5000, "not valid JSON"),
        ({}, "is required"),
        ({**BODY[path], "model": 7}, "model"),
        ({k: v for k, v in BODY[path].items() if k == "model"}, "is required"),
        ({**BODY[path], "messages": "hi", "input": 5}, "array"),
    ]

    async with (
        SimulatedProvider("openai-chat", key=KEY, models={"m": Behaviour()}) as up,
        gateway(tmp_path, manifest({"p": up})) as gw,
    ):
        for body, teaches in wrong:
            assert teaches in await refused(gw, path, body)
        assert up.requests == []


async def test_a_byte_order_mark_is_no_part_of_the_body(tmp_path: Path) -> None:
    async with (
        SimulatedProvider("openai-chat", key=KEY, models={"m": Behaviour()}) as up,
        gateway(tmp_path, manifest({"p": up})) as gw,
    ):
        marked = b"\xef\xbb\xbf" + json.dumps(BODY[CHAT]).encode()
        assert (await gw.post(CHAT, marked)).status_code == 200
        assert up.requests[0].body == {**BODY[CHAT], "model": "m"}


def test_every_spelling_of_the_key_model_is_replaced() -> None:
    """Readers differ in which one of several they take."""
    bodies = {
        b'{"model":"a","mo\\u0064el" : "b"}': b'{"model":"X","mo\\u0064el" : "X"}',
        b'{"t":"say \\"model\\": \\"x\\"","m":[{"model":"a"},"}"], "model" : "b"}': (
            b'{"t":"say \\"model\\": \\"x\\"","m":[{"model":"a"},"}"], "model" : "X"}'
        ),
        b'{"say \\"model":"x","model":"b","n":{"model":"c"}}': (
            b'{"say \\"model":"x","model":"X","n":{"model":"c"}}'
        ),
        b'{"m":{"model":"a"},"t":["model"],"model":"b"}': (
            b'{"m":{"model":"a"},"t":["model"],"model":"X"}'
        ),
    }
    for body, sent in bodies.items():
        assert with_model(body, "X") == sent


@pytest.mark.parametrize("path", PATHS)
async def test_requests_that_no_model_can_take(tmp_path: Path, path: str) -> None:
    async with SimulatedProvider("openai-chat", key=KEY, models={"m": Behaviour()}) as up:
        text = manifest({"p": up})
        for old, new in PLAIN.items():
            text = text.replace(old, new)
        async with gateway(tmp_path, text) as gw:
            body = BODY[path]
            near = await refused(gw, path, {**body, "model": "p-m"}, 404)
            assert "p/m" in near
            assert "[gateway] route" in near
            shipped = await refused(gw, path, {**body, "model": "claude-opus-4-8"}, 404)
            assert "shipped but not connected: set ANTHROPIC_API_KEY" in shipped
            assert "auto:cheap" in await refused(gw, path, {**body, "model": "auto:fast"}, 404)
            tools = await refused(gw, path, {**body, "tools": [TOOL[path]]})
            assert "lacks tools" in tools
            image = await refused(gw, path, {**body, **IMAGE[path]})
            assert "cannot read image" in image
            long = await refused(gw, path, {**body, **LONG[path]})
            assert "exceed its window of 200000" in long
            failed = await gw.post(path, {**body, **LONG[path]})
            assert failed.headers["x-rightmodel-ref"].isalnum()
            answer = failed.json()["error"]
            if path == MESSAGES:
                assert answer["message"].startswith("prompt is too long")
            else:
                assert answer["code"] == "context_length_exceeded"
        assert up.requests == []


@pytest.mark.parametrize("path", PATHS)
async def test_a_body_over_the_cap(
    tmp_path: Path, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asgi, "MOST_BODY_BYTES", 1000)

    async with gateway(tmp_path, "version = 1") as gw:
        assert "over 1,000 bytes" in await refused(gw, path, b" " * 2000, 413)

        async def pieces() -> Any:
            for _ in range(20):
                yield b" " * 100

        answer = await gw.http.post(path, content=pieces())
        assert answer.status_code == 413


async def test_a_compressed_body_is_told_to_come_plain(tmp_path: Path) -> None:
    async with gateway(tmp_path, "version = 1") as gw:
        answer = await gw.post(CHAT, b"\x1f\x8b", content_encoding="gzip")
        assert answer.status_code == 415
        assert "uncompressed" in answer.json()["error"]["message"]
        assert answer.headers["accept-encoding"] == "identity"


async def test_a_conversation_by_id_is_told_to_come_whole(tmp_path: Path) -> None:
    async with (
        SimulatedProvider("openai-chat", key=KEY, models={"m": Behaviour()}) as up,
        gateway(tmp_path, manifest({"p": up})) as gw,
    ):
        body = {**BODY[RESPONSES], "previous_response_id": "resp_1"}
        error = (await gw.post(RESPONSES, body)).json()["error"]
        assert error["code"] == "previous_response_not_found"
        assert "previous response not found" in error["message"]
        assert "send the whole conversation" in error["message"]


ORPHANS: dict[str, Any] = {
    CHAT: {"messages": [*HI, {"role": "tool", "tool_call_id": "c1", "content": "42 degrees"}]},
    RESPONSES: {"input": [
        {"role": "user", "content": "hi"},
        {"type": "function_call_output", "call_id": "c1", "output": "42 degrees"}]},
    MESSAGES: {"messages": [*HI, {"role": "user", "content": [
        {"type": "tool_result", "tool_use_id": "c1", "content": "42 degrees"}]}]},
}  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
async def test_a_tools_result_without_its_call_reaches_another_api_as_text(
    tmp_path: Path, path: str
) -> None:
    async with (
        SimulatedProvider("gemini", key=KEY, models={"m": Behaviour()}) as up,
        gateway(tmp_path, manifest({"p": up})) as gw,
    ):
        answer = await gw.post(path, {**BODY[path], **ORPHANS[path]})
        assert answer.status_code == 200, answer.text
        sent = json.dumps(up.requests[0].body)
        assert "42 degrees" in sent
        assert "functionResponse" not in sent


async def test_half_a_surrogate_pair_costs_no_turn(tmp_path: Path) -> None:
    async with (
        SimulatedProvider("openai-chat", key=KEY, models={"m": Behaviour()}) as up,
        gateway(tmp_path, manifest({"p": up})) as gw,
    ):
        body = json.dumps(BODY[CHAT]).replace("hi", "cut \\ud83d here").encode()
        assert (await gw.post(CHAT, body)).status_code == 200
        assert [request.prompt for request in up.requests] == ["cut \ufffd here"]


async def test_unknown_paths_and_methods_name_the_right_ones(tmp_path: Path) -> None:
    async with gateway(tmp_path, "version = 1") as gw:
        answers = {
            "/chat/completions": "did you mean /v1/chat/completions?",
            "/v1/v1/messages": "did you mean /v1/messages?",
            "/v1//chat/completions": "did you mean /v1/chat/completions?",
            "/openai/deployments/x/chat/completions": "did you mean /v1/chat/completions?",
            "/v1/completions": "did you mean /v1/chat/completions?",
            "/v1/responses/resp_1": "of this API only /v1/responses is served",
            "/v1/messages/batches": "of this API only /v1/messages is served",
            "/v1/messages/": "did you mean /v1/messages?",
            "/v1/embeddings": "there are /v1/chat/completions",
        }
        for path, teaches in answers.items():
            answer = await gw.post(path, {})
            assert answer.status_code == 404
            assert teaches in answer.json()["error"]["message"]
        for method, path, right in (
            ("GET", CHAT, "POST"),
            ("OPTIONS", MESSAGES, "POST"),
            ("POST", "/v1/models", "GET, HEAD"),
            ("DELETE", "/health", "GET, HEAD"),
        ):
            wrong = await gw.http.request(method, path)
            assert wrong.status_code == 405
            assert wrong.headers["allow"] == right
            assert "takes" in wrong.json()["error"]["message"]
        assert (await gw.http.head("/health")).status_code == 200


async def test_two_requests_of_one_session_at_once(tmp_path: Path) -> None:
    models = {"m": Behaviour(lambda r: f"answer to {r.prompt}")}
    async with (
        SimulatedProvider("anthropic-messages", key=KEY, models=models) as up,
        gateway(tmp_path, manifest({"p": up})) as gw,
    ):
        bodies = [
            {**BODY[CHAT], "messages": [*HI, {"role": "assistant", "content": "yes?"},
                                        {"role": "user", "content": f"number {n}"}]}
            for n in range(20)
        ]  # fmt: skip
        answers = await asyncio.gather(
            *(gw.post(CHAT, body, x_session_id="one") for body in bodies)
        )
        for n, answer in enumerate(answers):
            assert f"answer to number {n}" in answer.text


async def test_a_broken_manifest_is_told(tmp_path: Path) -> None:
    async with gateway(tmp_path, "versoin = 1") as gw:
        for path in PATHS:
            answer = await gw.post(path, BODY[path])
            assert answer.status_code == 503
            assert "version" in message_of(path, answer.json())
        assert (await gw.http.get("/health")).status_code == 200


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("stream", [False, True])
async def test_a_key_that_a_model_writes_is_masked_in_every_api(
    tmp_path: Path, path: str, stream: bool
) -> None:
    models = {"m": Behaviour(f"my key is {KEY} indeed", chunk_tokens=1000)}
    async with (
        SimulatedProvider("openai-chat", key=KEY, models=models) as up,
        gateway(tmp_path, manifest({"p": up})) as gw,
    ):
        answer = await gw.post(path, {**BODY[path], "stream": stream})
        assert answer.status_code == 200
        assert "my key is" in answer.text
        assert KEY not in answer.text


async def test_a_rule_of_trust_sees_what_passes_unread(tmp_path: Path) -> None:
    rule = '[[rules]]\nwhen = { contains = ["zebra"] }\nrequire = { trust = "local" }\n'
    hosted = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"q": "zebra"}}
    bodies: list[tuple[str, dict[str, Any]]] = [
        (CHAT, {"metadata": {"about": "Zebra"}}),
        (CHAT, {"unheard_of": [{"x": ["a zebra"]}]}),
        (RESPONSES, {"client_metadata": {"about": "zebra"}}),
        (MESSAGES, {"messages": [*HI, {"role": "assistant", "content": [hosted]}, *HI]}),
    ]

    async with SimulatedProvider("openai-chat", key=KEY, models={"m": Behaviour()}) as up:
        text = manifest({"p": up}, models=rule)
        text = text.replace("[providers.p]\n", '[providers.p]\ntrust = "any"\n')
        async with gateway(tmp_path, text) as gw:
            for path, more in bodies:
                answer = await refused(gw, path, {**BODY[path], **more})
                assert "requires trust local" in answer
            assert (await gw.post(CHAT, BODY[CHAT])).status_code == 200
        assert len(up.requests) == 1
