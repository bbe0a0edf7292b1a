"""What a task is made of by hand: standard input, templates, files of JSON lines."""

from __future__ import annotations

import os
import select
import stat
import sys
import tomllib
from codecs import BOM_UTF8
from pathlib import Path
from typing import Any, Final

from rightmodel.core.errors import TaskError, UnknownNameError
from rightmodel.manifest.settings import config_dir
from rightmodel.manifest.text_file import UTF16, decoded, read_text
from rightmodel.surfaces.arguments import COMPLETE_ARGUMENTS
from rightmodel.surfaces.cli.terminal import echo

FIRST_BYTE_S: Final = 3.0
"""How long a pipe may stay silent when there is a prompt already: its writer may never close it."""
GAP: Final = "$input"
"""Where the prompt goes in a template: a prompt and options, NAME.toml in `templates`."""
_KEYS: Final = tuple(name for name in COMPLETE_ARGUMENTS if name not in {"files", "ref"})


def prompt_with_input(prompt: str) -> str:
    """The prompt, a blank line, standard input; one of them where the other is empty.

    A terminal is not read. The prompt "-" stands for standard input alone. Raises `TaskError` for
    input that is neither UTF-8 nor UTF-16 text.
    """
    alone = prompt in {"", "-"}
    if sys.stdin is None or sys.stdin.isatty():
        return "" if alone else prompt
    if not alone and _stays_silent():
        echo(
            f"note: standard input had no data within {FIRST_BYTE_S:g} s and is not used; "
            'for a slow command write: ask "… $(command)"',
            err=True,
        )
        return prompt
    try:
        text = decoded(sys.stdin.buffer.read())
    except UnicodeDecodeError as error:
        raise TaskError(f"standard input is not UTF-8 text: {error.reason}") from error
    if alone:
        return text
    return f"{prompt}\n\n{text}" if text.strip() else prompt


def _stays_silent() -> bool:
    """Whether a pipe or socket has neither data nor an end in time."""
    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode
        if sys.platform == "win32" or not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
            return False
        return not select.select([sys.stdin], [], [], FIRST_BYTE_S)[0]
    except (OSError, ValueError):  # no descriptor behind it
        return False


def json_lines(source: str) -> list[tuple[int, bytes]]:
    """The number and text of each line of a file that is not blank; "-" is standard input.

    Raises `TaskError` where it cannot be read. A line may still not be UTF-8 text.
    """
    try:
        path = Path(source).expanduser()
        data = sys.stdin.buffer.read() if source == "-" else path.read_bytes()
        if data.startswith(UTF16):
            data = decoded(data).encode()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise TaskError(f"{source}: cannot be read: {why}") from error
    lines = data.removeprefix(BOM_UTF8).split(b"\n")
    return [(n, line) for n, line in enumerate(lines, 1) if line.strip()]


def with_template(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments with what the template sets and they do not. Raises `TaskError`.

    The prompt takes the place of `$input` in the template's, else it follows after a blank line.
    """
    template = _read_template(name)
    text = str(template.pop("prompt", GAP))
    prompt = arguments["prompt"]
    filled = text.replace(GAP, prompt) if GAP in text else f"{text}\n\n{prompt}".rstrip()
    given = {key: value for key, value in arguments.items() if value not in ("", (), [])}
    return {**arguments, **template, **given, "prompt": filled}


def _read_template(name: str) -> dict[str, Any]:
    folder = config_dir(os.environ) / "templates"
    known = sorted(path.stem for path in folder.glob("*.toml"))
    if name not in known:
        if not known:
            raise TaskError(
                f"there are no templates: write {folder / name}.toml", argument="template"
            )
        raise UnknownNameError("template", name, known)
    path = folder / f"{name}.toml"
    try:
        values = tomllib.loads(read_text(path))
    except (OSError, ValueError) as error:
        raise TaskError(f"{path} cannot be read: {error}") from error
    for key in values:
        if key not in _KEYS:
            raise UnknownNameError(f"key in {path.name}", key, _KEYS)
    return values
