"""Which error means what: one row each, the first that fits decides.

A row names statuses, codes (lower case) and words (regular expressions). Statuses narrow it down;
where codes or words are given, one of them must be there as well. Words are looked for in the
upstream's own message alone, and not believed where the prompt holds them too: it may be an echo.
Where the bodies behind the rows come from: tests/providers/bodies/README.md.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from rightmodel.core.fault import Fault, Scope
from rightmodel.core.task import WireFormat


class Rule(NamedTuple):
    """One row. `scope`: as in `ProviderError`. Empty `statuses`: any."""

    fault: Fault
    scope: Scope
    statuses: frozenset[int] = frozenset()
    codes: frozenset[str] = frozenset()
    words: re.Pattern[str] | None = None


def _rule(
    fault: Fault,
    statuses: str = "",
    *,
    scope: Scope | None = None,
    codes: str = "",
    words: tuple[str, ...] = (),
) -> Rule:
    return Rule(
        fault,
        scope or fault.scope,
        frozenset(map(int, statuses.split())),
        frozenset(codes.split()),
        re.compile("|".join(words), re.IGNORECASE) if words else None,
    )


STATUS_OF: Final = {
    "invalid_request_error": 400, "invalid_argument": 400, "failed_precondition": 400,
    "out_of_range": 400, "bad_request": 400, "badrequesterror": 400,
    "authentication_error": 401, "unauthenticated": 401,
    "billing_error": 402,
    "permission_error": 403, "permission_denied": 403,
    "not_found_error": 404, "not_found": 404,
    "request_too_large": 413,
    "rate_limit_error": 429, "rate_limit_exceeded": 429, "resource_exhausted": 429,
    "api_error": 500, "internal": 500, "server_error": 500, "internal_server_error": 500,
    "unavailable": 503, "unavailable_error": 503, "service_unavailable_error": 503,
    "timeout_error": 504, "deadline_exceeded": 504,
    "overloaded_error": 529,
}  # fmt: skip
"""The status that an error inside a 200 would have had, by its type."""

_BY_STATUS: Final = (
    _rule(Fault.AUTH, "401 403"),
    _rule(Fault.QUOTA, "402"),
    _rule(Fault.NOT_FOUND, "404 410"),
    _rule(Fault.CONTEXT_OVERFLOW, "413"),
    _rule(Fault.RATE_LIMITED, "429"),
    _rule(Fault.OVERLOADED, "498 503 529"),  # 498: Groq's flex tier
    _rule(Fault.SERVER, "408 409 424 425 499"),
)
"""What a status says by itself. Any other 4xx faults the request, anything else the server."""

_OPENAI_OUT: Final = (
    # Comes with Retry-After: what runs at the moment would use up the balance.
    _rule(Fault.RATE_LIMITED, "402", codes="openrouter_in_flight_budget"),
    _rule(
        Fault.QUOTA,
        codes="insufficient_quota billing_hard_limit_reached billing_not_active access_terminated "
        "exceeded_current_quota_error insufficient_balance arrearage openrouter_credits "
        "openrouter_key_limit openrouter_workspace_budget openrouter_guardrail_budget 1112 1113",
    ),
    _rule(
        Fault.QUOTA,
        "400 403 412 429",
        words=(
            "used all available credits|run out of credits",
            "insufficient (?:account )?balance",
            "key limit exceeded|spending limit",
            "exceeded your current quota",
            "account .{0,40}(?:is suspended|in arrears)",
        ),
    ),
    _rule(
        Fault.OVERLOADED,
        codes="overloaded_error engine_overloaded_error server_overloaded slow_down over_capacity "
        "queue_exceeded capacity_exceeded 1305 1312 3505",
    ),
    _rule(Fault.OVERLOADED, "429", words=("(?:tier|over) capacity|overloaded",)),
    _rule(
        Fault.CONTEXT_OVERFLOW,
        codes="context_length_exceeded exceed_context_size_error input_too_large 1261 3051",
    ),
    _rule(
        Fault.CONTEXT_OVERFLOW,
        "400 403 413 422 429 500",
        words=(
            "maximum (?:context|prompt|model) length",  # OpenAI, DeepSeek, vLLM, OpenRouter, xAI
            "max_tokens must be at least 1, got -",  # vLLM
            "exceeds? the (?:model's )?(?:available |maximum )?context (?:size|window|length)",
            "context size has been exceeded|loaded with (?:a )?context length of only",  # LM Studio
            "greater than the context length",  # LM Studio
            "exceeded model token limit|input token length too long",  # Moonshot
            "range of input length should be",  # DashScope
            "reduce the length of the messages",  # Groq, Cerebras
            r"`inputs` tokens \+",  # Together
            "prompt is too long",  # Fireworks
            "too large for model with",  # Mistral
            "input tokens exceed the configured limit",  # OpenAI
            "input_too_large",  # xAI
            "^request too large for ",  # OpenAI, Groq: more than a minute's tokens, ever
        ),
    ),
    _rule(
        Fault.RATE_LIMITED,
        codes="rate_limit_exceeded rate_limit_error rate_limit_reached_error rate_limited "
        "limit_requests limit_burst_rate throttling throttling.ratequota "
        "throttling.allocationquota 1302 1303",
    ),
)
_OPENAI: Final = (
    *_OPENAI_OUT,
    _rule(
        Fault.AUTH,
        codes="invalid_api_key incorrect_api_key authentication_error incorrect_api_key_error "
        "invalid_authentication_error",
    ),
    _rule(Fault.AUTH, "400", words=("^(?:incorrect|invalid) api key",)),  # xAI
    _rule(
        Fault.REFUSED,
        "400 403 422 451",
        codes="content_filter content_policy_violation responsibleaipolicyviolation moderated "
        "data_inspection_failed datainspectionfailed safety_check_failed 1301",
    ),
    _rule(
        Fault.REFUSED,
        "400 403 451",
        words=(
            "(?:input|prompt|content) was flagged|flagged as potentially violating",
            "content exists risk",  # DeepSeek
            "considered high risk",  # Moonshot
            "data may contain inappropriate",  # DashScope
        ),
    ),
    _rule(Fault.SCHEMA, "400", codes="json_validate_failed"),  # Groq: the model's JSON was none
    _rule(Fault.MALFORMED, "400", scope=Scope.REQUEST, codes="tool_use_failed"),
    _rule(Fault.BAD_REQUEST, "404", words=("no endpoints found that support",)),
    _rule(
        Fault.NOT_FOUND,
        "400 403 404 422",
        codes="model_not_found model_not_available model_decommissioned invalid_model "
        "model_not_exist model_permission_blocked_org model_permission_blocked_project "
        "model_terms_required 1211 1220 1500",
    ),
    _rule(
        Fault.NOT_FOUND,
        "400 403 404 422",
        words=(
            r"not a valid model id|model not exist|^invalid model\b",
            r"model\b.{0,160}\bdoes not exist",
            "(?:not|n't) have (?:access|permission) to (?:the |this )?model",
            r"access to (?:the |this )?model\b.{0,80}\bdenied",
            r"^(?:the )?model\b.{0,160}\b(?:is not (?:found|available|supported)|not found)",
        ),
    ),
    *_BY_STATUS,
)

_ANTHROPIC: Final = (
    _rule(
        Fault.QUOTA,
        codes="enforced_spend_limit_reached contract_spend_limit_reached billing_error "
        "linked_organization_spend_limit_reached linked_organization_billing_unavailable",
    ),
    _rule(
        Fault.QUOTA,
        "400 403 429",
        words=(
            "credit balance is too low",
            "reached your specified api usage limits",
            "spend(?:ing)? limit",
        ),
    ),
    _rule(Fault.AUTH, codes="authentication_error organization_on_hold"),
    _rule(Fault.AUTH, "400 403", words=("organization has been disabled",)),
    _rule(Fault.OVERLOADED, codes="overloaded_error"),
    _rule(
        Fault.CONTEXT_OVERFLOW,
        codes="request_too_large request_body_too_large_after_decoding",
    ),
    _rule(
        Fault.CONTEXT_OVERFLOW,
        "400",
        words=("prompt is too long", "exceed context (?:limit|window)"),
    ),
    _rule(Fault.CONTEXT_OVERFLOW, "429", words=("required for long context requests",)),
    _rule(Fault.RATE_LIMITED, codes="rate_limit_error"),
    _rule(Fault.REFUSED, "400", words=("blocked by (?:our )?content filter",)),
    *_BY_STATUS,
)

_GEMINI: Final = (
    _rule(
        Fault.AUTH,
        codes="api_key_invalid api_key_expired api_key_service_blocked service_disabled "
        "api_key_http_referrer_blocked api_key_ip_address_blocked unauthenticated",
    ),
    _rule(Fault.AUTH, "400", words=("user location is not supported", "^api key ")),
    _rule(Fault.QUOTA, "400 403 429", codes="billing_disabled"),
    _rule(Fault.QUOTA, "400 403 429", words=("billing account", "prepayment credits")),
    _rule(Fault.QUOTA, "429", scope=Scope.MODEL, codes="perday_without_wait"),
    _rule(
        Fault.CONTEXT_OVERFLOW,
        "400",
        words=(
            r"input token count\b.{0,40}\bexceeds",
            "exceeds the maximum number of tokens allowed",
            "request payload size exceeds",
        ),
    ),
    _rule(
        Fault.NOT_FOUND,
        "400 403",
        words=("permission to access (?:the )?(?:tuned )?model", r"^models/\S+ is not found"),
    ),
    *_BY_STATUS,
)

RULES: Final = {
    WireFormat.OPENAI_CHAT: _OPENAI,
    WireFormat.ANTHROPIC_MESSAGES: _ANTHROPIC,
    WireFormat.GEMINI: _GEMINI,
}

_NUMBER: Final = r"(\d[\d,]*)"

WINDOWS: Final = tuple(
    re.compile(pattern.replace("N", _NUMBER), re.IGNORECASE)
    for pattern in (
        r"maximum (?:context|prompt|model) length(?: of| is)?:? \(?N",
        r"too large for model with N maximum",
        r"tokens > N maximum",
        r"context limit: \d+ \+ \d+ > N",
        r"maximum number of tokens allowed \(?N",
        r"available context size \(?N",
        r"configured limit of N",
        r"model token limit: ?N",
        r"exceeds budget \(N",
        r"context length of only N",
        r"n_ctx: ?N",
        r"input length should be \[1, N",
        r"max_new_tokens` must be <= N",
        r"while limit is N",
        r"\(TPM\): Limit N",
        r"tokens per min(?:ute)?[^:]*: Limit N",
    )
)
"""Where a message names the window that was exceeded."""

INPUTS: Final = tuple(
    re.compile(pattern.replace("N", _NUMBER), re.IGNORECASE)
    for pattern in (
        r"context limit: N \+",
        r"\(N in the messages",
        r"\(N of text input",
        r"your request has N input tokens",
        r"prompt contains at least N input tokens",
        r"Given: N `inputs` tokens",
    )
)
"""Where a message that counts prompt and output together names the prompt's part."""
