"""What a caller sent → a `Task`: for the tools, the command line and batches alike.

Lenient about types, exact about values. Clients and models send numbers as strings, one file as a
string, "null" for nothing, a schema as an object: whatever is plainly meant is understood, and
every error names the right values.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

from rightmodel.core.errors import TaskError, UnknownNameError, nearest
from rightmodel.core.format import cut
from rightmodel.core.task import DIFFICULTIES, EFFORTS, TIERS, Attachment, Task
from rightmodel.manifest.clients import AUTO
from rightmodel.surfaces.files import read_files

if TYPE_CHECKING:
    from rightmodel.manifest.catalog import Catalog

MOST_PROMPT_CHARS: Final = 20_000_000
MOST_NAME_CHARS: Final = 2_000
MOST_NOTE_CHARS: Final = 2_000
MOST_USD: Final = 1_000_000
DEFAULT_LIMIT: Final = 3
MOST_LISTED: Final = 100_000
MISSPELT: Final = 0.75
"""How alike an unknown argument must be to a known one to be an error, not an extra."""
OTHER_NAMES: Final = {
    "max_tokens": "max_output_tokens",
    "max_completion_tokens": "max_output_tokens",
    "system_prompt": "system",
    "instructions": "system",
    "json_schema": "schema",
    "output_schema": "schema",
    "response_format": "schema",
}
"""What others call an argument: ignored, it would change the answer or what it costs."""
YES: Final = frozenset({"true", "yes", "on", "1", "1.0"})
NO: Final = frozenset({"false", "no", "off", "0", "0.0"})
NOTHING: Final = frozenset({"", "null", "none", "undefined"})
"""What clients write for an argument without a value. A word that has a meaning keeps it."""


@dataclass(frozen=True, slots=True)
class Arguments:
    """The arguments of one call, looked up by name. `known`: the names that there are."""

    values: Mapping[str, Any]
    known: Sequence[str]

    @property
    def ignored(self) -> tuple[str, ...]:
        """Arguments that there are not, as workflow tools add some to every call.

        Raises `TaskError` for one that looks misspelt or has another name here.
        """
        unknown = [name for name in self.values if name not in self.known]
        for name in unknown:
            close = nearest(name, self.known, count=1, cutoff=MISSPELT)
            meant = close[0] if close else OTHER_NAMES.get(name)
            if meant in self.known and not _is_nothing(self.values[name]):
                raise TaskError(
                    f"unknown argument {cut(name)!r}. Did you mean {meant!r}?", argument=name
                )
        return tuple(cut(name) for name in unknown)

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

    def short(self, name: str, allowed: Sequence[str] = ()) -> str:
        """A string that names something; several in a list are joined by commas."""
        value = self.values.get(name)
        items = _list_in(value)
        if items is not None and all(isinstance(item, str) for item in items):
            text = ",".join(items)
        else:
            text = self.text(name)
        text = text.strip()
        if len(text) > MOST_NAME_CHARS:
            raise TaskError(
                f"{name} has {len(text)} characters ({cut(text)!r}); the most is "
                f"{MOST_NAME_CHARS}: a task belongs into the prompt",
                argument=name,
            )
        return "" if _is_nothing(text) and text.lower() not in allowed else text

    def choice(self, name: str, allowed: Sequence[str]) -> str:
        """One of the allowed words, in any case; "" for none."""
        value = self.short(name, allowed).lower()
        if value and value not in allowed:
            raise UnknownNameError(name, value, allowed, argument=name)
        return value

    def whole(self, name: str, most: int, default: int = 0) -> int:
        """A whole number from 0 to `most`."""
        what = f"a whole number from 0 to {most}"
        number = self._number(name, most, what, lambda number: number == int(number))
        return default if number is None else int(number)

    def ceiling(self, name: str) -> Decimal | None:
        """US dollars; 0 and nothing mean no limit."""
        return self.amount(name) or None

    def amount(self, name: str) -> Decimal | None:
        """US dollars, `None` where none are given."""
        what = "an amount in US dollars like 0.05"
        return self._number(name, MOST_USD, what, lambda _: True, sign="$")

    def _number(
        self, name: str, most: int, what: str, fits: Callable[[Decimal], bool], *, sign: str = ""
    ) -> Decimal | None:
        """A number from 0 to `most` that fits, `None` where none is given."""
        value = self.values.get(name)
        if _is_nothing(value):
            return None
        try:
            number = Decimal(str(value).strip().removeprefix(sign))
            # The range first: to make an int of 1e999999 takes minutes.
            if isinstance(value, bool) or not 0 <= number <= most or not fits(number):
                raise ValueError
        except (InvalidOperation, ValueError):
            raise TaskError(
                f"{name} must be {what}, not {cut(repr(value))}", argument=name
            ) from None
        return number

    def yes(self, name: str) -> bool:
        """Yes or no. Raises `TaskError` where neither is given."""
        value = str(self.values.get(name, "")).strip().lower()
        if value not in YES and value not in NO:
            given = f", not {cut(value)!r}" if value else "; it is missing"
            raise TaskError(f"{name} must be true or false{given}", argument=name)
        return value in YES

    def paths(self, name: str) -> list[str]:
        """Paths of files; one string is a list of one, and `file:` URLs are paths."""
        value = self.values.get(name)
        items = _list_in(value)
        if items is None:
            items = [value]
        if not all(item is None or isinstance(item, str) for item in items):
            raise TaskError(f'{name} must be a list of paths, like ["notes.md"]', argument=name)
        return [_path(item, name) for item in items if not _is_nothing(item)]

    def schema(self, name: str) -> Mapping[str, Any] | None:
        """A JSON Schema as text or an object; an empty one is none.

        Whether it is a valid one, the executor finds out.
        """
        parsed = self.values.get(name)
        for _ in range(2):  # some clients encode the text once more
            if not isinstance(parsed, str) or _is_nothing(parsed):
                break
            try:
                parsed = json.loads(parsed)
            except (ValueError, RecursionError) as error:
                raise TaskError(f"{name} is not JSON: {error}", argument=name) from error
        for key in ("json_schema", "schema"):  # as OpenAI's response_format wraps it
            if isinstance(parsed, dict) and parsed.get("type", "json_schema") == "json_schema":
                parsed = parsed[key] if isinstance(parsed.get(key), dict) else parsed
        if _is_nothing(parsed) or parsed in ({}, [], True):
            return None
        if not isinstance(parsed, dict):
            raise TaskError(
                f'{name} must be a JSON Schema object like {{"type": "object", "properties": …}}, '
                f"not {_kind(parsed)}",
                argument=name,
            )
        return parsed


class CompleteCall(NamedTuple):
    """A call of `complete`. `task`: `None` where `ref` stands alone."""

    task: Task | None
    ref: str
    ignored: tuple[str, ...]


class ChooseCall(NamedTuple):
    """A call of `choose_model`. `limit`: how many candidates to show."""

    task: Task
    limit: int
    ignored: tuple[str, ...]


def _pin(args: Arguments) -> str:
    """The models that may be used, "" for any. Clients say `auto` for that, too."""
    model = args.short("model")
    return "" if _auto_name(model) in AUTO else model


def _auto_name(model: str) -> str:
    """As the gateway lists it; an agent that the gateway serves calls it `rightmodel/auto`."""
    return model.lower().removeprefix("rightmodel/")


def complete_task(
    arguments: Mapping[str, Any], catalog: Catalog, client: str = "mcp"
) -> CompleteCall:
    """Decode a client's `complete` call. Raises `TaskError`."""
    args = Arguments(arguments, COMPLETE_ARGUMENTS)
    ignored = args.ignored
    ref = _ref(args)
    if ref and not args.text("prompt").strip():
        others = (n for n in args.known if n != "ref" and not _is_nothing(args.values.get(n)))
        return CompleteCall(None, ref, (*ignored, *others))
    task = Task(
        prompt=_prompt(args, "prompt"),
        model=_pin(args),
        system=_optional_text(args, "system"),
        schema=args.schema("schema"),
        effort=args.choice("effort", EFFORTS),
        max_output_tokens=args.whole("max_output_tokens", 10_000_000),
        files=_files(args, catalog),
        client=client,
        **_hints(args, catalog),
    )
    return CompleteCall(task, ref, ignored)


