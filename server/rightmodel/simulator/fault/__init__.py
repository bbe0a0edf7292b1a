"""Every fault that a simulated provider can have.

A fault is a value: `fault.status(500)`, `fault.rate_limit(retry_after="1.5")`. Combine them with
`late`, `chance`, `one_of`, `when` and `in_turn`. `CATALOGUE` holds each with its usual values by
name: `find` looks one up, `faults` lists those that fit a provider, `choose` draws one.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Final

from rightmodel.simulator.fault.answers import (
    ANSWERS,
    block_reason,
    content_filter,
    cut_off,
    cut_tool_arguments,
    empty_body,
    empty_content,
    empty_with_length,
    error_in_200,
    huge_body,
    malformed_json,
    no_choices,
    null_content,
    prose_for_json,
    refusal,
    replies,
    schema_mismatch,
    wrong_content_type,
)
from rightmodel.simulator.fault.base import (
    SimulatedFault,
    chance,
    in_turn,
    late,
    one_of,
    when,
)
from rightmodel.simulator.fault.errors import (
    RATE_LIMITS,
    REFUSALS,
    bad_gateway_page,
    bad_request,
    credit_balance_too_low,
    echoed_prompt,
    firewall_page,
    forbidden,
    insufficient_quota,
    model_forbidden,
    moderated,
    out_of_quota,
    overloaded,
    payment_required,
    project_spend_limit,
    rate_limit,
    rate_limit_resets,
    region_forbidden,
    retry_info,
    spend_limit_enforced,
    spend_limit_set,
    status,
    unknown_model,
    wrong_key,
    wrong_path,
)
from rightmodel.simulator.fault.requests import (
    REQUESTS,
    context_overflow,
    context_overflow_flat,
    forbids,
    input_and_max_tokens,
    negative_max_tokens,
    refuses,
    refuses_response_format,
    refuses_value,
    request_too_large,
    silent_cut,
)
from rightmodel.simulator.fault.streams import (
    NETWORK,
    STREAMS,
    clean_cut_in_event,
    closed_after_answer,
    closed_unanswered,
    comments_forever,
    cut_in_event,
    empty_stream,
    error_in_stream,
    garbage_chunk,
    late_comments,
    no_done,
    no_done_line,
    no_first_byte,
    no_first_event,
    overloaded_in_stream,
    redirect,
    refused,
    reset_after_headers,
    reset_at_once,
    reset_midway,
    stale_connection,
    stall,
)

if TYPE_CHECKING:
    from random import Random

    from rightmodel.core.fault import Fault

__all__ = [
    "CATALOGUE", "GROUPS", "STALLS", "SimulatedFault", "bad_gateway_page", "bad_request",
    "block_reason", "chance", "choose", "clean_cut_in_event", "closed_after_answer",
    "closed_unanswered", "comments_forever", "content_filter", "context_overflow",
    "context_overflow_flat", "credit_balance_too_low", "cut_in_event", "cut_off",
    "cut_tool_arguments", "echoed_prompt", "empty_body", "empty_content", "empty_stream",
    "empty_with_length", "error_in_200", "error_in_stream", "faults", "find", "firewall_page",
    "forbidden", "forbids", "garbage_chunk", "huge_body", "in_turn", "input_and_max_tokens",
    "insufficient_quota", "late", "late_comments", "malformed_json", "model_forbidden",
    "moderated", "negative_max_tokens", "no_choices", "no_done", "no_done_line",
    "no_first_byte", "no_first_event", "null_content", "one_of", "out_of_quota", "overloaded",
    "overloaded_in_stream", "payment_required", "project_spend_limit", "prose_for_json",
    "rate_limit", "rate_limit_resets", "redirect", "refusal", "refused", "refuses",
    "refuses_response_format", "refuses_value", "region_forbidden", "replies",
    "request_too_large", "reset_after_headers", "reset_at_once", "reset_midway", "retry_info",
    "schema_mismatch", "silent_cut", "spend_limit_enforced", "spend_limit_set",
    "stale_connection", "stall", "status", "unknown_model", "when", "wrong_content_type",
    "wrong_key", "wrong_path",
]  # fmt: skip

GROUPS: Final = (RATE_LIMITS, REFUSALS, REQUESTS, ANSWERS, STREAMS, NETWORK)
CATALOGUE: Final = {found.name: found for group in GROUPS for found in group.faults}
"""Every fault with its usual values, by name."""

STALLS: Final = frozenset({"no_first_byte", "no_first_event", "stall", "comments_forever"})
"""Names of those that hold a client until it gives up."""


def find(name: str) -> SimulatedFault:
    """The fault of a name. Raises `KeyError` with the nearest names."""
    if name in CATALOGUE:
        return CATALOGUE[name]
    near = difflib.get_close_matches(name, CATALOGUE, n=3)
    raise KeyError(f"no fault {name!r}; nearest: {', '.join(near or sorted(CATALOGUE))}")


def faults(
    protocol: str = "", dialect: str = "", leads_to: Fault | None = None
) -> list[SimulatedFault]:
    """Those that fit a protocol and a dialect and may be classified so; "" and `None` for any."""
    return [
        found
        for found in CATALOGUE.values()
        if found.fits(protocol, dialect) and (leads_to is None or leads_to in found.leads_to)
    ]


def choose(random: Random, protocol: str = "", dialect: str = "") -> SimulatedFault:
    """Draw one of those that fit."""
    return random.choice(faults(protocol, dialect))
