"""The faults with their usual values, by name: to look one up, to go through all, to draw one."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Final

from rightmodel.simulator.fault import answers, network, refusals, requests, streams
from rightmodel.simulator.fault.refusals import YEAR_S, rate_limit, status

if TYPE_CHECKING:
    from random import Random

    from rightmodel.core.fault import Fault
    from rightmodel.simulator.fault.base import SimulatedFault

STATUSES: Final = (400, 401, 402, 403, 404, 408, 409, 413, 422, 429, 500, 502, 503, 504, 529)

RATE_LIMITS: Final = (
    rate_limit(),
    rate_limit("2", name="rate_limit_seconds"),
    rate_limit("1.5", name="rate_limit_fraction"),
    rate_limit("0", name="rate_limit_zero"),
    rate_limit("-5", name="rate_limit_negative"),
    rate_limit("NaN", name="rate_limit_nan"),
    rate_limit("inf", name="rate_limit_infinite"),
    rate_limit("soon", name="rate_limit_words"),
    rate_limit(f"{YEAR_S:.0f}", name="rate_limit_year"),
    rate_limit(retry_after_ms="750", name="rate_limit_ms"),
    rate_limit(retry_after_ms="NaN", name="rate_limit_ms_nan"),
    rate_limit("20", retry_after_ms="400", name="rate_limit_ms_and_seconds"),
    rate_limit(date_in_s=3, name="rate_limit_date"),
    rate_limit(date_in_s=-3600, name="rate_limit_past_date"),
    rate_limit(date_in_s=YEAR_S, name="rate_limit_date_in_a_year"),
    rate_limit(date_in_s=3, clock_skew_s=7200, name="rate_limit_clock_ahead"),
    rate_limit(date_in_s=3, clock_skew_s=-7200, name="rate_limit_clock_behind"),
    refusals.rate_limit_resets(),
    refusals.retry_info(),
    refusals.retry_info(array=True),
)

REFUSALS: Final = (
    *(status(code) for code in STATUSES),
    *RATE_LIMITS,
    refusals.overloaded(),
    refusals.bad_gateway_page(),
    refusals.out_of_quota(),
    refusals.insufficient_quota(),
    refusals.project_spend_limit(),
    refusals.payment_required(),
    refusals.credit_balance_too_low(),
    refusals.spend_limit_enforced(),
    refusals.spend_limit_set(),
    refusals.wrong_key(),
    refusals.forbidden(),
    refusals.region_forbidden(),
    refusals.firewall_page(),
    refusals.wrong_path(),
    refusals.model_forbidden(),
    refusals.moderated(),
    refusals.unknown_model(),
    refusals.bad_request(),
    refusals.echoed_prompt(),
)

REQUESTS: Final = (
    requests.context_overflow(),
    requests.context_overflow_flat(),
    requests.negative_max_tokens(),
    requests.input_and_max_tokens(),
    requests.request_too_large(),
    requests.silent_cut(),
    requests.refuses("max_tokens", use="max_completion_tokens"),
    requests.refuses("temperature"),
    requests.refuses_value("temperature"),
    requests.refuses_response_format(),
    requests.forbids("max_completion_tokens"),
    requests.forbids("stream_options"),
)

ANSWERS: Final = (
    answers.no_choices(),
    answers.null_content(),
    answers.empty_content(),
    answers.empty_with_length(),
    answers.cut_off(),
    answers.content_filter(),
    answers.refusal(),
    answers.block_reason(),
    answers.schema_mismatch(),
    answers.prose_for_json(),
    answers.cut_tool_arguments(),
    answers.malformed_json(),
    answers.wrong_content_type(),
    answers.empty_body(),
    answers.huge_body(),
    answers.error_in_200(),
)

STREAMS: Final = (
    streams.no_first_byte(),
    streams.no_first_event(),
    streams.empty_stream(),
    streams.stall(),
    streams.comments_forever(),
    streams.late_comments(),
    streams.no_done(),
    streams.no_done_line(),
    streams.cut_in_event(),
    streams.clean_cut_in_event(),
    streams.reset_midway(),
    streams.garbage_chunk(),
    streams.error_in_stream(),
    streams.overloaded_in_stream(),
)

NETWORK: Final = (
    network.refused(),
    network.reset_at_once(),
    network.closed_unanswered(),
    network.reset_after_headers(),
    network.closed_after_answer(),
    network.stale_connection(),
    network.redirect(),
)

CATALOGUE: Final = {
    found.name: found
    for group in (REFUSALS, REQUESTS, ANSWERS, STREAMS, NETWORK)
    for found in group
}
"""Every fault with its usual values, by name."""

STALLS: Final = frozenset({"no_first_byte", "no_first_event", "stall", "comments_forever"})
"""Names of those that hold a client until it gives up."""


def find(name: str) -> SimulatedFault:
    """The fault of a name. Raises `KeyError` that names the nearest."""
    if name in CATALOGUE:
        return CATALOGUE[name]
    near = difflib.get_close_matches(name, CATALOGUE, n=3)
    raise KeyError(f"no fault {name!r}; nearest: {', '.join(near or sorted(CATALOGUE))}")


def faults(
    protocol: str = "", dialect: str = "", leads_to: Fault | None = None
) -> list[SimulatedFault]:
    """Those that fit a protocol and a dialect, and have a right reading; "" and `None` for any."""
    return [
        found
        for found in CATALOGUE.values()
        if found.fits(protocol, dialect) and (leads_to is None or leads_to in found.leads_to)
    ]


def choose(random: Random, protocol: str = "", dialect: str = "") -> SimulatedFault:
    """Draw one of those that fit."""
    return random.choice(faults(protocol, dialect))
