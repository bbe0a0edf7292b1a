"""An agent's own turn: from the body of a request to its response, in the client's API."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

from rightmodel.core.errors import RightmodelError
from rightmodel.core.task import Task, Turn, WireFormat
from rightmodel.ledger.call_rows import new_ref
from rightmodel.routing.signals.turn import read_turn
from rightmodel.surfaces.http.asgi import Reply, parse, read_body, send_reply
from rightmodel.surfaces.http.connections import CONNECTION, Guard
from rightmodel.surfaces.http.errors import HttpError, http_error, invalid_request
from rightmodel.surfaces.http.headers import continued, of_receipt, passed_on
from rightmodel.surfaces.http.names import choice_of
from rightmodel.surfaces.http.stream import StreamRelay, response_of
from rightmodel.wire.codec import Envelope
from rightmodel.wire.codecs import CODECS
from rightmodel.wire.fields import dumps
from rightmodel.wire.request import RequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.types import Receive, Scope, Send

    from rightmodel.core.call import Answer
    from rightmodel.execution.engine import Engine
    from rightmodel.surfaces.http.access import Caller

ID_PREFIX: Final[Mapping[WireFormat, str]] = {
    WireFormat.OPENAI_CHAT: "chatcmpl-",
    WireFormat.OPENAI_RESPONSES: "resp_",
    WireFormat.ANTHROPIC_MESSAGES: "msg_",
}

logger = logging.getLogger("rightmodel")


class Request(NamedTuple):
    """A request for a turn. `headers`: by name in lower case."""

    engine: Engine
    caller: Caller
    dialect: WireFormat
    headers: Mapping[str, str]


async def answer_turn(
    request: Request, scope: Scope, receive: Receive, send: Send, added: Callable[[float], object]
) -> None:
    """Read the body, route the turn and send the response. Raises `HttpError` before its head.

    `added`: is told what the turn took beside its requests to models, seconds.
    """
    content = await read_body(request.headers, receive)
    began = time.monotonic()
    body, document = parse(content)
    task = task_of(request, body, document)
    ref = new_ref()
    envelope = _envelopes(request.dialect, ref, task)
    answer: Answer | None = None
    try:
        with continued(request.headers), _UntilGone(scope[CONNECTION]) as client:
            if task.turn is not None and task.turn.request.stream:
                codec, usage = CODECS[request.dialect], _wants_usage(document)
                relay = StreamRelay(send, codec, envelope, wants_usage=usage)
                answer = await _stream(request, task, ref, relay, client)
            else:
                answer = await request.engine.turns.run(task, None, ref=ref)
                client.is_answered = True
                await send_reply(send, _whole(request, answer, envelope))
    except Exception as failed:
        error = error_of(failed, request.engine)
        error.ref = ref
        raise error from failed
    if answer is not None:
        elsewhere = sum(attempt.time_s for attempt in answer.receipt.attempts)
        added(max(0.0, time.monotonic() - began - elsewhere))


def task_of(request: Request, body: bytes, document: Mapping[str, Any]) -> Task:
    """The task of a body. Raises `HttpError`."""
    try:
        chat = CODECS[request.dialect].decode_request(document)
    except RequestError as error:
        raise invalid_request(error) from error
    catalog, caller = request.engine.catalog, request.caller
    choice = choice_of(chat.model, catalog, caller.client)
    reading = read_turn(chat, request.headers, document)
    turn = Turn(
        chat,
        request.dialect,
        body,
        document,
        passed_on(request.dialect, request.headers),
        kind=reading.kind,
        mark=reading.mark,
        session=reading.session,
        stall=reading.stall,
    )
    return Task(
        prompt=reading.ask,
        tier=choice.tier,
        model=choice.model,
        schema=chat.schema,
        effort=chat.effort,
        max_output_tokens=chat.max_output_tokens,
        client=caller.name,
        turn=turn,
    )


async def _stream(
    request: Request, task: Task, ref: str, relay: StreamRelay, client: _UntilGone
) -> Answer | None:
    """The answer, `None` where it ended with an error that the client was told."""
    try:
        answer = await request.engine.turns.run(task, relay, ref=ref)
        client.is_answered = True
        if answer.completion is not None:
            served = answer.receipt.model
            await relay.end(answer.completion, served, of_receipt(answer.receipt))
    except Exception as failed:
        client.is_answered = True
        if not relay.began:
            raise
        await relay.fail(error_of(failed, request.engine))
        return None
    finally:
        relay.close()
    return answer


def error_of(failed: Exception, engine: Engine | None) -> HttpError:
    """The error that a client receives; one that nobody foresaw is logged."""
    if isinstance(failed, HttpError):
        return failed
    if not isinstance(failed, RightmodelError):
        logger.error("internal error", exc_info=failed)
        kind = type(failed).__name__
        return HttpError(
            500, "internal_error", f"internal error ({kind}); details are in the server log"
        )
    error = http_error(failed)
    if engine is not None:
        error.message = engine.mask(error.message)
    return error


def _whole(request: Request, answer: Answer, envelope: Callable[[str], Envelope]) -> Reply:
    """A response in one piece: the upstream's own bytes where it speaks the client's API."""
    completion = answer.completion
    if completion is None:
        raise RuntimeError("a turn has a completion")
    body = completion.body
    if not body:
        own = envelope(answer.receipt.model)
        encoded = CODECS[request.dialect].encode_response(response_of(completion), own)
        body = dumps(encoded).encode()
    return Reply(200, body, headers=of_receipt(answer.receipt))


def _wants_usage(document: Mapping[str, Any]) -> bool:
    options = document.get("stream_options")
    return isinstance(options, dict) and options.get("include_usage") is True


def _envelopes(dialect: WireFormat, ref: str, task: Task) -> Callable[[str], Envelope]:
    created = int(time.time())
    tools = task.turn.request.tools if task.turn else ()

    def envelope(model: str) -> Envelope:
        return Envelope(ID_PREFIX[dialect] + ref, model, created, tools)

    return envelope


class _UntilGone:
    """Cancels the current task when the client disconnects before it is answered."""

    def __init__(self, connection: Guard) -> None:
        self._connection = connection
        self._task = asyncio.current_task()
        self.is_answered = False
        self._gone = False

    def __enter__(self) -> Self:
        self._connection.watch(self._cancel)
        return self

    def _cancel(self) -> None:
        if self._task is not None and not self.is_answered and not self._gone:
            self._gone = True
            self._task.cancel()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        self._connection.watch(None)
        if self._gone and self._task is not None:
            self._task.uncancel()
            return kind is not None and issubclass(kind, asyncio.CancelledError)
        return False
