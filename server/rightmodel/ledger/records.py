"""The ledger's records, as named tuples: some are made for every call.

Money in USD as `Decimal`, times in seconds since 1970, days in UTC. `None` is unknown, never zero.
No record but `Texts` holds text of a prompt, an answer or an upstream's message (an error may echo
the prompt); `Texts` are written only where the manifest's `store_text` allows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from decimal import Decimal

    from rightmodel.core.decision import Candidate, Rejection


Role = Literal["answer", "judge"]
OutcomeKind = Literal["reported", "check", "reset"]
CostKind = Literal["billed", "computed", "bounded", "estimated", "corrected", "unknown"]
"""Where a cost comes from: the upstream; usage × price; the worst case instead of an impossible
figure; the reservation of a process that died; a user's correction of such an estimate."""


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
    """An attempt that is about to begin. `worst_usd`: its worst case, `None`: no price, no budget.

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
