"""What a request gets: the checks of the real ones, then the script, then the model's answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rightmodel.simulator.behaviour import Behaviour
from rightmodel.simulator.fault.base import SimulatedFault
from rightmodel.simulator.fault.requests import LIMITS
from rightmodel.simulator.reply import Reply
from rightmodel.simulator.transport import json_response

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rightmodel.simulator.call import Call
    from rightmodel.simulator.protocol import ServerProtocol
    from rightmodel.simulator.received import Received
    from rightmodel.simulator.transport import Response

Step = SimulatedFault | Reply | str
"""One step of a script: a fault, an answer, or the text of one."""


def respond(
    request: Received,
    wire: ServerProtocol,
    call_of: Callable[[Received, Behaviour], Call],
    next_step: Callable[[str], Step | None],
    door: tuple[str, Mapping[str, Behaviour]],
) -> Response:
    """The response to a request. `door`: the key that is taken, and the models there are."""
    key, models = door
    route = wire.route(request)
    if route == "answer":
        wire.read(request)
    behaviour = models.get(request.model, Behaviour())
    call = call_of(request, behaviour)
    if not route:
        return _refused(call, "no_route")
    if key and call.key != key:
        return _refused(call, "wrong_key" if call.key else "no_key")
    if route == "models":
        return _listed(call, models, next_step(""))
    step = next_step(request.model)
    if isinstance(step, SimulatedFault):
        response = step.response(call)
        if response is not None:
            return response
    return _checked(call, models) or _answered(call, step)


def _listed(call: Call, models: Mapping[str, Behaviour], lasting: Step | None) -> Response:
    """The list of models; an outage of everything is one of this, too."""
    if isinstance(lasting, SimulatedFault):
        response = lasting.response(call)
        if response is not None and (response.silent or response.status != 200):  # noqa: PLR2004
            return response
        call.request.fault = ""
    return json_response(200, call.wire.models(models, int(call.now)), call.dialect.headers)


def _refused(call: Call, kind: str) -> Response:
    call.request.fault = kind
    return call.error(kind)


def _checked(call: Call, models: Mapping[str, Behaviour]) -> Response | None:
    """What the real one would refuse by itself, and the model's standing faults."""
    found = call.wire.problem(call.request)
    if found is not None:
        kind, facts = found
        call.request.fault = kind
        return call.dialect.error(kind, facts)
    if call.request.model not in models:
        return _refused(call, "unknown_model")
    for fault in (*call.behaviour.faults, *LIMITS):
        response = fault.response(call)
        if response is not None:
            return response
    return None


def _answered(call: Call, step: Step | None) -> Response:
    reply = step if isinstance(step, Reply) else Reply(step) if isinstance(step, str) else None
    return call.answer(call.finished(reply) if reply is not None else None)
