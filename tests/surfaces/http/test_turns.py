"""A turn through the gateway: what reaches the upstream, and what the client receives."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from loopback import loopback
from rightmodel.simulator import Behaviour, Reply, SimulatedProvider, ToolCall, fault
from surfaces.http.gateway import KEY, Gateway, gateway, manifest

if TYPE_CHECKING:
    from pathlib import Path

    import httpx2

HI = [{"role": "user", "content": "hi"}]
BODIES: dict[str, tuple[str, dict[str, Any]]] = {
    "openai-chat": ("/v1/chat/completions", {"model": "auto", "messages": HI}),
    "openai-responses": ("/v1/responses", {"model": "auto", "input": "hi"}),
    "anthropic-messages": (
        "/v1/messages",
        {"model": "auto", "messages": HI, "max_tokens": 100},
    ),
}
ANTHROPIC = """version = 1
[providers.p]
protocol = "anthropic-messages"
base_url = "http://127.0.0.1:{port}"
[[models]]
id = "p/m"
limits = {{ context = 200000, output = 32000 }}
skills = {{ general = 8 }}
cost = {{ input = 1, output = 2 }}
"""
ONCE = "[routing]\nmax_attempts = 1\n"
UPSTREAMS = ("openai-chat", "anthropic-messages", "gemini")


def events_of(text: str) -> list[dict[str, Any]]:
    lines = [line.removeprefix("data: ") for line in text.split("\n") if line.startswith("data:")]
    return [json.loads(line) for line in lines if line != "[DONE]"]


@pytest.mark.parametrize("dialect", BODIES)
async def test_an_unknown_field_survives_where_the_upstream_speaks_the_same_api(
    tmp_path: Path, dialect: str
) -> None:
    path, body = BODIES[dialect]
    body = {**body, "x_new_field": {"deep": [1, None]}}
    async with (
        SimulatedProvider(dialect, key=KEY, models={"m": Behaviour()}) as up,
        gateway(tmp_path, manifest({"p": up})) as gw,
    ):
        answers = [await gw.post(path, body), await gw.post(path, {**body, "stream": True})]
        assert [answer.status_code for answer in answers] == [200, 200]
        for sent, stream in zip(up.requests, ({}, {"stream": True}), strict=True):
            assert sent.body == {**body, "model": "m", **stream}
        assert answers[0].json()["model"] == "m"


@pytest.mark.parametrize("protocol", UPSTREAMS)
@pytest.mark.parametrize("dialect", BODIES)
async def test_headers_say_what_served(tmp_path: Path, dialect: str, protocol: str) -> None:
    path, body = BODIES[dialect]
    async with (
        SimulatedProvider(protocol, key=KEY, models={"m": Behaviour()}) as up,
        gateway(tmp_path, manifest({"p": up})) as gw,
    ):
        whole = await gw.post(path, body)
        stream = await gw.post(path, {**body, "stream": True})
        for answer in (whole, stream):
            assert answer.headers["x-rightmodel-model"] == "p/m"
            assert "risk x $" in answer.headers["x-rightmodel-reason"]
            assert answer.headers["x-rightmodel-ref"].isalnum()
        assert float(whole.headers["x-rightmodel-cost-usd"]) > 0
        assert "This is a simulated answer." in whole.text
        assert "simulated answer" in stream.text
        served = whole.json()["model"]
        assert served == ("m" if protocol == dialect else "p/m")


@pytest.mark.parametrize(
    ("protocol", "more", "flags"),
    [
        ("gemini", {"seed": 1}, "left_out=seed"),
        ("openai-chat", {"seed": 1, "service_tier": "default"}, None),
        ("openai-chat", {"service_tier": "priority"}, "at_list_price=service_tier"),
        ("gemini", {"service_tier": "priority"}, None),
    ],
)
async def test_the_receipt_says_what_was_left_out_or_changes_the_price(
    tmp_path: Path, protocol: str, more: dict[str, Any], flags: str | None
) -> None:
    async with (
        SimulatedProvider(protocol, key=KEY, models={"m": Behaviour()}) as up,
        gateway(tmp_path, manifest({"p": up})) as gw,
    ):
        path, body = BODIES["openai-chat"]
        answer = await gw.post(path, {**body, **more})
        assert answer.headers.get("x-rightmodel-flags") == flags


async def test_a_picture_of_few_tokens_is_no_cut_prompt(tmp_path: Path) -> None:
    """Local models count 64 to 1,400 tokens for the same picture."""
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}
    said = [{"role": "user", "content": [{"type": "text", "text": "What is this?"}, image]}]
    async with (
        SimulatedProvider("openai-chat", key=KEY, models={"m": Behaviour("A cat.")}) as up,
        gateway(tmp_path, manifest({"p": up})) as gw,
    ):
        path, body = BODIES["openai-chat"]
        answer = await gw.post(path, {**body, "messages": said})
        assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("first", [fault.status(500), fault.status(429)])
async def test_a_fault_before_the_first_event_is_never_seen(
    tmp_path: Path, first: Any, *, stream: bool
) -> None:
    async with (
        SimulatedProvider("openai-chat", key=KEY, models={"m": Behaviour("first")}) as bad,
        SimulatedProvider("gemini", key=KEY, models={"m": Behaviour("second")}) as good,
        gateway(tmp_path, manifest({"bad": bad, "good": good})) as gw,
    ):
        bad.fail_all(first)
        path, body = BODIES["anthropic-messages"]
        answer = await gw.post(path, {**body, "model": "bad/m,good/m", "stream": stream})
        assert answer.status_code == 200
        assert answer.headers["x-rightmodel-model"] == "good/m"
        failed = "server_error" if first == fault.status(500) else "rate_limited"
        reason = answer.headers["x-rightmodel-reason"]
        assert reason == (
            f"good/m takes over from bad/m ({failed}); bad/m came first: named by the caller"
        )
        assert await _logged_reason(gw, answer) == reason
        assert "second" in answer.text
        assert "error" not in answer.text


async def _logged_reason(gw: Gateway, answer: httpx2.Response) -> str:
    engine = await gw.app.engine()
    call = await engine.learning._ledger.find_call(answer.headers["x-rightmodel-ref"])
    assert call is not None
    return call.reason


async def test_the_reason_says_why_the_first_choice_is_passed_over(tmp_path: Path) -> None:
    models = {"m": Behaviour("yes")}
    async with (
        SimulatedProvider("openai-chat", key=KEY, models=models) as bad,
        SimulatedProvider("openai-chat", key=KEY, models=models) as good,
        gateway(tmp_path, manifest({"bad": bad, "good": good})) as gw,
    ):
        bad.fail_all(fault.status(500))
        path, body = BODIES["openai-chat"]
        both = {**body, "model": "bad/m,good/m"}
        await gw.post(path, both)
        again = await gw.post(path, both)
        assert len(bad.requests) == 1
        assert again.headers["x-rightmodel-reason"] == (
            "good/m takes over from bad/m (cooling down after server_error); "
            "bad/m came first: named by the caller"
        )


@pytest.mark.parametrize("dialect", BODIES)
async def test_a_cut_after_the_first_event_ends_with_an_error_event(
    tmp_path: Path, dialect: str
) -> None:
    models = {"m": Behaviour("word " * 200)}
    async with (
        SimulatedProvider("openai-chat", key=KEY, models=models) as up,
        gateway(tmp_path, manifest({"p": up})) as gw,
    ):
        up.script("m", [fault.reset_midway()])
        path, body = BODIES[dialect]
        answer = await gw.post(path, {**body, "stream": True})
        assert answer.status_code == 200
        *before, last = events_of(answer.text)
        assert before
        assert "error" in json.dumps(last)
        assert "[DONE]" not in answer.text


@pytest.mark.parametrize("dialect", BODIES)
async def test_an_error_has_the_shape_of_the_clients_api(tmp_path: Path, dialect: str) -> None:
    async with (
        SimulatedProvider("openai-chat", key=KEY, models={"m": Behaviour()}) as up,
        gateway(tmp_path, manifest({"p": up}, extra=ONCE)) as gw,
    ):
        path, body = BODIES[dialect]
        answer = await gw.post(path, {**body, "model": "p/mm"}, anthropic_version="2023-06-01")
        up.fail_all(fault.status(500))
        down = await gw.post(path, body)
        assert (answer.status_code, down.status_code) == (404, 502)
        assert answer.headers["x-should-retry"] == "false"
        assert down.headers["x-should-retry"] == "true"
        for error in (answer.json(), down.json()):
            assert error["error"]["message"]
            assert ("type" in error) is (dialect == "anthropic-messages")


THINKING = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [
        {"type": "thinking", "thinking": "let me see", "signature": "c2ln"},
        {"type": "text", "text": "Hello."},
    ],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 1, "output_tokens": 9},
}


@pytest.mark.parametrize("dialect", BODIES)
async def test_a_response_in_one_piece_is_streamed_with_every_header(
    tmp_path: Path, dialect: str
) -> None:
    reply = 200, "application/json", json.dumps(THINKING).encode()
    async with (
        loopback({"m": [reply]}) as up,
        gateway(tmp_path, ANTHROPIC.format(port=up.port)) as gw,
    ):
        path, body = BODIES[dialect]
        answer = await gw.post(path, {**body, "stream": True})
        assert answer.status_code == 200
        assert "Hello." in answer.text
        assert "let me see" in answer.text
        assert answer.headers["x-rightmodel-model"] == "p/m"
        assert answer.headers["x-rightmodel-cost-usd"] == "0.000019"


@pytest.mark.parametrize("arguments", ["true", '"text"', "[1]", "Infinity"])
@pytest.mark.parametrize("upstream", ["openai-chat", "openai-responses", "anthropic-messages"])
async def test_a_tool_called_with_something_else_than_an_object_goes_elsewhere(
    tmp_path: Path, upstream: str, arguments: str
) -> None:
    """vLLM holds a call that is forced to any JSON, unless the tool is `strict`."""
    called = [
        Reply(None, "tool_calls", tool_call=ToolCall("f", said)) for said in (arguments, "{}")
    ]
    tools = [{"type": "function", "function": {"name": "f"}}]
    async with (
        SimulatedProvider(upstream, key=KEY, models={"m": Behaviour(called[0])}) as bad,
        SimulatedProvider("openai-chat", key=KEY, models={"m": Behaviour(called[1])}) as good,
        gateway(tmp_path, manifest({"bad": bad, "good": good})) as gw,
    ):
        path, body = BODIES["openai-chat"]
        answer = await gw.post(path, {**body, "model": "bad/m,good/m", "tools": tools})
        assert (
            "good/m takes over from bad/m (unfinished_answer)"
            in answer.headers["x-rightmodel-reason"]
        )
        assert (
            answer.json()["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"] == "{}"
        )


@pytest.mark.parametrize("arguments", ["null", "", '"{}"'])
async def test_no_arguments_and_those_encoded_twice_are_an_object(
    tmp_path: Path, arguments: str
) -> None:
    called = Reply(None, "tool_calls", tool_call=ToolCall("f", arguments))
    async with (
        SimulatedProvider("openai-chat", key=KEY, models={"m": Behaviour(called)}) as up,
        gateway(tmp_path, manifest({"p": up})) as gw,
    ):
        path, body = BODIES["anthropic-messages"]
        answer = await gw.post(path, {**body, "tools": [{"name": "f", "input_schema": {}}]})
        assert answer.json()["content"][0]["input"] == {}


async def test_a_manifest_that_was_changed_is_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        SimulatedProvider(key=KEY, models={"m": Behaviour()}) as up,
        gateway(tmp_path, manifest({"p": up})) as gw,
    ):
        for text in (manifest({"p": up}, extra="# changed"), "version = 1\ntier = 1\n"):
            await gw.post(*BODIES["openai-chat"])
            (tmp_path / "rightmodel.toml").write_text(text)
            await gw.post(*BODIES["openai-chat"])
            await gw.post(*BODIES["openai-chat"])
    told = [record.message for record in caplog.records if "manifest changed" in record.message]
    assert ["has errors" in message for message in told] == [False, True]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("upstream", UPSTREAMS[::2])
async def test_a_call_under_the_id_of_an_earlier_one_gets_another(
    tmp_path: Path, upstream: str, *, stream: bool
) -> None:
    """Claude Code 2.1.332 runs a call again and again that has the id of an earlier one."""
    called = Reply(None, "tool_calls", tool_call=ToolCall("f", "{}"))
    path, body = BODIES["anthropic-messages"]
    body = {**body, "tools": [{"name": "f", "input_schema": {}}], "stream": stream}
    ids: list[str] = []
    async with (
        SimulatedProvider(upstream, key=KEY, models={"m": Behaviour(called)}) as up,
        gateway(tmp_path, manifest({"p": up})) as gw,
    ):
        said: list[dict[str, Any]] = list(HI)
        for _ in range(4):
            answer = await gw.post(path, {**body, "messages": said})
            ids += re.findall(r'"tool_use","id":"([^"]+)"', answer.text)
            use = {"type": "tool_use", "id": ids[-1], "name": "f", "input": {}}
            result = {"type": "tool_result", "tool_use_id": ids[-1], "content": "done"}
            said += [{"role": "assistant", "content": [use]}, {"role": "user", "content": [result]}]
    assert len({*ids}) == 4
    assert not any(a.startswith(f"{b}_") for a in ids for b in ids)
