"""Changing a text file of another program: atomically, with a backup, in its own line ends."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from rightmodel.core.errors import TaskError

NEW_FILE_MODE: Final = 0o600
"""A settings file may hold keys one day."""


@contextmanager
def file_errors(path: Path, what: str = "written") -> Iterator[None]:
    """What goes wrong with a file, as a `TaskError`."""
    try:
        yield
    except UnicodeError as error:
        raise TaskError(f"{path} is not UTF-8 text; nothing was changed") from error
    except OSError as error:
        raise TaskError(f"{path} cannot be {what}: {error.strerror or error}") from error


def change_file(path: Path, change: Callable[[str], str], *, keeps: bool) -> Path | None:
    """Apply `change` to the text of the file; a missing file is empty text.

    `keeps`: whether the former content is kept in a file beside it. Returns that file: `path`
    where nothing changed, `None` where nothing was there or is kept. Raises `OSError`,
    `UnicodeError` and whatever `change` raises; the file is then unchanged.
    """
    path = path.resolve()  # a link stays a link: what it points to is changed
    former = path.read_bytes() if path.exists() else None
    changed = _encoded(change(_decoded(former or b"")), like=former or b"")
    if (former or b"") == changed:
        return path
    if former is None:
        _write(path, changed, NEW_FILE_MODE)
        return None
    if not os.access(path, os.W_OK):  # it could be replaced, but its owner has locked it
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    mode = stat.S_IMODE(path.stat().st_mode)
    backup = _free_name(path) if keeps else None
    if backup:
        _write(backup, former, mode)
    _write(path, changed, mode)
    return backup


def write_private(path: Path, text: str) -> None:
    """Write a file of our own, atomically. Raises `OSError`."""
    _write(path, text.encode(), NEW_FILE_MODE)


def current_text(path: Path) -> str:
    """The text that `change_file` would hand to `change`. Raises `OSError`, `UnicodeError`."""
    return _decoded(path.read_bytes()) if path.exists() else ""


def _free_name(path: Path) -> Path:
    """NAME.bak, or NAME.bak.2 and so on: no backup is overwritten."""
    backup = path.with_name(path.name + ".bak")
    number = 1
    while backup.exists():
        number += 1
        backup = path.with_name(f"{path.name}.bak.{number}")
    return backup


def _windows_lines(data: bytes) -> bool:
    return b"\r\n" in data and data.count(b"\r\n") == data.count(b"\n")


def _decoded(data: bytes) -> str:
    text = data.decode("utf-8-sig")
    return text.replace("\r\n", "\n") if _windows_lines(data) else text


def _encoded(text: str, *, like: bytes) -> bytes:
    text = text.replace("\n", "\r\n") if _windows_lines(like) else text
    return text.encode("utf-8-sig" if like.startswith(b"\xef\xbb\xbf") else "utf-8")


def _write(path: Path, data: bytes, mode: int) -> None:
    """Write beside the file and rename: a reader sees the old content or the new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(mode)
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise
