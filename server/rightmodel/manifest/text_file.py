"""Small text files that people write by hand: manifests, env files, key files."""

from __future__ import annotations

import codecs
import os
import stat
from pathlib import Path


def read_text(path: Path) -> str:
    """The text of a UTF-8 file, or of a UTF-16 file with a byte order mark (PowerShell's `>`).

    Raises `OSError` and `UnicodeDecodeError`.
    """
    data = path.read_bytes()
    utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return data.decode("utf-16" if utf16 else "utf-8-sig")


def expand_user(name: str) -> Path:
    """The path with a leading `~` replaced; an unknown user's `~name` stays as it is."""
    return Path(os.path.expanduser(name))  # noqa: PTH111 - `Path.expanduser` raises for `~name`


def readable_by_everyone(path: Path) -> bool:
    """Whether every user of the machine may read the file."""
    if os.name == "nt":  # POSIX modes say nothing there
        return False
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return stat.S_ISREG(mode) and bool(mode & stat.S_IROTH)
