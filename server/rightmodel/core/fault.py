"""What can go wrong with one attempt, and what each fault means: one row per fault."""

from __future__ import annotations

from enum import StrEnum, auto
from typing import Self


class Scope(StrEnum):
    """What a fault puts out of order."""

    REQUEST = auto()
    """Nothing: other requests to the same endpoint are unaffected."""
    ENDPOINT = auto()
    """One model at one provider."""
    MODEL = auto()
    """The model's name at the provider."""
    KEY = auto()
    """The provider's key, and with it all of the provider's models."""


class Cooldown(StrEnum):
    """How long what is out of order receives no requests."""

    NONE = auto()
    BACKOFF = auto()
    """Seconds, doubled by each further fault in a row, or as long as the upstream asks."""
    LONG = auto()
    """Minutes: somebody has to change something first."""


class Recovery(StrEnum):
    """What the rest of the call does after the fault."""

    RETRY = auto()
    """Fail over; where nothing else is left, retry the same endpoint after a backoff."""
    FAIL_OVER = auto()
    """Fail over; do not use this endpoint again in this call."""
    LARGER_WINDOW = auto()
    """Fail over to models with a larger context window only."""
    ANOTHER_PROVIDER = auto()
    """Try one model of another provider, once per call."""
    ESCALATE = auto()
    """Try a model with a better chance, or the next in line; `escalate` times per call."""


class Fault(StrEnum):
    """A fault and its row of the table. The value is the error code that callers see.

    `scope`: what is out of order, unless the upstream's error shows otherwise.
    `cooldown`: how long it stays so.
    `recovery`: how the call goes on.
    `retryable`: whether the same call may succeed later without any change.
    `reached`: whether a model received the request; if not, the attempt does not count.
    `advice`: what the caller can do. `{key}`, `{near}`: where the key comes from, similar ids.
    """

    scope: Scope
    cooldown: Cooldown
    recovery: Recovery
    retryable: bool
    reached: bool
    advice: str

    def __new__(  # noqa: PLR0913, PLR0917 - the columns of the table
        cls,
        code: str,
        scope: Scope = Scope.REQUEST,
        cooldown: Cooldown = Cooldown.NONE,
        recovery: Recovery = Recovery.FAIL_OVER,
        retryable: bool = False,
        reached: bool = True,
        advice: str = "",
    ) -> Self:
        """One row. `Fault("timeout")` is a look-up by code and needs none of the columns."""
        fault = str.__new__(cls, code)
        fault._value_ = code
        fault.scope = scope
        fault.cooldown = cooldown
        fault.recovery = recovery
        fault.retryable = retryable
        fault.reached = reached
        fault.advice = advice
        return fault

    # fmt: off
    #                   code                 scope           cooldown          recovery                retryable reached
    RATE_LIMITED     = ("rate_limited",      Scope.ENDPOINT, Cooldown.BACKOFF, Recovery.RETRY,            True,  True,
                        "rate limited: try again later, or connect another provider")
    OVERLOADED       = ("overloaded",        Scope.ENDPOINT, Cooldown.BACKOFF, Recovery.RETRY,            True,  True,
                        "overloaded: try again later, or connect another provider")
    SERVER           = ("server_error",      Scope.ENDPOINT, Cooldown.BACKOFF, Recovery.RETRY,            True,  True,
                        "the provider has a fault: try again later, or connect another provider")
    TIMEOUT          = ("timeout",           Scope.ENDPOINT, Cooldown.BACKOFF, Recovery.RETRY,            True,  True,
                        "too slow: allow a longer deadline, or connect another provider")
    CONNECTION       = ("connection_failed", Scope.ENDPOINT, Cooldown.BACKOFF, Recovery.RETRY,            True,  True,
                        "check base_url and the network, and that the server runs")
    MALFORMED        = ("malformed_answer",  Scope.ENDPOINT, Cooldown.BACKOFF, Recovery.RETRY,            True,  True,
                        "not a response of this API: check protocol and base_url, and any proxy before it")
    UNFINISHED       = ("unfinished_answer", Scope.REQUEST,  Cooldown.NONE,    Recovery.RETRY,            True,  True,
                        "the model did not end with an answer: try again, or name another model")
    BUSY             = ("busy",              Scope.REQUEST,  Cooldown.NONE,    Recovery.RETRY,            True,  False,
                        "the server was busy with other calls: try again later, or connect another provider")
    QUOTA            = ("quota_exhausted",   Scope.KEY,      Cooldown.LONG,    Recovery.FAIL_OVER,        False, False,
                        "the account has no quota left: top it up, or connect another provider")
    AUTH             = ("auth_failed",       Scope.KEY,      Cooldown.LONG,    Recovery.FAIL_OVER,        False, False,
                        "the provider did not accept the key, or got none: check {key}")
    NOT_FOUND        = ("model_not_found",   Scope.MODEL,    Cooldown.LONG,    Recovery.FAIL_OVER,        False, False,
                        "the provider has no such model, or not for this account: check its name in the manifest{near}")
    WRONG_URL        = ("wrong_base_url",    Scope.ENDPOINT, Cooldown.BACKOFF, Recovery.FAIL_OVER,        False, False,
                        "the server has no such path: check base_url and protocol of the provider")
    FORBIDDEN        = ("forbidden",         Scope.REQUEST,  Cooldown.NONE,    Recovery.FAIL_OVER,        False, False,
                        "refused without a reason: check {key}, and any firewall or proxy on the route")
    CONTEXT_OVERFLOW = ("context_overflow",  Scope.REQUEST,  Cooldown.NONE,    Recovery.LARGER_WINDOW,    False, True,
                        "the task is too long: shorten it, or connect a model with a larger context window")
    BAD_REQUEST      = ("bad_request",       Scope.REQUEST,  Cooldown.NONE,    Recovery.ANOTHER_PROVIDER, False, True,
                        "the request was rejected: change it as the upstream says")
    PARAMETER        = ("parameter_refused", Scope.REQUEST,  Cooldown.NONE,    Recovery.ANOTHER_PROVIDER, False, True,
                        "the request was rejected: change it as the upstream says")
    REFUSED          = ("refused",           Scope.REQUEST,  Cooldown.NONE,    Recovery.ANOTHER_PROVIDER, False, True,
                        "the task was refused: reword it")
    EMPTY            = ("empty_answer",      Scope.REQUEST,  Cooldown.NONE,    Recovery.FAIL_OVER,        True,  True,
                        "the answer was empty: reword the task, or allow more output tokens")
    CUT_OFF          = ("cut_off",           Scope.REQUEST,  Cooldown.NONE,    Recovery.ESCALATE,         True,  True,
                        "the answer is too long: ask for less at once")
    SCHEMA           = ("schema_mismatch",   Scope.REQUEST,  Cooldown.NONE,    Recovery.ESCALATE,         True,  True,
                        "no answer matched the schema: simplify it, or raise the tier")
    # fmt: on
