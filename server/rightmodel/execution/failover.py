"""Why another model than the decision's first one is tried."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from rightmodel.core.format import listed

if TYPE_CHECKING:
    from rightmodel.execution.call_state import CallState
    from rightmodel.execution.health import Health


UNREACHABLE: Final = "at a provider that cannot be reached"


def failover_reason(state: CallState, model: str, health: Health) -> str:
    """One sentence: which models came first, and what kept each from answering.

    `model`: that is about to be tried. "" where it is the decision's first one.
    """
    first = state.candidates[0].model
    if model == first:
        return ""
    causes = {a.model: a.fault.value for a in state.attempts if a.fault and a.model != model}
    causes |= dict.fromkeys(state.over_budget - {model}, "over budget")
    if first not in causes:
        causes = {first: _passed_over(state, health)} | causes
    before = listed([f"{name} ({cause})" for name, cause in causes.items()], most=4)
    return f"{model} takes over from {before}; {first} came first: {state.decision.reason}"


def _passed_over(state: CallState, health: Health) -> str:
    """Why the decision's first model is not tried at all."""
    first, left, needed = state.candidates[0], state.left_usd, state.decision.requirements
    if left is not None and (first.cost_usd is None or first.cost_usd > left):
        return f"over {needed.cost_by}"
    endpoints = state.models[first.model].endpoints
    windows = [health.window(endpoint) or math.inf for endpoint in endpoints]
    if max(windows) < needed.input_tokens + needed.output_tokens:
        return f"context window of {max(windows)} tokens"
    known = min(map(health.state, endpoints), key=lambda endpoint: endpoint.wait_s)
    if known.wait_s and known.fault:
        return f"cooling down after {known.fault.value}"
    down = health.unreachable()
    return UNREACHABLE if all(e.provider.name in down for e in endpoints) else "busy"
