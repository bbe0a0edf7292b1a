"""Which models can take a task? Every model left out carries its reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rightmodel.core.decision import Rejection
from rightmodel.core.task import Trust

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from rightmodel.core.decision import Requirements
    from rightmodel.manifest.catalog import Model

    Check = Callable[[Model], tuple[str, str] | None]

CONTEXT_MARGIN: Final = 1.15
"""Estimated prompt tokens are multiplied by this before they are held against a window: the
estimate is good to 15 % on the texts that are common."""


def split(
    models: Iterable[Model], needed: Requirements, unavailable: Mapping[str, str]
) -> tuple[list[Model], list[Rejection]]:
    """The models that can take the task, and a rejection for each that cannot.

    `unavailable`: model id → why it is out whatever the task (no key, cooling down …). The price
    ceiling is not looked at here: it needs an estimate.
    """
    checks = _checks(needed)
    fit: list[Model] = []
    out: list[Rejection] = []
    for model in models:
        if unavailable and model.id in unavailable:
            out.append(Rejection(model.id, "unavailable", unavailable[model.id]))
            continue
        for check in checks:
            found = check(model)
            if found is not None:
                out.append(Rejection(model.id, *found))
                break
        else:
            fit.append(model)
    return fit, out


def _checks(needed: Requirements) -> list[Check]:
    """Only the checks that this task makes necessary: most tasks need one."""
    checks: list[Check] = []
    if needed.pinned:
        checks.append(_pinned(frozenset(needed.pinned)))
    if needed.trust > Trust.any:
        checks.append(_trust(needed.trust))
    if needed.modalities != {"text"}:
        checks.append(_modalities(needed.modalities))
    if needed.features:
        checks.append(_features(needed.features))
    checks.append(_window(int(needed.input_tokens * CONTEXT_MARGIN), needed.output_tokens))
    return checks


def _pinned(names: frozenset[str]) -> Check:
    def check(model: Model) -> tuple[str, str] | None:
        return None if model.id in names else ("not_named", "the caller named other models")

    return check


def _trust(trust: Trust) -> Check:
    def check(model: Model) -> tuple[str, str] | None:
        if model.trust >= trust:
            return None
        return "trust", f"a rule requires trust {trust.name}; this is {model.trust.name}"

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
                f"the answer needs about {output_tokens} tokens, it writes at most "
                f"{model.output_limit}"
            )
        return None

    return check
