"""What comes of an attempt: the response on its way in, the record, the check of the answer.

What an upstream reports is bounded: one absurd figure must not use up a budget. What may be true is
believed: fees per request, hidden prompts of the upstream, estimates that were off. What cannot be
is replaced by the worst case that the call was reserved for.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from rightmodel.core.call import Attempt, Completion, Usage
from rightmodel.core.errors import ProviderError
from rightmodel.core.fault import Fault, Scope
from rightmodel.core.format import cut, one_line
from rightmodel.core.task import Task, Text, ToolCall
from rightmodel.wire.fields import is_json, is_no_object

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rightmodel.execution.relay import Relay, ResponseStart
    from rightmodel.execution.schema_checker import SchemaChecker
    from rightmodel.manifest.catalog import Endpoint, Model
    from rightmodel.manifest.price import Price
    from rightmodel.wire.response import StreamEvent

INPUT_FACTOR: Final = 4
INPUT_EXTRA: Final = 10_000
"""Prompt tokens believed: the estimate is off by some factor, and gateways add prompts."""
OUTPUT_FACTOR: Final = 2
OUTPUT_EXTRA: Final = 1_000
COST_FACTOR: Final = 10
COST_EXTRA_USD: Final = Decimal("0.5")
"""Cost believed beyond the worst case: some providers charge a fee for each request."""
DEAREST_INPUT_USD: Final = Decimal("0.0002")
DEAREST_OUTPUT_USD: Final = Decimal("0.001")
"""USD per token assumed where the price is unknown: above any list price."""
LONGEST_ERROR: Final = 10_000
"""Characters of a gateway's error object; an answer that is longer is none."""
CHARS_PER_TOKEN: Final = 4
MOVED_S: Final = 1.0
"""How often it is computed anew, while an answer arrives, when silence ends it."""
STOPPED_S: Final = 1.0
"""A timer that rings so late: the process was stopped, or starved; the upstream was not silent."""
GIVEN_UP: Final = frozenset({Fault.TIMEOUT, Fault.BUSY})
"""Faults of requests that the upstream may be working on still, and bill for."""


class Watch:
    """Follows one request, and ends it after too long a silence: a context manager around it.

    It raises `TimeoutError` then. No timer is moved while an answer arrives: one that rings checks
    whether it still should.

    `now`: the event loop's clock. `limit`: when silence before the first token ends the request.
    `until(now, gap)`: when silence from now on ends it, after a longest gap of so many seconds
    between two parts of the answer; default the limit. `on_text`: receives the answer's text.
    `client`: receives the response while it arrives, which `start` describes.

    Of the request: `began`; `is_sent`; `chars` received, of answer and reasoning; `first_s` seconds
    to the first.
    """

    __slots__ = (
        "_cancelling", "_client", "_due", "_gap", "_is_late", "_is_relaying", "_last", "_moved",
        "_now", "_on_text", "_start", "_task", "_timer", "_until", "began", "chars", "first_s",
        "is_sent", "relays", "shows_text",
    )  # fmt: skip

    def __init__(
        self,
        now: Callable[[], float],
        limit: float,
        until: Callable[[float, float], float] | None = None,
        *,
        on_text: Callable[[str], object] | None = None,
        client: Relay | None = None,
        start: ResponseStart | None = None,
    ) -> None:
        self._now = now
        self._due = limit
        self._until = until
        self._on_text = on_text
        self._client = client
        self._start = start
        self._gap = 0.0
        self._moved = float("-inf")
        self._is_late = False
        self._is_relaying = False
        self.began = self._last = now()
        self.is_sent = False
        self.chars = 0
        self.first_s: float | None = None
        self.shows_text = on_text is not None
        self.relays = client is not None

    def __enter__(self) -> Self:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a request is awaited
        self._task, self._cancelling = task, task.cancelling()
        self._timer = asyncio.get_running_loop().call_at(self._due, self._ring)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, _: object) -> None:
        self._timer.cancel()
        if (
            self._is_late
            and self._task.uncancel() <= self._cancelling
            and kind is asyncio.CancelledError
        ):
            raise TimeoutError

    def _ring(self) -> None:
        loop = asyncio.get_running_loop()
        if self._is_relaying:  # the client keeps the upstream waiting
            self._timer = loop.call_later(MOVED_S, self._ring)
        elif (late_s := loop.time() - self._due) < 0:
            self._timer = loop.call_at(self._due, self._ring)
        elif late_s > STOPPED_S:  # what came while this process was stopped is read first
            self._timer = loop.call_later(STOPPED_S, self._ring)
            self._due = self._timer.when()
        else:
            self._is_late = True
            self._task.cancel()

    def received(self, chars: int, text: str = "") -> None:
        """So many characters of answer or reasoning came; `text`: of the answer."""
        self.chars += chars
        now = self._now()
        if self.first_s is None:
            self.first_s = now - self.began
        else:
            self._gap = max(self._gap, now - self._last)
        self._last = now
        if text and self._on_text:
            self._on_text(text)
        if self._until is not None and now - self._moved > MOVED_S:
            self._moved = now
            self._due = self._until(now, self._gap)
            if self._due < self._timer.when():
                self._timer.cancel()
                self._timer = asyncio.get_running_loop().call_at(self._due, self._ring)

    async def relay(self, raw: bytes, events: Sequence[StreamEvent]) -> None:
        """Hand more of the response to the client. However long it takes, that is no silence."""
        client, start = self._client, self._start
        assert client is not None  # noqa: S101 - `relays`
        assert start is not None  # noqa: S101 - made together
        self._is_relaying = True
        if not client.opened:
            await client.open(start)
            self._moved = float("-inf")
        if start.is_raw:
            await client.raw(raw)
        elif events:
            await client.events(events)
        self._is_relaying = False
        now = self._now()
        if self._until is not None and now - self._last > MOVED_S:
            self._last, self._due = now, self._until(now, self._gap)


