"""One file → one validated `Manifest`; errors name file, key and nearest known key."""

from __future__ import annotations

import re
import tomllib
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, get_args

from pydantic import BaseModel, ValidationError

from rightmodel.core.errors import ManifestError, nearest
from rightmodel.core.format import cut, listed
from rightmodel.manifest.base_url import is_loopback
from rightmodel.manifest.keys import looks_like_key
from rightmodel.manifest.problems import Location, Problems, lines, readable
from rightmodel.manifest.schema import Manifest, ProviderTable
from rightmodel.manifest.text_file import read_text
from rightmodel.manifest.text_types import PATTERNS

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


_KINDS: Final = {
    "list_type": "must be a list, [ … ]",
    "dict_type": "must be a table, { … }",
    "model_type": "must be a table, { … }",
    "string_type": "must be a text in quotation marks",
    **dict.fromkeys(("bool_type", "bool_parsing"), "must be true or false"),
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), "must be a whole number"),
    **dict.fromkeys(
        ("float_type", "float_parsing", "decimal_type", "decimal_parsing"), "must be a number"
    ),
    **dict.fromkeys(
        ("date_type", "date_parsing", "date_from_datetime_parsing"),
        "must be a day, such as 2026-11-20",
    ),
}
"""Type of an error → the kind of value that TOML should have there."""
_NEARLY: Final = 0.75
_ELSEWHERE: Final = {
    name: example
    for example, names in {
        "limits = { context = 32768, output = 4096 }": "context_window context_length "
        "context_size max_context n_ctx max_model_len max_tokens max_input_tokens "
        "max_output_tokens",
        "cost = { input = 0.5, output = 1.5 }": "price prices pricing",
        'base_url = "https://…/v1"': "url api_base baseurl endpoint host",
        'key_env = "NAME_OF_THE_VARIABLE"': "api_key apikey key token api_key_env",
        'protocol = "openai-chat"': "kind type api format",
        'features = ["json_schema", "tools"]': "capabilities supports tools json_schema",
        'input = ["text", "image"]': "modalities vision images",
        'effort = ["low", "high"]': "reasoning_effort",
    }.items()
    for name in names.split()
}
"""What other programs call a key of ours: how it is written here."""
_LISTED: Final = frozenset({"models", "rules"})
_NAMED: Final = frozenset({"providers", "clients", "skills"})
_LINE: Final = re.compile(r"at line (\d+)")
_SECRET: Final = frozenset(
    {"key_env", "key_file", "token_env", "webhook_env", "headers", "base_url", "url"}
)
"""Keys of a manifest whose wrong values are never repeated."""


def shipped_dir() -> Path:
    """The folder of the shipped manifests: in the wheel, else in the checkout."""
    packed = Path(__file__).parent.parent / "_manifests"
    return packed if packed.is_dir() else Path(__file__).parents[3] / "manifests"


def shipped_names() -> list[str]:
    """The names that `include` accepts."""
    return sorted(p.stem for p in shipped_dir().glob("*.toml"))


@cache
def shipped_manifest(name: str) -> Manifest | None:
    """The shipped manifest of that name, `None` if there is no such file."""
    path = shipped_dir() / f"{name}.toml"
    return read_manifest(path) if name and "/" not in name and path.is_file() else None


@cache
def shipped_provider(name: str) -> ProviderTable | None:
    """The provider of a shipped manifest, read without its models, which take far longer."""
    path = shipped_dir() / f"{name}.toml"
    if not name or "/" in name or not path.is_file():
        return None
    head = read_text(path).partition("\n[[models]]")[0]
    return parse_manifest(head, file=str(path)).providers.get(name)


def how_to_connect(name: str) -> str:
    """What connects the shipped model of that id, alias or bare name; "" where none is shipped."""
    for provider in shipped_names():
        if f'{name}"' not in _text(shipped_dir() / f"{provider}.toml"):
            continue  # validating one takes a hundred times as long
        manifest, table = shipped_manifest(provider), shipped_provider(provider)
        for model in manifest.models if manifest and table else ():
            if name in {model.id, model.id.partition("/")[2], *(model.aliases or ())}:
                is_local = table and table.base_url and is_loopback(table.base_url)
                start = "start its server" if is_local or not table else f"set {table.key_env}"
                return (
                    f"{model.id} is shipped but not connected: {start}; where the manifest has "
                    f"include or [[models]], add {provider!r} to include."
                )
    return ""


@cache
def shipped_key_names() -> frozenset[str]:
    """The variables that the shipped providers' keys are read from."""
    providers = filter(None, map(shipped_provider, shipped_names()))
    return frozenset(provider.key_env for provider in providers if provider.key_env)


def read_manifest(path: Path) -> Manifest:
    """Parse and validate one file. Raises `ManifestError` with every error of the schema."""
    return parse_manifest(_text(path), file=str(path))


def key_lines(path: Path | None) -> dict[str, int]:
    """Readable path of a key → its line in a file that can be read as a manifest."""
    text = _text(path) if path else ""
    return lines(text, tomllib.loads(text))


def _text(path: Path) -> str:
    try:
        return read_text(path)
    except FileNotFoundError:
        raise ManifestError(
            "no such file: correct --manifest or RIGHTMODEL_MANIFEST", file=str(path)
        ) from None
    except OSError as error:
        raise ManifestError(f"cannot be read: {error.strerror}", file=str(path)) from error
    except UnicodeDecodeError as error:
        raise ManifestError("is not UTF-8 text", file=str(path)) from error


