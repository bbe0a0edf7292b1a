"""Which models can take a task? Every model left out carries its reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rightmodel.core.decision import Deferred, Rejection
from rightmodel.core.task import Trust
from rightmodel.routing.tokens import window_tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rightmodel.core.decision import Requirements
    from rightmodel.manifest.catalog import Model
    from rightmodel.routing.columns import Columns

    Check = Callable[[Model], tuple[str, str] | None]


def split(
    columns: Columns, needed: Requirements, unavailable: Mapping[str, str]
) -> tuple[list[int], Sequence[Rejection]]:
    """Positions of the models that can take the task, and a rejection for each other model.

    `unavailable`: model id → why it is out whatever the task (no key, cooling down …). The price
    ceiling is checked later: it needs an estimate.
    """
    checks = _checks(needed)
    tokens, answer = window_tokens(needed.input_tokens), needed.output_tokens
    both = tokens + answer
    fit = [
        n
        for n, window in enumerate(columns.windows)
        if both <= window
        and tokens <= columns.input_limits[n]
        and answer <= columns.output_limits[n]
    ]
    models = columns.models
    if unavailable:
        fit = [n for n in fit if models[n].id not in unavailable]
    for check in checks:
        fit = [n for n in fit if check(models[n]) is None]
    out = len(models) - len(fit)
    if not out:
        return fit, ()

    def rejected() -> tuple[Rejection, ...]:
        kept = set(fit)
        every = (*checks, _window(tokens, answer))
        return tuple(
            _rejection(model, every, unavailable) for n, model in enumerate(models) if n not in kept
        )

    return fit, Deferred(out, (), rejected)


def _rejection(model: Model, checks: Sequence[Check], unavailable: Mapping[str, str]) -> Rejection:
    if model.id in unavailable:
        return Rejection(model.id, "unavailable", unavailable[model.id])
    code, reason = next(why for check in checks if (why := check(model)))
    return Rejection(model.id, code, reason)


def _checks(needed: Requirements) -> list[Check]:
    """Only the checks that this task makes necessary, windows apart: most tasks need none."""
    checks: list[Check] = []
    if needed.pinned:
        checks.append(_pinned(frozenset(needed.pinned)))
    if needed.trust > Trust.any:
        checks.append(_trust(needed.trust, needed.trust_by))
    if needed.modalities != {"text"}:
        checks.append(_modalities(needed.modalities))
    if needed.features:
        checks.append(_features(needed.features))
    return checks


def _pinned(names: frozenset[str]) -> Check:
    def check(model: Model) -> tuple[str, str] | None:
        return None if model.id in names else ("not_named", "the caller named other models")

    return check


def _trust(trust: Trust, rule: str) -> Check:
    def check(model: Model) -> tuple[str, str] | None:
        if model.trust >= trust:
            return None
        return "trust", f"rule {rule!r} requires trust {trust.name}; this is {model.trust.name}"

    return check


def _modalities(needed: frozenset[str]) -> Check:
    def check(model: Model) -> tuple[str, str] | None:
        missing = needed - model.modalities
        return ("modality", f"cannot read {', '.join(sorted(missing))}") if missing else None

    return check


def _features(needed: frozenset[str]) -> Check:
    def check(model: Model) -> tuple[str, str] | None:
        missing = needed - model.features
        return ("feature", f"lacks {', '.join(sorted(missing))}") if missing else None

    return check


def _window(input_tokens: int, output_tokens: int) -> Check:
    def check(model: Model) -> tuple[str, str] | None:
        if input_tokens + output_tokens > model.context:
            return "context", (
                f"about {input_tokens} prompt and {output_tokens} answer tokens with margin "
                f"exceed its window of {model.context}"
            )
        if model.input_limit is not None and input_tokens > model.input_limit:
            return "context", (
                f"about {input_tokens} prompt tokens with margin exceed its limit "
                f"of {model.input_limit}"
            )
        if output_tokens > model.output_limit:
            return "output", (
                f"the answer needs about {output_tokens} tokens, its limit is {model.output_limit}"
            )
        return None

    return check
