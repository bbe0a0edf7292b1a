"""Which models can take a task, and which one is worth it. Pure."""
