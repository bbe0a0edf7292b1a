"""The dialects of the openai-chat protocol that are simulated, and the index of all.

Bodies are as seen in public: the comment beside an entry says where. Where a provider's own body
for a kind of error is not on record, the one of `like` is sent in the provider's shape.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rightmodel.core.task import WireFormat
from rightmodel.simulator.dialect import Dialect, ErrorText, openai_shape
from rightmodel.simulator.dialects_native import ANTHROPIC, GEMINI, OPENAI, RESPONSES

if TYPE_CHECKING:
    from rightmodel.simulator.transport import Json

CHAT: Final = WireFormat.OPENAI_CHAT
INVALID: Final = "invalid_request_error"

DEEPSEEK: Final = Dialect(
    "deepseek",
    CHAT,
    openai_shape,
    {
        # github.com/continuedev/continue/issues/10056
        "no_key": ErrorText(
            401,
            "Authentication Fails (auth header format should be Bearer sk-...)",
            "authentication_error",
            INVALID,
        ),
        # github.com/FullStackPlayer/claude-code-launcher/issues/3
        "wrong_key": ErrorText(
            401,
            "Authentication Fails, Your api key: {key} is invalid",
            "authentication_error",
            INVALID,
        ),
        "unknown_model": ErrorText(400, "Model Not Exist", INVALID, INVALID),
        # github.com/1Panel-dev/MaxKB/issues/3797
        "quota": ErrorText(402, "Insufficient Balance", "unknown_error", INVALID),
        # github.com/evalstate/fast-agent/issues/621
        "context": ErrorText(
            400,
            "This model's maximum context length is {window} tokens. However, you requested "
            "{input} tokens ({input} in the messages, {output} in the completion). Please reduce "
            "the length of the messages or completion.",
            INVALID,
            INVALID,
        ),
        "rate_limit": ErrorText(429, "Rate limit reached", "rate_limit_error", "rate_limit_error"),
        "overloaded": ErrorText(
            503,
            "Service is too busy. We advise users to temporarily switch to alternative LLM API "
            "service providers.",
            "service_unavailable_error",
            "service_unavailable_error",
        ),
    },
    like=OPENAI,
    reasoning_key="reasoning_content",
)


def _openrouter_shape(said: ErrorText) -> Json:
    code = said.code if isinstance(said.code, int) else said.status
    metadata = {"provider_name": None} if said.status in {402, 429} else {}
    metadata = {**metadata, **said.extra}
    error = {"message": said.message, "code": code, **({"metadata": metadata} if metadata else {})}
    return {"error": error, "user_id": "user_simulated"}


OPENROUTER: Final = Dialect(
    "openrouter",
    CHAT,
    _openrouter_shape,
    {
        "no_key": ErrorText(401, "No auth credentials found"),
        "wrong_key": ErrorText(401, "User not found."),
        # openrouter.ai/docs/api/reference/errors-and-debugging: moderation
        "forbidden": ErrorText(
            403,
            "{model} requires moderation on Simulated. Your input was flagged for "
            '"violence/graphic". No credits were charged.',
            extra={
                "reasons": ["violence/graphic"],
                "flagged_input": "a simulated...flagged text",
                "provider_name": "Simulated",
                "model_slug": "simulated/model",
            },
        ),
        "unknown_model": ErrorText(400, "{model} is not a valid model ID"),
        "bad_request": ErrorText(
            400,
            "Provider returned error",
            extra={"raw": "{words}", "provider_name": "Simulated"},
        ),
        "context": ErrorText(
            400,
            "This endpoint's maximum context length is {window} tokens. However, you requested "
            "about {input} tokens ({input} of text input, {output} in the output). Please reduce "
            "the length of either one, or use the context-compression plugin to compress your "
            "prompt automatically.",
        ),
        # github.com/babikov/doka-site/issues/7
        "quota": ErrorText(
            402,
            "This request requires more credits, or fewer max_tokens. You requested up to 65536 "
            "tokens, but can only afford 3919. To increase, visit "
            "https://openrouter.ai/settings/credits and upgrade to a paid account",
        ),
        # github.com/open-webui/computer/issues/293
        "rate_limit": ErrorText(
            429,
            "Provider returned error",
            extra={
                "raw": "the model is temporarily rate-limited upstream. Please retry shortly.",
                "provider_name": "Simulated",
            },
        ),
        "overloaded": ErrorText(
            502, "Provider returned error", extra={"provider_name": "Simulated", "raw": "overload"}
        ),
        "bad_gateway": ErrorText(
            502, "Provider returned error", extra={"provider_name": "Simulated"}
        ),
        "unavailable": ErrorText(503, "No instances available (yet) for this model."),
    },
    like=OPENAI,
    reasoning_key="reasoning",
    usage_always=True,
    comment=": OPENROUTER PROCESSING",  # openrouter.ai/docs/api-reference/streaming
)


def _vllm_shape(said: ErrorText) -> Json:
    kind = said.type or "BadRequestError"
    error = {"message": said.message, "type": kind, "param": said.param, "code": said.status}
    return {"error": error}


VLLM: Final = Dialect(
    "vllm",
    CHAT,
    _vllm_shape,
    {
        "no_key": ErrorText(401, "Unauthorized", "Unauthorized"),
        "wrong_key": ErrorText(401, "Unauthorized", "Unauthorized"),
        "unknown_model": ErrorText(404, "The model `{model}` does not exist.", "NotFoundError"),
        # github.com/vllm-project/vllm-ascend/issues/11557
        "context": ErrorText(
            400,
            "This model's maximum context length is {window} tokens. However, you requested "
            "{output} output tokens and your prompt contains at least {input} input tokens. "
            "Please reduce the length of the input prompt or the number of requested output "
            "tokens. (parameter=input_tokens, value={input})",
            "BadRequestError",
            param="input_tokens",
        ),
        "server_error": ErrorText(500, "Internal server error", "InternalServerError"),
    },
    like=OPENAI,
    reasoning_key="reasoning",
)

OLLAMA: Final = Dialect(
    "ollama",
    CHAT,
    openai_shape,
    {
        # github.com/netease-youdao/QAnything/issues/555
        "unknown_model": ErrorText(
            404, 'model "{model}" not found, try pulling it first', "not_found_error"
        ),
        "wrong_key": ErrorText(401, "unauthorized", "authentication_error"),
        "no_key": ErrorText(401, "unauthorized", "authentication_error"),
        "overloaded": ErrorText(
            503,
            "server busy, please try again.  maximum pending requests exceeded",
            "api_error",
        ),
        "server_error": ErrorText(
            500, "llama runner process has terminated: exit status 2", "api_error"
        ),
    },
    like=OPENAI,
    reasoning_key="reasoning",
    cuts_silently=True,
)


def _llamacpp_shape(said: ErrorText) -> Json:
    error = {"code": said.status, "message": said.message, "type": said.type, **said.extra}
    return {"error": error}


LLAMACPP: Final = Dialect(
    "llamacpp",
    CHAT,
    _llamacpp_shape,
    {
        "no_key": ErrorText(401, "Invalid API Key", "authentication_error"),
        "wrong_key": ErrorText(401, "Invalid API Key", "authentication_error"),
        # github.com/oobabooga/textgen/issues/7257
        "context": ErrorText(
            400,
            "the request exceeds the available context size. try increasing the context size or "
            "enable context shift",
            "exceed_context_size_error",
            numbers={"n_prompt_tokens": "input", "n_ctx": "window"},
        ),
        "unavailable": ErrorText(503, "Loading model", "unavailable_error"),
        "overloaded": ErrorText(503, "Loading model", "unavailable_error"),
    },
    like=OPENAI,
    reasoning_key="reasoning_content",
)


def _groq_shape(said: ErrorText) -> Json:
    code = {} if said.code is None else {"code": said.code}
    return {"error": {"message": said.message, "type": said.type, **code, **said.extra}}


GROQ: Final = Dialect(
    "groq",
    CHAT,
    _groq_shape,
    {
        # github.com/ag5826000/resume-commentor/issues/4
        "no_key": ErrorText(401, "Invalid API Key", INVALID, "invalid_api_key"),
        "wrong_key": ErrorText(401, "Invalid API Key", INVALID, "invalid_api_key"),
        # github.com/HunorLaczko/ha-groq-cloud-api/issues/27: too large for the rate, at any time
        "too_large": ErrorText(
            413,
            "Request too large for model `{model}` in organization `org_simulated` service tier "
            "`on_demand` on tokens per minute (TPM): Limit 6000, Requested {input}, please reduce "
            "your message size and try again. Need more tokens? Upgrade to Dev Tier today at "
            "https://console.groq.com/settings/billing",
            "tokens",
            "rate_limit_exceeded",
        ),
        "context": ErrorText(
            400,
            "Please reduce the length of the messages or completion.",
            INVALID,
            "context_length_exceeded",
        ),
        # github.com/continuedev/continue/issues/10920
        "rate_limit": ErrorText(
            429,
            "Rate limit reached for model `{model}` in organization `org_simulated` service tier "
            "`on_demand` on tokens per minute (TPM): Limit 6000, Used 5914, Requested 1822. "
            "Please try again in {wait_s}s. Need more tokens? Upgrade to Dev Tier today at "
            "https://console.groq.com/settings/billing",
            "tokens",
            "rate_limit_exceeded",
        ),
        "overloaded": ErrorText(
            503,
            "{model} is currently over capacity. Please try again and back off exponentially.",
            "internal_server_error",
        ),
    },
    like=OPENAI,
    reasoning_key="reasoning",
    usage_always=True,
)


def _mistral_shape(said: ErrorText) -> Json:
    if said.status == 401:  # noqa: PLR2004 - github.com/agent0ai/agent-zero/issues/539
        return {"detail": "Unauthorized"}
    message: object = said.message
    if said.type == "extra_forbidden":
        location = ["body", said.param or ""]
        filled = {"type": said.type, "loc": location, "msg": said.message, "input": None}
        message = {"detail": [filled]}
    kind = INVALID if said.type == "extra_forbidden" else said.type
    known = {"message": message, "type": kind, "param": None, "code": said.code}
    return {"object": "error", **known}


MISTRAL: Final = Dialect(
    "mistral",
    CHAT,
    _mistral_shape,
    {
        "no_key": ErrorText(401, "Unauthorized"),
        "wrong_key": ErrorText(401, "Unauthorized"),
        "unknown_model": ErrorText(400, "Invalid model: {model}", "invalid_model", "1500"),
        # github.com/editor-code-assistant/eca/issues/231
        "parameter": ErrorText(
            422, "Extra inputs are not permitted", "extra_forbidden", param="{parameter}"
        ),
        "extra_parameter": ErrorText(
            422, "Extra inputs are not permitted", "extra_forbidden", param="{parameter}"
        ),
        # github.com/raycast/extensions/issues/31107
        "rate_limit": ErrorText(429, "Rate limit exceeded", "rate_limited", "1300"),
        # github.com/continuedev/continue/issues/6185
        "overloaded": ErrorText(429, "Service tier capacity exceeded for this model.", INVALID),
        "context": ErrorText(
            400,
            "Prompt contains {input} tokens and 0 draft tokens, too large for model with "
            "{window} maximum context length",
            INVALID,
            "3051",
        ),
        "server_error": ErrorText(500, "Internal server error", "internal_server_error", "1000"),
    },
    like=OPENAI,
    usage_always=True,
)

DIALECTS: Final = {
    dialect.name: dialect
    for dialect in (
        OPENAI,
        DEEPSEEK,
        OPENROUTER,
        VLLM,
        OLLAMA,
        LLAMACPP,
        GROQ,
        MISTRAL,
        RESPONSES,
        ANTHROPIC,
        GEMINI,
    )
}
"""Every dialect by name."""

NATIVE: Final = {
    WireFormat.OPENAI_CHAT: OPENAI,
    WireFormat.OPENAI_RESPONSES: RESPONSES,
    WireFormat.ANTHROPIC_MESSAGES: ANTHROPIC,
    WireFormat.GEMINI: GEMINI,
}
"""The dialect of a protocol's inventor."""
