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
    """`file`: the manifest that is in use. Each client is informed once of every change."""

    def __init__(self, file: str) -> None:
        self._path = Path(file)
        self._seen = self._stamp()
        self._note = ""
        self._told: set[str] = set()

    def note(self, client: str) -> str:
        """What to tell a client, "" where there is nothing new for it."""
        stamp = self._stamp()
        if stamp != self._seen:
            self._seen, self._note = stamp, self._changed()
            self._told.clear()
        if client in self._told:
            return ""
        self._told.add(client)
        return self._note

    def _changed(self) -> str:
        from rightmodel.manifest.read import read_manifest  # pydantic

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
