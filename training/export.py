"""The fitted heads as the file that the package ships, and the provenance beside it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import corpus_io
import numpy as np

from rightmodel.routing.signals import local_model as learned

if TYPE_CHECKING:
    import fit

WEIGHTS = Path(learned.__file__).resolve().parent / "weights"
MOST_BYTES = 1_950_000


@dataclass(slots=True)
class Fitted:
    """Weights of every head. Rows are keys."""

    keys: list[str]
    skill_weights: fit.Vector
    number_weights: fit.Vector
    number_base: fit.Vector
    scorer_weights: fit.Vector
    scorer: learned.Scorer

    @property
    def all_weights(self) -> fit.Vector:
        """Every head side by side."""
        return np.hstack([self.skill_weights, self.number_weights, self.scorer_weights])


def encode(fitted: Fitted, calibration: dict[str, Any]) -> bytes:
    """A line of JSON, the keys, and a byte for each key and head."""
    weights = fitted.all_weights
    scales = np.maximum(np.abs(weights).max(0) / 127, 1e-9)
    stored = np.rint(weights / scales).astype(np.int16)
    kept = np.flatnonzero(np.abs(stored).max(1) > 0)
    importance = np.maximum(
        np.abs(fitted.skill_weights).max(1), np.abs(fitted.scorer_weights).max(1) / 3
    )
    sizes = np.array([len(k.encode()) + 1 + learned.HEADS for k in fitted.keys])
    meta = {
        "keys_bytes": MOST_BYTES,
        "skills": list(corpus_io.SKILLS),
        "scales": [float(f"{s:.6g}") for s in scales],
        "difficulty_base": float(fitted.number_base[0]),
        "out_base": float(fitted.number_base[1]),
        **calibration,
    }
    room = MOST_BYTES - len(_line(meta))
    order = kept[np.argsort(-importance[kept], kind="stable")]
    order = order[np.cumsum(sizes[order]) < room]
    order.sort()
    keys = "\n".join(fitted.keys[i] for i in order).encode()
    meta["keys_bytes"] = len(keys)
    return _line(meta) + keys + (stored[order] + 128).astype(np.uint8).tobytes()


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
