"""The run of a show: one call after the other, with an outage in the middle.

Its stage is an engine in this process, or the real server behind a real MCP client.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from rightmodel.core.call import CallEvent, Token
from rightmodel.core.errors import RightmodelError
from rightmodel.execution.engine import Clock, Engine, build
from rightmodel.execution.records import Unrecorded
from rightmodel.surfaces import rendering as render
from rightmodel.surfaces.cli.show.calls import HEALED, HEALTHY, OUTAGE, Result, Traffic, outcome

if TYPE_CHECKING:
    from mcp.client.session import ClientSession

    from rightmodel.core.task import Task
    from rightmodel.simulator.outage import Outage
    from rightmodel.simulator.samples import Sample
    from rightmodel.simulator.simulation import Simulation
    from rightmodel.surfaces.cli.show.calls import Call
    from rightmodel.surfaces.cli.show.view import View

START_S: Final = 20.0
"""Within which the server must answer `initialize`."""
CALL_S: Final = 30.0


def make_engine(simulation: Simulation, seed: int = 0) -> Engine:
    """An engine on the event loop's clock that calls the simulated providers.

    It records nothing and asks no judge: a simulated judgement would mean nothing.
    """
    now = asyncio.get_running_loop().time
    catalog = simulation.catalog
    return build(
        simulation.settings,
        replace(
            catalog,
            routing=replace(catalog.routing, assess="learned"),
            rules=tuple(replace(rule, assess="") for rule in catalog.rules),
        ),
        clock=Clock(now=now, wall=now),
        random=Random(seed),  # noqa: S311 - spreads load and retries, reproducibly
        ledger=Unrecorded(),
    )


@dataclass(slots=True)
class EngineStage:
    """Calls an engine in this process."""

    simulation: Simulation
    engine: Engine
    slack_s: float = 0.002
    """How far the clocks of engine and providers may differ."""

    async def complete(self, sample: Sample, progress: Callable[[str], object]) -> Result:
        """Hand over one subtask."""

        def listen(event: CallEvent) -> None:
            if not isinstance(event, Token):
                progress(render.event_text(event))

        routing = self.engine.catalog.routing
        try:
            answer = await self.engine.executor.complete(
                sample.task,
                deadline_s=routing.deadline_s,
                give_up_s=routing.give_up_s,
                listener=listen,
            )
        except RightmodelError as error:
            text = self.simulation.as_real(render.error_text(error))
            return Result(self._real(render.error_meta(error)), text)
        return Result(self._real(render.receipt_meta(answer.receipt)))

    def _real(self, meta: dict[str, Any]) -> dict[str, Any]:
        for attempt in meta["attempts"]:
            if "message" in attempt:
                attempt["message"] = self.simulation.as_real(attempt["message"])
        return meta


@dataclass(slots=True)
class ServerStage:
    """Calls `rightmodel serve`, a child process, over stdio."""

    simulation: Simulation
    engine: Engine
    session: ClientSession
    folder: Path
    slack_s: float = 0.5

    async def complete(self, sample: Sample, listen: Callable[[str], object]) -> Result:
        """Hand over one subtask."""

        async def show(
            progress: float,  # noqa: ARG001 - the SDK's signature
            total: float | None,  # noqa: ARG001
            message: str | None,
        ) -> None:
            listen(message or "")

        result = await self.session.call_tool(
            "complete",
            arguments_of(sample.task),
            read_timeout_seconds=CALL_S,
            progress_callback=show,
        )
        meta = result.meta or {}
        if not result.is_error and render.META_KEY in meta:
            return Result(meta[render.META_KEY])
        texts = [getattr(block, "text", "") for block in result.content]
        return Result(meta.get(render.ERROR_META_KEY, {}), "".join(texts[:1]) or "no answer")

    def log(self, lines: int) -> str:
        """The end of what the server wrote to standard error."""
        text = (self.folder / "server.log").read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    async def print_usage(self) -> None:
        """Run `rightmodel usage` for the server's ledger, at the width of this terminal."""
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "rightmodel", "usage", "--days", "1", "--by", "model"),
            *files_in(self.folder),
            env=environment_of(self.folder) | {"HOME": str(self.folder), "NO_COLOR": "1"},
            cwd=self.folder,
        )
        await child.wait()


def arguments_of(task: Task) -> dict[str, Any]:
    """The arguments of the tool `complete` for a task without files."""
    given = {name: getattr(task, name) for name in ("prompt", "skill", "difficulty", "tier")}
    given["schema"] = json.dumps(task.schema) if task.schema else ""
    return {name: value for name, value in given.items() if value}


