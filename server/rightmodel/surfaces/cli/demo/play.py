"""The play: calm, an outage of the provider used most, calm again."""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

from rightmodel.core.task import Trust
from rightmodel.simulator import fault
from rightmodel.surfaces.cli.demo.cast import AFTER, CALM, STORM, SUBTASKS
from rightmodel.surfaces.cli.demo.outcome import outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rightmodel.simulator import SimulatedProvider
    from rightmodel.surfaces.cli.demo.cast import Subtask
    from rightmodel.surfaces.cli.demo.outcome import Outcome
    from rightmodel.surfaces.cli.demo.stage import Stage

CALL_S: Final = 30.0
COOLDOWN_S: Final = 3
"""What the provider that is down asks for in its `retry-after`."""
MARGIN_S: Final = 0.3


class View(Protocol):
    """What the audience sees."""

    def begin(self, number: int, task: Subtask) -> None:
        """A subtask is handed over."""

    def progress(self, text: str) -> None:
        """The server says what it does."""

    def finish(self, done: Outcome) -> None:
        """The answer, or the error, is there."""

    def event(self, provider: str, text: str, *, down: bool) -> None:
        """Something happened to a provider."""


NEXT: Final = re.compile(r"next in line: (\S+) is cooling down")


@dataclass(slots=True)
class Play:
    """One performance."""

    stage: Stage
    view: View
    outcomes: list[Outcome] = field(default_factory=list)

    async def perform(self) -> list[Outcome]:
        """All acts, one subtask after the other."""
        await self._act(CALM)
        down = self._most_used()
        provider = self.stage.providers[down]
        overloaded = fault.overloaded().with_headers(retry_after=str(COOLDOWN_S))
        provider.fail_all(overloaded)
        self.view.event(down, "goes down: it answers every request with an error", down=True)
        await self._act(STORM, outage=True)
        provider.heal()
        self.view.event(down, "is back; the next call waits for its cooldown to end", down=False)
        await _cooled(provider)
        await self._act(AFTER)
        return self.outcomes

    async def _act(self, tasks: Sequence[Subtask], *, outage: bool = False) -> None:
        for task in tasks:
            number = SUBTASKS.index(task) + 1
            self.view.begin(number, task)
            passed = await self._passed_over(task) if outage else ""
            arguments = {"prompt": task.prompt, **task.hints}
            result = await self.stage.session.call_tool(
                "complete",
                arguments,
                read_timeout_seconds=CALL_S,
                progress_callback=self._progress,
            )
            done = outcome(number, task, result, passed=passed, outage=outage)
            self.outcomes.append(done)
            self.view.finish(done)

    async def _passed_over(self, task: Subtask) -> str:
        """The first choice, where `choose_model` says that it is cooling down; else ""."""
        arguments: dict[str, Any] = {k: v for k, v in task.hints.items() if k != "schema"}
        result = await self.stage.session.call_tool(
            "choose_model", {"task": task.prompt, **arguments}, read_timeout_seconds=CALL_S
        )
        found = NEXT.match(str((result.structured_content or {}).get("reason")))
        return found[1] if found else ""

    async def _progress(
        self,
        progress: float,  # noqa: ARG002 - the SDK's signature
        total: float | None,  # noqa: ARG002
        message: str | None,
    ) -> None:
        self.view.progress(message or "")

    def _most_used(self) -> str:
        """The provider that gave most of the answers so far; never the local one."""
        known = self.stage.catalog.providers
        remote = [n for n in self.stage.providers if known[n].trust is not Trust.local]
        used = Counter(o.provider for o in self.outcomes)
        return max(remote, key=lambda name: used[name])


async def _cooled(provider: SimulatedProvider) -> None:
    """Wait until the last cooldown that the provider asked for is over."""
    refused = [request.at for request in provider.requests if request.fault]
    if refused:
        until = refused[-1] + COOLDOWN_S + MARGIN_S
        await asyncio.sleep(max(0.0, until - time.monotonic()))