def parse_manifest(text: str, *, file: str) -> Manifest:
    """The same for a text; `file` is for messages."""
    try:
        data = tomllib.loads(text, parse_float=Decimal)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        line = _LINE.search(str(error))
        raise ManifestError(
            f"is not valid TOML: {error}", file=file, line=int(line[1]) if line else 0
        ) from error
    try:
        return Manifest.model_validate(data)
    except ValidationError as error:
        problems = Problems(file)
        for key, detail in _telling(error.errors(include_url=False), data).items():
            problems.add(key, _explain(detail))
        problems.raise_any(lambda: lines(text, data))
        raise  # there is at least one


def _telling(details: list[ErrorDetails], data: dict[str, Any]) -> dict[str, ErrorDetails]:
    """By readable key, without what follows from another one.

    A misspelt key is missing, too; a list with a wrong entry is not the single value either.
    """
    unknown = [d["loc"] for d in details if d["type"] == "extra_forbidden"]
    meant = {(*loc[:-1], name) for loc in unknown for name in _meant(loc)}
    found: dict[str, ErrorDetails] = {}
    for detail in details:
        if detail["type"] != "missing" or detail["loc"] not in meant:
            found.setdefault(readable(detail["loc"], data), detail)
    lists = [key for key, detail in found.items() if isinstance(detail["input"], list)]
    follows = {k for k in lists if any(other.startswith(f"{k}.") for other in found)}
    return {key: detail for key, detail in found.items() if key not in follows}


def _meant(location: Location) -> list[str]:
    """The known key that an unknown one probably is, if any."""
    return nearest(str(location[-1]), _table_at(location[:-1]).model_fields, count=1)


def _explain(detail: ErrorDetails) -> str:
    if detail["type"] == "extra_forbidden":
        return f"unknown key; {_right_key(detail['loc'])}"
    if detail["type"] == "missing":
        return "is missing; write version = 1" if detail["loc"] == ("version",) else "is missing"
    if detail["type"] == "string_pattern_mismatch":
        return PATTERNS[detail["ctx"]["pattern"]] + _shown(detail)
    if detail["type"] in _KINDS:
        return _kind(detail) + _shown(detail)
    message = detail["msg"].removeprefix("Value error, ")
    message = re.sub(r"^[A-Z]\w+ should", "must", message)
    message = message.removesuffix(", not 0").removesuffix(" after validation")
    return message + _shown(detail)


def _right_key(location: Location) -> str:
    """A key that is nearly right here, else the place where it is right, else what is known here.

    In TOML every key below a table's header belongs to that table, whatever its author meant.
    """
    key, here = str(location[-1]), _table_at(location[:-1])
    known, tables = list(here.model_fields), _tables_in(Manifest)
    if close := nearest(key, known, count=1, cutoff=_NEARLY):
        return f"did you mean {close[0]!r}?"
    inner = [n for n, t in _tables_in(here).items() if t and key in t.model_fields]
    if inner and here is not Manifest:
        forms = [_inner(here, name, f"{{ {key} = … }}") for name in inner]
        return f"it belongs in {' or '.join(forms)}"
    of_models = here is Manifest or location[0] in {"models", "providers"}
    example = _ELSEWHERE.get(key.lower(), "") if of_models else ""
    ours = example.partition(" ")[0]
    if ours in known:
        return f"write {example}"
    if tables.get(key, Manifest) is None:
        return "it belongs at the top of the file, before the first [table]"
    within = [name for name, t in tables.items() if t and (ours or key) in t.model_fields]
    if places := [_header(name) for name in within]:
        what = f"write {example}" if example else "it belongs"
        return f"{what} below {' or '.join(places)}"
    guess = f"did you mean {close[0]!r}? " if (close := _meant(location)) else ""
    return f"{guess}known here: {listed(known, most=20)}"


def _inner(table: type[BaseModel], name: str, entry: str) -> str:
    is_list = "list[" in str(table.model_fields[name].annotation)
    return f"{name} = [{entry}]" if is_list else f"{name} = {entry}"


def _header(name: str) -> str:
    return f"[[{name}]]" if name in _LISTED else f"[{name}{'.NAME' * (name in _NAMED)}]"


def _kind(detail: ErrorDetails) -> str:
    """What kind of value is right; for a whole table how its header is written."""
    top, *below = detail["loc"]
    if top in _LISTED and len(below) < 2 and "type" in detail["type"]:  # noqa: PLR2004
        return f"must be tables: write [[{top}]], and the keys of one below it"
    if top in _NAMED and len(below) < 2:  # noqa: PLR2004
        return f"must be a table: write [{top}.NAME], and its keys below it"
    return _KINDS[detail["type"]]


def _shown(detail: ErrorDetails) -> str:
    """The wrong value, unless it may hold a key or a password."""
    value = detail["input"]
    if not isinstance(value, str | int | float | Decimal) or _SECRET.intersection(detail["loc"]):
        return ""
    text = str(value)
    if looks_like_key(text) or "@" in text:
        return ""
    return f", not {cut(text)!r}" if isinstance(value, str) else f", not {cut(text)}"


def _table_at(location: tuple[int | str, ...]) -> type[BaseModel]:
    model: type[BaseModel] = Manifest
    for part in location:
        field = model.model_fields.get(str(part))
        if field is not None:
            model = _table_in(field.annotation) or model
    return model


def _tables_in(table: type[BaseModel]) -> dict[str, type[BaseModel] | None]:
    return {name: _table_in(field.annotation) for name, field in table.model_fields.items()}


def _table_in(annotation: Any) -> type[BaseModel] | None:
    """The table class somewhere inside `dict[str, X]`, `list[X]`, `X | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = (_table_in(inner) for inner in get_args(annotation))
    return next((table for table in found if table is not None), None)
