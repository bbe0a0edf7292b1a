"""Reading foreign JSON: what a field holds if it has the right type, else an empty value."""

from __future__ import annotations

import base64
import binascii
import json
from typing import TYPE_CHECKING, Any, Final

from rightmodel.core.task import Attachment
from rightmodel.wire.request import RequestError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_encode: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def dumps(value: Any) -> str:
    """Compact JSON."""
    return _encode(value)


def objects(value: Any) -> Iterator[dict[str, Any]]:
    """The objects of a list."""
    return (
        (item for item in value if isinstance(item, dict)) if isinstance(value, list) else iter(())
    )


def obj(value: Any) -> dict[str, Any]:
    """An object, else an empty one."""
    return value if isinstance(value, dict) else {}


def text(value: Any) -> str:
    """A string, else an empty one."""
    return value if isinstance(value, str) else ""


def number(value: Any) -> float | None:
    """A number, else `None`."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number else None


def count(value: Any) -> int:
    """A positive whole number, else 0."""
    is_count = isinstance(value, int) and not isinstance(value, bool) and value > 0
    return value if is_count else 0


def arguments_object(arguments: str) -> dict[str, Any]:
    """A tool call's arguments as an object. What is no JSON object is kept, never read as empty."""
    try:
        value = json.loads(arguments) if arguments.strip() else {}
    except (ValueError, RecursionError):
        value = None
    return value if isinstance(value, dict) else {"arguments": arguments}


def given(**values: Any) -> dict[str, Any]:
    """The fields that have a value."""
    return {key: value for key, value in values.items() if value is not None}


def required(body: Mapping[str, Any], field: str, kind: type) -> Any:
    """The field's value. Raises `RequestError` where it is missing or of another type."""
    value = body.get(field)
    if not isinstance(value, kind) or isinstance(value, bool):
        names = {str: "a string", list: "an array", dict: "an object", int: "an integer"}
        raise RequestError(f"{field}: {names[kind]} is required", field)
    return value


def file_of(data: str, media_type: str, name: str, field: str) -> Attachment:
    """A file out of base64. Raises `RequestError` for what is none."""
    try:
        return Attachment(name, media_type, base64.b64decode(data, validate=True))
    except (binascii.Error, ValueError) as error:
        raise RequestError(f"{field}: invalid base64", field) from error


def file_of_url(url: str, name: str, field: str) -> Attachment:
    """A file out of a `data:` URL. Raises `RequestError` for any other: nothing is fetched."""
    head, comma, data = url.partition(",")
    if not comma or not head.startswith("data:") or not head.endswith(";base64"):
        raise RequestError(f"{field}: only data: URLs with base64 are accepted", field)
    return file_of(data, head[5:-7].partition(";")[0], name, field)


def ignored(body: Mapping[str, Any], known: frozenset[str]) -> tuple[str, ...]:
    """The body's fields that are set and not known."""
    return tuple(
        sorted(key for key, value in body.items() if key not in known and value is not None)
    )
