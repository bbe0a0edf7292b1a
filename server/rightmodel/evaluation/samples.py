"""An outcome table held against a manifest: the prompts and models that can be measured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from rightmodel.core.call import Usage
from rightmodel.core.errors import TaskError
from rightmodel.core.format import listed

if TYPE_CHECKING:
    from rightmodel.evaluation.table import Outcome, Row
    from rightmodel.manifest.catalog import Catalog, Model


class Cell(NamedTuple):
    """What one model made of one prompt, and what that cost."""

    score: float
    cost_usd: float


@dataclass(frozen=True, slots=True)
class Sample:
    """A prompt with the models that have both an outcome and a known cost on it."""

    id: str
    prompt: str
    cells: Mapping[str, Cell]


@dataclass(frozen=True, slots=True)
class Samples:
    """What is measured. `complete`: the models that answered every prompt, in manifest order.

    `notes`: what was left out, and why.
    """

    rows: tuple[Sample, ...]
    complete: tuple[str, ...]
    notes: tuple[str, ...] = ()


def make_samples(rows: Sequence[Row], catalog: Catalog) -> Samples:
    """The part of the table that the manifest's models can be measured on.

    A cost is the table's own where it has one, else tokens × the manifest's price; a model
    without either is left out. "Always the best model" needs a model that answered every prompt:
    where there is none, the prompts are those of the model that answered most.
    Raises `TaskError` when nothing remains.
    """
    found = [_sample(row, catalog) for row in rows]
    notes = list(_notes(rows, found, catalog))
    kept = [s for s in found if s.cells]
    if not kept:
        in_table = list(dict.fromkeys(m for row in rows for m in row.outcomes))
        raise TaskError(
            "no model of the table is in the manifest with a known cost. "
            f"The table's: {listed(in_table)}. The manifest's: {listed([*catalog.models])}."
            + "".join(f" {note[0].upper()}{note[1:]}." for note in notes)
        )
    counts = Counter(model for s in kept for model in s.cells)
    most = max(counts.values())
    if most < len(kept):
        widest = next(m for m in catalog.models if counts[m] == most)
        kept = [s for s in kept if widest in s.cells]
        notes.append(f"no model answered every prompt: measured on the {most} of {widest}")
        counts = Counter(model for s in kept for model in s.cells)
    if len(kept) < len(rows):
        notes.append(f"{len(rows) - len(kept)} of {len(rows)} prompts left out")
    complete = tuple(m for m in catalog.models if counts[m] == len(kept))
    partly = [m for m in catalog.models if 0 < counts[m] < len(kept)]
    if partly:
        notes.append(f"on a part of the prompts only: {listed(partly)}")
    return Samples(tuple(kept), complete, tuple(notes))


def _sample(row: Row, catalog: Catalog) -> Sample:
    cells = {}
    for model_id, model in catalog.models.items():
        outcome = row.outcomes.get(model_id)
        cost = cost_usd(outcome, model) if outcome else None
        if outcome is not None and cost is not None:
            cells[model_id] = Cell(outcome.score, cost)
    return Sample(row.id, row.prompt, cells)


def cost_usd(outcome: Outcome, model: Model) -> float | None:
    """The table's cost; else tokens × price; `None` where neither is known."""
    if outcome.cost_usd is not None:
        return outcome.cost_usd
    if outcome.input_tokens is None or outcome.output_tokens is None:
        return None
    usd = model.price.cost(Usage(outcome.input_tokens, outcome.output_tokens))
    return None if usd is None else float(usd)


def _notes(rows: Sequence[Row], found: Sequence[Sample], catalog: Catalog) -> list[str]:
    tried = Counter(m for row in rows for m in row.outcomes)
    priced = Counter(m for sample in found for m in sample.cells)
    found_at = {
        "left out, because neither the table has their cost nor the manifest their price": [
            m for m in catalog.models if tried[m] and not priced[m]
        ],
        "in the manifest, not in the table": [m for m in catalog.models if not tried[m]],
        "in the table, not in the manifest": [m for m in tried if m not in catalog.models],
    }
    return [f"{where}: {listed(names)}" for where, names in found_at.items() if names]
