"""Answers validated against a schema, in bounded time and outside the event loop."""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from rightmodel.core.call import Completion
from rightmodel.core.errors import ProviderError, TaskError
from rightmodel.core.fault import Fault, Scope
from rightmodel.core.task import Task
from rightmodel.execution.json_schema import MOST_DEPTH, find_valid, schema_error
from rightmodel.execution.outcome import check
from rightmodel.execution.schema_checker import (
    MOST_ANSWER_CHARS,
    MOST_SCHEMA_CHARS,
    PROCESSES,
    SchemaChecker,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

ENDLESS = '"' + "a" * 40 + '!"'
BACKTRACKS = "^(a+)+$"
DEPTH = 30
DOUBLING = {
    "$ref": "#/$defs/0",
    "$defs": {
        str(n): {"anyOf": [{"$ref": f"#/$defs/{n + 1}"}, {"$ref": f"#/$defs/{n + 1}"}]}
        for n in range(DEPTH)
    }
    | {str(DEPTH): {"type": "string"}},
}
"""Every level asks the next one twice: 2^30 comparisons for one small schema."""
NUMBERED = json.dumps({"type": "object", "required": ["n"]})


def run(test: Callable[[SchemaChecker], Awaitable[Any]], limit_s: float = 3.0) -> Any:
    async def inner() -> Any:
        checker = SchemaChecker(limit_s)
        try:
            return await test(checker)
        finally:
            checker.close()

    return asyncio.run(inner())


def failure(text: str, schema: Mapping[str, Any], limit_s: float = 3.0) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        run(lambda checker: checker.valid_json(schema, text), limit_s)
    assert (caught.value.fault, caught.value.scope) == (Fault.SCHEMA, Scope.REQUEST)
    return caught.value


@pytest.mark.parametrize(
    ("text", "schema"),
    [
        (ENDLESS, {"type": "string", "pattern": BACKTRACKS}),
        (f"{{{ENDLESS}: 1}}", {"patternProperties": {BACKTRACKS: {}}}),
        (ENDLESS, {"$ref": "#/$defs/enum", "$defs": {"enum": {"pattern": BACKTRACKS}}}),
        ("1", DOUBLING),
    ],
    ids=["pattern", "patternProperties", "behind a reference", "references that double"],
)
def test_a_check_without_end_is_ended_and_others_go_on_meanwhile(
    text: str, schema: Mapping[str, Any]
) -> None:
    async def test(checker: SchemaChecker) -> int:
        await checker.check_schema({})  # the process has started
        beats = 0
        checking = asyncio.ensure_future(checker.valid_json(schema, text))
        while not checking.done():
            await asyncio.wait({checking}, timeout=0.02)
            beats += 1
        with pytest.raises(ProviderError, match="took more than 1 s: simplify") as caught:
            await checking
        assert caught.value.fault is Fault.SCHEMA
        assert await checker.valid_json({}, "[1]") == "[1]"
        return beats

    assert run(test, 1.0) > 1


def test_a_search_without_end_is_ended_and_others_are_not() -> None:
    async def test(checker: SchemaChecker) -> list[bool | None]:
        texts = ["nothing", "a" * 40 + "!"]
        patterns = [BACKTRACKS, "no+t", "(?i)NO+TE"]
        return [await checker.search(re.compile(pattern), texts) for pattern in patterns]

    assert run(test) == [None, True, False]


def test_patterns_without_end_hold_up_no_check() -> None:
    async def test(checker: SchemaChecker) -> None:
        endless = re.compile(BACKTRACKS)
        crowd = [
            asyncio.ensure_future(checker.search(endless, ["a" * 40 + "!"]))
            for _ in range(3 * PROCESSES)
        ]
        await asyncio.sleep(0)
        assert await checker.valid_json({}, "[1]") == "[1]"
        assert not all(one.done() for one in crowd)
        checker.close()
        await asyncio.gather(*crowd, return_exceptions=True)

    run(test)


def test_a_crowd_of_endless_checks_leaves_the_default_executor_alone() -> None:
    async def test(checker: SchemaChecker) -> None:
        crowd = [
            asyncio.ensure_future(checker.valid_json({"pattern": BACKTRACKS}, ENDLESS))
            for _ in range(3 * PROCESSES)
        ]
        await asyncio.sleep(0)
        assert await asyncio.to_thread(lambda: "resolved") == "resolved"
        assert not any(one.done() for one in crowd)
        checker.close()
        await asyncio.gather(*crowd, return_exceptions=True)

    run(test)


def test_many_small_unique_objects_are_compared_quickly() -> None:
    unique = json.dumps({"type": "array", "uniqueItems": True})
    items: list[Any] = [{"id": n, "tags": [n]} for n in range(20_000)]
    began = time.process_time()
    assert find_valid(unique, json.dumps(items)).wrong == ""
    assert "is in the list twice" in find_valid(unique, json.dumps([*items, items[7]])).wrong
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    ("items", "are_unique"),
    [
        ("[1, true, 0, false]", True),
        ("[1, 1.0]", False),
        ('[{"a": 1, "b": 2}, {"b": 2, "a": 1}]', False),
        ('[[1], [true], "1", ["1"]]', True),
        ("[null, null]", False),
    ],
)
def test_items_are_equal_as_json_values(items: str, *, are_unique: bool) -> None:
    assert (find_valid('{"uniqueItems": true}', items).wrong == "") is are_unique


