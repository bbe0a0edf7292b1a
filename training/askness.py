"""Which lines of a prompt ask, and which were pasted: a small logistic regression over lines.

Lines of the corpus's requests ask; lines of the contexts, and what the rows' own material holds,
do not. Only used where a long ask has several lines (`features.Reader.asked`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import fit
import numpy as np
from scipy import sparse

from rightmodel.assess import features
from rightmodel.assess.wrappers import request_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import corpus_io

RIDGE = 0.1
LEAST_LINES = 3
LEAST_WEIGHT = 0.04
LONGEST = 480


def _lines(text: str) -> list[str]:
    return [line[:LONGEST] for line in text.split("\n") if line.strip()]


def examples(
    rows: Sequence[corpus_io.Row], contexts: Sequence[str]
) -> tuple[list[str], list[float], list[float]]:
    """Lines, whether they ask, and their weights."""
    lines: list[str] = []
    labels: list[float] = []
    weights: list[float] = []
    for row in rows:
        request = request_of(row.prompt)
        asked = _lines(request.ask)
        # Behind the first lines there may be pasted text that was not told apart.
        for i, line in enumerate(asked[:3]):
            lines.append(line)
            labels.append(1.0)
            weights.append(1.0 if i == 0 else 0.3)
        for line in _lines(request.material.lower())[:4]:
            lines.append(line)
            labels.append(0.0)
            weights.append(0.4)
    for context in contexts:
        asked = _lines(request_of(context).ask) + _lines(context.lower())
        for line in asked[:24]:
            lines.append(line)
            labels.append(0.0)
            weights.append(1.0)
    return lines, labels, weights


def fit_asking(
    reader: features.Reader, rows: Sequence[corpus_io.Row], contexts: Sequence[str]
) -> dict[str, float]:
    """Key of a line → its weight; above 0 for asking."""
    lines, labels, weights = examples(rows, contexts)
    keyed = [dict.fromkeys(features.line_keys(reader.tokens(line)), 1.0) for line in lines]
    places = fit.vocabulary(keyed, LEAST_LINES)
    starts, columns, values = [0], [], []
    for keys in keyed:
        hits = [places[key] for key in keys if key in places]
        columns += hits
        values += [1.0 / np.sqrt(len(keys))] * len(hits)
        starts.append(len(columns))
    x = sparse.csr_matrix(
        (np.array(values, np.float32), columns, starts), shape=(len(keyed), len(places))
    )
    y = np.array([[label, 1.0 - label] for label in labels], np.float32)
    w = fit.fit_softmax(x, y, np.array(weights, np.float32), RIDGE)
    gain = w[:, 0] - w[:, 1]
    return {
        key: round(float(gain[place]), 2)
        for key, place in places.items()
        if abs(gain[place]) >= LEAST_WEIGHT
    }
