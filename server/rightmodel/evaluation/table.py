"""Outcome tables: what each model made of each prompt. JSON lines, plain or gzipped.

    {"id": "…", "benchmark": "gsm", "category": "math_word", "prompt": "…",
     "outcomes": {"model id": {"score": 1.0, "input_tokens": 150, "output_tokens": 120,
                               "cost_usd": 0.0016}, …}}

`prompt` and `outcomes` are what is measured; `id`, `benchmark` and `category` are labels, which no
router sees. Anything of the wrong shape is an error that names line and field. Other keys
are ignored, unless they look like a misspelt one.
"""

from __future__ import annotations

import difflib
import gzip
import json
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any, Final, TypeGuard

from rightmodel.core.errors import TaskError

ROW_KEYS: Final = ("id", "benchmark", "category", "prompt", "outcomes")
OUTCOME_KEYS: Final = ("score", "input_tokens", "output_tokens", "cost_usd")
_ALIKE: Final = 0.8
"""From this similarity on an unknown key counts as a misspelt one."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one model made of one prompt. `score`: 0–1. Tokens and USD are `None` where unknown."""

    score: float
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One prompt with the outcome of every model that was tried on it."""

    id: str
    prompt: str
    outcomes: Mapping[str, Outcome]
    benchmark: str = ""
    category: str = ""


def read_table(path: str | Path) -> list[Row]:
    """The rows of a file (`.gz`: gzipped). Raises `TaskError` for what cannot be read."""
    file = Path(path)
    opener = gzip.open if file.suffix == ".gz" else open
    try:
        with opener(file, "rt", encoding="utf-8-sig", newline="\n") as lines:
            return parse_rows(lines, name=str(path))
    except UnicodeDecodeError as error:
        raise TaskError(f"{path}: is not UTF-8 text") from error
    except (OSError, EOFError, zlib.error) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise TaskError(f"{path}: cannot be read: {why}") from error


def parse_rows(lines: Iterable[str], *, name: str) -> list[Row]:
    """The same for lines; `name` is for messages. Blank lines are skipped."""
    rows = []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            rows.append(_row(_Line(name, number), line))
    if not rows:
        raise TaskError(f"{name}: holds no rows; write one JSON object a line")
    return rows


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of the file, for messages."""

    name: str
    line: int

    def wrong(self, field: str, what: str) -> TaskError:
        where = f"{field}: " if field else ""
        return TaskError(f"{self.name}: line {self.line}: {where}{what}")


def _row(at: _Line, line: str) -> Row:
    try:
        data = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise at.wrong("", f"is not JSON: {error}") from error
    if not isinstance(data, dict):
        raise at.wrong("", f"must be a JSON object, not {_kind(data)}")
    _no_misspelt_keys(at, "", data, ROW_KEYS)
    prompt = data.get("prompt")
    if not isinstance(prompt, str) or not prompt.strip():
        raise at.wrong("prompt", "must be a text that is not empty" + _found(data, "prompt"))
    outcomes = data.get("outcomes")
    if not isinstance(outcomes, dict) or not outcomes:
        raise at.wrong(
            "outcomes",
            'must be an object of model id → {"score": …} with one entry at least'
            + _found(data, "outcomes"),
        )
    return Row(
        id=_label(at, data, "id"),
        prompt=prompt,
        outcomes={model: _outcome(at, model, value) for model, value in outcomes.items()},
        benchmark=_label(at, data, "benchmark"),
        category=_label(at, data, "category"),
    )


def _outcome(at: _Line, model: str, value: Any) -> Outcome:
    field = f'outcomes."{model}"'
    if not isinstance(value, dict):
        raise at.wrong(field, f"must be an object, not {_kind(value)}")
    _no_misspelt_keys(at, field, value, OUTCOME_KEYS)

    def number(key: str, what: str, fits: Callable[[float], bool]) -> float | None:
        found = value.get(key)
        if found is None and key != "score":
            return None
        if not _is_number(found) or not 0 <= found < inf or not fits(found):
            raise at.wrong(f"{field}.{key}", f"must be {what}{_found(value, key)}")
        return found

    def tokens(key: str) -> int | None:
        what = "a whole number of tokens, or null where it is unknown"
        count = number(key, what, lambda count: count == int(count))
        return None if count is None else int(count)

    score = number("score", "a number from 0 to 1", lambda score: score <= 1)
    what = "an amount in USD, 0 or more, or null where it is unknown"
    cost_usd = number("cost_usd", what, lambda _: True)
    return Outcome(
        score=float(score or 0),
        input_tokens=tokens("input_tokens"),
        output_tokens=tokens("output_tokens"),
        cost_usd=None if cost_usd is None else float(cost_usd),
    )


def _label(at: _Line, data: dict[str, Any], key: str) -> str:
    value = data.get(key)
    if value is None:
        return ""
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise at.wrong(key, f"must be a text, not {_kind(value)}")
    return str(value)


def _no_misspelt_keys(at: _Line, field: str, data: dict[str, Any], known: tuple[str, ...]) -> None:
    for key in data:
        if key in known:
            continue
        close = difflib.get_close_matches(key, known, n=1, cutoff=_ALIKE)
        if close and close[0] not in data:
            raise at.wrong(f"{field}.{key}".lstrip("."), f"did you mean {close[0]!r}?")


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _found(data: dict[str, Any], key: str) -> str:
    if key not in data:
        return "; it is missing"
    value = data[key]
    return f", not {_kind(value) if isinstance(value, dict | list) else repr(value)[:60]}"


def _kind(value: Any) -> str:
    kinds = {dict: "an object", list: "a list", str: "a text", bool: "true or false"}
    return kinds.get(type(value), "null" if value is None else "a number")
