"""Everything a call needs, put together by the composition root."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from rightmodel.execution.breaker import Health
    from rightmodel.execution.calls import Calls
    from rightmodel.execution.executor import Dispatcher
    from rightmodel.execution.learning import Learning
    from rightmodel.manifest.catalog import Catalog
    from rightmodel.routing.router import Router
    from rightmodel.routing.signals.judge import Judge


@dataclass(frozen=True, slots=True)
class Engine:
    """`mask`: takes every known key out of a text. `close`: ends connections."""

    catalog: Catalog
    router: Router
    dispatcher: Dispatcher
    calls: Calls
    health: Health
    judge: Judge
    learning: Learning
    mask: Callable[[str], str]
    close: Callable[[], Awaitable[None]]
