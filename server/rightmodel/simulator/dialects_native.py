"""How the inventors of the three protocols word their errors."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from rightmodel.core.task import WireFormat
from rightmodel.simulator.dialect import Dialect, ErrorText, openai_shape

if TYPE_CHECKING:
    from rightmodel.simulator.transport import Json

INVALID: Final = "invalid_request_error"
REQUEST_ID: Final = "req_simulated"

OPENAI: Final = Dialect(
    "openai",
    WireFormat.OPENAI_CHAT,
    openai_shape,
    {
        "no_key": ErrorText(
            401,
            "You didn't provide an API key. You need to provide your API key in an Authorization "
            "header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
            INVALID,
        ),
        "wrong_key": ErrorText(
            401,
            "Incorrect API key provided: {key}. You can find your API key at "
            "https://platform.openai.com/account/api-keys.",
            INVALID,
            "invalid_api_key",
        ),
        # github.com/continuedev/continue/issues/10120
        "forbidden": ErrorText(
            403,
            "Project `proj_simulated` does not have access to model `{model}`",
            INVALID,
            "model_not_found",
        ),
        "unknown_model": ErrorText(
            404,
            "The model `{model}` does not exist or you do not have access to it.",
            INVALID,
            "model_not_found",
        ),
        "no_route": ErrorText(404, "Invalid URL (POST {path})", INVALID),
        "bad_json": ErrorText(
            400,
            "We could not parse the JSON body of your request. (HINT: This likely means you "
            "aren't using your HTTP library correctly.)",
            INVALID,
        ),
        "bad_request": ErrorText(
            400,
            "Invalid value for '{parameter}': {words}",
            INVALID,
            "invalid_value",
            "{parameter}",
        ),
        "missing": ErrorText(
            400,
            "Missing required parameter: '{parameter}'.",
            INVALID,
            "missing_required_parameter",
            "{parameter}",
        ),
        # github.com/sipeed/picoclaw/issues/16
        "parameter": ErrorText(
            400,
            "Unsupported parameter: '{parameter}' is not supported with this model.{instead}",
            INVALID,
            "unsupported_parameter",
            "{parameter}",
        ),
        # github.com/decolua/9router/issues/560
        "value": ErrorText(
            400,
            "Unsupported value: '{parameter}' does not support {value} with this model. "
            "Only the default (1) value is supported.",
            INVALID,
            "unsupported_value",
            "{parameter}",
        ),
        "extra_parameter": ErrorText(
            400,
            "Unrecognized request argument supplied: {parameter}",
            INVALID,
        ),
        "context": ErrorText(
            400,
            "This model's maximum context length is {window} tokens. However, your messages "
            "resulted in {input} tokens. Please reduce the length of the messages.",
            INVALID,
            "context_length_exceeded",
            "messages",
        ),
        "too_large": ErrorText(413, "Request body is too large.", INVALID, "request_too_large"),
        # github.com/rotemweiss57/gpt-newspaper/issues/10
        "rate_limit": ErrorText(
            429,
            "Rate limit reached for {model} in organization org-simulated on tokens per min "
            "(TPM): Limit 30000, Used 29500, Requested 1200. Please try again in {wait_s}s. "
            "Visit https://platform.openai.com/account/rate-limits to learn more.",
            "tokens",
            "rate_limit_exceeded",
        ),
        # github.com/ChatGPTNextWeb/NextChat/issues/3664
        "quota": ErrorText(
            429,
            "You exceeded your current quota, please check your plan and billing details. For "
            "more information on this error, read the docs: "
            "https://platform.openai.com/docs/guides/error-codes/api-errors.",
            "insufficient_quota",
            "insufficient_quota",
        ),
        "overloaded": ErrorText(
            503,
            "That model is currently overloaded with other requests. You can retry your request.",
            "server_error",
        ),
        "timeout": ErrorText(408, "Request timed out.", "server_error", "request_timeout"),
        "server_error": ErrorText(
            500,
            "The server had an error while processing your request. Sorry about that!",
            "server_error",
        ),
        "bad_gateway": ErrorText(502, "Bad gateway.", "server_error"),
        "unavailable": ErrorText(
            503, "The server is currently unavailable.", "server_error", "service_unavailable"
        ),
        "gateway_timeout": ErrorText(504, "Upstream request timeout.", "server_error"),
    },
    headers={"openai-version": "2020-10-01"},
)

RESPONSES: Final = replace(OPENAI, name="openai-responses", protocol=WireFormat.OPENAI_RESPONSES)


def _anthropic_shape(said: ErrorText) -> Json:
    error = {"type": said.type, "message": said.message, **said.extra}
    return {"type": "error", "error": error, "request_id": REQUEST_ID}


# Types by status: platform.claude.com/docs/en/api/errors
ANTHROPIC: Final = Dialect(
    "anthropic",
    WireFormat.ANTHROPIC_MESSAGES,
    _anthropic_shape,
    {
        "no_key": ErrorText(401, "x-api-key header is required", "authentication_error"),
        "wrong_key": ErrorText(401, "invalid x-api-key", "authentication_error"),
        "forbidden": ErrorText(
            403,
            "Your API key does not have permission to use the specified resource.",
            "permission_error",
        ),
        "unknown_model": ErrorText(404, "model: {model}", "not_found_error"),
        "no_route": ErrorText(404, "Not Found", "not_found_error"),
        "bad_json": ErrorText(400, "The request body is not valid JSON: expected value", INVALID),
        "bad_request": ErrorText(400, "{parameter}: {words}", INVALID),
        "missing": ErrorText(400, "{parameter}: Field required", INVALID),
        "parameter": ErrorText(400, "{parameter}: Extra inputs are not permitted", INVALID),
        "value": ErrorText(400, "`{parameter}` is deprecated for this model.", INVALID),
        "extra_parameter": ErrorText(400, "{parameter}: Extra inputs are not permitted", INVALID),
        "context": ErrorText(400, "prompt is too long: {input} tokens > {window} maximum", INVALID),
        "too_large": ErrorText(413, "Request exceeds the maximum size", "request_too_large"),
        # github.com/anthropics/claude-code/issues/71279
        "rate_limit": ErrorText(
            429,
            "This request would exceed your account's rate limit. Please try again later.",
            "rate_limit_error",
        ),
        # github.com/anthropics/claude-code/issues/66314
        "quota": ErrorText(
            400,
            "Your credit balance is too low to access the Anthropic API. Please go to Plans & "
            "Billing to upgrade or purchase credits.",
            INVALID,
        ),
        # github.com/anthropics/anthropic-sdk-typescript/issues/616
        "overloaded": ErrorText(
            529, "Overloaded", "overloaded_error", headers={"x-should-retry": "true"}
        ),
        "timeout": ErrorText(408, "Request timed out", "timeout_error"),
        "server_error": ErrorText(500, "Internal server error", "api_error"),
        "bad_gateway": ErrorText(502, "Bad gateway", "api_error"),
        "unavailable": ErrorText(503, "Service unavailable", "api_error"),
        "gateway_timeout": ErrorText(504, "Request timed out", "timeout_error"),
    },
    headers={"request-id": REQUEST_ID},
)


def _gemini_shape(said: ErrorText) -> Json:
    details = {"details": said.extra["details"]} if said.extra else {}
    status = said.type
    return {"error": {"code": said.status, "message": said.message, "status": status, **details}}


def _reason(reason: str, message: str) -> list[Json]:
    """Details that name a reason, as the Gemini API sends them."""
    at = "type.googleapis.com/google.rpc."
    service = {"service": "generativelanguage.googleapis.com"}
    info: Json = {"@type": f"{at}ErrorInfo", "reason": reason, "domain": "googleapis.com"}
    spoken = {"@type": f"{at}LocalizedMessage", "locale": "en-US", "message": message}
    return [{**info, "metadata": service}, spoken]


def retry_details(delay_s: float, model: str = "") -> list[Json]:
    """Quota details with a `RetryInfo`, as in github.com/RooCodeInc/Roo-Code/issues/3883."""
    at = "type.googleapis.com/google.rpc."
    metric = "generativelanguage.googleapis.com/generate_content_free_tier_requests"
    violation = {
        "quotaMetric": metric,
        "quotaId": "GenerateRequestsPerMinutePerProjectPerModel-FreeTier",
        "quotaDimensions": {"location": "global", "model": model},
        "quotaValue": "20",
    }
    link = {
        "description": "Learn more about Gemini API quotas",
        "url": "https://ai.google.dev/gemini-api/docs/rate-limits",
    }
    return [
        {"@type": f"{at}Help", "links": [link]},
        {"@type": f"{at}QuotaFailure", "violations": [violation]},
        {"@type": f"{at}RetryInfo", "retryDelay": f"{delay_s:g}s"},
    ]


WRONG_KEY: Final = "API key not valid. Please pass a valid API key."
ARGUMENT: Final = "INVALID_ARGUMENT"

GEMINI: Final[Dialect] = Dialect(
    "gemini",
    WireFormat.GEMINI,
    _gemini_shape,
    {
        "no_key": ErrorText(
            403,
            "Method doesn't allow unregistered callers (callers without established identity). "
            "Please use API Key or other form of API consumer identity to call this API.",
            "PERMISSION_DENIED",
        ),
        # A wrong key is a 400: github.com/cequence-io/openai-scala-client/issues/109
        "wrong_key": ErrorText(
            400,
            WRONG_KEY,
            ARGUMENT,
            extra={"details": _reason("API_KEY_INVALID", WRONG_KEY)},
        ),
        "forbidden": ErrorText(403, "The caller does not have permission", "PERMISSION_DENIED"),
        # github.com/wwardaww/gnome-gemini-ai/issues/21
        "unknown_model": ErrorText(
            404,
            "models/{model} is not found for API version v1beta, or is not supported for "
            "generateContent. Call ListModels to see the list of available models and their "
            "supported methods.",
            "NOT_FOUND",
        ),
        "no_route": ErrorText(404, "Requested entity was not found.", "NOT_FOUND"),
        "bad_json": ErrorText(
            400,
            "Invalid JSON payload received. Expected an object key or }}.",
            ARGUMENT,
        ),
        "bad_request": ErrorText(400, "Invalid value at '{parameter}': {words}", ARGUMENT),
        "missing": ErrorText(
            400, "* GenerateContentRequest.{parameter}: {parameter} is not specified", ARGUMENT
        ),
        "parameter": ErrorText(
            400,
            'Invalid JSON payload received. Unknown name "{parameter}": Cannot find field.',
            ARGUMENT,
        ),
        "value": ErrorText(400, "{parameter} is not supported for this model.", ARGUMENT),
        "extra_parameter": ErrorText(
            400,
            'Invalid JSON payload received. Unknown name "{parameter}": Cannot find field.',
            ARGUMENT,
        ),
        # github.com/google-gemini/gemini-cli/issues/4231
        "context": ErrorText(
            400,
            "The input token count ({input}) exceeds the maximum number of tokens allowed "
            "({window}).",
            ARGUMENT,
        ),
        "too_large": ErrorText(413, "Request payload size exceeds the limit.", ARGUMENT),
        # github.com/google-gemini/gemini-cli/issues/14811
        "rate_limit": ErrorText(
            429, "Resource has been exhausted (e.g. check quota).", "RESOURCE_EXHAUSTED"
        ),
        "quota": ErrorText(
            429,
            "You exceeded your current quota, please check your plan and billing details. For "
            "more information on this error, head to: "
            "https://ai.google.dev/gemini-api/docs/rate-limits.",
            "RESOURCE_EXHAUSTED",
        ),
        # github.com/google-gemini/gemini-cli/issues/5191
        "overloaded": ErrorText(
            503, "The model is overloaded. Please try again later.", "UNAVAILABLE"
        ),
        "timeout": ErrorText(408, "Request timed out.", "DEADLINE_EXCEEDED"),
        "server_error": ErrorText(
            500, "An internal error has occurred. Please retry or report.", "INTERNAL"
        ),
        "bad_gateway": ErrorText(502, "Bad Gateway", "UNAVAILABLE"),
        "unavailable": ErrorText(503, "The service is currently unavailable.", "UNAVAILABLE"),
        "gateway_timeout": ErrorText(504, "Deadline expired.", "DEADLINE_EXCEEDED"),
    },
)
