"""Sparse design matrices and the heads: softmax regression and ridge regression, by L-BFGS."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import minimize

from rightmodel.routing.signals import envelope, ngrams
from rightmodel.routing.signals import local_model as learned

if TYPE_CHECKING:
    from collections.abc import Sequence

Vector = NDArray[np.float32]
Keys = dict[str, float]


def add(keys: Keys, more: Keys) -> None:
    """Count keys together."""
    for key, count in more.items():
        keys[key] = keys.get(key, 0.0) + count


def sentence_keys(part: str) -> Keys:
    """The keys of a sentence, and how often each counts."""
    words = ngrams.tokens(part)
    keys: Keys = {}
    # In the order of the text: the last digit of a sum depends on its order.
    for word in dict.fromkeys(words):
        for key in ngrams.word_keys(word):
            keys[key] = keys.get(key, 0.0) + 1.0
    for key in ngrams.pair_keys(words):
        keys[key] = keys.get(key, 0.0) + 1.0
    return keys


def read(prompt: str, scorer: envelope.Scorer) -> Keys:
    """The keys of a prompt as the shipped model reads it, and how often each counts."""
    reading = envelope.read(prompt, scorer)
    keys: Keys = {}
    for part in reading.sentences:
        add(keys, sentence_keys(part))
    for part in (*reading.questions, *reading.pasted):
        more = sentence_keys(part)
        add(keys, {key: count / learned.PASTED_PARTS for key, count in more.items()})
    text, points = "\n".join(reading.sentences), reading.code == "pointed"
    shape = ngrams.shape_keys(text, reading.request.context, on_code=points)
    return keys | dict.fromkeys(shape, 1.0)


def vocabulary(read_rows: Sequence[Keys], least: int) -> dict[str, int]:
    """Keys that occur in at least `least` rows."""
    counts = Counter(key for keys in read_rows for key in keys)
    kept = sorted(key for key, count in counts.items() if count >= least and "\n" not in key)
    return {key: i for i, key in enumerate(kept)}


def matrix(
    read_rows: Sequence[Keys], places: dict[str, int], length: float = learned.LENGTH
) -> Any:
    """Rows drawn to a common length, as `learned.Model` does it."""
    starts, columns, values = [0], [], []
    for keys in read_rows:
        hits = [(places[key], value) for key, value in keys.items() if key in places]
        norm = length / np.sqrt(sum(value for _, value in hits) + 1.0)
        for place, value in hits:
            columns.append(place)
            values.append(value * norm)
        starts.append(len(columns))
    shape = (len(read_rows), len(places))
    return sparse.csr_matrix((np.array(values, np.float32), columns, starts), shape=shape)


def softmax(logits: Vector) -> Vector:
    """Row by row."""
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def fit_softmax(x: Any, y: Vector, weight: Vector, ridge: float, rounds: int = 90) -> Vector:
    """Multinomial logistic regression on soft labels."""
    turned = x.T.tocsr()
    shape = (x.shape[1], y.shape[1])

    def loss(flat: Vector) -> tuple[float, Vector]:
        w = flat.reshape(shape).astype(np.float32)
        p = softmax(x @ w)
        value = -(weight[:, None] * y * np.log(p + 1e-9)).sum() + ridge / 2 * (w * w).sum()
        slope = turned @ ((p - y) * weight[:, None]) + ridge * w
        return float(value), slope.ravel().astype(np.float64)

    start = np.zeros(shape[0] * shape[1])
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": rounds})
    return np.asarray(found.x.reshape(shape), np.float32)


def fit_ridge(x: Any, y: Vector, weight: Vector, ridge: float, rounds: int = 60) -> Vector:
    """Linear regression of several targets (already centred). `weight`: as many columns as `y`."""
    turned = x.T.tocsr()
    shape = (x.shape[1], y.shape[1])

    def loss(flat: Vector) -> tuple[float, Vector]:
        w = flat.reshape(shape).astype(np.float32)
        off = (x @ w - y) * weight
        value = (off * (x @ w - y)).sum() / 2 + ridge / 2 * (w * w).sum()
        return float(value), (turned @ off + ridge * w).ravel().astype(np.float64)

    start = np.zeros(shape[0] * shape[1])
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": rounds})
    return np.asarray(found.x.reshape(shape), np.float32)
