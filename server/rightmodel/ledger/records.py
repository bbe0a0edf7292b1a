"""The ledger's records, as named tuples: some are made for every call.

Money in USD as `Decimal`, times in seconds since 1970, days in UTC. `None` is unknown, never zero.
No record but `Texts` holds text of a prompt, an answer or an upstream's message (an error may echo
the prompt); `Texts` are written only where the manifest's `store_text` allows.
"""

from __future__ import annotations

import os
import secrets
import time
from datetime import UTC, datetime
from functools import lru_cache
from itertools import count
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from decimal import Decimal

    from rightmodel.core.decision import Candidate, Rejection


Role = Literal["answer", "judge"]
OutcomeKind = Literal["reported", "check", "reset"]
CostKind = Literal["billed", "computed", "bounded", "estimated", "corrected", "unknown"]
"""Where a cost comes from: the upstream; usage × price; the worst case instead of an impossible
figure; the reservation of a process that died; a user's correction of such an estimate."""

_FIRST_DAY: Final = 0.0
_LAST_DAY: Final = 253_370_764_799.0  # of the year 9998
_ID_BITS: Final = 62
_ALPHABET: Final = "abcdefghjkmnpqrstuvwxyz23456789"
_REF_LENGTH: Final = 8


class Origin(NamedTuple):
    """Who made a call, and what it was for. All of it is "" in rows of older versions.

    `client`: "mcp", "cli", "check", "http" or a client's name in the manifest. `session`: key of
    the agent's session, a hash. `kind`: of an agent's own turn, "subtask" for a delegated one.
    `host`, `user_name`: of the process that served it.
    """

    client: str = ""
    session: str = ""
    kind: str = ""
    host: str = ""
    user_name: str = ""


UNKNOWN: Final = Origin()


class AttemptRecord(NamedTuple):
    """One attempt at one endpoint. `call`: the call's id; `number`: from 1 within it, 0: a judge's.

    `at`: when it ended. `day`: whose budgets it counts in (UTC). `skill`: the task's heaviest.
    Tokens are `None` where the upstream reported none; `cached`, `cache_writes` ⊆ `input`,
    `reasoning` ⊆ `output`. `charged_usd`: what budgets count: the cost, or the whole reservation
    where the cost is unknown; set by the ledger. `expected_output`: tokens that the assessment
    expected, for learning how verbose a model is. The last fields are its `Origin`. Rows are never
    changed: a correction (`cost_kind` "corrected") is a row of its own whose `number` is negative
    and whose amounts are the difference, see `budget.correction`.
    """

    call: int
    number: int
    at: float
    day: str
    role: Role
    provider: str
    model: str
    name: str
    skill: str
    served: str = ""
    fault: str = ""
    status: int = 0
    input: int | None = None
    cached: int | None = None
    cache_writes: int | None = None
    output: int | None = None
    reasoning: int | None = None
    cost_usd: Decimal | None = None
    cost_kind: CostKind = "unknown"
    charged_usd: Decimal | None = None
    time_s: float = 0.0
    first_token_s: float | None = None
    expected_output: int | None = None
    client: str = ""
    session: str = ""
    kind: str = ""
    host: str = ""
    user_name: str = ""


class CallRecord(NamedTuple):
    """One call, written when it ends. `outcome`: "answered", an error's code or "cancelled".

    `task`: keyed by `task_hash`. `skills`, `difficulty`, `source`, `confidence`: the assessment.
    `model`: which answered, "" for none. `cost_usd`: every attempt and the judge together.
    `saved_usd`: net, may be negative; `None` where no baseline is set. `flags`: the receipt's, a
    line each. The last fields are its `Origin`.
    """

    id: int
    ref: str
    at: float
    day: str
    task: str
    skills: tuple[tuple[str, float], ...]
    difficulty: float
    source: str
    confidence: float
    tier: str
    rule: str
    reason: str
    model: str
    outcome: str
    judge: str = ""
    cost_usd: Decimal | None = None
    baseline: str = ""
    baseline_usd: Decimal | None = None
    saved_usd: Decimal | None = None
    time_s: float = 0.0
    flags: str = ""
    client: str = ""
    session: str = ""
    kind: str = ""
    host: str = ""
    user_name: str = ""


class Texts(NamedTuple):
    """Prompt and answer; only where the manifest's `store_text` allows.

    `history`: the conversation before it, a JSON list of [role, text].
    """

    call: int
    prompt: str
    answer: str
    history: str = "[]"


class Choice(NamedTuple):
    """Which models a call could choose from: what its decision weighed.

    `loss`: what a wrong answer costs, USD. `candidates`: in order. Read back, their figures have
    four digits and more.
    """

    call: int
    loss: float
    candidates: Sequence[Candidate]
    rejections: Sequence[Rejection]


class OutcomeRecord(NamedTuple):
    """How a model did on a task.

    One for each call, kind and model: a later report replaces the former.

    `id`: given by the store, rising. `good`: 0–1. `kind`: "reported" by a caller, result of an
    automatic "check", or "reset": earlier outcomes no longer count, for `model` ("" for all) and
    the skills named (none for all). `note`: "" unless the manifest's `store_text` allows it.
    """

    call: int
    at: float
    model: str
    skills: tuple[tuple[str, float], ...]
    difficulty: float
    good: float
    kind: OutcomeKind = "reported"
    task: str = ""
    note: str = ""
    id: int = 0


