"""Changes to text files: shown before they are made, noted, and undone later.

The state directory holds the notes, so that changes are undone exactly: a file that is still as it
was written gets its former content back.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import os
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

from rightmodel.core.errors import TaskError
from rightmodel.integrations.clients import CLIENTS
from rightmodel.integrations.edit import CannotMergeError
from rightmodel.integrations.model_setup import SETUPS, former_settings
from rightmodel.integrations.registration import removed
from rightmodel.ledger.paths import state_dir
from rightmodel.surfaces.cli.terminal import echo, styled
from rightmodel.surfaces.cli.text_file import change_file, current_text, file_errors, write_private

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
    """A file that rightmodel has changed, once or several times.

    `sha256`: of what was written last, "" where the user had changed the file in between. `backup`:
    the content from before the first change, "" where there was no file. `owner`: the client whose
    file it is, "" for our own. `folders`: those that were made for it, the outermost first.
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


def make(change: FileChange) -> None:
    """Make a change that was shown. Raises `TaskError` where the file cannot be written."""
    with file_errors(change.path):
        done = write_noted(change.path, change.change, change.owner)
    if done:
        echo(f"{change.path}: {done}")


def write_noted(path: Path, change: Callable[[str], str], owner: str) -> str:
    """Change the file and note it; in words what was done, "" where nothing changes.

    One backup is kept: the file as it was before rightmodel had anything in it. Raises `OSError`,
    `UnicodeError`, `TaskError` and what `change` raises.
    """
    path = path.resolve()
    folders = [str(p) for p in reversed(path.parents) if not p.exists()]
    entry = _entry(path)
    untouched = entry is not None and _unchanged(entry)
    if entry and not untouched and not _has_ours(owner, current_text(path)):
        entry = None
    backup = change_file(path, change, keeps=entry is None)
    if backup == path:
        return ""
    if entry:
        _note(replace(entry, sha256=_sha256(path) if untouched else ""))
        return "written"
    kept = str(backup) if backup else ""
    _note(Written(str(path), _sha256(path), kept, owner, tuple(folders)))
    return "written" + (f"; the former content is in {backup.name}" if backup else "")


def take_out(path: Path, change: Callable[[str], str], owner: str) -> str:
    """Undo one of several changes of a client's file; in words as `write_noted`, raises the same.

    A file that the user has not changed gets its former content back once nothing of ours is left.
    """
    path = path.resolve()
    entry = _entry(path)
    untouched = entry is not None and _unchanged(entry)
    if change_file(path, change, keeps=entry is None) == path:
        return ""
    if not entry:
        return "written"
    if _has_ours(owner, current_text(path)):
        _note(replace(entry, sha256=_sha256(path) if untouched else ""))
        return "written"
    if not untouched:
        _forget(entry)
        return "written; your later changes stay"
    _restore(entry)
    _forget(entry)
    return "has its former content back" if entry.backup else "deleted: it held nothing else"


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


def noted() -> list[Written]:
    """What was written and not undone yet, in order. Raises `TaskError`."""
    try:
        entries = json.loads(_notes().read_text(encoding="utf-8"))
        return [Written(**{**entry, "folders": tuple(entry["folders"])}) for entry in entries]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise TaskError(f"{_notes()} cannot be read: {error}; delete it to start anew") from error


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


def undo(written: Written) -> None:
    """Undo all changes of a file. Raises `TaskError`."""
    path = Path(written.path)
    try:
        with file_errors(path, "changed"):
            if path.exists() and _unchanged(written):
                _restore(written)
            elif path.exists() and written.owner:
                client = CLIENTS[written.owner]
                change_file(path, lambda text: removed(client, text), keeps=False)
    except CannotMergeError as error:
        raise TaskError(f"{path} {error}; take the registration out by hand") from error
    _forget(written)


def _restore(written: Written) -> None:
    if written.backup:
        Path(written.backup).replace(written.path)
    else:
        Path(written.path).unlink()


def _has_ours(owner: str, text: str) -> bool:
    """Whether a client's file holds anything of ours. Raises `CannotMergeError`."""
    if not owner:
        return True
    try:
        registered = removed(CLIENTS[owner], text) != text
    except CannotMergeError as error:
        if not error.by_hand:
            raise
        return True
    return registered or (owner in SETUPS and former_settings(SETUPS[owner], text) is None)


def _unchanged(written: Written) -> bool:
    has_former = not written.backup or Path(written.backup).exists()
    return has_former and _sha256(Path(written.path)) == written.sha256


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _notes() -> Path:
    return state_dir(os.environ) / "written_files.json"


def _entry(path: Path) -> Written | None:
    """What is noted of a file that is there."""
    there = (entry for entry in noted() if entry.path == str(path))
    return next(there, None) if path.is_file() else None


def _note(written: Written) -> None:
    entries = {entry.path: entry for entry in noted()}
    _save([*(entries | {written.path: written}).values()])


def _forget(written: Written) -> None:
    for folder in reversed(written.folders):
        with suppress(OSError):  # others have put something into it
            Path(folder).rmdir()
    _save([entry for entry in noted() if entry.path != written.path])


def _save(entries: Sequence[Written]) -> None:
    if not entries:
        _notes().unlink(missing_ok=True)
        return
    write_private(_notes(), json.dumps([asdict(entry) for entry in entries], indent=1) + "\n")