@asynccontextmanager
async def server_stage(simulation: Simulation, manifest: str) -> AsyncIterator[ServerStage]:
    """Start the server with this manifest, plus the simulated providers' addresses and keys.

    Raises `RightmodelError` when it does not start. Everything it writes goes into a temporary
    folder that ends with the block.
    """
    from mcp.client.session import ClientSession
    from mcp.client.stdio import StdioServerParameters, stdio_client

    with TemporaryDirectory(prefix="rightmodel-demo-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        addresses = "".join(
            f'\n[providers.{name}]\nbase_url = "{provider.base_url}"\n'
            for name, provider in simulation.providers.items()
        )
        (folder / "rightmodel.toml").write_text(manifest + addresses, encoding="utf-8")
        keys = "".join(f"{k}={v}\n" for k, v in simulation.settings.environment.items())
        (folder / "keys.env").write_text(keys, encoding="utf-8")
        (folder / "keys.env").chmod(0o600)
        parameters = StdioServerParameters(
            command=sys.executable,
            args=["-m", "rightmodel", "serve", *files_in(folder)],
            env=environment_of(folder),
            cwd=folder,
        )
        with (folder / "server.log").open("w", encoding="utf-8") as log:
            async with (
                stdio_client(parameters, errlog=log) as streams,
                ClientSession(*streams, read_timeout_seconds=START_S) as session,
            ):
                stage = ServerStage(simulation, make_engine(simulation), session, folder)
                try:
                    await session.initialize()
                except Exception as error:
                    reason = stage.log(1) or str(error)
                    raise RightmodelError(f"the demo's server did not start: {reason}") from error
                try:
                    yield stage
                finally:
                    await stage.engine.close()


def files_in(folder: Path) -> tuple[str, ...]:
    """The options that name the manifest and the keys of `server_stage`."""
    return ("--manifest", f"{folder}/rightmodel.toml", "--env-file", f"{folder}/keys.env")


def environment_of(folder: Path) -> dict[str, str]:
    """The server's environment: its state and configuration in the folder, never the user's.

    HOME stays: packages may be installed below it.
    """
    own = {
        "RIGHTMODEL_STATE_DIR": str(folder / "state"),
        "XDG_CONFIG_HOME": str(folder / "config"),
        "XDG_STATE_HOME": str(folder / "state"),
        "APPDATA": str(folder / "config"),
    }
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    absolute = [str(Path(p).resolve()) for p in paths if p]
    return own | ({"PYTHONPATH": os.pathsep.join(absolute)} if absolute else {})


# --- the run ---


def _ignore(_: object) -> None:
    pass


def phases_of(calls: int) -> list[str]:
    """A third of the calls each; the rest goes to the outage."""
    third = calls // 3
    return [HEALTHY] * third + [OUTAGE] * (calls - 2 * third) + [HEALED] * third


@dataclass(slots=True)
class Run:
    """One run."""

    stage: EngineStage | ServerStage
    samples: Sequence[Sample]
    """In the order of their calls."""
    phases: Sequence[str]
    """Of each call."""
    outage: Callable[[Sequence[Call]], Outage | None] = _ignore
    """Plans the outage when it begins, from the calls so far."""
    view: View | None = None
    listen: Callable[[Call], object] = lambda _: None
    """Called with every finished call."""
    every_s: float = 0.0
    """From one call's start to the next one's, at least."""
    settle: Callable[[], Awaitable[object]] | None = None
    """Awaited when the outage is over."""
    calls: list[Call] = field(default_factory=list)
    _now: Outage | None = None

    async def perform(self) -> list[Call]:
        """All calls."""
        loop = asyncio.get_running_loop()
        before = ""
        for number, (sample, phase) in enumerate(zip(self.samples, self.phases, strict=True), 1):
            if phase != before:
                self._turn(phase)
                if phase == HEALED and self.settle:
                    await self.settle()
            before = phase
            began = loop.time()
            if self.view:
                self.view.begin(number, sample)
            self.calls.append(await self._call(number, sample, phase))
            self.listen(self.calls[-1])
            if self.view:
                self.view.call(self.calls[-1])
            await asyncio.sleep(max(0.0, began + self.every_s - loop.time()))
        return self.calls

    def _turn(self, phase: str) -> None:
        if phase == OUTAGE:
            self._now = self.outage(self.calls)
            if self._now:
                self._now.begin(self.stage.simulation.providers)
        elif phase == HEALED and self._now:
            self._now.end(self.stage.simulation.providers)
        if self.view and self._now:
            self.view.turn(phase, self._now)

    async def _call(self, number: int, sample: Sample, phase: str) -> Call:
        providers = self.stage.simulation.providers
        before = {name: len(p.requests) for name, p in providers.items()}
        facts = await self._decided(sample)
        began = asyncio.get_running_loop().time()
        result = await self.stage.complete(sample, self.view.progress if self.view else _ignore)
        closed = self._now.closed if self._now and phase == OUTAGE else {}
        requests = [(n, one) for n, p in providers.items() for one in p.requests[before[n] :]]
        traffic = Traffic(began, self.stage.slack_s, closed, requests)
        time_s = asyncio.get_running_loop().time() - began
        return outcome(sample, result, traffic, time_s=time_s, number=number, phase=phase, **facts)

    async def _decided(self, sample: Sample) -> dict[str, Any]:
        """The first choice and the providers in line, as all providers were healthy."""
        try:
            decision = await self.stage.engine.router.route(sample.task)
        except RightmodelError:  # the call itself will report it
            return {"first": "", "line": ()}
        order = [candidate.model for candidate in decision.candidates]
        models = (self.stage.engine.catalog.find(name) for name in order)
        line = dict.fromkeys(e.provider.name for m in models for e in m.endpoints)
        return {"first": order[0] if order else "", "line": tuple(line)}
