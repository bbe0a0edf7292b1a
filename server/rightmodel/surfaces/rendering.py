"""Receipts, decisions and errors as callers see them: text for models, `_meta` for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

from rightmodel.core.call import Attempt, AttemptFailed, AttemptStarted, Usage, Waiting
from rightmodel.core.decision import Candidate, Decision, Rejection, models_by_reason
from rightmodel.core.errors import ExhaustedError, ProviderError, RightmodelError
from rightmodel.core.format import dollars, listed, plain_object

if TYPE_CHECKING:
    from rightmodel.core.call import CallEvent, Receipt
    from rightmodel.execution.calls import Page
    from rightmodel.manifest.catalog import Catalog

META_KEY: Final = "rightmodel/receipt"
ERROR_META_KEY: Final = "rightmodel/error"
FEW_REJECTED: Final = 150
"""So many rejected models, or `limit` if that is higher, are listed one by one: each is tokens that
an agent pays for."""
FEW_REASONS: Final = 8
_ATTEMPT: Final = tuple(field.name for field in fields(Attempt) if field.name != "usage")
_USAGE: Final = tuple(field.name for field in fields(Usage))


def page_note(page: Page) -> str:
    """How to read on, "" on the last page."""
    if page.number >= page.pages:
        return f"page={page.number}/{page.pages}" if page.pages > 1 else ""
    ref = page.answer.receipt.ref
    return f"page={page.number}/{page.pages}; it goes on: call complete with ref={ref} alone"


def event_text(event: CallEvent) -> str:
    """A call's progress as one line. `Token` has no line of its own."""
    match event:
        case Waiting(model, wait_s):
            return f"waiting {wait_s:.1f} s for {model}"
        case AttemptStarted(number, model, provider):
            return f"attempt {number}: {model} at {provider}"
        case AttemptFailed(_, model, _, fault, _):
            return f"{model}: {fault.value}"
        case _:
            return "waiting until fewer calls run"


def ignored_note(names: Sequence[str]) -> str:
    """Which arguments were passed over, "" for none."""
    return f"ignored_arguments={','.join(names)}" if names else ""


def footer(receipt: Receipt, *notes: str) -> str:
    """The one line below an answer."""
    assessment = receipt.decision.assessment
    parts = {
        "ref": receipt.ref,
        "model": receipt.model,
        "served": receipt.served,
        "skill": assessment.skills[0][0],
        "cost": "unknown" if receipt.cost_usd is None else dollars(receipt.cost_usd),
        "saved": "" if receipt.saved_usd is None else dollars(receipt.saved_usd),
        "attempts": str(len(receipt.attempts) or ""),
        "time": f"{receipt.time_s:.1f}s",
    }
    flags = "".join(f" {flag}" for flag in (*receipt.flags, *notes) if flag)
    return "[" + " ".join(f"{k}={v}" for k, v in parts.items() if v) + flags + "]"


def receipt_meta(receipt: Receipt) -> dict[str, Any]:
    """The full receipt as plain JSON."""
    assessment = receipt.decision.assessment
    return plain_object(
        ref=receipt.ref,
        model=receipt.model,
        served=receipt.served,
        reason=receipt.decision.reason,
        rule=receipt.decision.rule,
        tier=receipt.decision.tier,
        skill=dict(assessment.skills),
        difficulty=assessment.difficulty,
        source=assessment.source,
        confidence=assessment.confidence,
        assessed=assessment.note,
        judge=receipt.decision.judge,
        judge_usd=receipt.decision.judge_usd,
        cost_usd=receipt.cost_usd,
        baseline_usd=receipt.baseline_usd,
        saved_usd=receipt.saved_usd,
        time_s=round(receipt.time_s, 3),
        files=list(receipt.files),
        flags=list(receipt.flags),
        attempts=[attempt_meta(a) for a in receipt.attempts],
    )


def attempt_meta(attempt: Attempt) -> dict[str, Any]:
    """One attempt as plain JSON, without what is not known."""
    values = {name: getattr(attempt, name) for name in _ATTEMPT}
    kept = {k: round(v, 3) if isinstance(v, float) else v for k, v in values.items() if v}
    usage = attempt.usage
    return kept if usage is None else {**kept, "usage": {n: getattr(usage, n) for n in _USAGE}}