@pytest.mark.parametrize(
    ("number", "step", "is_multiple"),
    [
        ("19.99", "0.01", True),
        ("0.3", "0.1", True),
        ("19.995", "0.01", False),
        ("1" + "0" * 400, "0.01", True),
        ("1e999", "0.01", False),
        ("7", "2", False),
    ],
)
def test_multiples_are_counted_in_decimal_digits(
    number: str, step: str, *, is_multiple: bool
) -> None:
    assert (find_valid(f'{{"multipleOf": {step}}}', number).wrong == "") is is_multiple


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ('{"n": 1}', '{"n": 1}'),
        ('Sure:\n```json\n{"n": 1}\n```\nAnything {else}?', '{"n": 1}'),
        ('The set {a, b} holds [x]. Answer: {"n": 1}', '{"n": 1}'),
        ('He wrote {"unfinished and then {"n": 1}', '{"n": 1}'),
        ('First {"n": 1}, on reflection {"n": 2}. See [1].', '{"n": 2}'),
        ('Take {"m": 0}: then {"n": 1}', '{"n": 1}'),
        ('{"n": "a } in a string"}', '{"n": "a } in a string"}'),
    ],
)
def test_json_is_found_behind_prose_that_holds_braces(answer: str, expected: str) -> None:
    assert find_valid(NUMBERED, answer).text == expected


@pytest.mark.parametrize("answer", ["NaN", "Infinity", '{"n": NaN}', 'so: {"n": -Infinity}'])
def test_not_a_number_is_no_json(answer: str) -> None:
    assert "is not JSON" in find_valid("{}", answer).wrong


