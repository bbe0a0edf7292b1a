"""Simulated providers that speak the real wire protocols, and go wrong on demand."""

from rightmodel.testing import fault
from rightmodel.testing.behaviour import Behaviour, Reply, answer
from rightmodel.testing.server import SimulatedProvider
