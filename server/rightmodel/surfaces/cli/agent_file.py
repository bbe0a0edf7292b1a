"""Changing an agent's own file, and saying what was done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rightmodel.core.errors import TaskError
from rightmodel.integrations import CannotMergeError
from rightmodel.surfaces.cli.terminal import echo

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def change_agent_file(file: Path, change: Callable[[], str], same: str) -> None:
    """Change the file and print what was done; `change` says it, `same`: where nothing changes."""
    try:
        done = change()
    except CannotMergeError as error:
        raise CannotMergeError(f"{file} {error}", by_hand=error.by_hand) from error
    except UnicodeError as error:
        raise TaskError(f"{file} is not UTF-8 text; nothing was changed") from error
    except OSError as error:
        raise TaskError(f"{file} cannot be written: {error.strerror or error}") from error
    echo(f"{file}: {done or same}")


def note(text: str) -> None:
    """Print what a person has to know, apart from what may be copied."""
    echo(f"note: {text}", err=True)
