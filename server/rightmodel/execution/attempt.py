"""One attempt: its request, how long silence may last, and its record."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from rightmodel.core.call import Attempt, Usage
from rightmodel.core.fault import Fault
from rightmodel.core.task import EFFORTS
from rightmodel.execution.plausibility import Worst, plausible
from rightmodel.routing.tokens import billable_tokens
from rightmodel.wire.request import ModelRequest

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from rightmodel.core.call import Completion
    from rightmodel.core.decision import Decision
    from rightmodel.core.errors import ProviderError
    from rightmodel.core.task import Task
    from rightmodel.execution.call_state import Step
    from rightmodel.execution.plausibility import Reported
    from rightmodel.manifest.catalog import Endpoint, Model

CHARS_PER_TOKEN: Final = 4
GIVEN_UP: Final = frozenset({Fault.TIMEOUT, Fault.BUSY})
"""Faults of requests that the upstream may be working on still, and bill for."""


@dataclass(slots=True)
class Watch:
    """Extends the attempt's time limit while its answer arrives.

    `until(now, gap)`: when silence from now on ends the attempt, after a longest gap of so many
    seconds between two parts of the answer. `on_text`: receives the answer text.
    """

    scope: asyncio.Timeout
    now: Callable[[], float]
    began: float
    until: Callable[[float, float], float]
    on_text: Callable[[str], object] | None = None
    chars: int = 0
    first_s: float | None = None
    last: float = 0.0
    gap: float = 0.0
    moved: float = float("-inf")
    is_sent: bool = False

    def sent(self) -> None:
        """The request is out."""
        self.is_sent = True

    def received(self, chars: int, text: str = "") -> None:
        """So many characters of answer or reasoning came; `text`: of the answer."""
        self.chars += chars
        now = self.now()
        if self.first_s is None:
            self.first_s = now - self.began
        else:
            self.gap = max(self.gap, now - self.last)
        self.last = now
        if text and self.on_text is not None:
            self.on_text(text)
        if now - self.moved > 1.0:  # moving a timer on every chunk would cost more than the chunk
            self.moved = now
            self.scope.reschedule(self.until(now, self.gap))


def request_of(
    task: Task, decision: Decision, step: Step, key: str, *, uncapped: bool
) -> ModelRequest:
    """What is sent to the step's endpoint. `uncapped`: as in `ModelRequest`."""
    return ModelRequest(
        provider=step.endpoint.provider,
        name=step.endpoint.name,
        **task.content._asdict(),
        key=key,
        native_schema="json_schema" in step.model.features,
        effort=accepted_effort(step.model, task.effort),
        max_output_tokens=step.allowance,
        uncapped=uncapped,
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


@dataclass(frozen=True, slots=True)
class Try:
    """An attempt under way, and its record.

    `input_tokens`: of the prompt, estimated. `output_tokens`: most for the answer, 0 is unknown.
    `start_s`: seconds since its call began. Of the record: `at`, its end, seconds since 1970;
    `time_s`, how long it took.
    """

    model: Model
    endpoint: Endpoint
    input_tokens: int
    start_s: float = 0.0
    output_tokens: int = 0

    def completed(self, completion: Completion, *, at: float, time_s: float) -> Attempt:
        """The record of an attempt with a completion."""
        chars = len(completion.text) + completion.reasoning_chars
        found = self._plausible(completion.usage, completion.cost_usd, chars, at)
        return Attempt(
            model=self.model.id,
            provider=self.endpoint.provider.name,
            name=self.endpoint.name,
            start_s=self.start_s,
            time_s=time_s,
            first_token_s=completion.first_token_s,
            usage=found.usage,
            cost_usd=found.cost_usd,
            billed=found.billed,
            bounded=found.bounded,
            served=completion.served,
        )

    def broken_off(
        self, watch: Watch | None, error: ProviderError | None, *, at: float, time_s: float
    ) -> Attempt:
        """The record of an attempt without one. `error`: `None` where the caller cancelled it.

        Its cost is what the upstream bills, else computed from the usage that it reports or from
        what was received.
        """
        used = self._used(watch, error)
        reported = error.cost_usd if error else None
        found = self._plausible(used, reported, watch.chars if watch else 0, at)
        return Attempt(
            model=self.model.id,
            provider=self.endpoint.provider.name,
            name=self.endpoint.name,
            start_s=self.start_s,
            time_s=time_s,
            first_token_s=watch.first_s if watch else None,
            usage=found.usage if error and error.usage else None,
            cost_usd=Decimal(0) if used is None and reported is None else found.cost_usd,
            billed=found.billed,
            bounded=found.bounded,
        )

    def _plausible(
        self, usage: Usage | None, cost_usd: Decimal | None, chars: int, at: float
    ) -> Reported:
        """`chars`: of the answer and its reasoning, never fewer than their tokens."""
        output = max(self.output_tokens, chars) if self.output_tokens else 0
        worst = Worst(billable_tokens(self.input_tokens), output)
        return plausible(usage, cost_usd, worst=worst, price=self.model.price, at=at)

    def _used(self, watch: Watch | None, error: ProviderError | None) -> Usage | None:
        """The usage of an attempt without a completion, `None` for nothing.

        Before the first token that is the prompt where the request was sent and we gave up on it,
        and nothing where the upstream refused it or was not reached.
        """
        received = watch.chars // CHARS_PER_TOKEN if watch else 0
        if error is not None and error.usage is not None:
            return replace(error.usage, output=max(error.usage.output, received))
        gave_up = error is None or (error.fault in GIVEN_UP and not error.status)
        if watch is None or (watch.first_s is None and not (watch.is_sent and gave_up)):
            return None
        return Usage(self.input_tokens, received)
