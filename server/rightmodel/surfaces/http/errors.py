"""Errors as HTTP: which status, and whether the client's SDK shall retry."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Final

from rightmodel.core.errors import (
    BudgetError,
    ClosedError,
    ExhaustedError,
    LedgerError,
    ManifestError,
    NoCandidateError,
    ProviderError,
    RightmodelError,
    TaskError,
    UnknownNameError,
)
from rightmodel.core.fault import Fault
from rightmodel.surfaces.rendering import error_code

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rightmodel.wire.request import RequestError

SOON_S: Final = 60.0
"""Seconds of `retry-after` beyond which none is sent: SDKs that are told to wait longer do not, and
retry at once; Codex 0.171.0 sleeps as long as it says, without a word."""

STATUS: Final[Mapping[Fault, int]] = {
    Fault.RATE_LIMITED: 429,
    Fault.OVERLOADED: 503,
    Fault.BUSY: 503,
    Fault.TIMEOUT: 504,
    Fault.QUOTA: 402,
    Fault.NOT_FOUND: 404,
    Fault.FORBIDDEN: 403,
    Fault.CONTEXT_OVERFLOW: 400,
    Fault.BAD_REQUEST: 400,
    Fault.PARAMETER: 400,
    Fault.REFUSED: 400,
}
"""Every other fault is a bad gateway: 502. So is a key that the provider did not accept: a 401
would make the client ask its user to log in, with the wrong party."""
BAD_GATEWAY: Final = 502
TOO_LONG: Final = "context"
"""Code of the rejection of a model whose window is too small: a shorter request would fit it."""


class HttpError(Exception):
    """An error response. `param`: dotted path of the field that is wrong, "" for none.

    `retryable`: whether the same request may succeed later; `retry_after_s`: when, `None` unknown.
    `ref`: of the turn that failed, "" where none began. `right`: headers that say what is right.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        param: str = "",
        retryable: bool = False,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.param = param
        self.retryable = retryable
        self.retry_after_s = retry_after_s
        self.right: tuple[tuple[bytes, bytes], ...] = ()
        self.ref = ""

    @property
    def headers(self) -> tuple[tuple[bytes, bytes], ...]:
        """What SDKs act on: those of OpenAI and Anthropic obey `x-should-retry`."""
        soon = self.retryable and (self.retry_after_s or 0.0) <= SOON_S
        named = [(b"x-should-retry", b"true" if soon else b"false"), *self.right]
        if self.ref:
            named.append((b"x-rightmodel-ref", self.ref.encode()))
        if soon and self.retry_after_s is not None:
            named.append((b"retry-after", str(ceil(self.retry_after_s)).encode()))
        return tuple(named)


def invalid_request(error: RequestError) -> HttpError:
    """The error of a body that is no request of its API."""
    return HttpError(400, "invalid_request", str(error), param=error.field)


def http_error(error: RightmodelError) -> HttpError:
    """The response to a request that failed for a foreseeable reason."""
    return HttpError(
        _status(error),
        _code(error),
        _message(error),
        param=_param(error),
        retryable=error.retryable,
        retry_after_s=error.retry_after_s,
    )


def _param(error: RightmodelError) -> str:
    if isinstance(error, TaskError):
        return error.argument
    return error.parameter if isinstance(error, ExhaustedError) else ""


def _message(error: RightmodelError) -> str:
    all_shown = "; send the same body to POST /v1/route to see every model's reason"
    return f"{error}{all_shown if getattr(error, 'rejections', ()) else ''}"


def _status(error: RightmodelError) -> int:
    if isinstance(error, UnknownNameError):
        return 404
    if isinstance(error, BudgetError):
        return 429 if error.passing else 402
    if isinstance(error, TaskError | NoCandidateError):
        return 400
    if isinstance(error, ManifestError | LedgerError | ClosedError):
        return 503
    if isinstance(error, ExhaustedError):
        return _of_fault(error.attempts[-1].fault) if error.attempts else 503
    return _of_fault(error.fault) if isinstance(error, ProviderError) else 500


def _of_fault(fault: Fault | None) -> int:
    return STATUS.get(fault, BAD_GATEWAY) if fault else BAD_GATEWAY


def _code(error: RightmodelError) -> str:
    """As in MCP; where a shorter request would find a model, the code that clients act on."""
    rejections = getattr(error, "rejections", ())
    if any(rejection.code == TOO_LONG for rejection in rejections):
        return Fault.CONTEXT_OVERFLOW.value
    return error_code(error)
