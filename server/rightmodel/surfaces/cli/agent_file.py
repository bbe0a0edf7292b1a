"""Changing an agent's own file, and saying what was done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rightmodel.core.errors import TaskError
from rightmodel.integrations import CannotMergeError
from rightmodel.surfaces.cli.terminal import echo
from rightmodel.surfaces.cli.text_file import change_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def change_agent_file(file: Path, change: Callable[[str], str], same: str) -> None:
    """Change the file and print what was done; `same`: where nothing changes."""
    try:
        backup = change_file(file, change)
    except CannotMergeError as error:
        raise CannotMergeError(f"{file} {error}", by_hand=error.by_hand) from error
    except UnicodeError as error:
        raise TaskError(f"{file} is not UTF-8 text; nothing was changed") from error
    except OSError as error:
        raise TaskError(f"{file} cannot be written: {error.strerror or error}") from error
    if backup is None:
        echo(f"{file}: written")
    elif backup == file:
        echo(f"{file}: {same}")
    else:
        echo(f"{file}: written; the former content is in {backup.name}")


def note(text: str) -> None:
    """Print what a person has to know, apart from what may be copied."""
    echo(f"note: {text}", err=True)
