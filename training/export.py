"""The fitted heads as the file that the package ships, and the provenance beside it."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import corpus_io
import numpy as np

from rightmodel.routing.signals import envelope, ngrams
from rightmodel.routing.signals import local_model as learned

if TYPE_CHECKING:
    import fit

WEIGHTS = Path(learned.__file__).resolve().parent / "weights"
MOST_KEYS = 150_000
OFTEN = 8
"""Rows of a key from which on it is stored among the common ones."""


@dataclass(slots=True)
class Fitted:
    """Weights of every head. Rows are keys. `held`: how many rows of the corpus hold a key."""

    keys: list[str]
    skill_weights: fit.Vector
    number_weights: fit.Vector
    number_base: fit.Vector
    scorer_weights: fit.Vector
    scorer: envelope.Scorer
    held: Mapping[str, int]

    @property
    def all_weights(self) -> fit.Vector:
        """Every head side by side."""
        return np.hstack([self.skill_weights, self.number_weights, self.scorer_weights])


def encode(fitted: Fitted, calibration: dict[str, Any]) -> bytes:
    """A line of JSON; a block of the keys that are ASCII and one of the others, each with its rows.

    A row is a byte for each head and the count of keys that it sums up.
    """
    kept = _kept(fitted)
    names = [fitted.keys[i] for i in kept]
    rows, counts = _summed(names, fitted.all_weights[kept])
    scales = np.maximum(np.abs(rows).max(0) / 127, 1e-9)
    table = np.column_stack([np.rint(rows / scales) + learned.OFFSET, counts]).astype(np.uint8)
    places: tuple[list[int], list[int]] = ([], [])
    # The common ones side by side: a decision reads little else, and touches few pages of memory.
    for place in sorted(range(len(names)), key=lambda n: fitted.held.get(names[n], 0) < OFTEN):
        places[not names[place].isascii()].append(place)
    ascii_block, others = (_block([names[i] for i in some], table[some]) for some in places)
    meta = {
        "ascii_bytes": len(ascii_block),
        "skills": list(corpus_io.SKILLS),
        "scales": [float(f"{s:.6g}") for s in scales],
        "difficulty_base": float(fitted.number_base[0]),
        "out_base": float(fitted.number_base[1]),
        **calibration,
    }
    return _line(meta) + ascii_block + others


def _block(names: list[str], table: Any) -> bytes:
    head = len(names).to_bytes(4, "little")
    return zlib.compress(head + table.tobytes() + "\n".join(names).encode(), 9)


def _kept(fitted: Fitted) -> list[int]:
    """Places of the keys that say most over all, with the shorter ones that they need."""
    skills, around = np.abs(fitted.skill_weights).max(1), np.abs(fitted.scorer_weights).max(1)
    rows = np.array([max(1, fitted.held.get(key, 0)) for key in fitted.keys])
    weight = np.maximum(skills, around / 3) * np.sqrt(rows)
    places = {key: i for i, key in enumerate(fitted.keys)}
    # From the longest on, so that a chain of keys says as much as that which says most.
    for key in sorted(fitted.keys, key=len, reverse=True):
        before = places.get(ngrams.shorter(key))
        if before is not None:
            weight[before] = max(weight[before], weight[places[key]])
    order = sorted(range(len(weight)), key=lambda i: (-weight[i], len(fitted.keys[i])))
    chosen = {fitted.keys[i] for i in order[:MOST_KEYS] if weight[i] > 0}
    return sorted(
        places[key] for key in chosen if not (before := ngrams.shorter(key)) or before in chosen
    )


def _summed(names: list[str], weights: fit.Vector) -> tuple[fit.Vector, Any]:
    """The rows, a word's with those of its edges, and how many keys each sums up."""
    places = {key: i for i, key in enumerate(names)}
    rows, counts = weights.copy(), np.ones(len(names), int)
    for key, place in places.items():
        if not ngrams.is_word(key):
            continue
        for chain in ngrams.chains(key):
            for part in takewhile(places.__contains__, chain):
                rows[place] += weights[places[part]]
                counts[place] += 1
    return rows, counts


def _line(meta: dict[str, Any]) -> bytes:
    return json.dumps(meta, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def write(
    fitted: Fitted,
    calibration: dict[str, Any],
    provenance: dict[str, Any],
) -> None:
    """Both files, the provenance with the hash of the weights."""
    data = encode(fitted, calibration)
    WEIGHTS.mkdir(exist_ok=True)
    (WEIGHTS / learned.WEIGHTS).write_bytes(data)
    provenance["weights"] = {
        "file": learned.WEIGHTS,
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    text = json.dumps(provenance, indent=1, ensure_ascii=False)
    (WEIGHTS / learned.PROVENANCE).write_text(text + "\n", encoding="utf-8")
    print(f"{len(data):,} bytes")
