"""The HTTP client: broken connections, reuse, cancellation."""

from __future__ import annotations

import asyncio
import gzip
import json
import ssl
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from rightmodel.core.errors import ProviderError
from rightmodel.core.fault import Fault, Scope
from rightmodel.core.task import WireFormat
from rightmodel.manifest.catalog import Provider
from rightmodel.upstream.answer import MOST_BYTES, Answer
from rightmodel.upstream.exchange import make_upstreams
from rightmodel.upstream.http import HttpClient
from rightmodel.wire.codecs import CODECS
from rightmodel.wire.request import ModelRequest
from upstream.upstream import (
    KEY,
    PATIENCE_S,
    Heard,
    Reply,
    ScriptedServer,
    ask,
    chat,
    chunk,
    events,
    failure,
    plain,
    refusal,
    request_of,
    scripted,
    upstream,
)

if TYPE_CHECKING:
    from rightmodel.core.call import Completion

OPENAI = WireFormat.OPENAI_CHAT
HALF = chunk({"content": "half"})
ANSWER = {
    "id": "c",
    "model": "m-1",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"content": "ok"}}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4},
}


def test_importing_the_package_loads_no_http() -> None:
    code = (
        "import sys, rightmodel.upstream.exchange, rightmodel.upstream.http\n"
        "from rightmodel.upstream.http import HttpClient\n"
        "rightmodel.upstream.exchange.make_upstreams(HttpClient())\n"
        "print('httpx2' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["False"]


def test_a_connection_is_used_again() -> None:
    _, server = ask(chat(), times=5)
    assert [r.connection for r in server.requests] == [1] * 5


async def test_a_connection_serves_again_after_an_error() -> None:
    async with scripted(refusal(500, {"error": {"message": "no"}}), chat()) as (server, client):
        asking = make_upstreams(client)[OPENAI]
        with pytest.raises(ProviderError):
            await asking.complete(request_of(server.base))
        await asking.complete(request_of(server.base))
        assert len(server.requests) == 2


def test_a_stale_connection_is_replaced_once_at_once() -> None:
    completion, server = ask(chat(), Reply(end="none"), chat("again"), times=2)
    assert completion.text == "again"
    assert [r.connection for r in server.requests] == [1, 1, 2]


def test_a_second_dead_connection_is_a_fault() -> None:
    error = failure(chat(), Reply(end="none"), times=2)
    assert (error.fault, error.scope) == (Fault.CONNECTION, Scope.ENDPOINT)


async def test_a_fresh_connection_that_dies_is_not_tried_again() -> None:
    async with scripted(Reply(end="none")) as (server, client):
        with pytest.raises(ProviderError) as caught:
            await make_upstreams(client)[OPENAI].complete(request_of(server.base))
        assert caught.value.fault is Fault.CONNECTION
        assert len(server.requests) == 1


async def test_an_idle_connection_that_was_closed_is_not_used() -> None:
    async with scripted(chat()) as (server, client):
        asking = make_upstreams(client)[OPENAI]
        await asking.complete(request_of(server.base))
        await server.stop()
        assert (await asking.complete(request_of(server.base))).text == "ok"
        assert [r.connection for r in server.requests] == [1, 2]


@pytest.mark.parametrize("end", ["cut", "close", "reset"])
def test_an_answer_that_breaks_off_is_not_handed_over(end: str) -> None:
    error = failure(events(HALF, end=end))
    assert (error.fault, error.scope) == (Fault.CONNECTION, Scope.ENDPOINT)


def test_a_clean_end_without_a_finish_reason_is_no_success() -> None:
    assert failure(events(HALF)).fault is Fault.CONNECTION
    assert failure(events(HALF, done=True)).fault is Fault.CONNECTION


def test_an_answer_cut_inside_an_event_is_cut() -> None:
    assert failure(Reply((b'data: {"choices": [{"del',), end="close")).fault is Fault.CONNECTION


def test_an_answer_that_was_complete_survives_what_breaks_after_it() -> None:
    completion, _ = ask(events(chunk({"content": "all of it"}, "stop"), end="reset"))
    assert completion.text == "all of it"


@pytest.mark.parametrize(
    "after", [b"data:  [DONE] \n\n", b"data: bye\n\n", b'data: {"usage": {"pr']
)
def test_an_answer_that_was_complete_survives_what_cannot_be_read_after_it(after: bytes) -> None:
    """It was paid for."""
    whole = (*chat().chunks[:-1], after)
    completion, _ = ask(Reply(whole, end="close"))
    assert completion.text == "ok"


def test_an_upstream_that_is_done_need_not_end_the_response() -> None:
    whole = chat()
    completion, server = ask(Reply(whole.chunks, end="open"), whole, times=2)
    assert completion.text == "ok"
    assert server.connections == 2


async def test_a_refused_connection_names_the_address() -> None:
    async with scripted(chat()) as (_, client):
        request = request_of("http://127.0.0.1:9")
        with pytest.raises(ProviderError) as caught:
            await make_upstreams(client)[OPENAI].complete(request)
        assert caught.value.fault is Fault.CONNECTION
        assert "127.0.0.1:9" in str(caught.value)


async def test_a_name_that_is_not_found_is_a_connection_fault() -> None:
    async with scripted(chat()) as (_, client):
        provider = Provider("p", OPENAI, "https://no-such-host.invalid/v1")
        request = ModelRequest(provider, "m", request_of("").messages, key=KEY)
        with pytest.raises(ProviderError) as caught:
            await make_upstreams(client)[OPENAI].complete(request)
        assert caught.value.fault is Fault.CONNECTION


async def test_an_untrusted_certificate_is_a_connection_fault() -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    client = HttpClient()
    async with asyncio.timeout(PATIENCE_S), upstream(chat(), tls=context) as server:
        try:
            with pytest.raises(ProviderError) as caught:
                await make_upstreams(client)[OPENAI].complete(request_of(server.base))
        finally:
            await client.close()
        assert caught.value.fault is Fault.CONNECTION
        assert "certificate" in str(caught.value)
        assert server.requests == []


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_refused_and_the_key_stays_home(status: int) -> None:
    async with scripted(chat()) as (server, client), upstream(chat()) as elsewhere:
        server.replies = [Reply(status=status, headers={"location": f"{elsewhere.base}/x?k=1"})]
        with pytest.raises(ProviderError) as caught:
            await make_upstreams(client)[OPENAI].complete(request_of(server.base))
        assert caught.value.fault is Fault.CONNECTION
        assert "refused redirect to host 127.0.0.1" in str(caught.value)
        assert elsewhere.requests == []


@pytest.mark.parametrize(
    "reply",
    [
        Reply((b"<html>log in</html>",), kind="text/html"),
        Reply((json.dumps(ANSWER).encode(),), kind="text/html"),
        Reply((b"hello there",), kind="text/plain"),
        Reply((b'{"choices": [',), kind="application/json"),
        Reply((b"[1, 2]",), kind="application/json"),
        Reply((b"{} {}",), kind="application/json"),
        Reply((b"",), kind="application/json"),
        Reply((b"[" * 100_000,), kind="application/json"),
        Reply((b"data: {nonsense\n\n",)),
        Reply((b"data: 7\n\n",)),
        Reply((b"data: [DONE]\n\n",)),
        plain({"choices": []}),
        plain({"choices": [7]}),
        plain({"choices": [{"message": 7, "finish_reason": "stop"}]}),
        plain({}),
        events({"choices": "many"}),
        events({"choices": [None]}, done=True),
    ],
    ids=lambda reply: reply.kind + " " + str(b"".join(reply.chunks)[:24]),
)
def test_a_200_that_is_not_an_answer_is_malformed(reply: Reply) -> None:
    assert failure(reply).fault is Fault.MALFORMED


@pytest.mark.parametrize("kind", ["text/event-stream", "application/json"])
def test_a_body_over_the_cap_is_not_read_to_its_end(kind: str) -> None:
    opening = b"data: " if "event" in kind else b"{"
    big = (opening, *(b" " * 1_000_000 for _ in range(MOST_BYTES // 1_000_000 + 1)))
    error = failure(Reply(big, kind=kind))
    assert error.fault is Fault.MALFORMED
    assert "exceeds 20000000 bytes" in str(error)


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8", ""])
def test_a_plain_body_will_do_where_the_upstream_does_not_stream(kind: str) -> None:
    watch = Heard()
    completion, _ = ask(plain(ANSWER, kind), watch=watch)
    assert (completion.text, completion.finish, completion.served) == ("ok", "stop", "m-1")
    assert watch.chars == [2]


@pytest.mark.parametrize("kind", ["text/plain", "", "application/octet-stream"])
def test_a_stream_is_recognised_by_its_content(kind: str) -> None:
    whole = chat()
    assert ask(Reply((b"\n: hello\n\n", *whole.chunks), kind=kind))[0].text == "ok"


def test_a_json_error_under_a_streams_flag_is_read() -> None:
    error = failure(Reply((b'{"error": {"code": 429, "message": "slow"}}',)))
    assert error.fault is Fault.RATE_LIMITED


def test_characters_cut_in_two_come_through_whole() -> None:
    text = "größer, 日本語, 🙂"
    body = b"".join(events(chunk({"content": text}, "stop"), done=True).chunks)
    body = body.decode().encode()
    plain_text = json.dumps(chunk({"content": text}, "stop"), ensure_ascii=False).encode()
    stream = b"data: " + plain_text + b"\r\n\r\ndata: [DONE]\r\n\r\n"
    pieces = tuple(stream[i : i + 3] for i in range(0, len(stream), 3))
    assert ask(Reply(pieces))[0].text == text


def test_a_body_that_is_compressed_unasked_is_read() -> None:
    packed = gzip.compress(b"".join(chat().chunks))
    completion, server = ask(Reply((packed,), headers={"content-encoding": "gzip"}))
    assert completion.text == "ok"
    assert server.requests[0].headers["accept-encoding"] == "identity"


def test_only_content_and_reasoning_are_progress() -> None:
    watch = Heard()
    stream = events(
        chunk({"role": "assistant", "content": ""}),
        chunk({"reasoning_content": "hmm"}),
        chunk({"content": "yes"}),
        chunk(finish="stop"),
        done=True,
    )
    reply = Reply((b": PROCESSING\n\n", *stream.chunks, b": ping\n\n"))
    completion, _ = ask(reply, watch=watch)
    assert sum(watch.chars) == 6
    assert "".join(watch.texts) == "yes"
    assert completion.reasoning_chars == 3
    assert completion.first_token_s is not None


def test_the_arguments_of_a_call_that_is_held_are_progress() -> None:
    """The call before it has no arguments yet, and may have none at all."""
    watch, decoder = Heard(), CODECS[WireFormat.OPENAI_CHAT].decoder()
    answer = Answer(request_of("http://localhost"), decoder, watch)
    calls = [(0, "list", ""), (1, "write", '{"a":'), (1, "", "1}")]
    for index, name, arguments in calls:
        call = {"index": index, "function": {"name": name, "arguments": arguments}}
        answer._stream(events(chunk({"tool_calls": [call]})).chunks[0])
    assert len(watch.texts) == len(calls)


@pytest.mark.parametrize("opening", ["<think>", " \n<think>", "[THINK]"])
def test_text_that_may_be_reasoning_is_not_streamed(opening: str) -> None:
    watch = Heard()
    stream = events(
        chunk({"content": f"{opening}hm"}),
        chunk({"content": "</think>yes"}),
        chunk(finish="stop"),
        done=True,
    )
    ask(Reply(tuple(stream.chunks)), watch=watch)
    assert not any(watch.texts)


async def test_cancelling_closes_the_socket() -> None:
    async with scripted(events(HALF, end="open")) as (server, client):
        call = asyncio.create_task(
            _complete(client, server)  # never ends by itself
        )
        await server.sent.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await server.hung_up.wait()


async def test_what_was_cancelled_leaves_the_next_call_alone() -> None:
    async with scripted(events(HALF, end="open"), chat("next")) as (server, client):
        call = asyncio.create_task(_complete(client, server))
        await server.sent.wait()
        call.cancel()
        await asyncio.wait([call])
        assert (await _complete(client, server)).text == "next"


async def test_a_deadline_of_the_caller_is_the_callers_own_time_out() -> None:
    async with scripted(events(HALF, end="open")) as (server, client):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await _complete(client, server)
        await server.hung_up.wait()


async def test_closing_the_client_ends_every_connection() -> None:
    async with scripted(chat()) as (server, client):
        await _complete(client, server)
        await client.close()
        await server.hung_up.wait()
        assert (await _complete(client, server)).text == "ok"  # and it can be used again


async def test_two_hundred_calls_at_once_share_nothing_but_the_client() -> None:
    async with scripted(chat()) as (server, client):
        found = await asyncio.gather(*(_complete(client, server) for _ in range(200)))
        assert [c.text for c in found] == ["ok"] * 200
        assert server.most_open > 100


async def test_a_burst_leaves_a_bounded_number_of_connections() -> None:
    async with scripted(chat()) as (server, client):
        await asyncio.gather(*(_complete(client, server) for _ in range(200)))
        for _ in range(100):
            await asyncio.sleep(0)
        assert server.open <= 128


async def _complete(client: HttpClient, server: ScriptedServer, **fields: Any) -> Completion:
    return await make_upstreams(client)[OPENAI].complete(request_of(server.base, **fields))