class Owner(NamedTuple):
    """A process, for reservations that a crash leaves behind.

    A process id alone may be reused, and means nothing on another machine or in another container:
    it counts only with the start time of the process, under the same boot of the same kernel and in
    the same PID namespace. Where that cannot be read, reservations expire. `machine`: boot and PID
    namespace, else the host. `started`: ticks since boot, or "".
    """

    machine: str
    pid: int
    started: str


class Hold(NamedTuple):
    """Money reserved for a running attempt: `call` and `number` are the attempt's.

    `owner`, `pid`, `started`: the process that holds it (see `Owner`). `expires`: from when on
    that process counts as dead if its state is unknown. The last fields are its `Origin`. 0 and ""
    in rows of older versions.
    """

    id: int
    owner: str
    pid: int
    started: str
    expires: float
    day: str
    model: str
    skill: str
    usd: Decimal
    call: int = 0
    number: int = 0
    provider: str = ""
    name: str = ""
    client: str = ""
    session: str = ""
    kind: str = ""
    host: str = ""
    user_name: str = ""


class Settled(NamedTuple):
    """The reservation with that id is over. `usd`: what was reserved."""

    id: int
    usd: Decimal


class Cooldown(NamedTuple):
    """An API key that does not work, for every server that uses it.

    `key`: its hash. `until`: when it may be tried again. `fault`: the fault's code.
    """

    key: str
    until: float
    fault: str


class Restored(NamedTuple):
    """The API key with that hash works again."""

    key: str


class Session(NamedTuple):
    """What routing knows of an agent's session, for every server that may get its next turn.

    `key`: a hash. `at`: of its last turn. `state`: a `SessionView` as JSON.
    """

    key: str
    at: float
    state: str


class SessionsEnded(NamedTuple):
    """Sessions whose last turn was before that time are over."""

    before: float


Row = (
    AttemptRecord
    | CallRecord
    | Choice
    | OutcomeRecord
    | Texts
    | Hold
    | Settled
    | Cooldown
    | Restored
    | Session
    | SessionsEnded
)
"""Whatever is written to the ledger."""


class HoldRequest(NamedTuple):
    """An attempt that is about to begin. `worst_usd`: its worst case, `None`: no known price.

    `expected_usd`: what is reserved where no budget limits anything. `others`: gives further
    candidates (model, worst case), to name those that would fit. `fits`: USD → how many output
    tokens they cover, at worst. `lasts_s`: how long the attempt can run. `call`, `number`,
    `provider`, `name`: as in its `AttemptRecord`.
    """

    model: str
    skill: str
    worst_usd: Decimal | None
    others: Callable[[], Iterable[tuple[str, Decimal | None]]] = tuple
    fits: Callable[[Decimal], int] | None = None
    lasts_s: float = 900.0
    expected_usd: Decimal | None = None
    call: int = 0
    number: int = 0
    provider: str = ""
    name: str = ""
    origin: Origin = UNKNOWN

    def hold(self, usd: Decimal, *, id: int, now: float, owner: Owner) -> Hold:  # noqa: A002 - the field's name
        """The reservation of that amount."""
        return Hold(
            id,
            *owner,
            now + self.lasts_s,
            day_of(now),
            self.model,
            self.skill,
            usd,
            self.call,
            self.number,
            self.provider,
            self.name,
            *self.origin,
        )


def settled(row: AttemptRecord, hold: Hold | None) -> AttemptRecord:
    """The row as budgets count it: in the period of the reservation, at its cost or the worst."""
    charged = row.cost_usd if row.cost_usd is not None or hold is None else hold.usd
    day = hold.day if hold else row.day
    if row.day == day and row.charged_usd == charged:
        return row
    return row._replace(day=day, charged_usd=charged)


def new_id() -> int:
    """A new id, 62 bits, unique among all processes.

    Ids of one process are consecutive, which indexes like, and start at random. No clock is used: a
    clock that stops or jumps must not produce equal ids.
    """
    if _Ids.pid != os.getpid():  # a forked process needs a start of its own
        _Ids.pid, _Ids.numbers = os.getpid(), count(secrets.randbits(_ID_BITS))
    return next(_Ids.numbers) & ((1 << _ID_BITS) - 1)


class _Ids:
    pid = 0
    numbers = count()


def new_ref() -> str:
    """A ref for a call: short, hard to guess, and easy to read out."""
    number, letters = secrets.randbelow(len(_ALPHABET) ** _REF_LENGTH), ""
    for _ in range(_REF_LENGTH):
        number, letter = divmod(number, len(_ALPHABET))
        letters += _ALPHABET[letter]
    return letters


def day_of(at: float) -> str:
    """The UTC day of a time, "2026-11-20"; the nearest there is for one outside all calendars."""
    return _day(int(min(max(at, _FIRST_DAY), _LAST_DAY)) // 86_400)


@lru_cache(16)
def _day(number: int) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(number * 86_400))


def seconds_left(now: float, period: str) -> float:
    """Until the UTC day or month ends."""
    at = min(max(now, _FIRST_DAY), _LAST_DAY)
    day = int(at) // 86_400
    end = (day + 1) * 86_400.0 if period == "day" else _month_end(day)
    return max(0.0, end - now)


@lru_cache(16)
def _month_end(day: int) -> float:
    """`day`: since 1970."""
    at = datetime.fromtimestamp(day * 86_400, UTC)
    over = at.month == 12  # noqa: PLR2004 - December
    return datetime(at.year + over, 1 if over else at.month + 1, 1, tzinfo=UTC).timestamp()
