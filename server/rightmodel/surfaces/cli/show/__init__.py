"""A show: subtasks run against simulated providers, healthy, in an outage, healed.

`rightmodel demo` and `rightmodel rehearse` are its two presets.
"""
