"""Requests and responses over ASGI, without a framework: these are on the path of every turn."""

from __future__ import annotations

import json
from codecs import BOM_UTF8
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pydantic_core import from_json, to_json

from rightmodel.surfaces.http.errors import HttpError
from rightmodel.surfaces.mcp.wire import HALF_PAIR, well_formed_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Receive, Scope, Send

MOST_BODY_BYTES: Final = 80_000_000
"""Of an HTTP request: the longest prompt, were every character of it four bytes long."""
MOST_HEAD_BYTES: Final = 65_536
JSON: Final = b"application/json"
_DIGITS: Final = bytes.maketrans(b"123456789E", b"000000000e")
_HUGE: Final = b"0e000"
"""What a number that is read as infinite looks like, with every digit as 0 and without a plus. To
translate a body and look for that takes a fifth of what a regular expression takes."""
_IN_ASCII: Final = str.maketrans(
    {"×": "x", "–": "-", "−": "-", "→": "->", "≥": ">=", "’": "'", "…": "..."}
)
_PRINTABLE: Final = bytes(code if 32 <= code < 127 else ord("?") for code in range(256))  # noqa: PLR2004


class ClientGoneError(Exception):
    """The client disconnected before its request was complete."""


class Reply(NamedTuple):
    """A whole response. `headers`: beside type and length; names in lower case."""

    status: int
    body: bytes
    kind: bytes = JSON
    headers: tuple[tuple[bytes, bytes], ...] = ()


def json_reply(value: Any, status: int = 200) -> Reply:
    """A response of JSON."""
    return Reply(status, to_json(value))


async def send_reply(send: Send, reply: Reply) -> None:
    """Send a whole response."""
    headers = [
        (b"content-type", reply.kind),
        (b"content-length", str(len(reply.body)).encode()),
        *reply.headers,
    ]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})


def headers_of(scope: Scope) -> dict[str, str]:
    """The headers by name in lower case; of repeated ones the last."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def header(text: str) -> bytes:
    """A value as it may stand in a header: printable ASCII."""
    if text.isascii() and text.isprintable():
        return text.encode()
    return text.translate(_IN_ASCII).encode("ascii", "replace").translate(_PRINTABLE)


async def read_body(headers: Mapping[str, str], receive: Receive) -> bytes:
    """The whole body. Raises `HttpError` for one over the cap or compressed, `ClientGoneError`."""
    if headers.get("content-encoding", "identity").lower() != "identity":
        error = HttpError(415, "unsupported_encoding", "send the body uncompressed")
        error.right = ((b"accept-encoding", b"identity"),)
        raise error
    announced = headers.get("content-length", "")
    if announced.isdigit() and int(announced) > MOST_BODY_BYTES:
        raise _too_large()
    pieces: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientGoneError
        pieces.append(message.get("body", b""))
        more = message.get("more_body", False)
        size += len(pieces[-1])
        if size > MOST_BODY_BYTES:
            raise _too_large()
    return b"".join(pieces)  # of a single one, that one itself


def _too_large() -> HttpError:
    return HttpError(
        413,
        "request_too_large",
        f"the body is over {MOST_BODY_BYTES:,} bytes: send less, or compact the conversation",
    )


def parse(body: bytes) -> tuple[bytes, Mapping[str, Any]]:
    """A body of JSON and the object in it. Raises `HttpError`.

    A byte order mark is left out, and halves of surrogate pairs are replaced in both; any other
    valid body is returned as it came.
    """
    try:
        document = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        if not body.startswith(BOM_UTF8) and not HALF_PAIR.search(body):
            raise _no_json(body, error) from None
        body = well_formed_json(body.decode("utf-8-sig", "replace")).encode()
        try:
            document = from_json(body, allow_inf_nan=False)
        except ValueError as broken:
            raise _no_json(body, broken) from None
    if not isinstance(document, dict):
        raise HttpError(400, "invalid_json", "the body must be a JSON object")
    if _HUGE in body.translate(_DIGITS, b"+"):
        try:
            json.dumps(document, allow_nan=False)
        except ValueError as error:
            raise HttpError(400, "invalid_json", f"a number is too large: {error}") from None
    return body, document


def _no_json(body: bytes, error: ValueError) -> HttpError:
    why = "the body is empty" if not body.strip() else f"the body is not valid JSON: {error}"
    return HttpError(400, "invalid_json", f"{why}; send one JSON object, UTF-8")
