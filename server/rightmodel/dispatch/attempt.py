"""One attempt: what is sent, how long silence may last, and what is put on record of it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from rightmodel.domain import EFFORTS, Attempt, Usage
from rightmodel.providers.base import ModelRequest

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from rightmodel.dispatch.plan import Step
    from rightmodel.domain import Completion, Decision, Task
    from rightmodel.manifest.catalog import Model

STALL_S: Final = 30.0
"""Silence in the middle of an answer that counts as a fault."""
CHARS_PER_TOKEN: Final = 4


@dataclass(slots=True)
class Watch:
    """Moves the attempt's time limit on while something is heard."""

    scope: asyncio.Timeout
    now: Callable[[], float]
    end: float
    began: float
    chars: int = 0
    first_s: float | None = None
    moved: float = 0.0

    def heard(self, chars: int) -> None:
        """More of the answer came."""
        self.chars += chars
        now = self.now()
        if self.first_s is None:
            self.first_s = now - self.began
        if now - self.moved > 1.0:  # moving a timer on every chunk would cost more than the chunk
            self.moved = now
            self.scope.reschedule(min(self.end, now + STALL_S))


def request_of(task: Task, decision: Decision, step: Step, key: str) -> ModelRequest:
    """What is sent to the step's endpoint."""
    return ModelRequest(
        provider=step.endpoint.provider,
        name=step.endpoint.name,
        turns=task.turns,
        key=key,
        system=task.system,
        schema=task.schema,
        native_schema="json_schema" in step.model.features,
        effort=accepted_effort(step.model, task.effort),
        max_output_tokens=step.allowance,
        expect_input_tokens=decision.requirements.input_tokens,
    )


def accepted_effort(model: Model, effort: str) -> str:
    """The effort to send: the level asked for, the nearest that the model takes, or none at all."""
    if not effort or not model.effort:
        return ""
    if effort in model.effort:
        return effort
    wanted = EFFORTS.index(effort)
    return min(model.effort, key=lambda level: abs(EFFORTS.index(level) - wanted))


def completed(
    step: Step, completion: Completion, *, at: float, start_s: float, time_s: float
) -> Attempt:
    """The record of an attempt that brought a completion. `at`: its end, seconds since 1970."""
    cost = completion.cost_usd
    if cost is None and completion.usage is not None:
        cost = step.model.price.cost(completion.usage, at)
    return Attempt(
        model=step.model.id,
        provider=step.endpoint.provider.name,
        name=step.endpoint.name,
        start_s=start_s,
        time_s=time_s,
        first_token_s=completion.first_token_s,
        usage=completion.usage,
        cost_usd=cost,
        billed=completion.cost_usd is not None,
        served=completion.served,
    )


def broken_off(
    step: Step, decision: Decision, watch: Watch | None, *, at: float, start_s: float, time_s: float
) -> Attempt:
    """The record of an attempt that brought none. `at`: its end, seconds since 1970.

    It is reckoned to have cost nothing before the first token; after it the prompt and as much of
    an answer as was heard.
    """
    cost: Decimal | None = Decimal(0)
    if watch is not None and watch.first_s is not None:
        heard = Usage(decision.requirements.input_tokens, watch.chars // CHARS_PER_TOKEN)
        cost = step.model.price.cost(heard, at)
    return Attempt(
        model=step.model.id,
        provider=step.endpoint.provider.name,
        name=step.endpoint.name,
        start_s=start_s,
        time_s=time_s,
        first_token_s=watch.first_s if watch else None,
        cost_usd=cost,
    )
