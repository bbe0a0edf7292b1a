"""A simulated provider: a loopback server with models, keys, speeds and faults of its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from random import Random
from typing import TYPE_CHECKING, Self

from rightmodel.core.task import WireFormat
from rightmodel.simulator.behaviour import Behaviour, Reply
from rightmodel.simulator.call import Call
from rightmodel.simulator.connection import Connection, Listener, RawRequest
from rightmodel.simulator.dialects import DIALECTS, NATIVE
from rightmodel.simulator.fault.base import SimulatedFault
from rightmodel.simulator.fault.requests import LIMITS
from rightmodel.simulator.protocol import PROTOCOLS, served_by
from rightmodel.simulator.received import Received, received
from rightmodel.simulator.transport import End, Response, json_response

if TYPE_CHECKING:
    import ssl
    from types import TracebackType


Step = SimulatedFault | Reply | str
"""One step of a script: a fault, an answer, or the text of one."""


class SimulatedProvider:
    """Speaks one of the wire protocols on loopback; made to go wrong on demand.

        async with SimulatedProvider("openai-chat", key="sk-…", models={"m": Behaviour()}) as p:
            p.script("m", [fault.status(500), answer("hello")])
            …  # point a client at p.base_url

    `protocol`: as in a manifest; OpenAI's two come together. `key`: the one that is taken; "" takes
    any and none. `models`: by name, an unknown one is a 404. `dialect`: whose bodies are sent, by
    default those of the protocol's inventor. `tls`: of the server; `None` for plain HTTP. `random`:
    what faults draw from. `sleep` and `clock` (seconds, for `Received.at`) may be handed in.
    `port`: 0 for any free one. `keep`: how many requests are remembered.

    To read: `requests`, `in_flight` and `most_in_flight`, `connections` (opened so far) and
    `errors` that a behaviour raised; leaving the `async with` block raises the first of those.
    """

    def __init__(  # noqa: PLR0913 - every one is optional and named
        self,
        protocol: str = "openai-chat",
        *,
        key: str = "",
        models: Mapping[str, Behaviour],
        dialect: str = "",
        tls: ssl.SSLContext | None = None,
        random: Random | None = None,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
        port: int = 0,
        keep: int = 10_000,
    ) -> None:
        self.protocol = WireFormat(protocol)
        self.dialect = DIALECTS[dialect] if dialect else NATIVE[self.protocol]
        if self.dialect.protocol is not self.protocol:
            raise ValueError(f"dialect {dialect!r} does not speak {protocol}")
        self.key = key
        self.models = dict(models)
        self.requests: list[Received] = []
        self.in_flight = 0
        self.most_in_flight = 0
        self.connections = 0
        self.errors: list[Exception] = []
        self._wire = PROTOCOLS[self.protocol]
        self._random = random or Random(0)  # noqa: S311 - a simulation, reproducible
        self._sleep, self._clock = sleep, clock
        self._keep = keep
        self._count = 0
        self._scripts: dict[str, list[Step]] = {}
        self._lasting: dict[str, SimulatedFault] = {}
        self._waiting: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []
        self._listener = Listener(self._connection, port=port, tls=tls)

    # --- starting and stopping ---

    async def start(self) -> Self:
        """Open the port."""
        await self._listener.start()
        return self

    async def stop(self) -> None:
        """Close the port and every connection; what stalls ends."""
        await self._listener.stop()

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()
        if self.errors and error is None:
            raise self.errors[0]

    @property
    def port(self) -> int:
        """The port, once started."""
        return self._listener.port

    @property
    def host_url(self) -> str:
        """Scheme, host and port."""
        return f"{self._listener.scheme}://127.0.0.1:{self.port}"

    @property
    def base_url(self) -> str:
        """As a manifest's `base_url` wants it for this protocol."""
        return self.host_url + self._wire.base_path

    # --- what goes wrong ---

    def script(self, model: str, steps: Iterable[Step]) -> None:
        """What the next requests for a model get, one after the other: faults, answers, texts.

        Afterwards the model behaves as usual. A fault that does not touch a request is used up by
        it all the same. A script comes before `fail` and `fail_all`.
        """
        self._known(model)
        self._scripts[model] = list(steps)

    def fail(self, model: str, fault: SimulatedFault) -> None:
        """Every request for a model has this fault, until healed."""
        self._known(model)
        self._lasting[model] = fault

    def fail_all(self, fault: SimulatedFault) -> None:
        """Every request has this fault, until healed; `fault.refused()` closes the port itself."""
        if fault.closes_port:
            self._listener.refuse()
        self._lasting[""] = fault

    def heal(self, model: str = "") -> None:
        """End `fail` for a model, or everything that `script`, `fail` and `fail_all` set."""
        if model:
            self._lasting.pop(model, None)
            self._scripts.pop(model, None)
            return
        self._lasting.clear()
        self._scripts.clear()
        self._listener.accept()

    def _known(self, model: str) -> None:
        if model not in self.models:
            raise KeyError(f"no model {model!r}; there are: {', '.join(self.models)}")

    def hang_up(self) -> None:
        """Reset every open connection."""
        self._listener.drop_connections()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds, looked at whenever a request comes, ends or hangs up.

        For example `await provider.until(lambda: provider.in_flight == 3)`.
        """
        if holds():
            return
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.append((holds, waiter))
        await waiter

    def _changed(self) -> None:
        for entry in list(self._waiting):
            holds, waiter = entry
            if waiter.done() or holds():
                self._waiting.remove(entry)
                if not waiter.done():
                    waiter.set_result(None)

    # --- serving ---

    def _connection(self, closing: asyncio.Event, known: set[Connection]) -> Connection:
        self.connections += 1
        return Connection(self._serve, self._sleep, closing, known)

    async def _serve(self, connection: Connection) -> None:
        while (raw := await connection.read_request()) is not None:
            request = self._received(raw)
            response = self._respond(request)
            request.status = 0 if response.silent else response.status
            if not await self._play(connection, request, response):
                return
            if raw.headers.get("connection", "").lower() == "close":
                return
            if response.drops_next:
                await self._drop_next(connection, request.fault)
                return

    def _received(self, raw: RawRequest) -> Received:
        request = received(raw, self._clock(), self._count)
        self._count += 1
        self.requests.append(request)
        if len(self.requests) > self._keep:
            del self.requests[: -self._keep // 2]
        return request

    def _respond(self, request: Received) -> Response:
        try:
            return self._response(request)
        except Exception as error:  # noqa: BLE001 - whatever a behaviour raises; raised at the end
            self.errors.append(error)
            request.fault = type(error).__name__
            return Response(silent=True, end=End.RESET)

    def _response(self, request: Received) -> Response:
        """The checks of the real server, then the script, then the model's answer."""
        wire = served_by(self.protocol, request.path)
        route = wire.route(request)
        if route == "answer":
            wire.read(request)
        behaviour = self.models.get(request.model, Behaviour())
        key = wire.key(request)
        call = Call(request, behaviour, wire, self.dialect, self._random, time.time(), key)
        if not route:
            return _refused(call, "no_route")
        if self.key and key != self.key:
            return _refused(call, "wrong_key" if key else "no_key")
        if route == "models":
            return self._listed(call)
        step = self._step(request.model)
        if isinstance(step, SimulatedFault):
            response = step.response(call)
            if response is not None:
                return response
        return self._checked(call) or _answered(call, step)

    def _listed(self, call: Call) -> Response:
        """The list of models; an outage of everything is one of this, too."""
        step = self._step("")
        if isinstance(step, SimulatedFault):
            response = step.response(call)
            if response is not None and (response.silent or response.status != 200):  # noqa: PLR2004
                return response
            call.request.fault = ""
        body = call.wire.models(self.models, int(call.now))
        return json_response(200, body, call.dialect.headers)

    def _checked(self, call: Call) -> Response | None:
        """What the real server would refuse by itself, and the model's standing faults."""
        problem = call.wire.problem(call.request)
        if problem is not None:
            call.request.fault, facts = problem
            return call.dialect.error(call.request.fault, facts)
        if call.request.model not in self.models:
            return _refused(call, "unknown_model")
        responses = (f.response(call) for f in (*call.behaviour.faults, *LIMITS))
        return next((response for response in responses if response is not None), None)

    def _step(self, model: str) -> Step | None:
        script = self._scripts.get(model)
        if script:
            return script.pop(0)
        return self._lasting.get(model) or self._lasting.get("")

    async def _play(self, connection: Connection, request: Received, response: Response) -> bool:
        """Send the response; whether the connection goes on."""
        self.in_flight += 1
        self.most_in_flight = max(self.in_flight, self.most_in_flight)
        self._changed()
        connection.busy = True
        try:
            await connection.play(response, time.time())
            request.answered = response.end in {End.KEEP, End.CLOSE} and not response.silent
        except asyncio.CancelledError:
            request.cancelled = connection.gone and not connection.reset_here
            raise
        finally:
            connection.busy = False
            self.in_flight -= 1
            self._changed()
        return response.end is End.KEEP

    async def _drop_next(self, connection: Connection, name: str) -> None:
        """Read one more request and close without an answer: the client's connection was stale."""
        raw = await connection.read_request()
        if raw is None:
            return
        request = self._received(raw)
        wire = served_by(self.protocol, request.path)
        wire.route(request)
        wire.read(request)
        request.fault = name
        connection.reset()
        self._changed()


def _refused(call: Call, kind: str) -> Response:
    call.request.fault = kind
    return call.error(kind)


def _answered(call: Call, step: Step | None) -> Response:
    reply = step if isinstance(step, Reply) else Reply(step) if isinstance(step, str) else None
    return call.answer(reply)
