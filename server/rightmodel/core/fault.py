"""What can go wrong with one attempt."""

from __future__ import annotations

from enum import StrEnum


class Fault(StrEnum):
    """What went wrong with one attempt. The value is the error code that callers see."""

    RATE_LIMITED = "rate_limited"
    QUOTA = "quota_exhausted"
    AUTH = "auth_failed"
    NOT_FOUND = "model_not_found"
    BAD_REQUEST = "bad_request"
    PARAMETER = "parameter_refused"
    CONTEXT_OVERFLOW = "context_overflow"
    OVERLOADED = "overloaded"
    SERVER = "server_error"
    TIMEOUT = "timeout"
    CONNECTION = "connection_failed"
    MALFORMED = "malformed_answer"
    EMPTY = "empty_answer"
    CUT_OFF = "cut_off"
    REFUSED = "refused"
    SCHEMA = "schema_mismatch"
