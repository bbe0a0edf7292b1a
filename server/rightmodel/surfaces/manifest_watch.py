"""Whether the manifest was changed after the server read it: what runs is the former one."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Final

from rightmodel.core.errors import ManifestError

logger = logging.getLogger("rightmodel")

CHANGED: Final = "manifest changed: it applies after a restart of rightmodel"
BROKEN: Final = (
    "manifest changed and has errors: rightmodel goes on with the former one until it restarts; "
    "`rightmodel check --no-call` lists them"
)


class ManifestWatch:
    """`file`: the manifest that is in use. Every change is told once."""

    def __init__(self, file: str) -> None:
        self._path = Path(file)
        self._seen = self._stamp()

    def note(self) -> str:
        """What to tell a caller, "" where there is nothing new."""
        stamp = self._stamp()
        if stamp == self._seen:
            return ""
        from rightmodel.manifest.read import read_manifest  # pydantic

        self._seen = stamp
        note = CHANGED
        try:
            read_manifest(self._path)
        except ManifestError:
            note = BROKEN
        logger.warning("%s: %s", self._path, note)
        return note

    def _stamp(self) -> tuple[int, ...]:
        try:
            facts = self._path.stat()
        except OSError:
            return ()
        return facts.st_mtime_ns, facts.st_size, facts.st_ino
