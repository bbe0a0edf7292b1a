"""Paths of the ledger: the state directory, private to the user."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

FILE: Final = "ledger.sqlite3"


def state_dir(env: Mapping[str, str]) -> Path:
    """`RIGHTMODEL_STATE_DIR`, else the platform's state directory for the user."""
    named = env.get("RIGHTMODEL_STATE_DIR", "").strip()
    if named and not named.startswith(("${", "{env:")):  # a client did not fill it in
        return Path(named).expanduser().absolute()
    if sys.platform == "win32":
        return Path(env.get("LOCALAPPDATA") or Path.home() / "AppData/Local") / "rightmodel"
    if sys.platform == "darwin":
        return Path.home() / "Library/Application Support/rightmodel"
    return Path(env.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "rightmodel"


def ledger_file(env: Mapping[str, str]) -> Path:
    """The ledger's file; nothing is created or read."""
    return state_dir(env) / FILE


def make_private(file: Path) -> None:
    """Create the file with mode 0600, and its directory with mode 0700 if it is new.

    A directory that exists keeps its mode: others may use it. SQLite gives the files beside the
    ledger the ledger's own mode.
    """
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        with suppress(OSError):  # on a read-only file system: SQLite reports what matters
            if os.name == "posix" and file.is_file() and file.stat().st_mode & 0o077:
                file.chmod(0o600)
