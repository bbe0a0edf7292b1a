"""Seen from outside: OpenTelemetry spans by the GenAI conventions, and a log line per attempt.

Without an SDK installed the spans are no-ops. Neither spans nor logs hold prompts, answers, keys or
an upstream's own words, which may echo any of them.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode

from rightmodel import __version__
from rightmodel.core.errors import RightmodelError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.trace import Span

    from rightmodel.core.call import Attempt, Receipt
    from rightmodel.core.decision import Decision
    from rightmodel.manifest.catalog import Endpoint

logger = logging.getLogger("rightmodel.execution")
tracer = trace.get_tracer("rightmodel", __version__)

PROVIDER_NAMES: Final = {"google": "gcp.gemini", "xai": "x_ai", "mistral": "mistral_ai"}
"""Where the conventions' well-known value differs from the manifest's name."""


@contextmanager
def call_span(decision: Decision) -> Iterator[Span]:
    """The span of one call; its attempts are its children."""
    attributes: dict[str, str | float] = {
        "rightmodel.skill": decision.assessment.skill,
        "rightmodel.difficulty": decision.assessment.difficulty,
        "rightmodel.source": decision.assessment.source,
        "rightmodel.tier": decision.tier,
        "rightmodel.candidates": len(decision.candidates),
    }
    with tracer.start_as_current_span(
        "rightmodel.complete",
        attributes=attributes,
        record_exception=False,  # its words may echo the prompt
        set_status_on_exception=False,
    ) as span:
        try:
            yield span
        except RightmodelError as error:
            span.set_attribute("error.type", error.code)
            span.set_status(StatusCode.ERROR, error.code)
            raise


@contextmanager
def attempt_span(endpoint: Endpoint) -> Iterator[Span]:
    """The span of one attempt at one endpoint."""
    provider = endpoint.provider.name
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": PROVIDER_NAMES.get(provider, provider),
        "gen_ai.request.model": endpoint.name,
    }
    with tracer.start_as_current_span(
        f"chat {endpoint.name}",
        kind=SpanKind.CLIENT,
        attributes=attributes,
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        yield span


def attempted(span: Span, attempt: Attempt) -> None:
    """What came of an attempt."""
    if attempt.usage is not None:
        span.set_attribute("gen_ai.usage.input_tokens", attempt.usage.input)
        span.set_attribute("gen_ai.usage.output_tokens", attempt.usage.output)
    if attempt.served:
        span.set_attribute("gen_ai.response.model", attempt.served)
    if attempt.fault is not None:
        span.set_attribute("error.type", attempt.fault.value)
        span.set_status(StatusCode.ERROR, attempt.fault.value)
    logger.info(
        "attempt model=%s provider=%s outcome=%s status=%d time_s=%.3f",
        attempt.model,
        attempt.provider,
        attempt.fault.value if attempt.fault else "ok",
        attempt.status,
        attempt.time_s,
    )


def answered(span: Span, receipt: Receipt) -> None:
    """What came of a call."""
    span.set_attribute("rightmodel.model", receipt.model)
    span.set_attribute("rightmodel.attempts", len(receipt.attempts))
    if receipt.cost_usd is not None:
        span.set_attribute("rightmodel.cost_usd", float(receipt.cost_usd))
    logger.info(
        "answered model=%s attempts=%d cost_usd=%s time_s=%.3f",
        receipt.model,
        len(receipt.attempts),
        receipt.cost_usd,
        receipt.time_s,
    )
