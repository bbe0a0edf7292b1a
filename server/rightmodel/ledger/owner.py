"""Which process this is, and whether another one still lives: for what a crash leaves reserved.

A process id alone may be given out again, and means nothing on another machine or in another
container. So it goes with the time it was started, and counts only under the same boot of the same
kernel and in the same PID namespace. Where that cannot be read, nobody is declared dead by guess:
the answer is "unknown", and what is reserved expires.
"""

from __future__ import annotations

import os
import platform
import sys
import uuid
from functools import cache
from pathlib import Path
from typing import NamedTuple


class Owner(NamedTuple):
    """`place`: boot and PID namespace, else the host. `started`: clock ticks since boot, or ""."""

    place: str
    pid: int
    started: str


def this_process() -> Owner:
    """The owner of what this process reserves."""
    pid = os.getpid()
    return Owner(_place(), pid, _started(pid) or "")


def alive(owner: Owner) -> bool | None:
    """Whether the process still runs; `None` where nobody can tell."""
    if owner.place != _place() or sys.platform == "win32":
        return None  # on Windows, os.kill would end what it asks about
    try:
        os.kill(owner.pid, 0)
    except ProcessLookupError:
        return False
    except OverflowError:
        return None
    except PermissionError:
        pass
    started = _started(owner.pid)
    if not started or not owner.started:
        return None
    return started == owner.started


@cache
def _place() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return f"{platform.node()} {uuid.getnode():x}"  # two machines may have one name


def _started(pid: int) -> str | None:
    """The 22nd field of `/proc/PID/stat`; a zombie has ended though its number is still taken."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    fields = stat[stat.rindex(b")") + 2 :].split()
    return "ended" if fields[0] in {b"Z", b"X"} else fields[19].decode("ascii")
