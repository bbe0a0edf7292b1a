"""Bytes ↔ JSON-RPC messages. Every request that carries an id gets a reply, whatever its bytes.

The SDK drops a line that its parser refuses, and ends the connection at a text that it cannot
encode. Here half a surrogate pair becomes U+FFFD, a batch is taken apart, and what is not a valid
message is answered with an error under the id that can still be read.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from mcp_types import ErrorData, JSONRPCError, JSONRPCNotification, jsonrpc_message_adapter
from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from rightmodel.surfaces.mcp.wire import well_formed_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mcp_types import JSONRPCMessage

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
MOST_DIGITS: Final = 4000
"""Of an integer: Python refuses to read more than 4,300."""
MOST_ID_CHARS: Final = 1000

_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]]')
_VALUE: Final = re.compile(r'\s*:\s*(-?\d{1,18}(?![\d.eE])|"(?:[^"\\]|\\.)*")')


def decode(line: bytes) -> Iterator[JSONRPCMessage]:
    """The messages of a line; for one that is invalid the reply to it, an `InvalidMessageError`."""
    try:
        message = jsonrpc_message_adapter.validate_json(line, by_name=False)
    except ValidationError:
        yield from _decode_leniently(line)
        return
    # A request whose id has the wrong type validates as a notification and would get no reply.
    if isinstance(message, JSONRPCNotification) and b'"id"' in line:
        yield from _decode_leniently(line)
        return
    yield message


def encode(message: JSONRPCMessage) -> bytes:
    """One line."""
    try:
        text = message.model_dump_json(by_alias=True, exclude_unset=True)
    except PydanticSerializationError:
        plain = message.model_dump(by_alias=True, exclude_unset=True)
        text = well_formed_json(json.dumps(plain, default=str))
    return text.encode() + b"\n"


class InvalidMessageError(JSONRPCError):
    """The reply to an invalid message. `id`: as it was sent, `None` where it cannot be read."""

    id: str | int | float | None  # type: ignore[assignment]


def _invalid(request_id: Any, code: int, why: str) -> InvalidMessageError:
    known = isinstance(request_id, str | int | float) and not isinstance(request_id, bool)
    error = ErrorData(code=code, message=why)
    return InvalidMessageError(jsonrpc="2.0", id=request_id if known else None, error=error)


def _decode_leniently(line: bytes) -> Iterator[JSONRPCMessage]:
    text = well_formed_json(line.decode("utf-8-sig", "replace"))
    if not text.strip():
        return
    try:
        value = json.loads(text, strict=False, parse_int=_integer)
    except (ValueError, RecursionError) as error:
        yield _invalid(_id_in(text), PARSE_ERROR, f"not valid JSON: {error}")
        return
    if value == []:
        yield _invalid(None, INVALID_REQUEST, "an empty batch")
    for item in value if isinstance(value, list) else [value]:
        yield _validated(item)


def _validated(item: Any) -> JSONRPCMessage:
    if not isinstance(item, dict):
        return _invalid(None, INVALID_REQUEST, "a message must be a JSON object")
    request_id = item.get("id")
    if isinstance(request_id, float) and request_id.is_integer():
        item["id"] = int(request_id)
    try:
        message = jsonrpc_message_adapter.validate_python(item, by_name=False)
    except (ValidationError, RecursionError):
        message = None
    if message is None or (isinstance(message, JSONRPCNotification) and "id" in item):
        return _invalid(
            request_id,
            INVALID_REQUEST,
            'not a JSON-RPC request: it needs "jsonrpc": "2.0", an "id" that is a string or an '
            'integer, a "method", and "params" that are an object',
        )
    return message


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= MOST_DIGITS else float(digits)


def _id_in(text: str) -> str | int | None:
    """The id of a request that is not valid JSON, where its bytes still show one."""
    depth = 0
    for token in _TOKEN.finditer(text):
        if token[0] in "{[":
            depth += 1
        elif token[0] in "}]":
            depth -= 1
        elif depth == 1 and token[0] == '"id"' and (value := _VALUE.match(text, token.end())):
            if len(value[1]) > MOST_ID_CHARS:
                return None
            parsed: str | int = json.loads(value[1], strict=False)
            return parsed
    return None
