"""All errors of one manifest, gathered so that the user sees them at once."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from rightmodel.core.errors import ManifestError, TaskError
from rightmodel.manifest.key_path import line_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Problems:
    """What is wrong with `file`."""

    def __init__(self, file: str) -> None:
        self.file = file
        self._found: dict[tuple[str, str], None] = {}

    def add(self, key: str, message: str) -> None:
        """One error; the same one a second time counts once."""
        self._found[key, message] = None

    @contextmanager
    def at(self, key: str) -> Iterator[None]:
        """An error within is kept, and the rest of the block left out. `key`: unless it has one."""
        try:
            yield
        except ManifestError as error:
            self.add(error.key, error.message)
        except TaskError as error:
            self.add(key, str(error))

    def raise_any(self, lines: Callable[[], dict[str, int]]) -> None:
        """Raise what was found, in the order of the file. `lines`: readable path → line."""
        if not self._found:
            return
        by_key = lines()
        errors = [
            ManifestError(message, file=self.file, key=key, line=line_of(key, by_key))
            for key, message in self._found
        ]
        first, *others = sorted(errors, key=lambda error: error.line)
        first.others = tuple(others)
        raise first
