"""Restrictions of the providers' structured outputs on a JSON schema."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Final

_STRICT_KEYS: Final = frozenset({
    "type", "properties", "required", "additionalProperties", "items", "enum", "const", "anyOf",
    "$ref", "$defs", "definitions", "title", "description", "pattern", "format", "multipleOf",
    "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minItems", "maxItems",
    "$schema", "$id",
})  # fmt: skip
_STRICT_FORMATS: Final = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"}
)
_MOST_DEPTH: Final = 10
_MOST_PROPERTIES: Final = 5000


def is_strict(schema: Mapping[str, Any]) -> bool:
    """Whether it keeps to the subset that OpenAI enforces.

    https://platform.openai.com/docs/guides/structured-outputs#supported-schemas: the root is an
    object, every object is closed and requires all of its properties, at most 10 levels and 5,000
    properties, no other keywords.
    """
    if schema.get("type") != "object" or "anyOf" in schema:
        return False
    properties = 0
    for level, node in _nodes(schema):
        found = node.get("properties")
        properties += len(found) if isinstance(found, dict) else 0
        if level > _MOST_DEPTH or properties > _MOST_PROPERTIES or not _is_strict_node(node):
            return False
    return True


def closed(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A copy in which objects that do not say so allow no further properties, as Anthropic asks.

    It is narrower than the original, so that what fits it fits the original.
    """

    def close(node: dict[str, Any]) -> None:
        if "properties" in node:
            node.setdefault("additionalProperties", False)

    return _changed(schema, close)


def itemized(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a tool's parameters with what OpenAI's APIs ask for and others leave out.

    "object schema missing properties": github.com/inboxapi/cli/issues/106; "array schema missing
    items": github.com/ogx-ai/ogx/pull/3602, read 2026-11-29.
    """

    def itemize(node: dict[str, Any]) -> None:
        if _lacks_items(node):
            node["items"] = {}

    found = {"type": "object", **schema}
    with suppress(RecursionError):  # nested too deeply for any API
        if _any_lacks_items(schema):
            found = {"type": "object", **_changed(schema, itemize)}
    return found if isinstance(found.get("properties"), dict) else {**found, "properties": {}}


def _lacks_items(node: Mapping[str, Any]) -> bool:
    kind = node.get("type")
    is_array = kind == "array" or (isinstance(kind, list) and "array" in kind)
    return is_array and "items" not in node and "prefixItems" not in node


def _any_lacks_items(value: Any) -> bool:
    """Whether something within may do so: a turn brings dozens of tools, and hardly one does."""
    if isinstance(value, dict):
        return _lacks_items(value) or any(map(_any_lacks_items, value.values()))
    return isinstance(value, list) and any(map(_any_lacks_items, value))


def _changed(schema: Mapping[str, Any], change: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """A copy with every schema in it changed, the innermost first."""
    copy = {key: _changed_value(key, value, change) for key, value in schema.items()}
    change(copy)
    return copy


def _changed_value(key: str, value: Any, change: Callable[[dict[str, Any]], None]) -> Any:
    if key in {"properties", "$defs", "definitions", "patternProperties"}:
        if isinstance(value, dict):
            return {k: _changed(v, change) if isinstance(v, dict) else v for k, v in value.items()}
    elif key in {"items", "additionalProperties", "not", "if", "then", "else"}:
        return _changed(value, change) if isinstance(value, dict) else value
    elif key in {"anyOf", "allOf", "oneOf", "prefixItems"} and isinstance(value, list):
        return [_changed(v, change) if isinstance(v, dict) else v for v in value]
    return value


def _is_strict_node(node: Mapping[str, Any]) -> bool:
    if not _STRICT_KEYS.issuperset(node) or node.get("format", "uuid") not in _STRICT_FORMATS:
        return False
    if node.get("type") != "object" and "properties" not in node:
        return True
    properties = node.get("properties", {})
    return (
        isinstance(properties, dict)
        and node.get("additionalProperties") is False
        and set(node.get("required", ())) == set(properties)
    )


def _nodes(schema: Mapping[str, Any], level: int = 1) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Every schema within a schema, with its level; no further down than is ever allowed."""
    yield level, schema
    if level > _MOST_DEPTH:
        return
    for key in ("properties", "$defs", "definitions"):
        found = schema.get(key)
        for child in found.values() if isinstance(found, dict) else ():
            if isinstance(child, dict):
                yield from _nodes(child, level + (key == "properties"))
    several = schema.get("anyOf")
    for child in (schema.get("items"), *(several if isinstance(several, list) else ())):
        if isinstance(child, dict):
            yield from _nodes(child, level + 1)
