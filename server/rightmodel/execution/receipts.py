"""What happened in a call and what it cost: receipts, and the error when every attempt failed."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

from rightmodel.core.call import Receipt, Usage
from rightmodel.core.errors import ExhaustedError, NoCandidateError, nearest
from rightmodel.core.fault import Fault
from rightmodel.core.format import dollars, listed
from rightmodel.routing.tokens import billable_tokens

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rightmodel.core.call import Attempt
    from rightmodel.core.decision import Decision
    from rightmodel.execution.call_state import CallState
    from rightmodel.manifest.catalog import Catalog

WRAPPING: Final = 100
"""Tokens that an upstream's chat template adds to a prompt."""


def make_receipt(
    catalog: Catalog, state: CallState, *, allowance: int, at: float, time_s: float
) -> Receipt:
    """The receipt of a call whose last attempt gave the answer, of `allowance` tokens at most."""
    decision, attempts = state.decision, state.attempts
    last, cost = attempts[-1], state.cost_usd
    sent = decision.requirements.input_tokens
    baseline = _baseline_cost(catalog, _believed(last.usage, sent, allowance), at)
    return Receipt(
        model=last.model,
        decision=decision,
        attempts=tuple(attempts),
        time_s=time_s,
        cost_usd=cost,
        baseline_usd=baseline,
        saved_usd=None if baseline is None or cost is None else baseline - cost,
        served=last.served if not same_model(last.served, last.name) else "",
        files=tuple(file.path for file in state.task.files),
        flags=_flags(decision, attempts),
    )


def _flags(decision: Decision, attempts: Sequence[Attempt]) -> tuple[str, ...]:
    refused = [f"refused={a.model}" for a in attempts if a.fault is Fault.REFUSED]
    return (*refused, "explored") if decision.explored else tuple(refused)


def _believed(usage: Usage | None, sent: int, allowance: int) -> Usage | None:
    """The counts that a saving is reckoned from: an upstream that inflates them invents none.

    `sent`: the prompt's tokens as estimated; `allowance`: the output tokens that were allowed.
    Reasoning tokens are left out: what the baseline would have thought is not known, and claiming
    the other model's would inflate the saving.
    """
    if usage is None:
        return None
    most = billable_tokens(sent) + WRAPPING
    return Usage(min(usage.input, most), min(usage.output - usage.reasoning, allowance))


def _baseline_cost(catalog: Catalog, usage: Usage | None, at: float) -> Decimal | None:
    """What the baseline would have cost: the same prompt and answer at its prices, no cache."""
    model = catalog.baseline_model
    if model is None or usage is None:
        return None
    return model.price.cost(usage, at)


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
    catalog: Catalog, state: CallState, *, retry_after_s: float | None = None
) -> ExhaustedError:
    """The error when every attempt failed: what was tried, and what to do next.

    `retry_after_s`: until the first endpoint that may recover can be tried again.
    """
    decision, attempts, errors = state.decision, state.attempts, state.errors
    tried = "; ".join(f"{a.model} at {a.provider}: {a.message}" for a in attempts)
    if not errors:
        return ExhaustedError(
            "no attempt could be made in time: every fit model is cooling down after faults"
            + ("" if retry_after_s is None else f", the first for another {retry_after_s:.0f} s"),
            attempts=attempts,
            retryable=True,
            retry_after_s=retry_after_s,
        )
    advice = "; ".join(dict.fromkeys(_advice(catalog, a) for a in reversed(attempts)))
    pinned = set(decision.requirements.pinned)
    others = [m for m in catalog.models if m not in pinned] if pinned else []
    if others:
        others_text = ", ".join(others[:5])
        advice += f"; only the named models were tried, others are connected: {others_text}"
    spent = sum((a.cost_usd for a in attempts if a.cost_usd), Decimal(0))
    if spent:
        tried += f". That cost {dollars(spent)}"
    if state.no_room:
        advice += f"; {state.no_room}"
    if too_dear := _too_dear(state):
        advice += f"; max_cost_usd kept the call from {too_dear}: raise it to allow them"
    retryable = any(e.fault.retryable for e in errors)
    return ExhaustedError(
        f"every attempt failed. {tried}. Next: {advice}.",
        attempts=attempts,
        retryable=retryable,
        retry_after_s=retry_after_s if retryable else None,
    )


def _advice(catalog: Catalog, attempt: Attempt) -> str:
    """What to do about a failed attempt, with the key's variable and the ids that are near."""
    advice = attempt.fault.advice if attempt.fault else ""
    provider = catalog.providers.get(attempt.provider)
    key = (provider.key_env or provider.key_file) if provider else ""
    close = nearest(attempt.model, [m for m in catalog.models if m != attempt.model])
    return advice.format(
        key=key or f"key_env of {attempt.provider} in the manifest",
        near=f" (nearest connected: {', '.join(close)})" if close else "",
    )


def _too_dear(state: CallState) -> str:
    """The models that only the call's ceiling ruled out, "" for none."""
    rejected = [r.model for r in state.decision.rejections if r.code == "max_cost_usd"]
    left = state.left_usd
    late = [
        c.model
        for c in state.candidates
        if left is not None and (c.cost_usd is None or c.cost_usd > left)
    ]
    tried = {attempt.model for attempt in state.attempts}
    models = [model for model in dict.fromkeys((*late, *rejected)) if model not in tried]
    return listed(models) if models else ""


def nothing_left(state: CallState) -> NoCandidateError:
    """The error where there are candidates and none may be tried."""
    decision, spent_usd = state.decision, state.spent_usd
    needed = decision.requirements
    models = listed([candidate.model for candidate in decision.candidates])
    if needed.max_cost_usd is not None and spent_usd:
        return NoCandidateError(
            f"the judge's call cost {dollars(spent_usd)}; the rest of max_cost_usd cannot cover "
            f"{models}: raise it, or state skill and difficulty"
        )
    return NoCandidateError(
        f"the task has about {needed.input_tokens} prompt tokens, more than {models} proved to "
        "read when asked before, whatever the manifest says: shorten it, raise the window where "
        "the model runs (Ollama: OLLAMA_CONTEXT_LENGTH), or connect a larger one"
    )


def nothing_fits(decision: Decision) -> NoCandidateError:
    """The error for a decision without candidates: says what would help."""
    models_by_reason: dict[str, list[str]] = {}
    for rejection in decision.rejections:
        if rejection.code != "not_named":
            models_by_reason.setdefault(rejection.reason, []).append(rejection.model)
    reasons = "; ".join(
        f"{listed(models, most=3)}: {why}" for why, models in list(models_by_reason.items())[:6]
    )
    if not models_by_reason:
        return NoCandidateError(
            "no model is connected. Set a provider's key in the server's environment or "
            "--env-file, or write a manifest; `rightmodel check` says what is missing"
        )
    return NoCandidateError(
        f"no connected model can take this task. {reasons}. "
        "Loosen what excludes them, or call choose_model for the whole list",
        rejections=decision.rejections,
    )
