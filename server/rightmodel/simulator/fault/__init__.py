"""Every fault that a simulated provider can have.

A fault is a value: `fault.status(500)`, `fault.rate_limit(retry_after="1.5")`. Combine them with
`late`, `chance`, `one_of`, `when` and `in_turn`. `CATALOGUE` holds each with its usual values by
name: `find` looks one up, `faults` lists those that fit a provider, `choose` draws one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rightmodel.core.errors import UnknownNameError
from rightmodel.simulator.fault.answers import *
from rightmodel.simulator.fault.base import *
from rightmodel.simulator.fault.errors import *
from rightmodel.simulator.fault.requests import *
from rightmodel.simulator.fault.streams import *

if TYPE_CHECKING:
    from random import Random

    from rightmodel.core.fault import Fault

GROUPS: Final = (RATE_LIMITS, REFUSALS, REQUESTS, ANSWERS, STREAMS, NETWORK)
CATALOGUE: Final = {found.name: found for group in GROUPS for found in group.faults}
"""Every fault with its usual values, by name."""

STALLS: Final = frozenset({"no_first_byte", "no_first_event", "stall", "comments_forever"})
"""Names of those that hold a client until it gives up."""


def find(name: str) -> SimulatedFault:
    """The fault of a name. Raises `UnknownNameError`."""
    if name not in CATALOGUE:
        raise UnknownNameError("fault", name, CATALOGUE)
    return CATALOGUE[name]


def faults(
    protocol: str = "", dialect: str = "", leads_to: Fault | None = None
) -> list[SimulatedFault]:
    """Those that fit a protocol and a dialect and may be classified so; "" and `None` for any."""
    return [
        found
        for found in CATALOGUE.values()
        if found.fits(protocol, dialect) and (leads_to is None or leads_to in found.leads_to)
    ]


def choose(random: Random, protocol: str = "", dialect: str = "") -> SimulatedFault:
    """Draw one of those that fit."""
    return random.choice(faults(protocol, dialect))
