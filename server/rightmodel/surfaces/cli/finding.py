"""What `check` finds, once or again and again: names, prices and findings as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from rightmodel.execution.probe import Finding, most_usd

if TYPE_CHECKING:
    from rightmodel.manifest.catalog import Endpoint, Model

CENT: Final = Decimal("0.01")


def price_in_words(models: Iterable[Model], times: float = 1, per: str = "") -> str:
    """What it costs to call each of the models so many times: an estimate, rather too high."""
    costs = [most_usd(model) for model in models]
    known = sum((cost for cost in costs if cost is not None), Decimal(0)) * Decimal(times)
    amount = "nothing"
    if known:
        amount = "less than $0.01" if known < CENT else f"at most about ${known:.2f}"
    unknown = costs.count(None)
    without = f"; {unknown} without a known price not counted" if unknown else ""
    return f"{amount}{per} (estimate{without})"


def label(model: str, endpoint: Endpoint) -> str:
    """An endpoint by its model's name, and its provider where that does not name it."""
    provider = endpoint.provider.name
    return model if model.startswith(f"{provider}/") else f"{model} at {provider}"


def described(finding: Finding) -> str:
    """What was found, in words."""
    if finding.works:
        return finding.message + (f" ({finding.time_s:.1f} s)" if finding.time_s else "")
    return finding.message + (f" → {finding.advice}" if finding.advice else "")


def as_object(model: str, finding: Finding) -> dict[str, Any]:
    """What was found, for programs. `cost_usd`: decimal text, `null` unknown."""
    cost = finding.cost_usd
    return {
        "model": model,
        "provider": finding.endpoint.provider.name,
        "ok": finding.works,
        "code": finding.code or None,
        "message": finding.message,
        "advice": finding.advice,
        "time_s": round(finding.time_s, 3),
        "cost_usd": None if cost is None else f"{cost:f}",
    }
