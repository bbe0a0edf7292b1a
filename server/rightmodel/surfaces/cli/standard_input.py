"""Standard input as part of a prompt, and files of JSON lines."""

from __future__ import annotations

import select
import stat
import sys
from os import fstat
from pathlib import Path
from typing import Final

from rightmodel.core.errors import TaskError
from rightmodel.surfaces.cli.terminal import echo

FIRST_BYTE_S: Final = 3.0
"""How long a pipe may stay silent when there is a prompt already: its writer may never close it."""


def prompt_with_input(prompt: str) -> str:
    """The prompt, a blank line, standard input; one of them where the other is empty.

    A terminal is not read. The prompt "-" stands for standard input alone. Raises `TaskError` for
    input that is not UTF-8 text.
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
        text = sys.stdin.buffer.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise TaskError(f"standard input is not UTF-8 text: {error.reason}") from error
    if alone:
        return text
    return f"{prompt}\n\n{text}" if text.strip() else prompt


def _stays_silent() -> bool:
    """Whether a pipe or socket has neither data nor an end in time."""
    try:
        mode = fstat(sys.stdin.fileno()).st_mode
        if sys.platform == "win32" or not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
            return False
        return not select.select([sys.stdin], [], [], FIRST_BYTE_S)[0]
    except (OSError, ValueError):  # no descriptor behind it
        return False


def json_lines(source: str) -> list[tuple[int, str]]:
    """The number and text of each line of a file that is not blank; "-" is standard input.

    Raises `TaskError` where it cannot be read.
    """
    try:
        path = Path(source).expanduser()
        data = sys.stdin.buffer.read() if source == "-" else path.read_bytes()
        text = data.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise TaskError(f"{source}: cannot be read: {error}") from error
    return [(n, line) for n, line in enumerate(text.split("\n"), 1) if line.strip()]