def choice(
    decision: Decision, catalog: Catalog, limit: int, notes: Mapping[str, str]
) -> dict[str, Any]:
    """What `choose_model` returns. `notes`: what should be known of a candidate now."""
    assessment = decision.assessment
    result = plain_object(
        model=decision.candidates[0].model if decision.candidates else None,
        reason=decision.reason,
        skill={k: round(v, 3) for k, v in assessment.skills},
        difficulty=round(assessment.difficulty, 1),
        source=assessment.source,
        confidence=round(assessment.confidence, 2),
        assessed=assessment.note,
        judge=decision.judge,
        tier=decision.tier,
        candidates=[
            _candidate(c, catalog, notes.get(c.model, "")) for c in decision.candidates[:limit]
        ],
        more_candidates=max(0, len(decision.candidates) - limit),
        rejected=_rejected(decision.rejections, max(limit, FEW_REJECTED)),
    )
    if (count := len(decision.rejections)) > max(limit, FEW_REJECTED):
        result["more_rejected"] = f"limit={count} lists all {count} one by one"
    return result


def _rejected(rejections: Sequence[Rejection], most: int) -> list[dict[str, str]]:
    """One entry a model up to `most`; beyond that one a reason, or one a kind of reason."""
    if len(rejections) <= most:
        return [{"model": r.model, "reason": r.reason} for r in rejections]
    groups = models_by_reason(rejections)
    if len(groups) > FEW_REASONS:  # the figures differ from model to model
        kinds = {r.code: f"for instance {r.reason}" for r in reversed(rejections)}
        groups = models_by_reason(r._replace(reason=kinds[r.code]) for r in rejections)
    return [{"model": listed(names, most=3), "reason": why} for why, names in groups.items()]


def _candidate(candidate: Candidate, catalog: Catalog, note: str) -> dict[str, Any]:
    model = catalog.find(candidate.model)
    first = model.endpoints[0]
    return {
        "model": candidate.model,
        "name": first.name,
        "provider": first.provider.name,
        "p_success": round(candidate.p_success, 3),
        "cost_usd": candidate.cost_usd,
        "time_s": candidate.time_s,
        "description": model.description,
        "note": note,
    }


def error_text(error: RightmodelError) -> str:
    """An error as the model reads it; the last line is for machines."""
    return f"{_message(error)}\n{_error_line(error)}"


def error_meta(error: RightmodelError) -> dict[str, Any]:
    """The same for programs."""
    return plain_object(
        code=error_code(error),
        message=_message(error),
        retryable=error.retryable,
        retry_after_s=error.retry_after_s,
        tried=_tried(error),
        attempts=[attempt_meta(a) for a in getattr(error, "attempts", ())],
        rejected=[{"model": r.model, "reason": r.reason} for r in getattr(error, "rejections", ())],
    )


def error_code(error: RightmodelError) -> str:
    """The last fault's code where attempts were made, else the error's own."""
    if isinstance(error, ProviderError):
        return error.fault.value
    if isinstance(error, ExhaustedError) and error.attempts and error.attempts[-1].fault:
        return error.attempts[-1].fault.value
    return error.code


def _message(error: RightmodelError) -> str:
    count = len(getattr(error, "rejections", ()))
    limit = f" with limit={count}" if count > FEW_REJECTED else ""
    return f"{error}, or call choose_model{limit} for the whole list" if count else str(error)


def _error_line(error: RightmodelError) -> str:
    parts = [f"code={error_code(error)}", f"retryable={'yes' if error.retryable else 'no'}"]
    if error.retry_after_s is not None:
        parts.append(f"retry_after={error.retry_after_s:.0f}s")
    if tried := _tried(error):
        parts.append("tried=" + ",".join(tried))
    return "[" + " ".join(parts) + "]"


def _tried(error: RightmodelError) -> list[str]:
    attempts: tuple[Attempt, ...] = getattr(error, "attempts", ())
    return list(dict.fromkeys(a.model for a in attempts))
