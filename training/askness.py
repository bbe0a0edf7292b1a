"""Which lines of a prompt ask, and which were pasted: a small logistic regression over lines.

Requests of the corpus get contexts pasted around them; of the lines that are then left to choose
from (`features.edge_lines`), those that the bare request has ask, and the others do not.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import augment
import fit
import numpy as np
from scipy import sparse

from rightmodel.routing.signals import features
from rightmodel.routing.signals.envelope import parse_request
from rightmodel.routing.signals.instruction import split_request

if TYPE_CHECKING:
    from collections.abc import Sequence

    import corpus_io

RIDGE = 3.0
LEAST_LINES = 3
LEAST_WEIGHT = 0.08
PASTED_EACH = 4
LONG_CONTEXT = 150
SCARCE, SCARCE_WEIGHT = frozenset(("zh", "ja", "ko")), 3.0
"""Languages that share no words with most rows: theirs count more."""


def examples(
    rows: Sequence[corpus_io.Row], contexts: Sequence[str]
) -> list[tuple[str, str, float, float]]:
    """Line, its form, whether it asks, and its weight."""
    out: list[tuple[str, str, float, float]] = []
    texts = [*contexts, *_contexts(rows)]
    for row in rows:
        rng = random.Random(row.base)
        weight = SCARCE_WEIGHT if row.lang in SCARCE else 1.0
        own = set(features.edge_lines(parse_request(row.prompt).instruction))
        for _ in range(PASTED_EACH):
            paste = rng.choice((augment.pasted_before, augment.pasted_after))
            context = augment.trimmed(rng.choice(texts), rng)
            request = parse_request(paste(row, context, rng))
            lines = features.edge_lines(request.instruction)
            if len(lines) < 2:
                continue
            forms = features.line_forms(lines, request.context.lower())
            for line, form in zip(lines, forms, strict=True):
                out.append((line, form, float(line in own), weight / len(lines)))
    return out


def _contexts(rows: Sequence[corpus_io.Row]) -> list[str]:
    """What the rows themselves have pasted, where it is long."""
    found = [split_request(row.prompt).context for row in rows]
    return [material for material in found if len(material) >= LONG_CONTEXT]


def fit_asking(
    reader: features.Reader, rows: Sequence[corpus_io.Row], contexts: Sequence[str]
) -> dict[str, float]:
    """Key of a line → its weight; above 0 for asking."""
    made = examples(rows, contexts)
    keyed = [
        dict.fromkeys(features.line_keys(reader.tokens(line), form), 1.0)
        for line, form, _, _ in made
    ]
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
    y = np.array([[asks, 1.0 - asks] for _, _, asks, _ in made], np.float32)
    w = fit.fit_softmax(x, y, np.array([weight for *_, weight in made], np.float32), RIDGE)
    gain = w[:, 0] - w[:, 1]
    return {
        key: round(float(gain[place]), 2)
        for key, place in places.items()
        if abs(gain[place]) >= LEAST_WEIGHT
    }
