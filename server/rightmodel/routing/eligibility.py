"""Which models can take a task, and why the others cannot. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rightmodel.core.decision import Rejection, Requirements
from rightmodel.routing.deferred import Deferred

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rightmodel.manifest.catalog import Client, Model
    from rightmodel.routing.scoring import Columns

TYPICAL_ERROR: Final = 1.15
"""Common texts make at most this multiple of their estimate."""


def split(
    columns: Columns, needed: Requirements, unavailable: Mapping[str, str]
) -> tuple[list[int], Sequence[Rejection]]:
    """Positions of the models that can take the task, and a rejection for each other model.

    `unavailable`: model id → why it is out whatever the task (no key, cooling down …). The price
    ceiling is checked later: it needs an estimate.
    """
    tokens, answer = int(needed.input_tokens * TYPICAL_ERROR), needed.output_tokens
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
    plain = needed.modalities == {"text"} and not (needed.features or needed.unfit)
    if needed.pinned or needed.trust or not plain:
        fit = [n for n in fit if obstacle(models[n], needed) is None]
    if len(fit) == len(models):
        return fit, ()

    def rejected() -> tuple[Rejection, ...]:
        kept = set(fit)
        return tuple(
            rejection(model, needed, tokens, unavailable)
            for n, model in enumerate(models)
            if n not in kept
        )

    return fit, Deferred(len(models) - len(fit), (), rejected)


def barred(client: Client, models: Iterable[Model]) -> dict[str, str]:
    """The models that are not the client's, each with the reason."""
    why = f"client {client.name} may not use it"
    return {model.id: why for model in models if not client.may_use(model.id)}


def obstacle(model: Model, needed: Requirements) -> tuple[str, str] | None:
    """Code and reason why the model cannot take the task, windows apart; `None` where it can."""
    if needed.pinned and model.id not in needed.pinned:
        return "not_named", "the caller named other models"
    if needed.trust and model.trust < needed.trust:
        return "trust", (
            f"rule {needed.trust_by!r} requires trust {needed.trust.name}; "
            f"this is {model.trust.name}"
        )
    if missing := needed.modalities - model.modalities:
        return "modality", f"cannot read {', '.join(sorted(missing))}"
    if missing := needed.features - model.features:
        return "feature", f"lacks {', '.join(sorted(missing))}"
    unfit = [needed.unfit.get(e.provider.protocol) for e in model.endpoints] if needed.unfit else []
    if unfit and all(unfit):
        missing = frozenset().union(*filter(None, unfit))
        return "dialect", f"its API has no field for {', '.join(sorted(missing))}"
    return None


def rejection(
    model: Model, needed: Requirements, tokens: int, unavailable: Mapping[str, str]
) -> Rejection:
    """`tokens`: of the prompt, with margin."""
    if model.id in unavailable:
        return Rejection(model.id, "unavailable", unavailable[model.id])
    if found := obstacle(model, needed):
        return Rejection(model.id, *found)
    answer = needed.output_tokens
    if tokens + answer > model.context:
        why = (
            f"about {tokens} prompt and {answer} answer tokens with margin exceed its window of "
            f"{model.context}"
        )
    elif model.input_limit is not None and tokens > model.input_limit:
        why = f"about {tokens} prompt tokens with margin exceed its limit of {model.input_limit}"
    else:
        why = f"the answer needs about {answer} tokens, its limit is {model.output_limit}"
        return Rejection(model.id, "output", why)
    return Rejection(model.id, "context", why)
