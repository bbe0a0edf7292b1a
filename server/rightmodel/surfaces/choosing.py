"""The decision without a call, for every surface that shows one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rightmodel.execution.next_step import UNREACHABLE
from rightmodel.surfaces import rendering as render

if TYPE_CHECKING:
    from rightmodel.core.decision import Decision
    from rightmodel.core.task import Task
    from rightmodel.execution.engine import Engine
    from rightmodel.execution.health import Health
    from rightmodel.manifest.catalog import Catalog


async def choose(engine: Engine, task: Task, limit: int, *, judge: bool = True) -> dict[str, Any]:
    """What `choose_model` returns. `limit`: how many candidates are shown.

    `judge`: whether the judge may be asked.
    """
    decision = await engine.router.route(task, judge=judge)
    cooling = cooling_down(decision, engine.catalog, engine.health)
    return render.choice(fit_first(decision, cooling), engine.catalog, limit, cooling)


def cooling_down(decision: Decision, catalog: Catalog, health: Health) -> dict[str, str]:
    """Candidates that no endpoint is fit for now → what is the matter and how long it lasts.

    Those of a provider that cannot be reached come last in a call, too.
    """
    found = {}
    models = {c.model: catalog.find(c.model) for c in decision.candidates}
    known = health.snapshot(models.values())
    for name, model in models.items():
        if all(endpoint.provider.name in known.unreachable for endpoint in model.endpoints):
            found[name] = UNREACHABLE
        soonest = min(map(known.of, model.endpoints), key=lambda one: one.wait_s)
        if soonest.wait_s:
            reason = soonest.fault.value if soonest.fault else "a fault"
            found[name] = f"cooling down for {soonest.wait_s:.0f} s after {reason}"
    return found


def fit_first(decision: Decision, cooling: Mapping[str, str]) -> Decision:
    """The same candidates, those that cool down behind the others."""
    fit = tuple(c for c in decision.candidates if c.model not in cooling)
    first = decision.candidates[0].model if decision.candidates else ""
    if not fit or not cooling:
        return decision
    others = tuple(c for c in decision.candidates if c.model in cooling)
    reason = decision.reason
    if first in cooling:
        reason = f"next in line: {first} is {cooling[first]}"
    return replace(decision, candidates=fit + others, reason=reason)
