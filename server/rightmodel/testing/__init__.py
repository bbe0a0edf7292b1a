"""Simulated providers that speak the real wire protocols."""
