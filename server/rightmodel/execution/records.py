"""What an engine writes to: the ledger, or one that keeps nothing; and calls read back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TypeAlias, TypeVar, cast

from rightmodel.core.call import Answer, Receipt
from rightmodel.core.decision import Assessment, Decision, Requirements, Source
from rightmodel.core.errors import LedgerError
from rightmodel.core.task import Message, Task
from rightmodel.ledger.budget import Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rightmodel.ledger.ledger import Ledger
    from rightmodel.ledger.records import (
        AttemptRecord,
        CallRecord,
        Cooldown,
        Hold,
        HoldRequest,
        OutcomeRecord,
        Row,
        Texts,
    )
    from rightmodel.ledger.store import Store

_T = TypeVar("_T")


Records: TypeAlias = "Ledger | Unrecorded"
"""What an engine writes to and reads from."""


class _EmptyStore:
    """What an engine reads from a ledger without rows."""

    def outcomes(self, after: int = 0) -> list[OutcomeRecord]:  # noqa: ARG002
        return []

    def recent_attempts(self, limit: int) -> list[AttemptRecord]:  # noqa: ARG002
        return []

    def cooldowns(self, now: float) -> list[Cooldown]:  # noqa: ARG002
        return []

    def find_call(self, ref: str) -> None:  # noqa: ARG002
        return None

    def find_session(self, key: str) -> None:  # noqa: ARG002
        return None

    def turns_by_kind(self, since: str) -> list[tuple[str, str, int]]:  # noqa: ARG002
        return []


class Unrecorded:
    """Records of calls that are not paid for, such as a rehearsal's: nothing is kept."""

    limits = Limits()
    outage: LedgerError | None = None

    async def reserve(self, request: HoldRequest) -> None:
        """Nothing is reserved."""

    def settle(self, hold: Hold | None, *rows: Row) -> tuple[str, ...]:  # noqa: ARG002
        """Nothing is kept."""
        return ()

    async def record(self, *rows: Row) -> None:
        """Nothing is kept."""

    def note(self, *rows: Row) -> None:
        """Nothing is kept."""

    async def read(self, question: Callable[[Store], _T]) -> _T:
        """Answered from an empty store."""
        return question(cast("Store", _EmptyStore()))

    async def find_call(self, ref: str) -> None:
        """There is none."""

    async def close(self) -> None:
        """There is nothing to close."""


def kept_turns(task: Task) -> str:
    """System prompt and former messages as the ledger stores them; of files the paths alone."""
    history = [[message.role, message.text] for message in task.history]
    paths = [file.path for file in task.content.files]
    return json.dumps([["system", task.system, paths], *history], ensure_ascii=False)


async def recall(ledger: Records, ref: str) -> tuple[Task, Answer] | None:
    """The task and answer of a former server's call; `None` where they were not stored."""

    def find(store: Store) -> tuple[CallRecord, Texts] | None:
        call = store.find_call(ref)
        texts = store.find_texts(call.id) if call and call.model else None
        return (call, texts) if call and texts else None

    try:
        found = await ledger.read(find)
    except LedgerError:
        return None
    if found is None:
        return None
    call, texts = found
    (_, system, *paths), *messages = json.loads(texts.history)
    history = tuple(Message.of(role, text) for role, text in messages)
    task = Task(
        texts.prompt,
        skill=call.skills[0][0],
        system=system,
        history=history,
        client=call.client or "mcp",
    )
    return task, Answer(texts.answer, _receipt(call, paths[0] if paths else ()))


def _receipt(call: CallRecord, files: Sequence[str]) -> Receipt:
    """What the ledger has of the receipt; attempts are in `rightmodel usage`."""
    source: Source = call.source  # type: ignore[assignment]  # written by `call_record`
    assessment = Assessment(call.skills, call.difficulty, source, call.confidence)
    decision = Decision(
        (), (), assessment, Requirements(0, 0), call.tier, 0.0, call.reason, call.rule, call.judge
    )
    return Receipt(
        model=call.model,
        decision=decision,
        attempts=(),
        time_s=call.time_s,
        cost_usd=call.cost_usd,
        baseline_usd=call.baseline_usd,
        saved_usd=call.saved_usd,
        files=tuple(files),
        ref=call.ref,
        flags=("recalled",),
    )
