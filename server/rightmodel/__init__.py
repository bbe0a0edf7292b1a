"""rightmodel: hands an agent's subtasks to the right model out of many."""

__version__ = "0.1.0"
