"""One file → one validated `Manifest`; errors name file, key and nearest known key."""

from __future__ import annotations

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
from rightmodel.manifest.schema import Manifest, ProviderTable
from rightmodel.manifest.text_file import read_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic_core import ErrorDetails


_RIGHT: Final[dict[tuple[int | str, ...], str]] = {
    ("version",): "write version = 1",
    ("ledger", "url"): "write postgresql://USER@HOST/DATABASE; without url the ledger is a file",
}
"""What to write where the kind of value alone would not help."""
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
    """Parse and validate one file. Raises `ManifestError` for the first error."""
    try:
        text = read_text(path)
    except FileNotFoundError:
        raise ManifestError("no such file", file=str(path)) from None
    except OSError as error:
        raise ManifestError(f"cannot be read: {error.strerror}", file=str(path)) from error
    except UnicodeDecodeError as error:
        raise ManifestError("is not UTF-8 text", file=str(path)) from error
    return parse_manifest(text, file=str(path))


def parse_manifest(text: str, *, file: str) -> Manifest:
    """The same for a text; `file` is for messages."""
    try:
        data = tomllib.loads(text, parse_float=Decimal)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ManifestError(f"is not valid TOML: {error}", file=file) from error
    try:
        return Manifest.model_validate(data)
    except ValidationError as error:
        raise _first_error(error, data, file) from None


def _first_error(error: ValidationError, data: dict[str, Any], file: str) -> ManifestError:
    details = error.errors(include_url=False)
    # Unknown keys first: a misspelt key usually causes the other complaints.
    first = next((d for d in details if d["type"] == "extra_forbidden"), details[0])
    more = f" ({len(details) - 1} more after this one)" if len(details) > 1 else ""
    key = ".".join(_readable(first["loc"], data))
    return ManifestError(_explain(first) + more, file=file, key=key)


def _explain(detail: ErrorDetails) -> str:
    if detail["type"] == "extra_forbidden":
        known = _keys_at(detail["loc"][:-1])
        close = nearest(str(detail["loc"][-1]), known, count=1)
        hint = f"did you mean {close[0]!r}?" if close else f"known here: {listed(known, most=20)}"
        return f"unknown key; {hint}"
    right = _RIGHT.get(detail["loc"], "")
    if detail["type"] == "missing":
        return f"is missing; {right}" if right else "is missing"
    if right:
        return right + _shown(detail)
    message = detail["msg"].removeprefix("Value error, ")
    return message[:1].lower() + message[1:] + _shown(detail)


def _shown(detail: ErrorDetails) -> str:
    """The wrong value, unless it may hold a key or a password."""
    value = detail["input"]
    if not isinstance(value, str | int | float | Decimal) or _SECRET.intersection(detail["loc"]):
        return ""
    text = str(value)
    if looks_like_key(text) or "@" in text:
        return ""
    return f", not {cut(text)!r}" if isinstance(value, str) else f", not {cut(text)}"


def _readable(location: tuple[int | str, ...], data: Any) -> Iterator[str]:
    """The path for people: a model by its id, a rule by its name, else by its place from 1."""
    for before, part in zip(("", *location), location, strict=False):
        if isinstance(part, int):
            data = data[part] if isinstance(data, list) and part < len(data) else None
            label = (data.get("id") or data.get("name")) if isinstance(data, dict) else None
            label = label or (f"rule {part + 1}" if before == "rules" else None)
            yield f'"{label}"' if isinstance(label, str) else str(part)
        elif isinstance(data, dict) and part in data:
            data = data[part]
            yield str(part)
        elif data is not None and not isinstance(data, dict | list):
            continue  # pydantic's name for a branch of a union
        else:
            yield str(part)


def _keys_at(location: tuple[int | str, ...]) -> list[str]:
    """The known keys at a location."""
    model: type[BaseModel] = Manifest
    for part in location:
        field = model.model_fields.get(str(part))
        if field is not None:
            model = _table_in(field.annotation) or model
    return list(model.model_fields)


def _table_in(annotation: Any) -> type[BaseModel] | None:
    """The table class somewhere inside `dict[str, X]`, `list[X]`, `X | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = (_table_in(inner) for inner in get_args(annotation))
    return next((table for table in found if table is not None), None)
