"""The decision without a call, for every surface that shows one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rightmodel.execution.engine import cooling_down, fit_first
from rightmodel.surfaces import rendering as render

if TYPE_CHECKING:
    from rightmodel.core.task import Task
    from rightmodel.execution.engine import Engine


async def choose(engine: Engine, task: Task, limit: int, *, judge: bool = True) -> dict[str, Any]:
    """What `choose_model` returns. `limit`: how many candidates are shown.

    `judge`: whether the judge may be asked.
    """
    decision = await engine.router.route(task, judge=judge)
    cooling = cooling_down(decision, engine.catalog, engine.health)
    return render.choice(fit_first(decision, cooling), engine.catalog, limit, cooling)
