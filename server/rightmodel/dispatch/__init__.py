"""Calling models: retry, fall over, escalate, within one deadline."""
