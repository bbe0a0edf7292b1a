"""What tells a request from its surroundings: two logistic regressions over lines and sentences.

Lines: requests of the corpus get contexts pasted around them (`augment`); the lines of the bare
request ask, the others are pasted. Sentences: requests get envelopes and politeness around them;
the sentences of the bare request ask, the others wrap.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

import augment
import fit
import numpy as np

from rightmodel.routing.signals import ngrams
from rightmodel.routing.signals.instruction import parse_request
from rightmodel.routing.signals.layout import unwrap

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import corpus_io

RIDGE = 3.0
LEAST = 4
PASTED_EACH, WRAPPED_EACH = 4, 5
TAIL = 30
"""Characters at its end by which a sentence is known that a wrapping runs into."""
SCARCE = 3.0
"""Weight of languages with few rows."""


def line_keys(lines: Sequence[str], number: int, context: str) -> fit.Keys:
    """The keys of a line with those of its sentences."""
    keys = dict.fromkeys(ngrams.line_keys(lines, number, context), 1.0)
    for part in ngrams.sentences(lines[number]):
        fit.add(keys, fit.sentence_keys(part))
    return keys


def sentence_keys(parts: Sequence[str], number: int, _context: str = "") -> fit.Keys:
    """The keys of a sentence and its place."""
    keys = dict.fromkeys(ngrams.sentence_keys(number, len(parts)), 1.0)
    fit.add(keys, fit.sentence_keys(parts[number]))
    return keys


def _lines(prompt: str) -> tuple[list[str], str]:
    request = parse_request(unwrap(prompt, lambda _: True).text)
    return ngrams.lines(request.instruction), request.context.lower()


def _sentences(prompt: str) -> tuple[list[str], str]:
    return [part for line in _lines(prompt)[0] for part in ngrams.sentences(line)], ""


@dataclass(slots=True)
class Weights:
    """Of one of the two: key → place, and the weight of each; a sum above 0 asks."""

    places: dict[str, int]
    values: fit.Vector

    def score(self, keys: fit.Keys) -> float:
        """As the shipped model computes it."""
        hits = [(self.values[self.places[k]], n) for k, n in keys.items() if k in self.places]
        return float(sum(w * n for w, n in hits) / np.sqrt(sum(n for _, n in hits) + 1.0))


@dataclass(slots=True)
class Scorer:
    """Both, as `envelope.read` asks for them."""

    pasted: Weights
    wrapping: Weights

    def lines(self, lines: Sequence[str], context: str) -> list[float]:
        """A score for each line."""
        return [self.pasted.score(line_keys(lines, i, context)) for i in range(len(lines))]

    def introduces(self, sentences: Sequence[str]) -> bool:
        """By the wrapping alone: nothing is known of kinds of work yet."""
        return max(self.sentences(sentences)) < 0.0

    def clear_kind(self, _sentences: Sequence[str], *, least: float = 0.0) -> str:  # noqa: ARG002
        """None: nothing is known of kinds of work yet."""
        return ""

    def edge(self, sentence: str, *, last: bool) -> float:
        """The score of the first or last sentence of a text."""
        parts = ["", sentence] if last else [sentence, ""]
        return self.wrapping.score(sentence_keys(parts, int(last)))

    def sentences(self, sentences: Sequence[str]) -> list[float]:
        """A score for each sentence."""
        return [self.wrapping.score(sentence_keys(sentences, i)) for i in range(len(sentences))]


def _fit(
    rows: Sequence[corpus_io.Row],
    changed: Callable[[corpus_io.Row, random.Random], list[str]],
    parts_of: Callable[[str], tuple[list[str], str]],
    keys_of: Callable[[Sequence[str], int, str], fit.Keys],
) -> Weights:
    keyed, asks, weights = [], [], []
    for row in rows:
        rng = random.Random(row.base)
        tails = tuple(part.strip()[-TAIL:] for part in parts_of(row.prompt)[0])
        for text in changed(row, rng):
            parts, context = parts_of(text)
            if len(parts) < 2:
                continue
            weight = (1.0 if row.lang in {"en", "de", "es"} else SCARCE) / len(parts)
            for number, part in enumerate(parts):
                keyed.append(keys_of(parts, number, context))
                asks.append(float(part.strip().endswith(tails)))
                weights.append(weight)
    places = fit.vocabulary(keyed, LEAST)
    x = fit.matrix(keyed, places, length=1.0)
    y = np.array([[ask, 1.0 - ask] for ask in asks], np.float32)
    w = fit.fit_softmax(x, y, np.array(weights, np.float32), RIDGE, rounds=50)
    return Weights(places, w[:, 0] - w[:, 1])


def fit_scorer(rows: Sequence[corpus_io.Row], contexts: dict[str, list[str]]) -> Scorer:
    """Fit both."""

    def pasted(row: corpus_io.Row, rng: random.Random) -> list[str]:
        ways = [augment.pasted_before, augment.pasted_after] * (PASTED_EACH // 2)
        return [way(row, augment.pasted(row, contexts, rng), rng) for way in ways]

    def wrapped(row: corpus_io.Row, rng: random.Random) -> list[str]:
        ways = [augment.in_sentences] * 3 + [augment.polite, augment.claimed_easy]
        return [way(row, rng) for way in ways[:WRAPPED_EACH]]

    return Scorer(
        _fit(rows, pasted, _lines, line_keys), _fit(rows, wrapped, _sentences, sentence_keys)
    )
