"""Words that mean the same in many languages, as rows of one word.

Little text in a language cannot teach its words. A concept's rows are those of the corpus that
hold one of its words, in whatever language; their mean labels, drawn towards the mean of all, go to
every word of the concept (`concepts.txt`).
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

import corpus_io

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LEAST_ROWS = 8
DRAWN = 4.0
"""Rows of the mean label that each concept is drawn by."""
WEIGHT = 2.0
Index = defaultdict[str, list[str]]
_WORD = re.compile(r"[^\W\d_]+")
_UNSPACED = re.compile("[぀-ヿ一-鿿]")


def rows(corpus: Sequence[corpus_io.Row]) -> list[corpus_io.Row]:
    """A row for each word of each concept that the corpus says something about."""
    concepts = corpus_io.concepts()
    whole, stems, runs = _index(concepts)
    held: dict[str, list[corpus_io.Row]] = defaultdict(list)
    for row in corpus:
        for concept in set(_concepts_in(row.prompt.lower()[:400], whole, stems, runs)):
            held[concept].append(row)
    prior = _mean(corpus)
    made = []
    for concept, words in concepts.items():
        found = held[concept]
        if len(found) < LEAST_ROWS:
            continue
        skills = _mean(found)
        share = len(found) / (len(found) + DRAWN)
        skills = {s: share * skills[s] + (1 - share) * prior[s] for s in prior}
        hard = sum(r.difficulty for r in found) / len(found)
        out = sum(r.out for r in found) / len(found)
        for word in words:
            text = word.rstrip("*").replace("_", " ")
            made.append(corpus_io.Row(text, skills, hard, out, "", "lexicon", 0, weight=WEIGHT))
    return made


def _index(concepts: dict[str, list[str]]) -> tuple[Index, Index, Index]:
    """Concepts by whole words, by beginnings of words, and by runs of scripts without spaces."""
    whole, stems, runs = Index(list), Index(list), Index(list)
    for concept, words in concepts.items():
        for word in words:
            if _UNSPACED.search(word):
                runs[word.replace("_", "")].append(concept)
            elif word.endswith("*"):
                stems[word[:-1]].append(concept)
            else:
                whole[word].append(concept)
    return whole, stems, runs


def _concepts_in(text: str, whole: Index, stems: Index, runs: Index) -> Iterator[str]:
    for word in _WORD.findall(text):
        yield from whole.get(word, ())
        for end in range(len(word), 2, -1):
            if word[:end] in stems:
                yield from stems[word[:end]]
                break
    if _UNSPACED.search(text):
        for run, concepts in runs.items():
            if run in text:
                yield from concepts


def _mean(rows_: Sequence[corpus_io.Row]) -> Counter[str]:
    total: Counter[str] = Counter(dict.fromkeys(corpus_io.SKILLS, 0.0))  # type: ignore[arg-type]
    for row in rows_:
        for skill, share in row.skills.items():
            total[skill] += share / len(rows_)  # type: ignore[assignment]
    return total