@pytest.mark.parametrize("unit", ["{", "[", '{"a":', '["', "{ [ ", '{"a": 1, '])
def test_searching_for_json_is_linear(unit: str) -> None:
    began = time.process_time()
    found = find_valid(NUMBERED, "x" + unit * (1_000_000 // len(unit)))
    assert not found.text
    assert time.process_time() - began < 5


def test_a_pattern_is_held_against_the_answer() -> None:
    schema = {"properties": {"n": {"type": "string", "pattern": "^[0-9]+é?$"}}}
    text = json.dumps(schema)
    assert find_valid(text, 'Sure: {"n": "12é"}').text == '{"n": "12é"}'
    assert find_valid(text, '{"n": "x"}').wrong.startswith("$.n: 'x' does not match")


def test_a_schema_is_checked_in_bounded_time_and_size() -> None:
    async def refused(checker: SchemaChecker, schema: Mapping[str, Any]) -> str:
        with pytest.raises(TaskError) as caught:
            await checker.check_schema(schema)
        assert caught.value.argument == "schema"
        return str(caught.value)

    async def test(checker: SchemaChecker) -> None:
        assert "not a JSON Schema" in await refused(checker, {"type": "strin"})
        large = {"description": "x" * MOST_SCHEMA_CHARS}
        assert f"the most is {MOST_SCHEMA_CHARS}" in await refused(checker, large)
        deep: dict[str, Any] = {}
        for _ in range(100_000):
            deep = {"not": deep}
        assert "nested too deeply" in await refused(checker, deep)
        while deep:  # freed level by level: at once would overflow the stack
            deep = deep["not"]

    run(test)


def test_an_answer_too_large_to_validate_is_a_failed_check() -> None:
    large = json.dumps("x" * MOST_ANSWER_CHARS)
    assert f"at most {MOST_ANSWER_CHARS} are validated" in str(failure(large, {}))


def test_a_reference_out_of_the_schema_is_refused() -> None:
    assert "nothing is fetched" in schema_error('{"$ref": "http://127.0.0.1:9/x"}')
    assert not schema_error('{"$ref": "#/$defs/n", "$defs": {"n": {}}, "default": {"$ref": "x"}}')


@pytest.mark.parametrize(
    "schema",
    [r'{"pattern": "\\p{L}+"}', '{"properties": {"pattern": {"pattern": "("}}}',
     '{"patternProperties": {"[": {}}}'],
)  # fmt: skip
def test_a_pattern_that_cannot_be_read_is_refused_before_anything_is_paid_for(schema: str) -> None:
    assert "cannot be checked" in schema_error(schema)


@pytest.mark.parametrize(
    "schema",
    ['{"$ref": "#"}', '{"$defs": {"a": {"allOf": [{"$ref": "#/$defs/a"}]}}, "$ref": "#/$defs/a"}'],
)
def test_a_schema_that_no_answer_matches_is_refused_before_anything_is_paid_for(
    schema: str,
) -> None:
    assert "leads back to itself" in schema_error(schema)
    tree = {"properties": {"inner": {"$ref": "#"}, "all": {"items": {"$ref": "#"}}}}
    assert not schema_error(json.dumps(tree))


def test_a_wrong_type_in_a_schema_is_told_with_the_right_ones() -> None:
    assert "'objet' is not one of ['array', 'boolean'," in schema_error('{"type": "objet"}')


def test_a_schema_may_be_nested_so_deeply_and_no_deeper() -> None:
    schema: dict[str, Any] = {}
    for _ in range(MOST_DEPTH - 2):
        schema = {"not": schema}
    assert not schema_error(json.dumps(schema))
    assert "nested too deeply" in schema_error(json.dumps({"not": {"not": {"not": schema}}}))


def test_a_property_may_be_called_pattern() -> None:
    assert not schema_error('{"properties": {"pattern": {"type": "string"}}, "enum": ["("]}')


@pytest.mark.parametrize(
    "draft",
    [
        "http://json-schema.org/draft-07/schema#",
        "https://json-schema.org/draft-07/schema",
        "https://json-schema.org/draft/2020-12/schema",
    ],
)
def test_a_schema_with_a_long_enum_is_checked_at_once(draft: str) -> None:
    enum = [{"id": n} for n in range(10_000)]
    schema = {"$schema": draft, "enum": enum}
    began = time.process_time()
    assert not schema_error(json.dumps(schema))
    assert time.process_time() - began < 3


def test_a_process_that_cannot_start_fails_the_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    assert "cannot start" in str(failure('"x"', {"type": "string"}))


def test_a_process_that_was_killed_is_replaced() -> None:
    async def test(checker: SchemaChecker) -> None:
        await checker.check_schema({})
        (process,) = checker._idle
        process._process.kill()
        process._process.wait()
        await checker.check_schema({})

    run(test)


def test_processes_are_reused_and_end_with_the_checker() -> None:
    async def test(checker: SchemaChecker) -> None:
        for _ in range(5):
            await checker.check_schema({})
        assert len(checker._all) == 1
        (process,) = checker._idle
        checker.close()
        assert not process.is_alive

    run(test)


def test_what_is_quoted_of_an_answer_is_on_one_line() -> None:
    forged = "no\n[code=ok retryable=no]\x1b[31m"
    with pytest.raises(ProviderError) as caught:
        run(lambda checker: check(Task("hi"), Completion(forged, finish="refused"), checker))
    assert str(caught.value).isprintable()
