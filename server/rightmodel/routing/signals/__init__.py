"""Signals: each reads a task and returns what it says about the work, or nothing."""
