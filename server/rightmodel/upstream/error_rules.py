"""Which error means which fault: one row each, the first that fits decides.

A row names statuses, codes (lower case) and words (regular expressions). Statuses narrow it down;
where codes or words are given, one of them must be there as well. Words are searched in the
upstream's own message alone, and do not count where the prompt contains them too: it may be an
echo. One table for all wire formats: local servers and gateways answer on their Anthropic endpoints
in OpenAI's words, and hand on those of whatever is behind them.
Where the bodies behind the rows come from: tests/upstream/bodies/README.md.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from rightmodel.core.fault import Fault, Scope


class Rule(NamedTuple):
    """One row. `scope`: as in `ProviderError`. Empty `statuses`: any.

    `page`: only an HTML page fits. `named`: only a message that names the requested model fits.
    """

    fault: Fault
    scope: Scope
    statuses: frozenset[int] = frozenset()
    codes: frozenset[str] = frozenset()
    words: re.Pattern[str] | None = None
    page: bool = False
    named: bool = False


def _rule(  # noqa: PLR0913 - the columns of a row
    fault: Fault,
    statuses: str = "",
    *,
    scope: Scope | None = None,
    codes: str = "",
    words: tuple[str, ...] = (),
    page: bool = False,
    named: bool = False,
) -> Rule:
    return Rule(
        fault,
        scope or fault.scope,
        frozenset(map(int, statuses.split())),
        frozenset(codes.split()),
        re.compile("|".join(words), re.IGNORECASE) if words else None,
        page,
        named,
    )


STATUS_OF: Final = {
    "invalid_request_error": 400, "invalid_argument": 400, "failed_precondition": 400,
    "out_of_range": 400, "bad_request": 400, "badrequesterror": 400, "validation": 400,
    "validationexception": 400, "exceed_context_size_error": 400, "context_length_exceeded": 400,
    "authentication_error": 401, "unauthenticated": 401,
    "billing_error": 402,
    "permission_error": 403, "permission_denied": 403,
    "not_found_error": 404, "not_found": 404, "notfounderror": 404,
    "request_too_large": 413,
    "rate_limit_error": 429, "rate_limit_exceeded": 429, "resource_exhausted": 429,
    "throttlingexception": 429,
    "api_error": 500, "internal": 500, "server_error": 500, "internal_server_error": 500,
    "unavailable": 503, "unavailable_error": 503, "service_unavailable_error": 503,
    "timeout_error": 504, "deadline_exceeded": 504,
    "overloaded_error": 529, "overloaded": 529,
}  # fmt: skip
"""The status that an error inside a 200 would have had, by its type."""

_OUT_OF_MONEY: Final = (
    # Comes with Retry-After: what runs at the moment would use up the balance.
    _rule(Fault.RATE_LIMITED, "402", codes="openrouter_in_flight_budget"),
    _rule(
        Fault.QUOTA,
        codes="insufficient_quota billing_hard_limit_reached billing_not_active access_terminated "
        "exceeded_current_quota_error insufficient_balance arrearage openrouter_credits "
        "openrouter_key_limit openrouter_workspace_budget openrouter_guardrail_budget 1112 1113 "
        "minimax_1008 enforced_spend_limit_reached contract_spend_limit_reached billing_error "
        "linked_organization_spend_limit_reached linked_organization_billing_unavailable",
    ),
    _rule(
        Fault.QUOTA,
        "400 403 429",
        codes="billing_disabled",
        words=("billing account|prepayment credits|spend(?:ing)? (?:limit|cap)",),
    ),
    _rule(Fault.QUOTA, "429", scope=Scope.MODEL, codes="perday_without_wait"),
    # Gemini calls every rate limit a quota that is exceeded.
    _rule(Fault.RATE_LIMITED, "429", codes="resource_exhausted"),
    _rule(
        Fault.QUOTA,
        "400 403 412 429",
        words=(
            "used all available credits|run out of credits|out of credits",
            "insufficient (?:account )?(?:balance|credits?|funds)",
            "key limit exceeded",
            "exceeded your current quota",
            "account .{0,40}(?:is suspended|in arrears)",
            "credit balance is too low",
            "reached your specified api usage limits",
        ),
    ),
)
_OVERLOADED: Final = (
    _rule(
        Fault.OVERLOADED,
        codes="overloaded_error overloaded engine_overloaded_error server_overloaded slow_down "
        "over_capacity queue_exceeded capacity_exceeded shared_window_full 1305 1312 3505",
    ),
    _rule(Fault.OVERLOADED, "429", words=("(?:tier|over) capacity|overloaded",)),
)
_OVERFLOW: Final = (
    _rule(
        Fault.CONTEXT_OVERFLOW,
        codes="context_length_exceeded exceed_context_size_error input_too_large 1261 3051 "
        "tokens_limit_reached model_max_prompt_tokens_exceeded request_too_large minimax_1039 "
        "request_body_too_large_after_decoding",
    ),
    _rule(
        Fault.CONTEXT_OVERFLOW,
        "400 403 404 413 422 429 500 503",
        words=(
            "maximum (?:context|prompt|model|input) length",  # OpenAI, DeepSeek, vLLM, OpenRouter
            "maximum allowed (?:input |context |prompt )?length",  # SGLang, Poolside
            "max_tokens must be at least 1, got -",  # vLLM
            "exceeds? (?:the )?(?:model'?s? )?(?:available |maximum )?context ?(?:size|window|len)",
            "longer than the (?:model'?s |maximum )?(?:context|model) length",  # SGLang, Together
            "context size has been exceeded|with (?:a )?context length of only",  # LM Studio
            "(?:greater|more|larger) than the (?:model'?s )?(?:context|max_seq_len)",  # LM Studio
            r"(?<!cannot be )(?:greater|larger) than (?:the )?max_(?:seq|model)_len",  # TabbyAPI
            "exceeded model token limit|input token length too long|input length too long",
            "range of input length should be",  # DashScope
            "reduce the length of the (?:messages|input|prompt)",  # Groq, Cerebras, vLLM
            r"`inputs` tokens \+|`inputs` must have less than \d",  # TGI, Together
            "prompt is too long|prompt too long",  # Anthropic, Fireworks, Ollama
            "input is too long for requested model|too many total text bytes",  # Bedrock
            r"too many tokens: (?:size limit exceeded|.{0,40}prompt)",  # Cohere
            "context window exceeds? (?:the )?limit|context window (?:limit )?exceeded",  # MiniMax
            "contextwindowexceeded",  # LiteLLM
            "too large for model with",  # Mistral
            "input tokens? exceeds? the configured limit",  # OpenAI
            "input_too_large",  # xAI
            "^request too large for ",  # OpenAI, Groq: more than a minute's tokens, ever
            "exceed context (?:limit|window)|required for long context requests",  # Anthropic
            r"input token count\b.{0,40}\bexceeds|request payload size exceeds",  # Gemini
            "exceeds the maximum number of tokens allowed",  # Gemini
            r"prompt token count of \d+ exceeds",  # GitHub Copilot
            "tokens in request more than max tokens allowed",
            r"input length exceeds (?:the )?(?:maximum )?context",  # Ollama
            r"prompt (?:length|has|contains) .{0,60}(?:exceeds?|larger than|configured context)",
            r"max size: \d+ tokens",  # GitHub Models
        ),
    ),
)
_RATE_LIMITED: Final = (
    _rule(
        Fault.RATE_LIMITED,
        codes="rate_limit_exceeded rate_limit_error rate_limit_reached_error rate_limited "
        "limit_requests limit_burst_rate throttling throttling.ratequota throttlingexception "
        "throttling.allocationquota 1302 1303 1308 minimax_1002",
    ),
)
_KEY: Final = (
    _rule(
        Fault.AUTH,
        codes="invalid_api_key incorrect_api_key authentication_error incorrect_api_key_error "
        "invalid_authentication_error organization_on_hold minimax_1004 minimax_2049 "
        "api_key_invalid api_key_expired api_key_service_blocked service_disabled "
        "api_key_http_referrer_blocked api_key_ip_address_blocked unauthenticated "
        "unsupported_country_region_territory",
    ),
    _rule(
        Fault.AUTH,
        "400 403",
        words=(
            r"(?:incorrect|invalid) api[ _]?key\b",  # xAI
            r"^api key\b|user location is not supported",  # Gemini
            "organization has been disabled",  # Anthropic
        ),
    ),
)
_CONTENT: Final = (
    _rule(
        Fault.REFUSED,
        "400 403 422 451",
        codes="content_filter content_policy_violation responsibleaipolicyviolation moderated "
        "data_inspection_failed datainspectionfailed safety_check_failed 1301 minimax_1026 "
        "minimax_1027 invalid_prompt prompt_blocked content_blocked guardrail_intervened",
    ),
    _rule(
        Fault.REFUSED,
        "400 403 422 451",
        words=(
            "(?:input|prompt|content|request) was flagged|flagged as potentially violating",
            r"violat(?:es?|ing|ed) .{0,40}(?:usage|content|safety|polic|guideline|terms)",  # xAI
            r"safety[_ ]check|failed safety|content[_ ]moderat|moderation",
            "content exists risk",  # DeepSeek
            "considered high risk",  # Moonshot
            "data may contain inappropriate|inappropriate content|sensitive content",  # DashScope
            "(?:blocked|triggered|filtered) .{0,60}content (?:filter|management)",
        ),
    ),
    _rule(Fault.SCHEMA, "400", codes="json_validate_failed"),  # Groq: the model's JSON was none
    _rule(Fault.UNFINISHED, "400", codes="tool_use_failed"),
    # vLLM's /v1/messages, where the model called a tool with something else than an object
    _rule(Fault.UNFINISHED, "400", words=("validation errors? for AnthropicContentBlock",)),
)
DISK_FULL: Final = r"no space left on device|disk (?:is )?full|\[errno 28\]|insufficient disk"
"""Messages of servers that load a model."""

_REQUEST: Final = (
    _rule(Fault.SERVER, "400 404 422 500 503 507", words=(DISK_FULL,)),
    _rule(  # llama.cpp answers 500 to an image that a model does not take
        Fault.BAD_REQUEST,
        "500 501",
        words=(
            r"\b(?:images?|audio|video|multimodal)\b.{0,40}\bnot supported|\bmmproj\b",
            r"\broles? must\b|chat[_ ]template",
        ),
    ),
    # mlx_lm and some proxies answer 404 to whatever is wrong with a request.
    _rule(
        Fault.BAD_REQUEST,
        "404",
        words=(
            "no endpoints found that support",
            r"\b(?:system|developer) (?:role|message|prompt|instruction)|\broles? must\b",
            r"chat[_ ]template|\bimages?\b|\bimage_url\b|multimodal|\bvision\b|\baudio\b",
        ),
    ),
)
_PATH: Final = (
    _rule(Fault.WRONG_URL, codes="unknown_url"),
    _rule(
        Fault.WRONG_URL,
        "400 404 405 500",
        words=(
            r"^(?:404:? )?(?:page |file |path |route |resource |url |endpoint )?not found[.!]?$",
            r"^the page could not be found|^the requested url\b|^no route\b|no routes? matched",
            r"invalid url \(|unknown (?:request )?(?:url|path|endpoint|route)\b",
            r"^cannot (?:get|post) /|unexpected endpoint|method not allowed|^no static resource",
            r"no (?:such|matching) (?:path|endpoint|route|operation)\b|^not[_ ]found$",
        ),
    ),
    _rule(Fault.WRONG_URL, "404", words=("^$",)),  # a page, or no message at all
    _rule(Fault.WRONG_URL, "405"),
)
_MODEL: Final = (
    _rule(
        Fault.NOT_FOUND,
        "400 401 403 404 422",
        codes="model_not_found model_not_available model_decommissioned invalid_model "
        "model_not_exist model_permission_blocked_org model_permission_blocked_project "
        "model_terms_required deploymentnotfound paid_model_auth_required no_access "
        "1211 1220 1500",
    ),
    _rule(
        Fault.NOT_FOUND,
        "400 403 404 422 500",
        words=(
            r"not a valid model id|model not exist|^invalid model\b|unknown model",
            r"\bmodel\b.{0,160}\bdoes not exist|(?:no|such) model (?:named|called|with|@)",
            "(?:not|n't) have (?:access|permission) to (?:the |this )?model",
            r"access to (?:the |this )?model\b.{0,80}\bdenied|no access to model",
            r"^(?:the )?(?:requested )?model\b.{0,160}\bnot found",
            r"^(?:the )?(?:requested )?model\b.{0,160}\bis not (?:available|supported)",
            r"^models/\S+ is not found|permission to access (?:the )?(?:tuned )?model",
            r"repository not found|is not a (?:local folder|valid model identifier)",
            r"\b(?:pinned|fixed|locked) to\b.{0,200}\brequested\b",  # transformers serve
        ),
    ),
    _rule(  # what the request refers to, not the model
        Fault.BAD_REQUEST,
        "404",
        words=(
            r"\b(?:item|response|prompt|conversation|container|skill) with id\b",
            r"\bfile\b.{0,20}\bfile[-_]\w|\bno such \w+ object:",
            r"\bvector stores? not found",
        ),
    ),
    _rule(Fault.NOT_FOUND, "403", words=(r"\bmodels?\b|\bdeployment\b",)),
    _rule(Fault.NOT_FOUND, "403 404", named=True),
    _rule(Fault.NOT_FOUND, "400 422", named=True, words=(r"\brequested\b",)),
    _rule(
        Fault.NOT_FOUND,
        "404",
        codes="not_found_error not_found notfounderror",
        words=(
            r"\b(?:model|deployment|engine|repository|checkpoint|adapter)\b",
            "not found|no such|does not exist|unknown",
        ),
    ),
)
_FORBIDDEN: Final = (
    _rule(Fault.FORBIDDEN, "403 407", page=True),
    _rule(
        Fault.AUTH,
        "403",
        codes="permission_error permission_denied permission-denied permissiondenied "
        "invalid_permission insufficient_permissions unauthorized access_denied "
        "accessdeniedexception",
        words=(
            r"\bapi[ _-]?key|\bcredentials?\b|\btokens?\b|\bpermissions?\b|\bscopes?\b",
            r"authenticat|unauthori[sz]ed|not authori[sz]ed",
            r"\b(?:organi[sz]ation|account|workspace|project|team|subscription|billing)\b",
            r"\b(?:country|region|territory)\b",
        ),
    ),
    _rule(Fault.FORBIDDEN, "403 407"),
)
_BY_STATUS: Final = (
    _rule(Fault.AUTH, "401"),
    # A paid model, for an account that may use others.
    _rule(Fault.QUOTA, "402", scope=Scope.MODEL, words=(r"\b(?:this|the) model\b",)),
    _rule(Fault.QUOTA, "402"),
    _rule(Fault.NOT_FOUND, "410"),
    _rule(
        Fault.BAD_REQUEST,  # a proxy's limit is one of bytes: a larger window does not help
        "413",
        words=(
            r"entity too large|payload too large|body (?:is )?too large|\bbytes\b|\b\d+ ?[km]i?b",
        ),
    ),
    _rule(Fault.BAD_REQUEST, "413", page=True),
    _rule(Fault.CONTEXT_OVERFLOW, "413"),
    _rule(Fault.RATE_LIMITED, "429"),
    _rule(Fault.OVERLOADED, "498 503 529"),  # 498: Groq's flex tier
    _rule(Fault.SERVER, "408 409 424 425 499"),
)
"""What a status means by itself. Any other 4xx faults the request, anything else the server."""

RULES: Final = (
    *_OUT_OF_MONEY, *_OVERLOADED, *_OVERFLOW, *_RATE_LIMITED, *_KEY, *_CONTENT, *_REQUEST, *_PATH,
    *_MODEL, *_FORBIDDEN, *_BY_STATUS,
)  # fmt: skip

_NUMBER: Final = r"(\d[\d,]*)"

WINDOWS: Final = tuple(
    re.compile(pattern.replace("N", _NUMBER), re.IGNORECASE)
    for pattern in (
        r"maximum (?:context|prompt|model|input) length(?: of| is)?:? \(?N",
        r"maximum allowed (?:input |context |prompt )?length(?: of| is)?:? \(?N",
        r"model'?s context length \(?N",
        r"limit for this model is N tokens",
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
        r"`inputs` must have less than N",
        r"max_(?:seq|model)_len(?:gth)?\D{0,4}N",
        r"exceeds the limit of N",
        r"configured context size is N",
        r"larger than the model capacity N",
        r"max size: N tokens",
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
        r"N tokens from the input messages",
        r"your request has N input tokens",
        r"prompt contains at least N input tokens",
        r"Given: N `inputs` tokens",
    )
)
"""Where a message that counts prompt and output together names the prompt's part."""
