"""What is handed over in a rehearsal: a small varied set, or the user's own lines."""

from __future__ import annotations

import base64
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rightmodel.core.errors import TaskError
from rightmodel.core.task import Attachment, Task
from rightmodel.surfaces.arguments import COMPLETE_ARGUMENTS, complete_task

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rightmodel.manifest.catalog import Catalog

KEYS: Final = tuple(name for name in COMPLETE_ARGUMENTS if name != "ref")
"""Hints that a line may have; other keys are left alone."""
USUAL_TOKENS: Final = 250
LABEL_CHARS: Final = 24


@dataclass(frozen=True, slots=True)
class Sample:
    """A subtask to hand over. `tokens`: how long the simulated answer is."""

    label: str
    task: Task
    tokens: int = USUAL_TOKENS


_PIXEL: Final = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
_INVOICE: Final = {
    "type": "object",
    "properties": {"number": {"type": "string"}, "total": {"type": "number"}},
    "required": ["number", "total"],
}
_NOTES: Final = (
    "Anna: the import is a week late, Ben looks into it. Chiara: the search index went live on "
    "Monday and fails on large files. Deniz would rather wait for the audit.\n"
) * 120

BUILT_IN: Final = (
    Sample(
        "Label a ticket",
        Task('Classify this ticket as "billing" or "bug":\n\nI was charged twice in March.'),
        5,
    ),
    Sample("Summarize minutes", Task(f"Summarize these notes in five sentences:\n\n{_NOTES}"), 160),
    Sample(
        "Read an invoice",
        Task(
            "Extract number and total of this invoice:\n\nInvoice 2026-0117, total EUR 1,713.60.",
            schema=_INVOICE,
        ),
        40,
    ),
    Sample(
        "Fix a function",
        Task(
            "Fix the off-by-one error:\n\n```python\ndef last(items, n):\n"
            "    return [items[-i] for i in range(n)]\n```"
        ),
        180,
    ),
    Sample(
        "Look at a picture",
        Task(
            "What does this screenshot show? One sentence.",
            files=(Attachment("screenshot.png", "image/png", _PIXEL),),
        ),
        60,
    ),
    Sample(
        "Translate a notice",
        Task("Translate into German:\n\nSearch is twice as fast. Large files no longer time out."),
        40,
    ),
    Sample(
        "Prove a theorem",
        Task("Prove that every group of order p^2 with p prime is abelian.", difficulty="expert"),
        520,
    ),
    Sample(
        "Plan a migration",
        Task(
            "Plan the migration of a 2 TB PostgreSQL database with five minutes of downtime.",
            tier="best",
        ),
        640,
    ),
)


def built_in(catalog: Catalog) -> list[Sample]:
    """Those that some connected model can take at all."""
    readable = frozenset(kind for m in catalog.models.values() for kind in m.modalities)
    return [
        sample
        for sample in BUILT_IN
        if all(file.modality in readable for file in sample.task.files)
    ]


def read(source: str, catalog: Catalog) -> list[Sample]:
    """The tasks of a file of JSON lines, "-" for standard input. Raises `TaskError`."""
    found = []
    for number, line in _lines(source):
        try:
            found.append(_sample(json.loads(line), catalog))
        except (TaskError, ValueError) as error:
            raise TaskError(f"{source}, line {number}: {error}") from error
    if not found:
        raise TaskError(f'{source}: no tasks; each line is one, like {{"prompt": "…"}}')
    return found


def _lines(source: str) -> Iterator[tuple[int, str]]:
    try:
        path = Path(source).expanduser()
        text = sys.stdin.read() if source == "-" else path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise TaskError(f"{source}: cannot be read: {error}") from error
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            yield number, line


def _sample(row: Any, catalog: Catalog) -> Sample:
    if not isinstance(row, dict):
        raise TaskError('a line must be an object like {"prompt": "…", "skill": "code"}')
    task = complete_task({k: v for k, v in row.items() if k in KEYS}, catalog).task
    if task is None:
        raise TaskError("prompt is missing or empty")
    named = str(row.get("label") or row.get("id") or "") or " ".join(task.prompt.split())
    return Sample(named[:LABEL_CHARS], task)
