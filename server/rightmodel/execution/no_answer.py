"""The errors of calls without an answer: what was tried, and what to do next."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from rightmodel.core.decision import Decision, models_by_reason
from rightmodel.core.errors import ExhaustedError, NoCandidateError, nearest
from rightmodel.core.format import dollars, listed
from rightmodel.wire.codecs import CODECS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rightmodel.core.call import Attempt
    from rightmodel.execution.call_state import CallState
    from rightmodel.manifest.catalog import Catalog


def exhausted(
    catalog: Catalog, state: CallState, *, retry_after_s: float | None = None
) -> ExhaustedError:
    """The error when every attempt failed: what was tried, and what to do next.

    `retry_after_s`: until the first endpoint that may recover can be tried again.
    """
    decision, attempts, errors = state.decision, state.attempts, state.errors
    tried = _tried(attempts)
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
        advice += (
            f"; only the named models were tried, others are connected: {listed(others, most=5)}"
        )
    spent = sum((a.cost_usd for a in attempts if a.cost_usd), Decimal(0))
    if spent:
        tried += f". That cost {dollars(spent)}"
    if state.no_room:
        advice += f"; {state.no_room}"
    ceiling = decision.requirements.cost_by
    if too_dear := _too_dear(state):
        advice += f"; {ceiling} kept the call from {too_dear}: raise it to allow them"
    retryable = any(e.fault.retryable for e in errors)
    return ExhaustedError(
        f"every attempt failed. {tried}. Next: {advice}.",
        attempts=attempts,
        retryable=retryable,
        retry_after_s=retry_after_s if retryable else None,
        parameter=_refused_field(catalog, state),
    )


def _refused_field(catalog: Catalog, state: CallState) -> str:
    """What the client calls the field that the last upstream refused, "" where it refused none."""
    turn, error = state.task.turn, state.errors[-1]
    if turn is None or not error.parameter:
        return ""
    upstream = catalog.providers[error.provider].protocol
    return CODECS[turn.dialect].same_field(error.parameter, CODECS[upstream])


def _tried(attempts: Sequence[Attempt]) -> str:
    """What failed, in the upstreams' words; equal errors of one provider are listed once."""
    models_by_error: dict[tuple[str, str], list[str]] = {}
    for attempt in attempts:
        error = (attempt.provider, attempt.message.rstrip("."))
        models_by_error.setdefault(error, []).append(attempt.model)
    parts = []
    for (provider, message), models in models_by_error.items():
        names = list(dict.fromkeys(models))
        times = f" ({len(models)} attempts)" if len(models) > len(names) else ""
        reason = message.removeprefix(f"{provider}: ")
        parts.append(f"{listed(names, most=3)} at {provider}: {reason}{times}")
    return "; ".join(parts)


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
    """The error for a decision without candidates, with what would help."""
    found = models_by_reason(r for r in decision.rejections if r.code != "not_named")
    reasons = "; ".join(f"{listed(models, most=3)}: {why}" for why, models in [*found.items()][:6])
    if not found:
        return NoCandidateError(
            "no model is connected. Set a provider's key in the server's environment or "
            "--env-file, or write a manifest; `rightmodel check` says what is missing"
        )
    return NoCandidateError(
        f"no connected model can take this task. {reasons}. Loosen what excludes them",
        rejections=decision.rejections,
    )
