"""JSON Schema: whether a schema is usable, and which JSON in an answer is valid against it.

Runs as a process of its own, see `schema_checker.py`: a schema and an answer are foreign data, and
`^(a+)+$` may keep `re` busy for years without letting another thread run. One JSON line in, one
JSON line out.
"""

from __future__ import annotations

import contextlib
import json
import re
import signal
import sys
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn, cast

from jsonschema import ValidationError, validators
from jsonschema.exceptions import best_match
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jsonschema.protocols import Validator

MOST_MEMORY: Final = 2**30
"""Bytes that the process may use."""
ORPHAN_S: Final = 60
"""Ends a check whose server was killed."""
SHOWN: Final = 300
_DATA: Final = frozenset({"const", "default", "enum", "examples"})
"""Keywords that hold data: a `$ref` in there is no reference."""
_NOTES: Final = frozenset({"$schema", "$id", "$defs", "title", "description"})
_INSTEAD: Final = (
    'write {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}'
)
_FENCED: Final = re.compile(r"```[A-Za-z]*[ \t]*\n(.*?)\n[ \t]*```", re.DOTALL)
_START: Final = re.compile(r"""\{(?=\s*["}])|\[(?=\s*[\[{"\]\d\-tfn])""")
_SEARCH: Final = 8
"""Times the length of a text that the search for JSON in prose may cost, in characters read."""
_COUNT: Final = 64
"""Characters that a syntax error looks through for line ends in the time of reading one."""
_DEEPEST: Final = 1000
MOST_DEPTH: Final = 100
"""Levels of a schema, which the wire formats rewrite recursively; providers take about ten."""


ENDLESS: Final = "the answer or the schema is nested without end"


class Found(NamedTuple):
    """`text`: the JSON of an answer, "" where none is valid. `wrong`: why it is not."""

    text: str
    wrong: str


def schema_error(schema: str, is_turn: bool = False) -> str:  # noqa: FBT002 - sent by position
    """Why a schema cannot be used, "" if it can. Nothing is fetched for it.

    `is_turn`: as in `SchemaChecker.check_schema`.
    """
    try:
        parsed = json.loads(schema)
        if _depth(parsed) > MOST_DEPTH:
            return f"schema is nested too deeply; the most is {MOST_DEPTH} objects and lists"
        known = validators.validator_for(parsed, validators.Draft202012Validator)
        error = best_match(_linear(known)(known.META_SCHEMA).iter_errors(parsed))
        if error is not None:
            if error.validator == "anyOf":  # of a wrong `type`: what is said of a single one
                error = next(iter(error.context or ()), error)
            return f"schema is not a JSON Schema: {error.json_path}: {error.message[:SHOWN]}"
        words = known.VALIDATORS.keys() | _NOTES
        if isinstance(parsed, dict) and parsed and not words & parsed.keys():
            return f"schema has no keyword of JSON Schema, so any answer would match: {_INSTEAD}"
        bad_pattern = "" if is_turn else _bad_pattern(parsed)
        return _foreign_reference(parsed) or bad_pattern or _endless(schema)
    except RecursionError:
        return "schema is nested too deeply"


def _endless(schema: str) -> str:
    """Says so of a schema that no answer could be valid against: it is only a `$ref` to itself."""
    if _mismatch(_validator(schema), {}) != ENDLESS:
        return ""
    return "schema: a $ref leads back to itself without a property or an item in between"


def find_valid(schema: str, answer: str) -> Found:
    """The last JSON value in an answer that is valid: the whole, else in fences, else in prose."""
    validator = _validator(schema)
    wrong = ""
    for candidates in (_whole, _fenced, _in_prose):
        for text, value in reversed(list(candidates(answer))):
            mismatch = _mismatch(validator, value)
            if not mismatch:
                return Found(text, "")
            wrong = wrong or mismatch
    return Found("", wrong or f"the answer is not JSON: {_syntax_error(answer)}")


def _mismatch(validator: Validator, value: Any) -> str:
    """The first thing wrong with a value, "" for nothing."""
    try:
        wrong = next(iter(validator.iter_errors(value)), None)
    except RecursionError:
        return ENDLESS
    if wrong is None:
        return ""
    where = wrong.json_path if wrong.json_path != "$" else "the answer"
    return f"{where}: {wrong.message}"


@lru_cache(maxsize=64)
def _validator(schema: str) -> Validator:
    parsed = json.loads(schema)
    known = validators.validator_for(parsed, validators.Draft202012Validator)
    return cast("Validator", _linear(known)(parsed, registry=Registry()))


def _linear(known: type[Validator]) -> Any:
    """The validator class without the keywords that take quadratic time or raise."""
    keywords = {"uniqueItems": _unique_items, "multipleOf": _multiple_of}
    return validators.extend(known, keywords)  # type: ignore[no-untyped-call]


def _unique_items(
    _validator: Validator, unique: Any, items: Any, _schema: Any
) -> Iterator[ValidationError]:
    """`uniqueItems` in linear time; the library compares each item with each."""
    if not unique or not isinstance(items, list):
        return
    seen = set()
    for item in items:
        if (key := _hashable(item)) in seen:
            yield ValidationError(f"{json.dumps(item)[:SHOWN]} is in the list twice")
            return
        seen.add(key)


