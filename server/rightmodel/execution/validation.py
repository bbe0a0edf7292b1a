"""Is what came back an answer? Checked before anything is handed over."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from rightmodel.core.errors import ProviderError, TaskError
from rightmodel.core.fault import Fault, Scope
from rightmodel.execution.schema_check import has_patterns, mismatch, mismatch_in_time
from rightmodel.wire.answer import shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rightmodel.core.call import Completion
    from rightmodel.core.task import Task

_DATA = frozenset({"const", "default", "enum", "examples"})
"""Keywords of a schema that hold data: a `$ref` in there is none."""


async def check(task: Task, completion: Completion) -> Completion:
    """The completion to hand over. Raises `ProviderError` with scope "" for one that fails.

    With a schema, the text handed over is the JSON alone, without fences or chatter around it.
    An answer that the caller's own `max_output_tokens` cut is handed over as it is.
    """
    text = completion.text.strip()
    if completion.finish == "refused":
        said = f": {shown(text)}" if text else ""
        raise _failed(Fault.REFUSED, f"the model or its content filter refused{said}")
    if not text:
        why = " (the output budget went into reasoning)" if completion.finish == "length" else ""
        raise _failed(Fault.EMPTY, f"the answer is empty{why}")
    if completion.finish == "length" and (task.schema is not None or not task.max_output_tokens):
        raise _failed(Fault.CUT_OFF, "the answer was cut off at the output limit")
    if task.schema is not None:
        return replace(completion, text=await _valid_json(text, task.schema))
    if _error_in_disguise(text):
        raise _failed(Fault.MALFORMED, f"the answer is an error in disguise: {shown(text)}")
    return completion


def refuse_foreign_references(schema: Mapping[str, Any]) -> None:
    """Raises `TaskError` for a schema that points outside itself: nothing is fetched for it."""
    resolver: Any = Registry().resolver_with_root(DRAFT202012.create_resource(schema))
    for reference in _references(schema):
        try:
            resolver.lookup(reference)
        except (Unresolvable, ValueError) as error:
            raise _unresolvable(reference) from error


def _references(schema: Mapping[str, Any]) -> Iterator[str]:
    left: list[Any] = [schema]
    while left:
        part = left.pop()
        if isinstance(part, dict):
            yield from (v for k, v in part.items() if k == "$ref" and isinstance(v, str))
            left += [v for k, v in part.items() if k not in _DATA]
        elif isinstance(part, list):
            left += part


def _unresolvable(reference: str) -> TaskError:
    return TaskError(
        f"schema: $ref {reference!r} leads nowhere within the schema; put what it means under "
        "$defs and refer to it as #/$defs/NAME: nothing is fetched from elsewhere",
        argument="schema",
    )


def _failed(fault: Fault, message: str) -> ProviderError:
    return ProviderError(fault, message, scope=Scope.REQUEST)


async def _valid_json(text: str, schema: Mapping[str, Any]) -> str:
    try:
        body, value = _json_in(text)
    except (ValueError, RecursionError) as error:
        raise _failed(Fault.SCHEMA, f"the answer is not JSON: {error}") from error
    try:
        wrong = (
            await asyncio.to_thread(mismatch_in_time, schema, body)
            if has_patterns(schema)
            else mismatch(json.dumps(schema), value)
        )
    except Unresolvable as error:
        raise _unresolvable(error.ref) from error
    except RecursionError as error:
        raise _failed(Fault.SCHEMA, "the answer or the schema is nested without end") from error
    if wrong:
        raise _failed(Fault.SCHEMA, shown(wrong))
    return body


def _json_in(text: str) -> tuple[str, Any]:
    """The JSON in an answer: the whole of it, or what stands between fences or around words."""
    try:
        return text, json.loads(text)
    except ValueError:
        starts = [i for i in (text.find("{"), text.find("[")) if i >= 0]
        if not starts:
            raise
        start = min(starts)
        value, length = json.JSONDecoder().raw_decode(text[start:])
        return text[start : start + length], value


def _error_in_disguise(text: str) -> bool:
    """A gateway's error object posing as an answer: `{"error": …}` and nothing besides."""
    if not text.startswith("{") or '"error"' not in text[:40]:
        return False
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and set(value) <= {"error", "code", "message", "status"}
