"""What a simulated fault is, and how faults are put together."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from rightmodel.core.task import WireFormat
from rightmodel.simulator.transport import Pause

if TYPE_CHECKING:
    from collections.abc import Callable

    from rightmodel.core.fault import Fault
    from rightmodel.simulator.call import Call
    from rightmodel.simulator.received import Received
    from rightmodel.simulator.transport import Response

ALL: Final = frozenset(WireFormat)
CHAT: Final = frozenset({WireFormat.OPENAI_CHAT})
ANTHROPIC: Final = frozenset({WireFormat.ANTHROPIC_MESSAGES})
GEMINI: Final = frozenset({WireFormat.GEMINI})


@dataclass(frozen=True, slots=True)
class SimulatedFault:
    """One way to go wrong. Plain data: share it, script it, put it into a `Behaviour`.

    `name`: stable. `plan`: the response to a call, `None` where the fault does not touch it: the
    call is then answered as usual. `leads_to`: the right readings of it, for tests; none where the
    answer is to come all the same. `protocols`, `dialects`: for which it is real (no dialects:
    all of them). `streamed`: it only touches streamed answers. `closes_port`: as a lasting fault
    it closes the port itself.
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
        """The response to a call, `None` where it is not touched.

        The request's record names the fault; of one put together, the part that it comes from.
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


def _readings(faults: tuple[SimulatedFault, ...]) -> frozenset[Fault]:
    return frozenset(reading for fault in faults for reading in fault.leads_to)


def made(name: str, plan: Callable[[Call], Response | None], *leads_to: Fault) -> SimulatedFault:
    """A fault for every protocol."""
    return SimulatedFault(name, plan, frozenset(leads_to))


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

    leads_to = _readings(faults)
    return SimulatedFault("one of several", plan, leads_to)


def when(touches: Callable[[Received], bool], fault: SimulatedFault) -> SimulatedFault:
    """The fault for those requests alone that `touches` says yes to."""

    def plan(call: Call) -> Response | None:
        return fault.response(call) if touches(call.request) else None

    return replace(fault, plan=plan, closes_port=False)


def in_turn(*faults: SimulatedFault) -> SimulatedFault:
    """The first of the faults that touches the call."""

    def plan(call: Call) -> Response | None:
        responses = (fault.response(call) for fault in faults)
        return next((response for response in responses if response is not None), None)

    leads_to = _readings(faults)
    return SimulatedFault("first of several", plan, leads_to)
