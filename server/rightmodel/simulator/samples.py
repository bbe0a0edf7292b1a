"""Subtasks and turns of an agent, with the answers of simulated models: see `samples.toml`."""

from __future__ import annotations

import base64
import tomllib
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

from rightmodel.core.task import Attachment, Task

SEED: Final = 7


@dataclass(frozen=True, slots=True)
class Sample:
    """A subtask and its simulated answer, padded to `tokens`."""

    label: str
    task: Task
    answer: str = ""
    """How the answer begins; "": filler, or an example of the schema."""
    tokens: int = 0
    """0: the answer as it is."""
    thought: int = 0
    """Reasoning tokens of models that bill any."""
    flawed: str = ""
    """The first answer, where a show wants one that fails its check."""
    reads: str = ""
    """A file that the model asks the agent's tool `read_file` for before it answers."""


def _minutes(lines: int) -> str:
    draw = Random(SEED).choice  # noqa: S311 - a simulation, reproducible
    who = ("Anna", "Ben", "Chiara", "Deniz", "Emil")
    what = ("the import", "the mobile app", "the invoice run", "the search index", "the new login")
    state = ("is a week late", "went live on Monday", "fails on large files", "needs a decision")
    then = ("will look into it", "asks for a second reviewer", "would rather wait for the audit")
    return "\n".join(
        f"{draw(who)}: {draw(what)} {draw(state)}; {draw(who)} {draw(then)}." for _ in range(lines)
    )


def _sample(task: dict[str, Any], minutes: int = 0, **fields: Any) -> Sample:
    notes = f"\n\n{_minutes(minutes)}" if minutes else ""
    return Sample(task=Task(**{**task, "prompt": task["prompt"] + notes}), **fields)


_READ: Final = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
SAMPLES: Final = tuple(_sample(**entry) for entry in _READ["samples"])
TURNS: Final = tuple(_sample(**entry) for entry in _READ["turns"])

INSTRUCTIONS: Final = (
    "You are a coding agent. Work in small steps, read before you write, and say what you did. "
    * 260
)
"""As long as those of real agents: some 6,000 tokens, sent with every turn."""

_PIXEL: Final = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
PICTURE: Final = Sample(
    "Look at a picture",
    Task(
        "What does this screenshot show? One sentence.",
        files=(Attachment("screenshot.png", "image/png", _PIXEL),),
    ),
    "A settings page.",
    tokens=60,
)
