"""Everything a call needs, put together by the composition root."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from rightmodel.assess.judge import Judge
    from rightmodel.dispatch.calls import Calls
    from rightmodel.dispatch.dispatcher import Dispatcher
    from rightmodel.dispatch.health import Health
    from rightmodel.dispatch.learning import Learning
    from rightmodel.dispatch.route import Router
    from rightmodel.manifest.catalog import Catalog


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
