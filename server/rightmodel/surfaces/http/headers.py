"""Headers that go on with a turn, its trace among them, and those that say what served it."""

from __future__ import annotations

from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Final

from opentelemetry import context, propagate

from rightmodel.core.format import amount
from rightmodel.core.task import WireFormat
from rightmodel.surfaces.http.asgi import header

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rightmodel.core.call import Receipt
    from rightmodel.execution.relay import ResponseStart

PASSED_ON: Final[Mapping[WireFormat, tuple[str, ...]]] = {
    WireFormat.OPENAI_CHAT: ("openai-beta",),
    WireFormat.OPENAI_RESPONSES: ("openai-beta",),
    WireFormat.ANTHROPIC_MESSAGES: ("anthropic-beta", "anthropic-version"),
}
"""Headers of a client that an upstream of the same API receives: they are part of the request.
No other leaves, least of all the client's token."""
MOST_REASON: Final = 500
TRACEPARENT: Final = "traceparent"
"""https://www.w3.org/TR/trace-context/"""
_ALONE: Final = nullcontext()


def passed_on(dialect: WireFormat, headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that an upstream of the same API receives."""
    return {name: headers[name] for name in PASSED_ON[dialect] if name in headers}


def of_start(start: ResponseStart) -> tuple[tuple[bytes, bytes], ...]:
    """What is known when a stream begins."""
    return _served(start.model, start.decision.reason, start.ref)


def of_receipt(receipt: Receipt) -> tuple[tuple[bytes, bytes], ...]:
    """What is known at the end."""
    cost = "unknown" if receipt.cost_usd is None else amount(receipt.cost_usd)
    known = _served(receipt.model, receipt.decision.reason, receipt.ref)
    if receipt.saved_usd is not None:
        known = (*known, (b"x-rightmodel-saved-usd", amount(receipt.saved_usd).encode()))
    flags = ((b"x-rightmodel-flags", header(", ".join(receipt.flags))),) if receipt.flags else ()
    return (*known, (b"x-rightmodel-cost-usd", cost.encode()), *flags)


def _served(model: str, reason: str, ref: str) -> tuple[tuple[bytes, bytes], ...]:
    return (
        (b"x-rightmodel-model", header(model)),
        (b"x-rightmodel-reason", header(reason[:MOST_REASON])),
        (b"x-rightmodel-ref", header(ref)),
    )


def continued(headers: Mapping[str, str]) -> AbstractContextManager[None]:
    """Spans within the block belong to the trace that a request names, if it names one."""
    return _attached(headers) if TRACEPARENT in headers else _ALONE


@contextmanager
def _attached(headers: Mapping[str, str]) -> Iterator[None]:
    token = context.attach(propagate.extract(headers))
    try:
        yield
    finally:
        context.detach(token)
