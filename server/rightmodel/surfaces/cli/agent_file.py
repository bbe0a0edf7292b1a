"""Changing an agent's own file, and saying what was done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rightmodel.core.errors import TaskError
from rightmodel.integrations import CannotMergeError
from rightmodel.surfaces.cli.terminal import echo
from rightmodel.surfaces.cli.text_file import file_errors

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def change_agent_file(
    file: Path, change: Callable[[], str], same: str, by_hand: Callable[[], str] = str
) -> None:
    """Change the file and print what was done; `change` says it, `same`: where nothing changes.

    `by_hand`: what to add to a file that can only be changed by hand.
    """
    try:
        with file_errors(file):
            done = change()
    except CannotMergeError as error:
        if not error.by_hand:
            raise CannotMergeError(f"{file} {error}") from error
        echo(by_hand(), nl=False)
        raise TaskError(f"{file} {error}; add what is printed above by hand") from error
    echo(f"{file}: {done or same}")


def note(text: str) -> None:
    """Print what a person has to know, apart from what may be copied."""
    echo(f"note: {text}", err=True)
