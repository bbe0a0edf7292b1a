"""The smallest value that fits a JSON Schema, as far as schemas for answers go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_DEEP: Final = 20
"""Nesting at which a schema that refers to itself is given up with null."""


def example_of(schema: Mapping[str, Any]) -> Any:
    """A value that fits: required and optional properties, one item per array, first of an enum.

    Follows `$ref` inside the document, takes the first of `anyOf`/`oneOf`, merges `allOf`, and
    keeps `minimum`, `minItems` and `minLength`. Not patterns or formats.
    """
    return _example(schema, schema, 0)


def _example(schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> Any:
    schema = _resolved(schema, root)
    given = [schema[key] for key in ("const", "default") if key in schema] + schema.get("enum", [])
    if given or depth > MOST_DEEP:
        return next(iter(given), None)
    either = schema.get("anyOf") or schema.get("oneOf")
    if either:
        return _example(either[0], root, depth + 1)
    kind = schema.get("type", "object" if "properties" in schema else "string")
    kind = (kind[0] if isinstance(kind, list) else kind).lower()  # Gemini writes OBJECT
    if kind == "object":
        properties = schema.get("properties", {})
        return {name: _example(part, root, depth + 1) for name, part in properties.items()}
    if kind == "array":
        count = max(1, schema.get("minItems", 0))
        return [_example(schema.get("items", {}), root, depth + 1) for _ in range(count)]
    return _scalar(kind, schema)


def _scalar(kind: str, schema: Mapping[str, Any]) -> Any:
    least = schema.get("minimum", schema.get("exclusiveMinimum", 0) + 1)
    values: dict[str, Any] = {
        "boolean": True,
        "null": None,
        "integer": int(least),
        "number": float(least),
    }
    return values.get(kind, "simulated".ljust(schema.get("minLength", 0), "."))


def _resolved(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    for _ in range(MOST_DEEP):
        if "$ref" not in schema:
            break
        found: Any = root
        for step in schema["$ref"].removeprefix("#").strip("/").split("/"):
            found = found[step] if step else found
        schema = found
    merged: dict[str, Any] = {k: v for k, v in schema.items() if k != "allOf"}
    for part in schema.get("allOf", ()):
        inner = _resolved(part, root)
        properties = {**merged.get("properties", {}), **inner.get("properties", {})}
        merged = {**merged, **inner, **({"properties": properties} if properties else {})}
    return merged
