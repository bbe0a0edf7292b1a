"""Train the learned assessor again: `python training/train.py` (needs numpy and scipy).

Writes `server/rightmodel/routing/signals/weights/learned.bin` and the provenance beside it. With
`--measure`, also cross-validates (slow) and writes those figures down with it.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "server")]

import augment  # noqa: E402
import corpus_io  # noqa: E402
import export  # noqa: E402
import fit  # noqa: E402
import lexicon  # noqa: E402
import measure  # noqa: E402
import numpy as np  # noqa: E402
import outcomes  # noqa: E402
import relevance  # noqa: E402
from scipy import sparse  # noqa: E402

from rightmodel.routing.signals import ngrams  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Sequence

SETTINGS = {
    "ridge": 7.0,
    "ridge_numbers": 10.0,
    "ridge_exam": 500.0,
    "least_rows": 2,
    "few_rows": 3000,
    "least_items": 8,
    "seed": 0,
}
COMMON = 20_000
"""Rows of a key that says next to nothing about the kind of work."""
LEAST_TRUST = 0.06
SHORT_AND_EASY = ("j-", "k-", "l-", "m-", "n-")
"""Files of everyday rows that tell the kind of work alone."""
TEST_SHARE, DEV_SHARE = 0.1, 0.1


def targets(rows: list[corpus_io.Row]) -> tuple[fit.Vector, fit.Vector, fit.Vector]:
    """Soft skill labels; difficulty and log2 of the answer's tokens; weights."""
    y = np.zeros((len(rows), len(corpus_io.SKILLS)), np.float32)
    for i, row in enumerate(rows):
        for skill, share in row.skills.items():
            y[i, corpus_io.PLACE[skill]] = share
    numbers = np.array([[r.difficulty, np.log2(max(1.0, r.out))] for r in rows], np.float32)
    return y, numbers, np.array([r.weight for r in rows], np.float32)


def train(
    rows: list[corpus_io.Row],
    contexts: dict[str, list[str]],
    items: Sequence[outcomes.Item] = (),
) -> export.Fitted:
    """Fit every head on the rows and what augmentation makes of them; two also on outcomes."""
    aside = corpus_io.distractors()
    each = [augment.variants(row, contexts, aside, SETTINGS["seed"]) for row in rows]
    scorer = relevance.fit_scorer(rows, contexts)
    parts = (scorer.pasted, scorer.wrapping)
    made = [variant for variants in each for variant in variants] + lexicon.rows(rows)
    seen = [fit.read(row.prompt, scorer) for row in made]
    read_items = [fit.read(item.prompt, scorer) for item in items]
    known = _vocabulary(made, seen)
    more = fit.vocabulary(read_items, int(SETTINGS["least_items"]))
    places = {key: i for i, key in enumerate(known | more | parts[0].places | parts[1].places)}
    x = fit.matrix(seen, places)
    y, numbers, weight = targets(made)
    prompts = np.array([row.weight if _tells_size(row) else 0.0 for row in made], np.float32)
    base = np.average(numbers, axis=0, weights=prompts).astype(np.float32)
    endless = np.array([not ngrams.is_ending(key) for key in places], np.float32)
    x_numbers = x @ sparse.diags(endless)
    number_weights = fit.fit_ridge(
        x_numbers, numbers - base, prompts[:, None], SETTINGS["ridge_numbers"]
    )
    exam = number_weights[:, :1]
    if items:
        x_items = fit.matrix(read_items, places) @ sparse.diags(endless)
        exam = _fit_exam(items, x_items, x_items @ exam)
    held = _rows_of_keys(made, seen)
    trust = _trust(held, places)
    skill_weights = fit.fit_softmax(x @ sparse.diags(trust), y, weight, SETTINGS["ridge"])
    skill_weights *= trust[:, None]
    around = np.zeros((len(places), 2), np.float32)
    for head, part in enumerate(parts):
        around[[places[key] for key in part.places], head] = part.values
    return export.Fitted(
        keys=list(places),
        skill_weights=skill_weights,
        number_weights=np.hstack([number_weights, exam]),
        number_base=base,
        scorer_weights=around,
        scorer=scorer,
        held=held,
    )


def _tells_size(row: corpus_io.Row) -> bool:
    """Whether difficulty and length are learned from a row.

    Words by themselves say nothing about them. Everyday rows are short and easy throughout: with
    them, hard work was placed among the easy.
    """
    return row.kind != "lexicon" and not row.file.startswith(SHORT_AND_EASY)


def _rows_of_keys(rows: Sequence[corpus_io.Row], seen: Sequence[fit.Keys]) -> Counter[str]:
    """How many rows hold a key, what augmentation made of them apart."""
    bare = [keys for row, keys in zip(rows, seen, strict=True) if row.kind != "augmented"]
    return Counter(key for keys in bare for key in keys)


