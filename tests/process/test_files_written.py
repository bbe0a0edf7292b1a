"""Nothing is written outside the state directory: checked by audit events and in the folders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from process.server_process import WRAPPER, Folders, manifest, texts
from rightmodel.simulator import Behaviour, SimulatedProvider, fault

if TYPE_CHECKING:
    from pathlib import Path

WATCH = """
import os, sys
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC
CHANGES = {"os.mkdir", "os.rename", "os.link", "os.symlink", "os.remove", "os.rmdir", "os.truncate",
           "os.utime", "os.chmod", "sqlite3.connect", "tempfile.mkstemp", "tempfile.mkdtemp",
           "shutil.copyfile", "shutil.move"}

def watch(event, arguments):
    if event == "open":
        path, mode, flags = arguments
        touched = isinstance(path, (str, bytes)) and flags & WRITES
        touched = touched or (isinstance(path, (str, bytes)) and set(mode or "") & set("wax+"))
    else:
        touched = event in CHANGES
    if touched:
        named = isinstance(arguments[0], (str, bytes, os.PathLike))
        where = os.fsdecode(arguments[0]) if named else "?"
        os.write(2, f"WROTE {event} {os.path.abspath(where)}\\n".encode())

sys.addaudithook(watch)
"""


def file_states(root: Path) -> dict[str, tuple[int, int]]:
    """Everything below that is not in the state directory: size and time of change."""
    state = root / "state"
    found = [p for p in root.rglob("*") if p != state and state not in p.parents]
    return {str(p): (p.stat().st_size, p.stat().st_mtime_ns) for p in found}


async def test_nothing_is_written_outside_the_state_directory(tmp_path: Path) -> None:
    async with SimulatedProvider("openai-chat", models={"m": Behaviour()}) as upstream:
        folders = Folders(tmp_path, WATCH + WRAPPER)
        folders.write(manifest(upstream))
        before = file_states(tmp_path)
        async with folders.server() as server:
            upstream.script("m", [fault.status(500)])
            for n in range(3):
                assert texts(await server.call(prompt=f"call {n}"))
            assert texts(await server.call("choose_model", task="a task"))
            await server.call(prompt="x", model="none of these")
        assert file_states(tmp_path) == before
        lines = server.errors.decode().splitlines()
        wrote = [line.split(" ", 2)[2] for line in lines if line.startswith("WROTE ")]
        state = str(tmp_path / "state")
        # Whoever measures coverage writes a file of its own.
        wrote = [p for p in wrote if ".coverage" not in p]
        assert [p for p in wrote if not p.startswith((state, "/dev/null"))] == []
