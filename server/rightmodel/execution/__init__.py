"""Runs a decision: attempts, retries, failover, validation and records."""
