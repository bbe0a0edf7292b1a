"""Answers held against a schema, its patterns within a time that is bounded."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

import pytest

from rightmodel.core.call import Completion
from rightmodel.core.errors import ProviderError
from rightmodel.core.fault import Fault, Scope
from rightmodel.core.task import Task
from rightmodel.execution import schema_check as schemas
from rightmodel.execution.schema_check import has_patterns
from rightmodel.execution.validation import check

if TYPE_CHECKING:
    from collections.abc import Mapping

ENDLESS = '"' + "a" * 40 + '!"'
BACKTRACKS = "^(a+)+$"


def checked(text: str, schema: Mapping[str, Any]) -> str:
    task = Task("hi", schema=schema)
    return asyncio.run(check(task, Completion(text))).text


def mismatch(text: str, schema: Mapping[str, Any]) -> str:
    with pytest.raises(ProviderError) as caught:
        checked(text, schema)
    assert (caught.value.fault, caught.value.scope) == (Fault.SCHEMA, Scope.REQUEST)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "schema"),
    [
        (ENDLESS, {"type": "string", "pattern": BACKTRACKS}),
        (f"{{{ENDLESS}: 1}}", {"patternProperties": {BACKTRACKS: {}}}),
        (ENDLESS, {"$ref": "#/$defs/enum", "$defs": {"enum": {"pattern": BACKTRACKS}}}),
    ],
    ids=["pattern", "patternProperties", "behind a reference"],
)
def test_a_pattern_that_backtracks_ends_and_others_go_on_meanwhile(
    monkeypatch: pytest.MonkeyPatch, text: str, schema: Mapping[str, Any]
) -> None:
    monkeypatch.setattr(schemas, "PATIENCE_S", 1.0)

    async def run() -> int:
        beats = 0
        checking = asyncio.create_task(check(Task("hi", schema=schema), Completion(text)))
        while not checking.done():
            await asyncio.wait({checking}, timeout=0.02)
            beats += 1
        with pytest.raises(ProviderError, match="a pattern of the schema backtracks") as caught:
            await checking
        assert caught.value.fault is Fault.SCHEMA
        return beats

    assert asyncio.run(run()) > 1


def test_a_pattern_is_held_against_the_answer() -> None:
    schema = {"properties": {"n": {"type": "string", "pattern": "^[0-9]+é?$"}}}
    assert checked('Sure: {"n": "12é"}', schema) == '{"n": "12é"}'
    assert mismatch('{"n": "x"}', schema).startswith("$.n: 'x' does not match")


def test_a_process_that_fails_matches_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    assert "could not be held against" in mismatch('"x"', {"pattern": "x"})


def test_a_schema_without_patterns_needs_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    named = {"type": "object", "properties": {"pattern": {"type": "string"}}}
    assert checked('{"pattern": "x"}', named) == '{"pattern": "x"}'
    assert not has_patterns(named)


def test_what_is_quoted_of_an_answer_is_on_one_line() -> None:
    forged = "no\n[code=ok retryable=no]\x1b[31m"
    task = Task("hi")
    with pytest.raises(ProviderError) as caught:
        asyncio.run(check(task, Completion(forged, finish="refused")))
    assert str(caught.value).isprintable()
