"""Is what came back an answer? Checked before anything is handed over."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from jsonschema import validators

from rightmodel.errors import Fault, ProviderError

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

    from rightmodel.domain import Completion, Task

_SHOWN = 300


def check(task: Task, completion: Completion) -> Completion:
    """The completion to hand over. Raises `ProviderError` with scope "" for one that fails.

    With a schema, the text handed over is the JSON alone, without fences or chatter around it.
    An answer that the caller's own `max_output_tokens` cut is handed over as it is.
    """
    text = completion.text.strip()
    if completion.finish == "refused":
        said = f": {text[:_SHOWN]}" if text else ""
        raise _failed(Fault.REFUSED, f"the model or its content filter refused{said}")
    if not text:
        why = " (the output budget went into reasoning)" if completion.finish == "length" else ""
        raise _failed(Fault.EMPTY, f"the answer is empty{why}")
    if completion.finish == "length" and (task.schema is not None or not task.max_output_tokens):
        raise _failed(Fault.CUT_OFF, "the answer was cut off at the output limit")
    if task.schema is not None:
        return replace(completion, text=_valid_json(text, json.dumps(task.schema)))
    if _error_in_disguise(text):
        raise _failed(Fault.MALFORMED, f"the answer is an error in disguise: {text[:_SHOWN]}")
    return completion


def _failed(fault: Fault, message: str) -> ProviderError:
    return ProviderError(fault, message, scope="")


def _valid_json(text: str, schema: str) -> str:
    try:
        body, value = _json_in(text)
    except ValueError as error:
        raise _failed(Fault.SCHEMA, f"the answer is not JSON: {error}") from error
    wrong = next(iter(_validator(schema).iter_errors(value)), None)
    if wrong is not None:
        where = wrong.json_path if wrong.json_path != "$" else "the answer"
        raise _failed(Fault.SCHEMA, f"{where}: {wrong.message[:_SHOWN]}")
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


@lru_cache(maxsize=64)
def _validator(schema: str) -> Validator:
    parsed = json.loads(schema)
    return validators.validator_for(parsed)(parsed)


def _error_in_disguise(text: str) -> bool:
    """A gateway's error object posing as an answer: `{"error": …}` and nothing besides."""
    if not text.startswith("{") or '"error"' not in text[:40]:
        return False
    try:
        value = json.loads(text)
    except ValueError:
        return False
    return isinstance(value, dict) and set(value) <= {"error", "code", "message", "status"}