def choose_task(arguments: Mapping[str, Any], catalog: Catalog, client: str = "mcp") -> ChooseCall:
    """Decode a client's `choose_model` call. Raises `TaskError`."""
    args = Arguments(arguments, CHOOSE_ARGUMENTS)
    ignored = args.ignored
    prompt, files = _prompt(args, "task"), _files(args, catalog)
    task = Task(prompt=prompt, files=files, client=client, **_hints(args, catalog))
    return ChooseCall(
        task, args.whole("limit", MOST_LISTED, DEFAULT_LIMIT) or DEFAULT_LIMIT, ignored
    )


def batch_task(row: Mapping[str, Any], catalog: Catalog) -> Task:
    """Decode a line of `choose --batch`; other keys are the user's own. Raises `TaskError`."""
    args = Arguments(row, BATCH_ARGUMENTS)
    return Task(
        prompt=_prompt(args, "prompt"),
        model=_pin(args),
        failure_cost_usd=args.amount("failure_cost_usd"),
        **_hints(args, catalog),
    )


def reported_outcome(arguments: Mapping[str, Any]) -> tuple[str, bool, str]:
    """The ref, whether it was good, and the note of a `report_outcome` call."""
    args = Arguments(arguments, REPORT_ARGUMENTS)
    _ = args.ignored
    ref = _ref(args)
    if not ref:
        raise TaskError(
            "ref is empty: it is in the last line of the result that this is about", argument="ref"
        )
    good, note = args.yes("good"), _optional_text(args, "note")
    if len(note) > MOST_NOTE_CHARS:
        raise TaskError(
            f"note has {len(note)} characters; the most is {MOST_NOTE_CHARS}: say in a sentence "
            "what was wrong, and report again; nothing was recorded",
            argument="note",
        )
    return ref, good, note


