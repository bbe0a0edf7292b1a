"""A real PostgreSQL from the distribution's packages, for one test: its own folder, its own port.

It refuses to run as root, so there it runs as `postgres`, the user that the packages bring. Each is
made in a folder of its own outside pytest's, which that user may not enter.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psycopg

from e2e.install import postgres_programs
from e2e.processes import free_port

if TYPE_CHECKING:
    import signal
    from collections.abc import Iterator

PASSWORD: Final = "s3cret-p%40ss"
"""As it stands in a URL; it is `s3cret-p@ss`."""
_NOBODY: Final = "postgres"
_WITHIN_S: Final = 40


class PostgresServer:
    """`url`: of an empty database, by TCP and with a password. Not started yet."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._folder = folder
        self._data = folder / "data"
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"postgresql://team:{PASSWORD}@127.0.0.1:{self.port}/postgres"
        secret = folder / "password"
        secret.write_text("s3cret-p@ss\n")
        if os.geteuid() == 0:
            for path in (folder, secret):
                shutil.chown(path, _NOBODY)
        self._run(
            "initdb",
            *("--pgdata", str(self._data), "--username=team", f"--pwfile={secret}"),
            *("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"),
        )

    def start(self) -> None:
        """Returns once it takes connections."""
        options = f"-p {self.port} -h 127.0.0.1 -k {self._folder}"
        log = str(self._folder / "log")
        self._run("pg_ctl", "start", "-w", "-D", str(self._data), "-o", options, "-l", log)

    def stop(self, *, mode: str = "fast") -> None:
        """`mode`: "fast" as an administrator does it, "immediate" as a crash does."""
        self._run("pg_ctl", "stop", "-w", "-D", str(self._data), "-m", mode)

    @property
    def pid(self) -> int:
        """Of the process that all others are children of."""
        return int((self._data / "postmaster.pid").read_text().split()[0])

    def signal(self, how: signal.Signals) -> None:
        """To every process of it."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        for pid in (self.pid, *map(int, children)):
            os.kill(pid, how)

    def ask(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Run one statement."""
        with psycopg.connect(self.url, autocommit=True) as db:
            cursor = db.execute(query, values)
            return cursor.fetchall() if cursor.description else []

    def _run(self, command: str, *arguments: str) -> None:
        programs = postgres_programs()
        assert programs is not None, "PostgreSQL is not installed. Run: make e2e"
        done = subprocess.run(
            [str(programs / command), *arguments],
            cwd=self._folder,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=_WITHIN_S,
            check=False,
            **_as_another(),
        )
        if done.returncode:
            raise AssertionError(f"{command}: {done.stderr.decode(errors='replace')}")


@contextlib.contextmanager
def postgres() -> Iterator[PostgresServer]:
    """One that runs, and is gone at the end."""
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    try:
        server = PostgresServer(folder)
        server.start()
        try:
            yield server
        finally:
            with contextlib.suppress(AssertionError):  # the test may have stopped it
                server.stop(mode="immediate")
    finally:
        shutil.rmtree(folder)


def _as_another() -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    user = pwd.getpwnam(_NOBODY)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": ()}
