"""A call continues the trace of whoever makes it, where the request names one."""

from __future__ import annotations

from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Final

from opentelemetry import context, propagate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

TRACEPARENT: Final = "traceparent"
"""https://www.w3.org/TR/trace-context/: header of HTTP, key of `_meta` in MCP."""
_ALONE: Final = nullcontext()


def continued(carrier: Mapping[str, str]) -> AbstractContextManager[None]:
    """Spans within the block belong to the trace that the carrier names, if it names one."""
    return _attached(carrier) if TRACEPARENT in carrier else _ALONE


@contextmanager
def _attached(carrier: Mapping[str, str]) -> Iterator[None]:
    token = context.attach(propagate.extract(carrier))
    try:
        yield
    finally:
        context.detach(token)
