"""What happened in a call and what it cost: receipts, and the error when every attempt failed."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from rightmodel.domain import Receipt, Usage
from rightmodel.errors import ExhaustedError, Fault, ProviderError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rightmodel.domain import Attempt, Decision, Task
    from rightmodel.manifest.catalog import Catalog

_ADVICE = {
    Fault.RATE_LIMITED: "rate limits pass: try again later, or connect another provider",
    Fault.QUOTA: "the account has no quota left: top it up or connect another provider",
    Fault.AUTH: "the key was not accepted: check it",
    Fault.NOT_FOUND: "the provider knows no such model: check its name in the manifest",
    Fault.CONTEXT_OVERFLOW: "the task is too long: shorten it or connect a larger context window",
    Fault.REFUSED: "the task was refused: reword it",
    Fault.SCHEMA: "no answer matched the schema: simplify it or raise the tier",
    Fault.CUT_OFF: "the answer is too long: ask for less at once",
    Fault.BAD_REQUEST: "the request was rejected: change it as the upstream says",
}
RETRYABLE = frozenset(
    {
        Fault.RATE_LIMITED,
        Fault.OVERLOADED,
        Fault.SERVER,
        Fault.TIMEOUT,
        Fault.CONNECTION,
        Fault.MALFORMED,
        Fault.EMPTY,
        Fault.CUT_OFF,
        Fault.SCHEMA,
    }
)


def make_receipt(
    catalog: Catalog,
    *,
    task: Task,
    decision: Decision,
    attempts: Sequence[Attempt],
    time_s: float,
) -> Receipt:
    """The receipt of a call whose last attempt gave the answer."""
    last = attempts[-1]
    costs = [a.cost_usd for a in attempts]
    if decision.judge:
        costs.append(decision.judge_usd)
    cost = (
        None if any(c is None for c in costs) else sum((c or Decimal(0) for c in costs), Decimal(0))
    )
    baseline = _baseline_cost(catalog, last.usage)
    return Receipt(
        model=last.model,
        decision=decision,
        attempts=tuple(attempts),
        time_s=time_s,
        cost_usd=cost,
        baseline_usd=baseline,
        saved_usd=None if baseline is None or cost is None else baseline - cost,
        served=last.served if not same_model(last.served, last.name) else "",
        files=tuple(file.path for file in task.files),
    )


def _baseline_cost(catalog: Catalog, usage: Usage | None) -> Decimal | None:
    """What the baseline would have cost: the same prompt and answer at its prices, no cache.

    Reasoning tokens are left out: what the baseline would have thought is not known, and claiming
    the other model's would inflate the saving.
    """
    model = catalog.baseline_model()
    if model is None or usage is None:
        return None
    return model.price.cost(Usage(usage.input, usage.output - usage.reasoning))


def same_model(served: str, asked: str) -> bool:
    """Whether the upstream's name for what it used means the model asked for.

    A dated or versioned suffix is the same model (`gpt-5.4-mini` → `gpt-5.4-mini-2026-03-17`), and
    so is a path in front of it (`models/gemini-…`).
    """
    if not served:
        return True
    a = served.lower().rpartition("/")[2].removesuffix(":free")
    b = asked.lower().rpartition("/")[2].removesuffix(":free")
    shorter, longer = sorted((a, b), key=len)
    rest = longer[len(shorter) :] if longer.startswith(shorter) else "?"
    return not rest or (rest[0] in "-@:" and rest[1:].replace("-", "").replace(".", "").isdigit())


def exhausted(
    catalog: Catalog,
    *,
    decision: Decision,
    attempts: Sequence[Attempt],
    errors: Sequence[ProviderError],
    soonest_s: float | None = None,
) -> ExhaustedError:
    """The error when every attempt failed: what was tried, and what to do next.

    `soonest_s`: seconds until an endpoint can be tried again, where that is too late.
    """
    tried = "; ".join(f"{a.model} at {a.provider}: {a.message}" for a in attempts)
    if not errors:
        return ExhaustedError(
            "no attempt could be made in time: every fit model is cooling down after faults"
            + ("" if soonest_s is None else f", the first for another {soonest_s:.0f} s"),
            attempts=attempts,
            retryable=True,
            retry_after_s=soonest_s,
        )
    last = errors[-1]
    advice = _ADVICE.get(last.fault, "")
    pinned = set(decision.requirements.pinned)
    others = [m for m in catalog.models if m not in pinned] if pinned else []
    if others:
        others_text = ", ".join(others[:5])
        advice += f"; only the named models were tried, others are connected: {others_text}"
    waits = [e.retry_after_s for e in errors if e.retry_after_s is not None]
    return ExhaustedError(
        f"every attempt failed. {tried}." + (f" Next: {advice}." if advice else ""),
        attempts=attempts,
        retryable=any(e.fault in RETRYABLE for e in errors),
        retry_after_s=min(waits) if waits else None,
    )