COMPLETE_ARGUMENTS: Final = (
    "prompt", "skill", "difficulty", "tier", "model", "system", "files", "schema", "effort",
    "max_output_tokens", "max_cost_usd", "ref",
)  # fmt: skip
REPORT_ARGUMENTS: Final = ("ref", "good", "note")
CHOOSE_ARGUMENTS: Final = (
    "task", "skill", "difficulty", "tier", "files", "max_cost_usd", "limit",
)  # fmt: skip
BATCH_ARGUMENTS: Final = (
    "prompt", "skill", "difficulty", "tier", "model", "max_cost_usd", "failure_cost_usd",
)  # fmt: skip


def _ref(args: Arguments) -> str:
    ref = args.short("ref").removeprefix("ref=")
    if ref and not (ref.isascii() and ref.isalnum()):
        raise TaskError(
            f"invalid ref {cut(ref)!r}: it is a short word like k3f9, in the last line of a result",
            argument="ref",
        )
    return ref


def _hints(args: Arguments, catalog: Catalog) -> dict[str, Any]:
    name = _auto_name(args.short("model")) if "model" in args.known else ""
    tier = name.partition(":")[2] if name in AUTO else ""
    return {
        "skill": args.choice("skill", catalog.skills),
        "difficulty": args.choice("difficulty", list(DIFFICULTIES)),
        "tier": args.choice("tier", TIERS) or tier,
        "max_cost_usd": args.ceiling("max_cost_usd"),
    }


def _files(args: Arguments, catalog: Catalog) -> tuple[Attachment, ...]:
    paths = args.paths("files")
    return read_files(paths, catalog.files) if paths else ()


def _prompt(args: Arguments, name: str) -> str:
    text = args.text(name)
    if not text.strip():
        others = [other for other in args.ignored if other != "id"]  # of a line in a batch
        unknown = f". Unknown here: {', '.join(others)}" if others else ""
        raise TaskError(
            f"{name} is empty. Give the whole subtask as text: the other model sees nothing else"
            + unknown,
            argument=name,
        )
    if len(text) > MOST_PROMPT_CHARS:
        raise TaskError(
            f"{name} has {len(text)} characters; the most is {MOST_PROMPT_CHARS}", argument=name
        )
    return text


def _optional_text(args: Arguments, name: str) -> str:
    text = args.text(name)
    return "" if _is_nothing(text) else text


def _is_nothing(value: object) -> bool:
    return value is None or (isinstance(value, str) and value.strip().lower() in NOTHING)


def _list_in(value: object) -> list[Any] | None:
    """A list, or one written as JSON text; `None` for anything else."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return None
    return value if isinstance(value, list) else None


def _path(text: str, name: str) -> str:
    if not text.lower().startswith("file:"):
        return text
    try:
        parts = urlsplit(text)
    except ValueError:
        return text
    if parts.netloc not in {"", "localhost"}:
        raise TaskError(f"{name}: {cut(text)!r} is on another machine", argument=name)
    return url2pathname(unquote(parts.path)) if parts.path else text


def _kind(value: object) -> str:
    return {dict: "an object", list: "a list", bool: "a boolean", str: "a string"}.get(
        type(value), type(value).__name__
    )
