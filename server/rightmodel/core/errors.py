"""Every error that rightmodel raises deliberately.

    RightmodelError              what was wrong, which values are right, whether a retry helps
    ├── ManifestError            a manifest cannot be used: names file, key and nearest key
    ├── TaskError                the caller's arguments are wrong: names the right values
    │   ├── UnknownNameError     no such model, skill, tier …: names the nearest
    │   └── FileRefusedError     a file that may not be sent
    ├── NoCandidateError         nothing connected fits the task: carries every rejection
    ├── ProviderError            one attempt at one endpoint failed: carries the fault
    ├── ExhaustedError           every attempt failed: carries them all
    ├── BudgetError              a budget has no room for the call: what is left, which models fit
    ├── LedgerError              the ledger cannot be read or written: carries the fault
    └── ClosedError              the server ends while the call runs

Each carries its data as attributes, so that callers never parse a message. `code` is stable and
meant for programs; `str(error)` is written for a model that has to decide what to do next.
"""

from __future__ import annotations

import difflib
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar, Final

from rightmodel.core.format import counted, cut, listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from decimal import Decimal

    from rightmodel.core.call import Attempt, Usage
    from rightmodel.core.decision import Rejection
    from rightmodel.core.fault import Fault, Scope


MOST_ERRORS: Final = 20
"""Further errors of a manifest that a message shows."""
FEW: Final = 6
"""As many known names are all listed, whether or not one is near."""


class RightmodelError(Exception):
    """Base class.

    `retryable`: whether the same call may succeed later.
    `retry_after_s`: seconds until then, `None` where unknown.
    """

    code: ClassVar[str] = "error"

    def __init__(
        self, message: str, *, retryable: bool = False, retry_after_s: float | None = None
    ) -> None:
        super().__init__(message)
        self.retryable = retryable
        self.retry_after_s = retry_after_s


