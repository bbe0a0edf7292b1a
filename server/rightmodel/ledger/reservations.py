"""Writing records: money is reserved, settled, and charged where its process died.

Limits are read and a reservation is written in one transaction, so that two processes never reserve
the same money. The reservation of a dead process becomes the estimated cost of its attempt: the
provider may have billed it. Everything here runs inside a transaction of the store.
"""

from __future__ import annotations

import os
import platform
import sys
import uuid
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rightmodel.core.errors import BudgetError
from rightmodel.ledger.budget import Limits, LimitState, check, correction, estimate
from rightmodel.ledger.call_rows import hold_of, new_id
from rightmodel.ledger.records import (
    AttemptRecord,
    Hold,
    Origin,
    Owner,
    Restored,
    SessionsEnded,
    Settled,
)

if TYPE_CHECKING:
    from rightmodel.ledger.records import HoldRequest, Row
    from rightmodel.ledger.store import Store

_UNWRITABLE: Final[dict[str, Any]] = {
    "served": "", "input": None, "cached": None, "cache_writes": None, "output": None,
    "reasoning": None, "cost_usd": None, "cost_kind": "unknown",
}  # fmt: skip


def this_process() -> Owner:
    """The owner of what this process reserves."""
    pid = os.getpid()
    return Owner(_machine(), pid, _started(pid) or "")


def this_origin(environment: Mapping[str, str]) -> Origin:
    """Host and user of this process."""
    names = (environment.get(name) for name in ("LOGNAME", "USER", "USERNAME"))
    user = next(filter(None, names), "")
    if not user:
        with suppress(ImportError, OSError, KeyError):  # no such user, or no such platform
            import pwd  # noqa: PLC0415 - POSIX only

            user = pwd.getpwuid(os.getuid()).pw_name
    return Origin(host=platform.node(), user_name=user)


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


def reserve(
    store: Store,
    limits: Limits,
    request: HoldRequest,
    *,
    now: float,
    owner: Owner,
    id: int = 0,  # noqa: A002 - the field's name
) -> tuple[Hold, list[LimitState]]:
    """Reserve the worst case. Returns the reservation and the limits as they were before it.

    `id`: the reservation's, 0 for a new one. Raises `BudgetError`, having written nothing.
    """
    try:
        found = check(request, limits, store.charged, store.reserved(), now=now)
    except BudgetError:
        if not charge_interrupted(store, now=now):
            raise
        # What a dead process holds is not released within seconds, as the error says.
        found = check(request, limits, store.charged, store.reserved(), now=now)
    usd = request.worst_usd or Decimal(0)
    hold = hold_of(request, usd, id=id or new_id(), now=now, owner=owner)
    store.add(hold)
    return hold, found


def is_dead(hold: Hold, *, now: float) -> bool:
    """Whether its process ended without settling it. Where that is unknown: once it expired."""
    owner = Owner(hold.owner, hold.pid, hold.started)
    lives = True if owner == this_process() else alive(owner)
    return lives is False or (lives is None and hold.expires < now)


def charge_interrupted(store: Store, *, now: float) -> int:
    """Charge what dead processes had reserved, as estimates. Returns how many there were."""
    dead = [hold for hold in store.holds() if is_dead(hold, now=now)]
    for hold in dead:
        store.add(estimate(hold, at=now))
        store.drop_hold(hold.id)
    return len(dead)


def write(store: Store, rows: Iterable[Row]) -> None:
    """Write rows. An attempt whose reservation was charged meanwhile corrects that estimate."""
    charged = False
    for row in rows:
        if isinstance(row, Settled):
            charged = not store.drop_hold(row.id) or charged
        elif charged and isinstance(row, AttemptRecord):
            estimated = store.find_attempt(row.call, row.number)
            known = estimated is not None and estimated.cost_kind == "estimated"
            store.add(correction(estimated, row) if known and estimated else row)
        elif isinstance(row, Restored):
            store.drop_cooldown(row.key)
        elif isinstance(row, SessionsEnded):
            store.drop_sessions(row.before)
        else:
            store.add(row)


def reduced(rows: Sequence[Row]) -> Sequence[Row]:
    """What to write where a row holds values that no database accepts: who was charged, and what.

    Empty where no money is involved.
    """
    over = [row for row in rows if isinstance(row, Settled)]
    usd = over[0].usd if over else None
    attempts = [row for row in rows if isinstance(row, AttemptRecord)]
    return [*over, *(row._replace(**_UNWRITABLE, charged_usd=usd) for row in attempts)]
