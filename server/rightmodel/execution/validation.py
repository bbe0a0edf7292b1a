"""Validates a completion before it is handed over."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from rightmodel.core.errors import ProviderError
from rightmodel.core.fault import Fault, Scope
from rightmodel.core.format import one_line

if TYPE_CHECKING:
    from rightmodel.core.call import Completion
    from rightmodel.core.task import Task
    from rightmodel.execution.schema_checker import SchemaChecker

LONGEST_ERROR: Final = 10_000
"""Characters of a gateway's error object; an answer that is longer is none."""


async def check(task: Task, completion: Completion, checker: SchemaChecker) -> Completion:
    """The completion to hand over. Raises `ProviderError` for one that fails.

    With a schema, the text handed over is the JSON alone, without fences or prose around it.
    An answer that the caller's own `max_output_tokens` cut is handed over as it is.
    """
    text = completion.text.strip()
    if completion.finish == "refused":
        reason = f": {one_line(text)}" if text else ""
        raise _failed(Fault.REFUSED, f"the model or its content filter refused{reason}")
    if not text:
        why = " (the output budget went into reasoning)" if completion.finish == "length" else ""
        raise _failed(Fault.EMPTY, f"the answer is empty{why}")
    if completion.finish == "length" and (task.schema is not None or not task.max_output_tokens):
        raise _failed(Fault.CUT_OFF, "the answer was cut off at the output limit")
    if task.schema is not None:
        return replace(completion, text=await checker.valid_json(task.schema, text))
    if _error_in_disguise(text):
        raise _failed(Fault.MALFORMED, f"the answer is an error in disguise: {one_line(text)}")
    return completion


def _failed(fault: Fault, message: str) -> ProviderError:
    return ProviderError(fault, message, scope=Scope.REQUEST)


def _error_in_disguise(text: str) -> bool:
    """A gateway's error object posing as an answer: `{"error": …}` and nothing besides."""
    if len(text) > LONGEST_ERROR or not text.startswith("{") or '"error"' not in text[:40]:
        return False
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and set(value) <= {"error", "code", "message", "status"}