def _trust(held: Counter[str], places: dict[str, int]) -> fit.Vector:
    """How far the weight of each key may go from 0: rare keys and whole words say most.

    The length of a paste has no say on the kind of work, and neither have words that stand in
    wrappings and pasted text alone.
    """
    trust = np.zeros(len(places), np.float32)
    for key, place in places.items():
        if held[key] and not key.startswith(ngrams.SIZES):
            trust[place] = max(LEAST_TRUST, np.log(COMMON / held[key]) / 5) * _trust_of_kind(key)
    return trust


def _trust_of_kind(key: str) -> float:
    return 1.4 if ngrams.is_word(key) else 0.7 if ngrams.is_ending(key) else 1.0


def _vocabulary(rows: Sequence[corpus_io.Row], seen: Sequence[fit.Keys]) -> dict[str, int]:
    """Keys of two rows or more; words of the lexicon and of languages with few rows from one on."""
    counts = Counter(row.lang for row in rows if row.kind != "augmented")
    plain, scarce = [], []
    for row, keys in zip(rows, seen, strict=True):
        if row.kind != "augmented":
            few = row.kind == "lexicon" or counts[row.lang] < SETTINGS["few_rows"]
            (scarce if few else plain).append(keys)
    least = int(SETTINGS["least_rows"])
    known = fit.vocabulary(plain + scarce, least)
    return known | {key: 0 for key in fit.vocabulary(scarce, 1) if _says_alone(key)}


def _says_alone(key: str) -> bool:
    """Whether one row is enough for a key: words and their beginnings, short runs."""
    if key.startswith(ngrams.RUN):
        return len(key) <= len(ngrams.RUN) + 2
    return " " not in key and (ngrams.is_word(key) or key.endswith("*"))


def _fit_exam(items: Sequence[outcomes.Item], x: Any, said: fit.Vector) -> fit.Vector:
    """The difficulty of exam questions, placed where the corpus's own fit sees the best known."""
    hard = np.array([[item.difficulty] for item in items], np.float32)
    weight = np.array([[item.weight] for item in items], np.float32)
    known = weight == weight.max()
    return fit.fit_ridge(x, hard + (said - hard)[known].mean(), weight, SETTINGS["ridge_exam"])


def split(rows: list[corpus_io.Row]) -> tuple[list[corpus_io.Row], ...]:
    """Train, dev, test: by the hash of the base prompt."""
    parts: tuple[list[corpus_io.Row], ...] = ([], [], [])
    for row in rows:
        place = row.base / 2**32
        parts[2 if place < TEST_SHARE else 1 if place < TEST_SHARE + DEV_SHARE else 0].append(row)
    return parts


def main() -> None:
    """Train on train, calibrate on dev, measure on test; then fit again on everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--measure", action="store_true", help="cross-validate, too (slow)")
    parser.add_argument("--outcomes", type=Path, help="folder of outcome tables")
    parser.add_argument("--draft", action="store_true", help="ship the fit on train alone")
    options = parser.parse_args()
    rows, contexts, digest = corpus_io.load(), corpus_io.contexts(), corpus_io.corpus_hash()
    items = outcomes.load(options.outcomes) if options.outcomes else []
    learn, dev, test = split(rows)
    print(f"{len(learn)} train, {len(dev)} dev, {len(test)} test", flush=True)
    fitted = train(learn, contexts, items)
    calibration = measure.calibrate(measure.predict(fitted, dev), dev)
    figures: dict[str, Any] = {
        "test": measure.figures(measure.predict(fitted, test), test, calibration)
    }
    print(json.dumps(figures["test"], indent=1), flush=True)
    if options.measure:
        predicted = measure.cross_validated(rows, contexts, train)
        calibration = measure.calibrate(predicted, rows)
        figures["cross_validation"] = measure.figures(predicted, rows, calibration)
        print(json.dumps(figures["cross_validation"], indent=1), flush=True)
    shipped = fitted if options.draft else train(rows, contexts, items)
    provenance = {
        "made_by": "training/train.py",
        "date": dt.datetime.now(tz=dt.UTC).date().isoformat(),
        "corpus": {
            "rows": len(rows),
            "files": len(corpus_io.files()),
            "sha256": digest,
            "split": {"train": len(learn), "dev": len(dev), "test": len(test)},
        },
        "settings": SETTINGS,
        "held_out": figures,
        "note": "figures: fitted without the rows they are measured on; shipped: fitted on all",
    }
    export.write(shipped, calibration, provenance)


if __name__ == "__main__":
    main()
