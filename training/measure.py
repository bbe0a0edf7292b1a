"""Predictions with fitted heads, calibration, and the figures that provenance carries."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import corpus_io
import fit
import numpy as np
from scipy.optimize import minimize_scalar
from scipy.stats import spearmanr

from rightmodel.routing.signals import local_model as learned

if TYPE_CHECKING:
    import export

CLOSE = 1.5
SKILLS = len(corpus_io.SKILLS)
FOLDS = 5
Trainer = Callable[[list[corpus_io.Row], dict[str, list[str]]], "export.Fitted"]


def predict(fitted: export.Fitted, rows: Sequence[corpus_io.Row]) -> fit.Vector:
    """All heads for every row, in numpy."""
    places = {key: i for i, key in enumerate(fitted.keys)}
    x = fit.matrix([fit.read(row.prompt, fitted.scorer) for row in rows], places)
    values = np.asarray(x @ fitted.all_weights)
    values[:, learned.EXAM] += fitted.number_base[0]
    values[:, learned.DIFFICULTY : learned.EXAM] += fitted.number_base
    share = learned.MATH_IS_EXAM * fit.softmax(values[:, :SKILLS])[:, corpus_io.PLACE["math"]]
    exam = values[:, learned.EXAM] - values[:, learned.DIFFICULTY]
    values[:, learned.DIFFICULTY] += share * exam
    math = values[:, :SKILLS].argmax(1) == corpus_io.PLACE["math"]
    values[math, learned.DIFFICULTY] = learned.spread(values[math, learned.DIFFICULTY])
    return values


def folds_of(rows: Sequence[corpus_io.Row]) -> list[int]:
    """A fold for each row: whole files, the largest first, each into the fold with fewest rows."""
    sizes = Counter(row.file for row in rows)
    filled = [0] * FOLDS
    place: dict[str, int] = {}
    for file, size in sizes.most_common():
        place[file] = filled.index(min(filled))
        filled[place[file]] += size
    return [place[row.file] for row in rows]


def cross_validated(
    rows: list[corpus_io.Row], contexts: dict[str, list[str]], train: Trainer
) -> fit.Vector:
    """Every row predicted by a fit on other files: nothing of the same writer's batch was seen."""
    out = np.zeros((len(rows), learned.HEADS), np.float32)
    folds = np.array(folds_of(rows))
    for fold in range(FOLDS):
        fitted = train([r for r, f in zip(rows, folds, strict=True) if f != fold], contexts)
        held = np.flatnonzero(folds == fold)
        out[held] = predict(fitted, [rows[i] for i in held])
        print(f"fold {fold} done", flush=True)
    return out


def calibrate(values: fit.Vector, rows: Sequence[corpus_io.Row]) -> dict[str, Any]:
    """The temperature, and how often the difficulty is close, by kind of work."""
    tops = np.array([corpus_io.PLACE[row.top] for row in rows])
    logits = values[:, :SKILLS]

    def loss(log_t: float) -> float:
        p = fit.softmax(logits / np.exp(log_t))
        return float(-np.log(p[np.arange(len(tops)), tops] + 1e-9).mean())

    found = minimize_scalar(loss, bounds=(-1.5, 1.5), method="bounded")
    predicted = logits.argmax(1)
    close = np.abs(values[:, learned.DIFFICULTY] - [row.difficulty for row in rows]) <= CLOSE
    overall = float(close.mean())
    sure = {"any": round(overall, 3)}
    for skill, place in corpus_io.PLACE.items():
        hits = close[predicted == place]
        sure[skill] = round(float((hits.sum() + 10 * overall) / (len(hits) + 10)), 3)
    return {"temperature": round(float(np.exp(found.x)), 4), "difficulty_sure": sure}


def _shares(keys: Sequence[str], right: Any) -> dict[str, float]:
    groups: dict[str, list[bool]] = defaultdict(list)
    for key, ok in zip(keys, right, strict=True):
        groups[key].append(bool(ok))
    return {
        f"{key} ({len(v)})": round(sum(v) / len(v), 3)
        for key, v in sorted(groups.items(), key=lambda item: -len(item[1]))
    }


def figures(
    values: fit.Vector, rows: Sequence[corpus_io.Row], calibration: dict[str, Any]
) -> dict[str, Any]:
    """Accuracy over all, by kind, language and skill; calibration; difficulty; length."""
    chances = fit.softmax(values[:, :SKILLS] / calibration["temperature"])
    predicted = chances.argmax(1)
    said = [corpus_io.SKILLS[place] for place in predicted]
    right = np.array([s in {r.top, *r.also} for s, r in zip(said, rows, strict=True)])
    hard = np.array([row.difficulty for row in rows])
    out = np.log2([max(1.0, row.out) for row in rows])
    sure = chances.max(1)
    hard_said = values[:, learned.DIFFICULTY]
    return {
        "rows": len(rows),
        "top1": round(float(right.mean()), 4),
        "by_kind": _shares([row.kind for row in rows], right),
        "by_language": _shares([row.lang for row in rows], right),
        "by_skill": _shares([row.top for row in rows], right),
        "brier": round(float(((sure - right) ** 2).mean()), 4),
        "mean_confidence": round(float(sure.mean()), 4),
        "difficulty_rank_correlation": round(float(spearmanr(hard_said, hard).statistic), 3),
        "difficulty_within_1.5": round(float((np.abs(hard_said - hard) <= CLOSE).mean()), 3),
        "out_log2_error": round(float(np.abs(values[:, learned.LENGTH_OUT] - out).mean()), 3),
    }
