"""What a simulated fault is, how one is declared, and how faults are combined."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from functools import wraps
from typing import TYPE_CHECKING, Concatenate, Final, ParamSpec

from rightmodel.core.task import WireFormat
from rightmodel.simulator.dialects import DIALECTS
from rightmodel.simulator.transport import Pause, Response

if TYPE_CHECKING:
    from rightmodel.core.fault import Fault
    from rightmodel.simulator.call import Call
    from rightmodel.simulator.received import Received

P = ParamSpec("P")

ALL: Final = frozenset(WireFormat)
CHAT: Final = frozenset({WireFormat.OPENAI_CHAT})
ANTHROPIC: Final = frozenset({WireFormat.ANTHROPIC_MESSAGES})
GEMINI: Final = frozenset({WireFormat.GEMINI})


@dataclass(frozen=True, slots=True)
class SimulatedFault:
    """One fault. Plain data: share it, script it, put it into a `Behaviour`.

    `name`: stable. `plan`: the response to a call, `None` where the fault does not apply: the call
    is then answered as usual. `leads_to`: the faults as which it may be classified, none where the
    call must succeed. `protocols`, `dialects`: those that have it (no dialects: all of them).
    `streamed`: it applies only to streamed answers. `closes_port`: as a lasting fault it closes
    the port itself.
    """

    name: str
    plan: Callable[[Call], Response | None] = field(repr=False, compare=False)
    leads_to: frozenset[Fault] = frozenset()
    protocols: frozenset[WireFormat] = ALL
    dialects: frozenset[str] = frozenset()
    streamed: bool = False
    closes_port: bool = False

    def fits(self, protocol: str, dialect: str = "") -> bool:
        """Whether a provider of this protocol and dialect can have it. "" stands for any."""
        spoken = not protocol or protocol in self.protocols
        return spoken and (not dialect or not self.dialects or dialect in self.dialects)

    def response(self, call: Call) -> Response | None:
        """The response to a call, `None` where the fault does not apply.

        The request's record names the fault; of a combined one, the part that applied.
        """
        response = self.plan(call) if call.request.stream or not self.streamed else None
        if response is not None and not call.request.fault:
            call.request.fault = self.name
        return response

    def with_headers(self, **headers: str) -> SimulatedFault:
        """The same with more response headers; underscores in a name stand for hyphens."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}

        def plan(call: Call) -> Response | None:
            response = self.response(call)
            return None if response is None else response.with_headers(named)

        return replace(self, plan=plan)


def made(name: str, plan: Callable[[Call], Response | None], *leads_to: Fault) -> SimulatedFault:
    """A fault for every protocol."""
    return SimulatedFault(name, plan, frozenset(leads_to))


class Group:
    """Faults of one kind, each with its usual values. `title`: for people."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.faults: list[SimulatedFault] = []

    def fault(
        self,
        *leads_to: Fault,
        protocols: Collection[WireFormat] = ALL,
        dialects: Collection[str] = (),
        streamed: bool = False,
        closes_port: bool = False,
    ) -> Callable[[Callable[Concatenate[Call, P], Response | None]], Callable[P, SimulatedFault]]:
        """Declare a fault: decorates its plan and turns it into the function that makes the fault.

        The name of the plan is that of the fault; its parameters after the call are those of the
        function. The fault with their defaults joins the group. `dialects` decide `protocols`.
        """
        spoken = {DIALECTS[name].protocol for name in dialects} or protocols

        def declare(
            plan: Callable[Concatenate[Call, P], Response | None],
        ) -> Callable[P, SimulatedFault]:
            @wraps(plan)
            def make(*args: P.args, **options: P.kwargs) -> SimulatedFault:
                return SimulatedFault(
                    plan.__name__,
                    lambda call: plan(call, *args, **options),
                    frozenset(leads_to),
                    frozenset(spoken),
                    frozenset(dialects),
                    streamed,
                    closes_port,
                )

            self.faults.append(make())  # type: ignore[call-arg]  # every parameter has a default
            return make

        return declare

    def error(
        self,
        name: str,
        *leads_to: Fault,
        kind: str = "",
        protocols: Collection[WireFormat] = ALL,
        dialects: Collection[str] = (),
    ) -> Callable[[], SimulatedFault]:
        """Declare a fault that is an error of a kind, its own name by default."""

        def plan(call: Call) -> Response:
            return call.error(kind or name)

        plan.__name__ = name
        return self.fault(*leads_to, protocols=protocols, dialects=dialects)(plan)


def late(seconds: float, fault: SimulatedFault) -> SimulatedFault:
    """The fault, but only after so many seconds of silence."""

    def plan(call: Call) -> Response | None:
        response = fault.response(call)
        if response is None:
            return None
        return replace(response, before=(Pause(seconds), *response.before))

    return replace(fault, name=f"late {fault.name}", plan=plan)


def chance(p: float, fault: SimulatedFault) -> SimulatedFault:
    """The fault for a share `p` (0-1) of the calls, drawn from the provider's own `random`."""

    def plan(call: Call) -> Response | None:
        return fault.response(call) if call.random.random() < p else None

    return replace(fault, name=f"some {fault.name}", plan=plan, closes_port=False)


def one_of(*faults: SimulatedFault) -> SimulatedFault:
    """One of the faults for each call, drawn from the provider's own `random`."""

    def plan(call: Call) -> Response | None:
        return call.random.choice(faults).response(call)

    return made("one of several", plan, *(f for one in faults for f in one.leads_to))


def when(touches: Callable[[Received], bool], fault: SimulatedFault) -> SimulatedFault:
    """The fault for those requests alone for which `touches` is true."""

    def plan(call: Call) -> Response | None:
        return fault.response(call) if touches(call.request) else None

    return replace(fault, plan=plan, closes_port=False)


def in_turn(*faults: SimulatedFault) -> SimulatedFault:
    """The first of the faults that touches the call."""

    def plan(call: Call) -> Response | None:
        responses = (fault.response(call) for fault in faults)
        return next((response for response in responses if response is not None), None)

    return made("first of several", plan, *(f for one in faults for f in one.leads_to))
