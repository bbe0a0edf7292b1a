"""Faults of the network: refused, reset, gone stale, sent elsewhere.

Those of TLS are a matter of the whole provider: `SimulatedProvider(tls=…)`.
"""

from __future__ import annotations

from dataclasses import replace

from rightmodel.core.fault import Fault
from rightmodel.simulator.fault.base import SimulatedFault, made
from rightmodel.simulator.transport import End, Response


def refused() -> SimulatedFault:
    """The connection is refused: with `fail_all` the port is closed until `heal`.

    As one step of a script, or for one model, the connection is reset without an answer instead.
    """
    found = made("refused", lambda _: Response(silent=True, end=End.RESET), Fault.CONNECTION)
    return replace(found, closes_port=True)


def reset_at_once() -> SimulatedFault:
    """The request is read, then the connection reset."""
    plan = Response(silent=True, end=End.RESET)
    return made("reset_at_once", lambda _: plan, Fault.CONNECTION)


def closed_unanswered() -> SimulatedFault:
    """The request is read, then the connection closed politely, without a byte of answer."""
    plan = Response(silent=True, end=End.CUT)
    return made("closed_unanswered", lambda _: plan, Fault.CONNECTION)


def reset_after_headers() -> SimulatedFault:
    """Status and headers come, then a TCP reset."""
    readings = (Fault.CONNECTION, Fault.MALFORMED)
    return made(
        "reset_after_headers",
        lambda call: replace(call.answer(), body=(), length=1000, end=End.RESET, before=()),
        *readings,
    )


def closed_after_answer() -> SimulatedFault:
    """A good answer, then the kept-alive connection is closed without notice. Nothing is wrong."""
    return made("closed_after_answer", lambda call: replace(call.answer(), end=End.CLOSE))


def stale_connection() -> SimulatedFault:
    """A good answer; the next request on the same connection is read and not answered.

    What a client sees that sends on a connection just as the server gives it up: it has to try
    once more on a fresh one. Nothing is wrong with this answer.
    """
    return made("stale_connection", lambda call: replace(call.answer(), drops_next=True))


def redirect(to: str = "https://elsewhere.invalid/v1", status: int = 307) -> SimulatedFault:
    """A redirect to another host, which must not be followed: the key would go along."""
    response = Response(status, (("location", to), ("content-type", "text/plain")), (b"Moved.",))
    readings = (Fault.CONNECTION, Fault.SERVER, Fault.MALFORMED, Fault.BAD_REQUEST)
    return made("redirect", lambda _: response, *readings)
