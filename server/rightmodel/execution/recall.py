"""Finished calls that are no longer in memory, read from the ledger if it stores their text."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from rightmodel.core.call import Answer, Receipt
from rightmodel.core.decision import Assessment, Decision, Requirements
from rightmodel.core.errors import LedgerError
from rightmodel.core.task import Task, Turn

if TYPE_CHECKING:
    from rightmodel.core.decision import Source
    from rightmodel.execution.records import Records
    from rightmodel.ledger.records import CallRecord, Texts
    from rightmodel.ledger.store import Store


def kept_turns(task: Task) -> str:
    """System prompt and former turns as the ledger stores them; files are not stored."""
    turns = [[turn.role, turn.text] for turn in task.history]
    return json.dumps([["system", task.system], *turns], ensure_ascii=False)


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
    (_, system), *turns = json.loads(texts.history)
    history = tuple(Turn(role, text) for role, text in turns)
    task = Task(texts.prompt, skill=call.skills[0][0], system=system, history=history)
    return task, Answer(texts.answer, _receipt(call))


def _receipt(call: CallRecord) -> Receipt:
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
        ref=call.ref,
        flags=("recalled",),
    )
