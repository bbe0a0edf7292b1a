"""Which model: a task in, a decision out."""
