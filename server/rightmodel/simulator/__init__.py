"""Simulated providers that speak the real wire protocols, and go wrong on demand.

Rehearse an outage of your own set-up without a key and without a network:

    from rightmodel.simulator import Behaviour, SimulatedProvider, answer, fault

    async with SimulatedProvider("openai-chat", key="sk-…", models={"m": Behaviour()}) as provider:
        provider.script("m", [fault.rate_limit(retry_after="1.5"), answer("hello")])
        …                                   # a manifest whose base_url is provider.base_url
        provider.fail_all(fault.overloaded())
        …
        provider.heal()

`Behaviour` says what a model answers and how fast, `fault` holds everything that can go wrong,
`provider.requests` what came. Nothing here is imported when rightmodel serves.
"""

from rightmodel.simulator import fault
from rightmodel.simulator.behaviour import (
    Behaviour,
    Reply,
    ToolCall,
    answer,
    default_text,
    example_of,
)
from rightmodel.simulator.fault.base import SimulatedFault
from rightmodel.simulator.received import Received, count_tokens
from rightmodel.simulator.server import SimulatedProvider

__all__ = [
    "Behaviour",
    "Received",
    "Reply",
    "SimulatedFault",
    "SimulatedProvider",
    "ToolCall",
    "answer",
    "count_tokens",
    "default_text",
    "example_of",
    "fault",
]