def _hashable(value: Any) -> Any:
    """Equal for equal JSON values; `1` equals `1.0` and differs from `true`."""
    if isinstance(value, dict):
        return frozenset((key, _hashable(item)) for key, item in value.items())
    if isinstance(value, list):
        return tuple(map(_hashable, value))
    return (value,) if isinstance(value, bool) else value


def _multiple_of(
    _validator: Validator, step: Any, number: Any, _schema: Any
) -> Iterator[ValidationError]:
    """`multipleOf` by the decimal digits: 19.99 is a multiple of 0.01, and no size overflows."""
    if isinstance(number, bool) or not isinstance(number, int | float):
        return
    try:
        exact = (Fraction(repr(number)) / Fraction(repr(step))).denominator == 1
    except ValueError:  # infinity: written as 1e999
        exact = False
    if not exact:
        yield ValidationError(f"{number!r} is not a multiple of {step}")


def _whole(answer: str) -> Iterator[tuple[str, Any]]:
    with contextlib.suppress(ValueError, RecursionError):
        yield answer, json.loads(answer, parse_constant=_no_constant)


def _fenced(answer: str) -> Iterator[tuple[str, Any]]:
    for match in _FENCED.finditer(answer):
        yield from _whole(match[1].strip())


def _in_prose(answer: str) -> Iterator[tuple[str, Any]]:
    """Objects and arrays in the order of the text, nested ones apart.

    Linear: the search ends where failed attempts have cost too much.
    """
    decoder = json.JSONDecoder(parse_constant=_no_constant)
    left = _SEARCH * len(answer) + 1_000_000
    position = 0
    while left > 0 and (match := _START.search(answer, position)):
        start = match.start()
        position = start + 1
        try:
            value, end = decoder.raw_decode(answer, start)
        except json.JSONDecodeError as error:
            end = max(error.pos, start + 1)
        except RecursionError:
            position = end = start + _DEEPEST
        except ValueError:  # a number of too many digits, or NaN
            end = start + 1
        else:
            yield answer[start:end], value
            position = end
            continue
        left -= end - start + end // _COUNT


def _syntax_error(answer: str) -> str:
    try:
        json.loads(answer, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        return str(error)
    return ""


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON value")


def _foreign_reference(schema: Any) -> str:
    """What is wrong with the first reference that points outside the schema, "" for none."""
    resolver: Any = Registry().resolver_with_root(DRAFT202012.create_resource(schema))
    for reference in _references(schema):
        try:
            resolver.lookup(reference)
        except (Unresolvable, ValueError):
            return (
                f"schema: $ref {reference[:SHOWN]!r} leads nowhere within the schema; put what it "
                "means under $defs and refer to it as #/$defs/NAME: nothing is fetched from "
                "elsewhere"
            )
    return ""


def _depth(schema: Any) -> int:
    """Objects and lists within each other."""
    depth, level = 0, [schema]
    while level:
        depth += 1
        containers = [part for part in level if isinstance(part, dict | list)]
        level = [v for c in containers for v in (c.values() if isinstance(c, dict) else c)]
    return depth


def _references(schema: Any) -> Iterator[str]:
    for part in _parts(schema):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]


def _bad_pattern(schema: Any) -> str:
    """What is wrong with the first pattern that Python's `re` cannot read, "" for none."""
    for part in _parts(schema):
        named = part.get("patternProperties")
        patterns = list(named) if isinstance(named, dict) else []
        if isinstance(part.get("pattern"), str):
            patterns.append(part["pattern"])
        for pattern in patterns:
            try:
                re.compile(pattern)
            except (re.error, OverflowError) as error:
                return f"schema: the pattern {pattern[:SHOWN]!r} cannot be checked: {error}"
    return ""


def _parts(schema: Any) -> Iterator[dict[str, Any]]:
    """Every object in a schema, but for those that are data."""
    left: list[Any] = [schema]
    while left:
        part = left.pop()
        if isinstance(part, dict):
            yield part
            left += [v for k, v in part.items() if k not in _DATA]
        elif isinstance(part, list):
            left += part


def is_found(pattern: str, texts: list[str]) -> bool:
    """Whether a pattern is found in one of the texts."""
    return any(map(re.compile(pattern).search, texts))


def _serve() -> None:
    """Answer `[function, argument, …]` lines until standard input ends."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource  # noqa: PLC0415 - not on Windows

        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    functions: dict[str, Callable[..., Any]] = {
        "schema_error": schema_error,
        "find_valid": find_valid,
        "is_found": is_found,
    }
    print("ready", flush=True)  # noqa: T201 - the protocol
    for line in sys.stdin:
        _end_after(ORPHAN_S)
        name, *arguments = json.loads(line)
        try:
            reply = [functions[name](*arguments), ""]
        except Exception as error:  # noqa: BLE001 - the caller reports it
            reply = [None, type(error).__name__]
        print(json.dumps(reply), flush=True)  # noqa: T201
        _end_after(0)


def _end_after(seconds: int) -> None:
    """Have the system end this process, whatever it is busy with. 0: not any more."""
    if hasattr(signal, "alarm"):  # not on Windows
        signal.alarm(seconds)


if __name__ == "__main__":
    _serve()
