"""Outcome tables as a source for the difficulty of exam questions: how models did on prompts.

`--outcomes FOLDER` names a folder of `*.jsonl.gz` (format: `rightmodel.evaluation.table`). Only
prompts in the `fit` half of the benchmark's split are read (`benchmarks/routing_data.py`), so that
`benchmarks/routing.py` reports on prompts that nothing was fitted to. No row is committed.

With many models an item's difficulty is where a model of medium rating would get it right half of
the time (the Rasch model, one success and one failure added). Of two models the difference of their
scores says more than their mean: an item that both get wrong is mostly a bad item. So their mean
places the benchmark, and the difference places the items in it.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from dataclasses import dataclass
from math import log
from statistics import fmean
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

FIT_SHARE = 50
FEW = 3
POINTS_A_NEED = 8.0
"""Points of difficulty for a difference of 1 between the scores of the better and weaker model."""
WEIGHT_FEW, WEIGHT_MANY = 1.0, 40.0


@dataclass(slots=True)
class Item:
    """A prompt, and its difficulty on the 0–10 scale's steps. `weight`: how much it counts."""

    prompt: str
    difficulty: float
    weight: float


def fitted_on(prompt: str) -> bool:
    """Whether a prompt is in the half that may be fitted to."""
    return int(hashlib.sha256(prompt.encode()).hexdigest()[:8], 16) % 100 < FIT_SHARE


def load(folder: Path) -> list[Item]:
    """Every item of every table that may be fitted to."""
    items: list[Item] = []
    for path in sorted(folder.glob("*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            rows = [json.loads(line) for line in lines]
        by_benchmark: dict[str, list[dict[str, Any]]] = {}
        for row in rows:
            if fitted_on(row["prompt"]):
                by_benchmark.setdefault(row["benchmark"], []).append(row)
        for part in by_benchmark.values():
            items += _items(part)
    return items


def _items(rows: list[dict[str, Any]]) -> list[Item]:
    """The items of one benchmark of one table."""
    scores = [[o["score"] for o in row["outcomes"].values()] for row in rows]
    if len(scores[0]) >= FEW:
        hard = [_odds_against(sum(found) + 1, len(found) + 2) for found in scores]
        return [Item(r["prompt"], h, WEIGHT_MANY) for r, h in zip(rows, hard, strict=True)]
    means = {m: fmean(row["outcomes"][m]["score"] for row in rows) for m in rows[0]["outcomes"]}
    weak, *_, strong = sorted(means, key=means.__getitem__)
    gain = means[strong] - means[weak]
    usual = _odds_against(fmean(means.values()), 1.0)
    found = []
    for row in rows:
        gained = row["outcomes"][strong]["score"] - row["outcomes"][weak]["score"]
        found.append(Item(row["prompt"], usual + POINTS_A_NEED * (gained - gain), WEIGHT_FEW))
    return found


def _odds_against(right: float, of: float) -> float:
    return -log(right / (of - right))
