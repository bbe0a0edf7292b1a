"""The exit code of a command that ends with an error."""

from __future__ import annotations

from rightmodel.core.errors import FileRefusedError, RightmodelError, TaskError

FAILED = 1
WRONG_USE = 2


def exit_code(error: RightmodelError) -> int:
    """2 where an argument has a value that it cannot have, 1 for all else, also for files."""
    names_argument = isinstance(error, TaskError) and error.argument
    return WRONG_USE if names_argument and not isinstance(error, FileRefusedError) else FAILED
