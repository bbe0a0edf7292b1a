"""Which models can take a task, why the others cannot, and why the first was chosen. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rightmodel.core.decision import Rejection, Requirements, Trust
from rightmodel.core.format import dollars

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from rightmodel.core.decision import Candidate
    from rightmodel.manifest.catalog import Client, Model
    from rightmodel.routing.scoring import Columns
    from rightmodel.routing.session import Horizon

TYPICAL_ERROR: Final = 1.15
"""Common texts make at most this multiple of their estimate."""
_UNKNOWN_FEATURES: Final = (
    " (a local server may not say what it takes: if it takes this, list it in `features` of the "
    "model's entry in the manifest)"
)


def split(
    columns: Columns, needed: Requirements, unavailable: Mapping[str, str]
) -> tuple[list[int], Callable[[], tuple[Rejection, ...]]]:
    """Positions of the models that can take the task; what gives a rejection for each other model.

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

    def rejected() -> tuple[Rejection, ...]:
        kept = set(fit)
        return tuple(
            rejection(model, needed, tokens, unavailable)
            for n, model in enumerate(models)
            if n not in kept
        )

    return fit, rejected


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
        lacks = f"lacks {', '.join(sorted(missing))}"
        return "feature", lacks + _UNKNOWN_FEATURES * (model.trust == Trust.local)
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


# -- why the first was chosen ---------------------------------------------------------------------


def reason(head: Sequence[Candidate], needed: Requirements, loss_usd: float) -> str:
    """For a single task. `head`: the choice and its rival. `loss_usd`: of a wrong answer."""
    first = head[0] if head else None
    if needed.pinned or not first or first.cost_usd is None or first.model in needed.preferred:
        return _without_figures(first, needed)
    rival = head[1] if len(head) > 1 and head[1].cost_usd is not None else None
    risk, guess = _risk(first), _guess(first, rival)
    text = f"least expected total cost: {dollars(first.total_usd)}"
    if rival is None:
        return f"{text}; no other priced model fits"
    return (
        f"{text} ({dollars(first.cost_usd)} + {risk} risk × {dollars(loss_usd)}) "
        f"against {dollars(rival.total_usd)} for {rival.model}{guess}"
    )


def reason_in_session(
    head: Sequence[Candidate],
    needed: Requirements,
    loss_usd: float,
    turn: Horizon,
    last: Candidate | str,
) -> str:
    """For a turn of a session. `last`: its last model as a candidate, or why it is none; "" before.

    Both figures are means per turn over the horizon.
    """
    first = head[0] if head else None
    if needed.pinned or not first or first.cost_usd is None or first.model in needed.preferred:
        return _without_figures(first, needed)
    rival = head[1] if len(head) > 1 else None
    if isinstance(last, str):
        verb = f"switches from {turn.view.model} ({last}) to" if last else "begins with"
        against = f"{_total(rival)} for {rival.model}" if rival else "no other model that fits"
    elif last.model == first.model:
        verb = "stays with"
        against = f"{_total(rival)} for switching to {rival.model}" if rival else "no other model"
    else:
        verb, rival = f"switches from {last.model} to", last
        against = f"{_total(last)} for staying"
    span = f"a turn over {1 + turn.further:.2g} turns" if turn.further else "for this turn"
    mean_usd = first.total_usd - (1 - first.p_success) * loss_usd
    return (
        f"{verb} {first.model}: {_total(first)} {span} "
        f"({dollars(mean_usd)} + {_risk(first)} risk × {dollars(loss_usd)}) "
        f"against {against}{_guess(first, rival)}"
    )


def _guess(first: Candidate, rival: Candidate | None) -> str:
    """Why a rival with a lower total comes second."""
    is_lower = rival is not None and rival.total_usd < first.total_usd
    return ", whose rating is only a guess from its price" if is_lower else ""


def _without_figures(first: Candidate | None, needed: Requirements) -> str:
    """The reason where no two figures decided."""
    if first is None:
        return "no connected model can take this task"
    if needed.pinned:
        return "named by the caller"
    if first.model in needed.preferred:
        return needed.preferred_why
    return "the only fit models have unknown prices; rated best among them"


def _risk(candidate: Candidate) -> str:
    return f"{100 * (1 - candidate.p_success):.2g}%"


def _total(candidate: Candidate) -> str:
    if candidate.cost_usd is None:
        return "an unknown price"
    return dollars(candidate.total_usd)
