"""What a caller sent → a `Task`. Lenient about types, exact about values, and every error teaches.

Clients and models send numbers as strings, a single file as a string, a schema as an object:
whatever is plainly meant is understood.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final

from rightmodel.core.errors import TaskError, UnknownNameError, nearest
from rightmodel.core.format import cut, listed
from rightmodel.core.task import DIFFICULTIES, EFFORTS, TIERS, Task
from rightmodel.surfaces.files import read_files

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rightmodel.core.task import Attachment
    from rightmodel.manifest.catalog import Catalog

MOST_PROMPT_CHARS: Final = 20_000_000
MOST_NAME_CHARS: Final = 2_000
MOST_USD: Final = 1_000_000
DEFAULT_LIMIT: Final = 3
YES: Final = frozenset({"true", "yes", "1", "1.0"})
NO: Final = frozenset({"false", "no", "0", "0.0"})


@dataclass(frozen=True, slots=True)
class Arguments:
    """The arguments of one call, looked up by name. `known`: the names the tool has."""

    values: Mapping[str, Any]
    known: Sequence[str]

    def __post_init__(self) -> None:
        for name in self.values:
            if name not in self.known:
                close = nearest(name, self.known, count=1)
                hint = f"Did you mean {close[0]!r}?" if close else f"Known: {listed(self.known)}."
                raise TaskError(f"unknown argument {cut(name)!r}. {hint}", argument=name)

    def text(self, name: str) -> str:
        """A string; a number is taken as written."""
        value = self.values.get(name)
        if value is None:
            return ""
        if isinstance(value, str):
            return value
        if isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)
        raise TaskError(f"{name} must be a string, not {_kind(value)}", argument=name)

    def short(self, name: str) -> str:
        """A string that names something."""
        value = self.text(name).strip()
        if len(value) > MOST_NAME_CHARS:
            raise TaskError(
                f"{name} has {len(value)} characters ({cut(value)!r}); the most is "
                f"{MOST_NAME_CHARS}: a task belongs into the prompt",
                argument=name,
            )
        return value

    def choice(self, name: str, allowed: Sequence[str]) -> str:
        """One of the allowed words, in any case; "" for none."""
        value = self.short(name).lower()
        if value and value not in allowed:
            raise UnknownNameError(name, value, allowed, argument=name)
        return value

    def whole(self, name: str, most: int, default: int = 0) -> int:
        """A whole number from 0 to `most`."""
        value = self.values.get(name)
        if value is None or value == "":
            return default
        try:
            number = Decimal(str(value).strip())
            # The range first: to make an int of 1e999999 takes minutes.
            if isinstance(value, bool) or not 0 <= number <= most or number != int(number):
                raise ValueError
        except (InvalidOperation, ValueError, OverflowError):
            raise TaskError(
                f"{name} must be a whole number from 0 to {most}, not {cut(repr(value))}",
                argument=name,
            ) from None
        return int(number)

    def ceiling(self, name: str) -> Decimal | None:
        """US dollars; 0 and "" mean no limit."""
        return self.amount(name) or None

    def amount(self, name: str) -> Decimal | None:
        """US dollars; "" means not said."""
        value = self.values.get(name)
        if value is None or value == "":
            return None
        try:
            amount = Decimal(str(value).strip().lstrip("$"))
            if isinstance(value, bool) or not 0 <= amount <= MOST_USD:
                raise ValueError
        except (InvalidOperation, ValueError):
            raise TaskError(
                f"{name} must be an amount in US dollars like 0.05, not {cut(repr(value))}",
                argument=name,
            ) from None
        return amount

    def yes(self, name: str) -> bool:
        """Yes or no. Raises `TaskError` where it is not said."""
        value = str(self.values.get(name, "")).strip().lower()
        if value not in YES and value not in NO:
            raise TaskError(f"{name} must be true or false, not {cut(value)!r}", argument=name)
        return value in YES

    def names(self, name: str) -> list[str]:
        """A list of strings; one string is a list of one, and JSON in a string is read."""
        value = self.values.get(name)
        if isinstance(value, str) and value.lstrip().startswith("["):
            try:
                value = json.loads(value)
            except (ValueError, RecursionError):
                value = [value]
        if isinstance(value, str):
            value = [value] if value else []
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(v, str) and v for v in value):
            raise TaskError(f'{name} must be a list of paths, like ["notes.md"]', argument=name)
        return value

    def schema(self, name: str) -> Mapping[str, Any] | None:
        """A JSON Schema as text (or an object); the executor checks that it is one."""
        value = self.values.get(name)
        if not value:
            return None
        try:
            parsed = json.loads(value) if isinstance(value, str) else value
        except (ValueError, RecursionError) as error:
            raise TaskError(f"{name} is not JSON: {error}", argument=name) from error
        if not isinstance(parsed, dict):
            raise TaskError(
                f'{name} must be a JSON Schema object like {{"type": "object", "properties": …}}, '
                f"not {_kind(parsed)}",
                argument=name,
            )
        return parsed


def complete_task(arguments: Mapping[str, Any], catalog: Catalog) -> tuple[Task | None, str]:
    """The task of a `complete` call and its `ref`; no task where a `ref` stands alone.

    Raises `TaskError`.
    """
    args = Arguments(arguments, COMPLETE_ARGUMENTS)
    ref = _ref(args)
    if ref and not args.text("prompt").strip():
        return None, ref
    task = Task(
        prompt=_prompt(args.text("prompt"), "prompt"),
        model=args.short("model"),
        system=args.text("system"),
        schema=args.schema("schema"),
        effort=args.choice("effort", EFFORTS),
        max_output_tokens=args.whole("max_output_tokens", 10_000_000),
        **_shared(args, catalog),
    )
    return task, ref


def choose_task(arguments: Mapping[str, Any], catalog: Catalog) -> tuple[Task, int]:
    """The task of a `choose_model` call, and how many candidates to show."""
    args = Arguments(arguments, CHOOSE_ARGUMENTS)
    prompt = _prompt(args.text("task"), "task")
    limit = args.whole("limit", 1000, DEFAULT_LIMIT) or DEFAULT_LIMIT
    return Task(prompt=prompt, **_shared(args, catalog)), limit


def reported_outcome(arguments: Mapping[str, Any]) -> tuple[str, bool, str]:
    """The ref, whether it was good, and the note of a `report_outcome` call."""
    args = Arguments(arguments, REPORT_ARGUMENTS)
    ref = _ref(args)
    if not ref:
        raise TaskError(
            "ref is empty: it is in the last line of the result that this is about", argument="ref"
        )
    return ref, args.yes("good"), args.text("note")


COMPLETE_ARGUMENTS: Final = (
    "prompt", "skill", "difficulty", "tier", "model", "system", "files", "schema", "effort",
    "max_output_tokens", "max_cost_usd", "ref",
)  # fmt: skip
REPORT_ARGUMENTS: Final = ("ref", "good", "note")
CHOOSE_ARGUMENTS: Final = (
    "task", "skill", "difficulty", "tier", "files", "max_cost_usd", "limit",
)  # fmt: skip


def _ref(args: Arguments) -> str:
    ref = args.short("ref").removeprefix("ref=")
    if ref and not (ref.isascii() and ref.isalnum()):
        raise TaskError(
            f"ref {cut(ref)!r} is none: it is a short word like k3f9, in the last line of a result",
            argument="ref",
        )
    return ref


def _shared(args: Arguments, catalog: Catalog) -> dict[str, Any]:
    """The arguments that both tools take."""
    files: tuple[Attachment, ...] = ()
    if paths := args.names("files"):
        files = read_files(paths, catalog.files)
    return {
        "skill": args.choice("skill", catalog.skills),
        "difficulty": args.choice("difficulty", list(DIFFICULTIES)),
        "tier": args.choice("tier", TIERS),
        "files": files,
        "max_cost_usd": args.ceiling("max_cost_usd"),
    }


def _prompt(text: str, name: str) -> str:
    if not text.strip():
        raise TaskError(
            f"{name} is empty. Give the whole subtask as text: the other model sees nothing else",
            argument=name,
        )
    if len(text) > MOST_PROMPT_CHARS:
        raise TaskError(
            f"{name} has {len(text)} characters; the most is {MOST_PROMPT_CHARS}", argument=name
        )
    return text


def _kind(value: object) -> str:
    return {dict: "an object", list: "a list", bool: "a boolean", str: "a string"}.get(
        type(value), type(value).__name__
    )
