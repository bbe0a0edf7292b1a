"""The subtasks of a rehearsal: the user's own lines, or the built-in samples."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from rightmodel.core.errors import TaskError
from rightmodel.simulator.samples import PICTURE, SAMPLES, Sample
from rightmodel.simulator.simulation import USUAL_TOKENS
from rightmodel.surfaces.arguments import COMPLETE_ARGUMENTS, complete_task
from rightmodel.surfaces.cli.prompt_sources import json_lines

if TYPE_CHECKING:
    from rightmodel.manifest.catalog import Catalog

KEYS: Final = tuple(name for name in COMPLETE_ARGUMENTS if name != "ref")
"""Hints that a line may have; other keys are ignored."""
LABEL_CHARS: Final = 24


def built_in(catalog: Catalog) -> list[Sample]:
    """The built-in samples that some connected model can read."""
    readable = frozenset(kind for m in catalog.models.values() for kind in m.modalities)
    return [
        replace(sample, flawed="")
        for sample in (*SAMPLES, PICTURE)
        if all(file.modality in readable for file in sample.task.files)
    ]


def read_tasks(source: str, catalog: Catalog) -> list[Sample]:
    """The tasks of a file of JSON lines, "-" for standard input. Raises `TaskError`."""
    found = []
    for number, line in json_lines(source):
        try:
            found.append(_sample(json.loads(line), catalog))
        except (TaskError, ValueError) as error:
            raise TaskError(f"{source}, line {number}: {error}") from error
    if not found:
        raise TaskError(f'{source}: no tasks; each line is one, like {{"prompt": "…"}}')
    return found


def _sample(row: Any, catalog: Catalog) -> Sample:
    if not isinstance(row, dict):
        raise TaskError('a line must be an object like {"prompt": "…", "skill": "code"}')
    task = complete_task({k: v for k, v in row.items() if k in KEYS}, catalog).task
    if task is None:
        raise TaskError("prompt is missing or empty")
    named = str(row.get("label") or row.get("id") or "") or " ".join(task.prompt.split())
    return Sample(named[:LABEL_CHARS], task, tokens=USUAL_TOKENS)