class Try(NamedTuple):
    """An attempt under way, and its record.

    `input_tokens`: of the prompt, estimated; `billable`: the same with the estimate's worst error.
    `output_tokens`: most for the answer, 0 is unknown.
    `start_s`: seconds since its call began. Of the record: `at`, its end, seconds since 1970;
    `time_s`, how long it took.
    """

    model: Model
    endpoint: Endpoint
    input_tokens: int
    billable: int
    start_s: float = 0.0
    output_tokens: int = 0

    def completed(self, completion: Completion, *, at: float, time_s: float) -> Attempt:
        """The record of an attempt with a completion.

        The client of a turn need not ask for its usage: the cost is then computed from estimates,
        as that of a response which breaks off is.
        """
        chars = len(completion.text) + completion.reasoning_chars
        found = self._plausible(completion.usage, completion.cost_usd, chars, at)
        if completion.parts and found.usage is None and found.cost_usd is None:
            calls = (part for part in completion.parts if isinstance(part, ToolCall))
            chars += sum(len(call.arguments) for call in calls)
            estimate = Usage(self.input_tokens, chars // CHARS_PER_TOKEN + 1)
            found = self._plausible(estimate, None, chars, at)._replace(usage=None)
        return self._record(found, time_s, completion.first_token_s, completion.served)

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
        if used is None and reported is None:
            found = found._replace(cost_usd=Decimal(0))
        if error is None or error.usage is None:
            found = found._replace(usage=None)
        return self._record(found, time_s, watch.first_s if watch else None)

    def _record(
        self, found: Reported, time_s: float, first_token_s: float | None, served: str = ""
    ) -> Attempt:
        provider, name = self.endpoint.key
        return Attempt(
            model=self.model.id,
            provider=provider,
            name=name,
            start_s=self.start_s,
            time_s=time_s,
            first_token_s=first_token_s,
            usage=found.usage,
            cost_usd=found.cost_usd,
            billed=found.billed,
            bounded=found.bounded,
            served=served,
        )

    def _plausible(
        self, usage: Usage | None, cost_usd: Decimal | None, chars: int, at: float
    ) -> Reported:
        """`chars`: of the answer and its reasoning, never fewer than their tokens."""
        output = max(self.output_tokens, chars) if self.output_tokens else 0
        worst = Usage(self.billable, output)
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


# -- what is believed of reported figures ---------------------------------------------------------


class Reported(NamedTuple):
    """What is put on record. `billed`: the upstream named the cost. `bounded`: it was replaced."""

    usage: Usage | None
    cost_usd: Decimal | None
    billed: bool = False
    bounded: bool = False


def plausible(
    usage: Usage | None, cost_usd: Decimal | None, *, worst: Usage, price: Price, at: float
) -> Reported:
    """The reported figures within bounds; the cost computed where none was billed.

    `worst`: the most tokens that the attempt was expected to use.

    A cost of 0 is no bill where the price says otherwise: servers send it for "not computed". It
    is then computed from usage, or unknown where that is not reported either.
    `at`: seconds since 1970, for prices that depend on the time. Costs in USD, `None` unknown.
    """
    believed = None if usage is None else _bounded(usage, worst)
    is_bounded = believed != usage
    computed = None if believed is None else price.cost(believed, at)
    if cost_usd is None:
        return Reported(believed, computed, bounded=is_bounded)
    most = price.cost(worst, at)
    if not (cost_usd or computed == 0 or (computed is None and not most)):
        return Reported(believed, computed, bounded=is_bounded)
    if most is None:
        most = worst.input * DEAREST_INPUT_USD + worst.output * DEAREST_OUTPUT_USD
    if cost_usd <= COST_FACTOR * max(most, computed or most) + COST_EXTRA_USD:
        return Reported(believed, cost_usd, billed=True, bounded=is_bounded)
    return Reported(believed, most, bounded=True)


def _bounded(usage: Usage, worst: Usage) -> Usage:
    most_input = INPUT_FACTOR * worst.input + INPUT_EXTRA
    most_output = OUTPUT_FACTOR * worst.output + OUTPUT_EXTRA
    if usage.input > most_input:
        usage = replace(
            usage, input=worst.input, cache_read=0, cache_write=0, cache_write_1h=0, audio=0
        )
    if worst.output and usage.output > most_output:
        usage = replace(usage, output=worst.output, reasoning=min(usage.reasoning, worst.output))
    return usage


# -- the check of an answer -----------------------------------------------------------------------


async def check(task: Task, completion: Completion, checker: SchemaChecker) -> Completion:
    """The completion to hand over. Raises `ProviderError` for one that fails.

    With a schema, the text handed over is the JSON alone, without fences or prose around it.
    An answer that the caller's own `max_output_tokens` cut is handed over as it is.
    """
    text = completion.text.strip()
    if task.turn is not None:
        return await _checked_turn(task, completion, text, checker)
    if completion.finish == "refused":
        reason = f": {one_line(text)}" if text else ""
        raise _failed(Fault.REFUSED, f"the model or its content filter refused{reason}")
    if not text:
        why = " (the output budget went into reasoning)" if completion.finish == "length" else ""
        raise _failed(Fault.EMPTY, f"the answer is empty{why}")
    if completion.finish == "length" and (task.schema is not None or not task.max_output_tokens):
        raise _failed(Fault.CUT_OFF, "the answer was cut off at the output limit")
    if task.schema is not None:
        return replace(completion, text=await checker.valid_json(task.schema, text))
    if _error_in_disguise(text):
        raise _failed(Fault.MALFORMED, f"the answer is an error in disguise: {one_line(text)}")
    return completion


async def _checked_turn(
    task: Task, completion: Completion, text: str, checker: SchemaChecker
) -> Completion:
    """The completion of a turn. Its client handles what was cut off at the output limit.

    JSON that was asked for and is translated comes without fences and prose. It is not refused:
    the client checks it itself.
    """
    if completion.finish == "refused":
        reason = f": {one_line(text)}" if text else ""
        raise _failed(Fault.REFUSED, f"the model or its content filter refused{reason}")
    if completion.finish == "length":
        return completion
    calls = [part for part in completion.parts if isinstance(part, ToolCall)]
    if not text and not calls and not completion.has_other:
        raise _failed(Fault.EMPTY, "the answer is empty")
    for call in calls:
        if is_no_object(call.arguments):
            what = f"{cut(call.name)} was called with {cut(call.arguments)}"
            raise _failed(Fault.UNFINISHED, f"{what}, which is no JSON object")
    if task.schema is None or calls or completion.body or is_json(text):
        return completion
    with suppress(ProviderError):
        text = await checker.valid_json(task.schema, text)
        others = (part for part in completion.parts if not isinstance(part, Text))
        completion = replace(completion, text=text, parts=(*others, Text(text)))
    return completion


def _failed(fault: Fault, message: str) -> ProviderError:
    return ProviderError(fault, message, scope=Scope.REQUEST)


def _error_in_disguise(text: str) -> bool:
    """A gateway's error object posing as an answer: `{"error": …}` and nothing besides."""
    if len(text) > LONGEST_ERROR or not text.startswith("{") or '"error"' not in text[:40]:
        return False
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and set(value) <= {"error", "code", "message", "status"}
