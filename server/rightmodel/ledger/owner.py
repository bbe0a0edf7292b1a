"""Identifies processes, and tells whether one still runs: for reservations that a crash leaves.

A process id alone may be reused, and means nothing on another machine or in another container. So
it goes with the start time of the process, and counts only under the same boot of the same kernel
and in the same PID namespace. Where that cannot be read, the answer is "unknown", and reservations
expire.
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
    """`machine`: boot and PID namespace, else the host. `started`: ticks since boot, or ""."""

    machine: str
    pid: int
    started: str


def this_process() -> Owner:
    """The owner of what this process reserves."""
    pid = os.getpid()
    return Owner(_machine(), pid, _started(pid) or "")


def alive(owner: Owner) -> bool | None:
    """Whether the process still runs; `None`: unknown."""
    if owner.machine != _machine() or sys.platform == "win32":
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
def _machine() -> str:
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
