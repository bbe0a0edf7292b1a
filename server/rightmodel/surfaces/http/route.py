"""Questions about a turn without a call: where it would go, and how many tokens it makes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from rightmodel.core.task import Task, WireFormat
from rightmodel.surfaces.arguments import choose_task
from rightmodel.surfaces.choosing import choose
from rightmodel.surfaces.http.asgi import Reply, header, json_reply
from rightmodel.surfaces.http.errors import HttpError, invalid_request
from rightmodel.surfaces.http.names import choice_of
from rightmodel.surfaces.http.turns import Request, task_of
from rightmodel.wire.body import optional, required
from rightmodel.wire.fields import objects
from rightmodel.wire.request import RequestError

LIMIT: Final = 3
"""Candidates shown, unless `limit` says otherwise."""
ANY_SIZE: Final = 4096
"""A count is asked for without a cap on the output, which messages require."""


async def routed(request: Request, body: bytes, document: Mapping[str, Any]) -> Reply:
    """The decision, in the shape of `choose_model`'s result. Raises `HttpError`, `TaskError`.

    `document`: a body of one of the three APIs, or `prompt` with `choose_model`'s arguments; there
    `"judge": false` says that the answer must not wait for the judge.
    """
    try:
        asks = optional(document, "judge", bool) is not False
        task, limit = _task(request, body, document)
    except RequestError as error:
        raise invalid_request(error) from error
    task = await request.engine.turns.with_session(task)
    return json_reply(await choose(request.engine, task, limit, judge=asks))


async def counted(request: Request, body: bytes, document: Mapping[str, Any]) -> Reply:
    """Tokens of a body of messages: as the upstream counts them, or estimated."""
    sized = {**document, "max_tokens": ANY_SIZE}
    task = await request.engine.turns.with_session(task_of(request, body, sized))
    found = await request.engine.counter.count(task)
    reply = json_reply({"input_tokens": found.tokens, "estimated": not found.model})
    source = header(found.model) if found.model else b"estimate"
    return reply._replace(headers=((b"x-rightmodel-counted-by", source),))


def _task(request: Request, body: bytes, document: Mapping[str, Any]) -> tuple[Task, int]:
    if "prompt" in document and document.keys().isdisjoint({"messages", "input"}):
        return _prompted(request, document)
    dialect = dialect_of(document, request.headers)
    if dialect is None:
        raise HttpError(
            400,
            "invalid_request",
            'send {"prompt": …}, or a body of chat completions, responses or messages',
        )
    if document.get("model") is None:
        document = {**document, "model": "auto"}
    return task_of(request._replace(dialect=dialect), body, document), LIMIT


def _prompted(request: Request, document: Mapping[str, Any]) -> tuple[Task, int]:
    """A prompt with the arguments of `choose_model`."""
    prompt = required(document, "prompt", str)
    if not prompt.strip():
        raise RequestError("prompt: the task is empty; give the whole of it as text", "prompt")
    given = {k: v for k, v in document.items() if k not in {"prompt", "model", "judge"}}
    catalog, caller = request.engine.catalog, request.caller
    call = choose_task({**given, "task": prompt}, catalog)
    named = choice_of(optional(document, "model", str) or "", catalog, caller.client)
    tier = call.task.tier or named.tier
    return replace(call.task, model=named.model, tier=tier, client=caller.name), call.limit


def dialect_of(document: Mapping[str, Any], headers: Mapping[str, str]) -> WireFormat | None:
    """Whose body it is, `None` for nobody's. Messages are told from a chat by what only they have.

    A client of Anthropic's API says so in a header; without it, `system` beside the messages,
    `input_schema` in a tool and typed blocks of tool calls do.
    """
    if document.get("input") is not None:
        return WireFormat.OPENAI_RESPONSES
    if not isinstance(document.get("messages"), list):
        return None
    schemas = any("input_schema" in tool for tool in objects(document.get("tools")))
    blocks = (
        block.get("type")
        for message in objects(document["messages"])
        for block in objects(message.get("content"))
    )
    is_anthropic = (
        "anthropic-version" in headers
        or document.get("system") is not None
        or schemas
        or any(kind in ("tool_use", "tool_result", "thinking", "image") for kind in blocks)
    )
    return WireFormat.ANTHROPIC_MESSAGES if is_anthropic else WireFormat.OPENAI_CHAT