class ManifestError(RightmodelError):
    """A manifest cannot be used.

    `file`: its path, "" until `Problems` adds it.
    `key`: dotted path of the key, "" where the file as a whole is wrong.
    `line`: of the key in the file, from 1; 0 where it is not known.
    `others`: the further errors of the file.
    """

    code = "manifest_error"

    def __init__(self, message: str, *, file: str = "", key: str = "", line: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.file = file
        self.key = key
        self.line = line
        self.others: tuple[ManifestError, ...] = ()

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        shown = [": ".join(filter(None, (place, self.key, self.message)))]
        shown += map(str, self.others[:MOST_ERRORS])
        if (more := len(self.others) - MOST_ERRORS) > 0:
            shown.append(f"{self.file}: {counted(more, 'further error')}")
        return "\n".join(shown)


class TaskError(RightmodelError):
    """The caller's arguments are invalid.

    `argument`: the name of the invalid one.
    """

    code = "invalid_argument"

    def __init__(self, message: str, *, argument: str = "") -> None:
        super().__init__(message)
        self.argument = argument


class UnknownNameError(TaskError):
    """Unknown name.

    `name`: as the caller wrote it.
    `nearest`: up to three known names, closest first.
    `advice`: how the name would become a known one, "" where that is not known.
    """

    def __init__(
        self, what: str, name: str, known: Iterable[str], *, argument: str = "", advice: str = ""
    ) -> None:
        names = list(known)
        self.name = name
        self.nearest = nearest(name, names)
        hint = f"Nearest: {', '.join(self.nearest)}. " if self.nearest else ""
        if len(self.nearest) < len(names) <= FEW or not self.nearest:
            hint += f"Known: {listed(names)}. "
        self.advice = advice
        text = f"unknown {what} {cut(name)!r}. {hint}{advice}".rstrip()
        super().__init__(text, argument=argument or what)

    code = "unknown_name"


class FileRefusedError(TaskError):
    """A file that must not be sent to a model.

    `path`: as the caller wrote it.
    """

    code = "file_refused"

    def __init__(self, path: str, why: str) -> None:
        super().__init__(f"file {cut(path, 300)!r} was not sent: {why}", argument="files")
        self.path = path


class NoCandidateError(RightmodelError):
    """No connected model fits the task.

    `rejections`: one for each model; the message names the first, each surface where all are shown.
    """

    code = "no_candidate"

    def __init__(self, message: str, *, rejections: Sequence[Rejection] = ()) -> None:
        super().__init__(message)
        self.rejections = tuple(rejections)


class ProviderError(RightmodelError):
    """One attempt failed.

    `fault`: its row in the table of faults.
    `scope`: what is out of order; the fault's own unless the upstream's error shows otherwise.
    `provider`: its name in the manifest.
    `status`: HTTP status, 0 without a response.
    `parameter`: the field of the request that was refused.
    `window`: the context window in tokens that the upstream named or proved to have.
    `retry_after_s`: seconds that the upstream asks to wait.
    `usage`, `cost_usd`: as reported for the failed attempt, `None` where not.
    """

    code = "provider_error"

    def __init__(  # noqa: PLR0913 - one keyword for each fact the upstream may give
        self,
        fault: Fault,
        message: str,
        *,
        provider: str = "",
        status: int = 0,
        retry_after_s: float | None = None,
        parameter: str = "",
        window: int | None = None,
        scope: Scope | None = None,
    ) -> None:
        super().__init__(message, retryable=fault.retryable, retry_after_s=retry_after_s)
        self.fault = fault
        self.provider = provider
        self.status = status
        self.parameter = parameter
        self.window = window
        self.scope = scope or fault.scope
        self.usage: Usage | None = None
        self.cost_usd: Decimal | None = None


class ExhaustedError(RightmodelError):
    """Every attempt failed.

    `attempts`: all of them, in order. `parameter`: path of the field of a turn's own body that the
    last of them was refused for, "" where none was.
    """

    code = "all_attempts_failed"

    def __init__(
        self,
        message: str,
        *,
        attempts: Sequence[Attempt],
        retryable: bool,
        retry_after_s: float | None = None,
        parameter: str = "",
    ) -> None:
        super().__init__(message, retryable=retryable, retry_after_s=retry_after_s)
        self.attempts = tuple(attempts)
        self.parameter = parameter


class BudgetError(RightmodelError):
    """A budget cannot cover the worst case of an attempt; nothing was reserved, nothing spent.

    `limit`: its name in the manifest. `left_usd`: neither spent nor reserved. `held_usd`: reserved
    under it by running calls. `resets_s`: seconds until the period ends, `None` for a limit per
    call. `cheaper`: models that would fit, in the order given. `passing`: running calls hold the
    room that is missing, and release it within seconds.
    """

    code = "budget_exhausted"

    def __init__(  # noqa: PLR0913 - one keyword for each fact that a caller can act on
        self,
        message: str,
        *,
        limit: str,
        left_usd: Decimal,
        held_usd: Decimal,
        resets_s: float | None,
        cheaper: Sequence[str] = (),
        passing: bool = False,
    ) -> None:
        super().__init__(
            message,
            retryable=passing or resets_s is not None,
            retry_after_s=5.0 if passing else resets_s,
        )
        self.limit = limit
        self.left_usd = left_usd
        self.held_usd = held_usd
        self.resets_s = resets_s
        self.cheaper = tuple(cheaper)
        self.passing = passing


class LedgerFault(StrEnum):
    """Why the ledger cannot be used."""

    FULL = "disk_full"
    READ_ONLY = "read_only"
    DAMAGED = "damaged"
    LOCKED = "locked"
    NEWER = "newer_schema"
    UNREACHABLE = "unreachable"


class LedgerError(RightmodelError):
    """The ledger cannot be read or written. `location`: its file, or its URL without a password.

    No call fails because of it: records are kept in memory until the ledger works again.
    """

    code = "ledger_error"

    def __init__(self, fault: LedgerFault, message: str, *, location: str = "") -> None:
        super().__init__(message, retryable=fault is not LedgerFault.NEWER)
        self.fault = fault
        self.location = location

    @property
    def flag(self) -> str:
        """The receipt's flag."""
        return f"ledger={self.fault.value}"


class ClosedError(RightmodelError):
    """The server ends while the call runs; the same call may succeed at the next one."""

    code = "shutting_down"

    def __init__(self) -> None:
        super().__init__("the server is shutting down; try again", retryable=True)


LEAST_RESEMBLANCE: Final = 0.45


def nearest(
    name: str, known: Iterable[str], count: int = 3, *, cutoff: float = LEAST_RESEMBLANCE
) -> list[str]:
    """Up to `count` of the known names that resemble `name`, closest first.

    A name without a slash is compared with what stands behind the slash of an id, too.
    `cutoff`: the least resemblance, from 0 to 1, as `difflib` counts it.
    """
    by_lower = {k.lower(): k for k in known}
    tails = {} if "/" in name else {k.rpartition("/")[2]: k for k in by_lower}
    found = difflib.get_close_matches(
        name.lower()[:200], by_lower | tails, n=2 * count, cutoff=cutoff
    )
    close = [*dict.fromkeys(tails.get(k, k) for k in found)][:count]
    if cutoff > LEAST_RESEMBLANCE:
        return [by_lower[k] for k in close]
    within = [k for k in by_lower if name and name.lower() in k and k not in close]
    return [by_lower[k] for k in (close + sorted(within, key=len))[:count]]
