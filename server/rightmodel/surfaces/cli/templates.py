"""Templates of `rightmodel ask`: a prompt with a gap, and options, under a name."""

from __future__ import annotations

import os
import tomllib
from typing import TYPE_CHECKING, Any, Final

from rightmodel.core.errors import TaskError, UnknownNameError
from rightmodel.manifest.settings import config_dir
from rightmodel.surfaces.arguments import COMPLETE_ARGUMENTS

if TYPE_CHECKING:
    from pathlib import Path

GAP: Final = "$input"
_KEYS: Final = tuple(name for name in COMPLETE_ARGUMENTS if name not in {"files", "ref"})


def templates_dir() -> Path:
    """Where they are: NAME.toml each."""
    return config_dir(os.environ) / "templates"


def with_template(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments with what the template sets and they do not. Raises `TaskError`.

    The prompt takes the place of `$input` in the template's, else it follows after a blank line.
    """
    template = _read(name)
    text = str(template.pop("prompt", GAP))
    prompt = arguments["prompt"]
    filled = text.replace(GAP, prompt) if GAP in text else f"{text}\n\n{prompt}".rstrip()
    given = {key: value for key, value in arguments.items() if value not in ("", (), [])}
    return {**arguments, **template, **given, "prompt": filled}


def _read(name: str) -> dict[str, Any]:
    folder = templates_dir()
    known = sorted(path.stem for path in folder.glob("*.toml"))
    if name not in known:
        if not known:
            raise TaskError(
                f"there are no templates: write {folder / name}.toml", argument="template"
            )
        raise UnknownNameError("template", name, known)
    path = folder / f"{name}.toml"
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TaskError(f"{path} cannot be read: {error}") from error
    for key in values:
        if key not in _KEYS:
            raise UnknownNameError(f"key in {path.name}", key, _KEYS)
    return {key: value if key == "schema" else str(value) for key, value in values.items()}
