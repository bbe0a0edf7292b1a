"""Changes to several text files as one set: shown before they are made, and undone later.

What was written is noted in a file of the state directory, so that it can be undone exactly: a file
that is still as it was written gets its former content back.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rightmodel.core.errors import TaskError
from rightmodel.surfaces.cli.terminal import echo, styled
from rightmodel.surfaces.cli.text_file import change_file, current_text, write_private

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_VALUE: Final = re.compile(r"^([+ -]\w+=).*")


@dataclass(frozen=True, slots=True)
class FileChange:
    """One file. `change`: its text → the new text. `owner`: the client whose file it is."""

    path: Path
    change: Callable[[str], str]
    owner: str = ""
    hides: bool = False
    """Whether it has NAME=value lines whose values must not be shown."""
    summary: str = ""
    """Shown instead of the changed lines."""


@dataclass(frozen=True, slots=True)
class Written:
    """A file as it was written. `backup`: its former content, "" where there was no file.

    `folders`: those that were made for it, the outermost first.
    """

    path: str
    sha256: str
    backup: str
    owner: str
    folders: tuple[str, ...]


def preview(change: FileChange) -> bool:
    """Print what will change; `False` where nothing does. Raises what `change` raises."""
    before = current_text(change.path)
    after = change.change(before)
    if before == after:
        echo(f"{change.path}: stays as it is")
        return False
    echo(styled(f"{change.path}: {'changed' if change.path.exists() else 'new'}", bold=True))
    if change.summary:
        echo("  ", change.summary)
        return True
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), n=1, lineterm="")
    for line in list(lines)[3:]:  # without the names of the files and the first position
        shown = _VALUE.sub(r"\1…", line) if change.hides else line
        echo("  ", styled(shown, fg={"+": "green", "-": "red"}.get(line[:1])))
    return True


def make(change: FileChange, notes: Path) -> None:
    """Change the file and note it. Raises `TaskError` where it cannot be written."""
    path = change.path.resolve()
    folders = [str(p) for p in reversed(path.parents) if not p.exists()]
    try:
        backup = change_file(path, change.change)
    except OSError as error:
        raise TaskError(f"{path} cannot be written: {error.strerror or error}") from error
    if backup == path:
        return
    former = str(backup) if backup else ""
    written = Written(str(path), _sha256(path), former, change.owner, tuple(folders))
    _save(notes, [*noted(notes), written])
    echo(f"{path}: written" + (f"; the former content is in {backup.name}" if backup else ""))


def noted(notes: Path) -> list[Written]:
    """What was written and not undone yet, in order. Raises `TaskError`."""
    try:
        entries = json.loads(notes.read_text(encoding="utf-8"))
        return [Written(**{**entry, "folders": tuple(entry["folders"])}) for entry in entries]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise TaskError(f"{notes} cannot be read: {error}; delete it to start anew") from error


def effect_of_undo(written: Written) -> str:
    """What `undo` will do, in words."""
    path = Path(written.path)
    if not path.exists():
        return "is gone already"
    if _unchanged(written):
        return "gets its former content back" if written.backup else "is deleted"
    if written.owner:
        return "loses the registration; your later changes stay"
    return "stays, because you have changed it"


def undo(written: Written, take_out: Callable[[str, str], str], notes: Path) -> None:
    """Undo one change. `take_out`: owner, text → the text without the registration.

    Raises `TaskError` and what `take_out` raises.
    """
    path = Path(written.path)
    try:
        if path.exists() and _unchanged(written):
            if written.backup:
                Path(written.backup).replace(path)
            else:
                path.unlink()
        elif path.exists() and written.owner:
            change_file(path, lambda text: take_out(written.owner, text))
    except OSError as error:
        raise TaskError(f"{path} cannot be changed: {error.strerror or error}") from error
    for folder in reversed(written.folders):
        with suppress(OSError):  # others have put something into it
            Path(folder).rmdir()
    _save(notes, [entry for entry in noted(notes) if entry != written])


def _unchanged(written: Written) -> bool:
    has_former = not written.backup or Path(written.backup).exists()
    return has_former and _sha256(Path(written.path)) == written.sha256


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _save(notes: Path, entries: Sequence[Written]) -> None:
    if not entries:
        notes.unlink(missing_ok=True)
        return
    write_private(notes, json.dumps([asdict(entry) for entry in entries], indent=1) + "\n")
