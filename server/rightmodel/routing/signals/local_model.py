"""The local classifier: a linear model over `features`, shipped with the package.

A table from keys to rows of small integers, packed so that one addition sums every head at once; no
numpy, no download. Heads: a logit for each skill, difficulty, the logarithm of the answer's length,
and the difficulty of exam questions, trained on how models scored on them. `training/train.py`
writes the weights; `weights/learned.json` states the data.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from itertools import repeat
from math import exp, sqrt
from operator import itemgetter
from struct import Struct
from typing import TYPE_CHECKING, Any, Final

from rightmodel.core.decision import Assessment
from rightmodel.routing.signals import features, size
from rightmodel.routing.signals.envelope import parse_request

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rightmodel.core.task import Task

WEIGHTS: Final = "learned.bin"
PROVENANCE: Final = "learned.json"
LENGTH: Final = 5.0
"""Norm of a prompt's vector: long instructions get no more confidence than short ones."""
IMAGE_LOGIT: Final = 3.0
"""Added to the logit of `vision` where an image is attached."""
LEAST_WEIGHT: Final = 0.08
"""Least weight of a skill other than the first."""
MOST_SKILLS: Final = 4
HEADS: Final = 16
DIFFICULTY, LENGTH_OUT, EXAM = range(HEADS - 3, HEADS)
"""The heads after those of the skills."""
MATH_IS_EXAM: Final = 0.75
"""Share of the exam head in the difficulty of mathematics that is not multiple choice."""
MATH_SPREAD: Final = 1.5
MATH_PIVOT: Final = 4.6
"""The fit compresses difficulties of mathematics: it puts 1.7 points between GSM8K and the hardest
level of MATH, the scores of 45 models 3 (on prompts used for neither fitting nor reporting). They
are spread from the midpoint of the two."""
_LANES: Final = Struct("<17I")
_ROW: Final = Struct(f"{_LANES.size}s")
_OFFSET: Final = 128
"""Weights are stored as bytes, `value + 128`; the last lane counts rows to take it off again."""


@dataclass(slots=True)
class Model:
    """The loaded weights. `table`: key → packed row. `meta`: what the weights' first line holds."""

    table: dict[str, int]
    reader: features.Reader
    skills: tuple[str, ...]
    scales: tuple[float, ...]
    meta: dict[str, Any]
    words: dict[str, int]

    def heads(self, seen: features.FeatureSet) -> list[float]:
        """The value of each head."""
        table, words = self.table, self.words
        total = 0
        for word in seen.words:
            row = words.get(word)
            if row is None:
                row = sum([table[key] for key in features.word_keys(word) if key in table])
                if len(words) < features.Reader.MOST_REMEMBERED:
                    words[word] = row
            total += row
        total += sum([table[key] for key in seen.keys if key in table])
        lanes = _LANES.unpack(total.to_bytes(_LANES.size, "little"))
        count = float(lanes[HEADS])
        values = [lane - _OFFSET * count for lane in lanes[:HEADS]]
        norm = LENGTH / sqrt(count + 1.0)
        return [v * scale * norm for v, scale in zip(values, self.scales, strict=True)]


@lru_cache(maxsize=1)
def load() -> Model:
    """The shipped weights, read with the first task."""
    return decode(
        resources.files("rightmodel.routing.signals").joinpath("weights", WEIGHTS).read_bytes()
    )


def decode(data: bytes) -> Model:
    """Weights as `training/export.py` writes them: a line of JSON, the keys, the rows."""
    head, _, rest = data.partition(b"\n")
    meta: dict[str, Any] = json.loads(head)
    text = rest[: meta["keys_bytes"]].decode()
    rows = rest[meta["keys_bytes"] :]
    wide = bytearray(len(rows) // HEADS * _LANES.size)
    for lane in range(HEADS):
        wide[lane * 4 :: _LANES.size] = rows[lane::HEADS]
    wide[HEADS * 4 :: _LANES.size] = b"\x01" * (len(rows) // HEADS)
    packed_rows = map(itemgetter(0), _ROW.iter_unpack(wide))
    # The type of from_bytes allows two words for the byte order, not every string.
    packed = map(int.from_bytes, packed_rows, repeat("little"))  # type: ignore[arg-type]
    return Model(
        table=dict(zip(text.split("\n"), packed, strict=True)),
        reader=features.Reader(features.lexicon(meta["concepts"]), meta["asking"]),
        skills=tuple(meta["skills"]),
        scales=tuple(meta["scales"]),
        meta=meta,
        words={},
    )


def assess(task: Task, skills: Sequence[str]) -> Assessment:
    """What kind of work a task is, how hard, and how long its answer will be.

    `skills`: the names allowed in the result; the weight of others goes to these. Never raises.
    Only instruction, head and tail of a prompt are read, whatever its length.
    """
    model = load()
    images = any(file.modality == "image" for file in task.files)
    request = parse_request(task.prompt)
    seen = model.reader.read(request, images=images)
    values = model.heads(seen)
    logits = dict(zip(model.skills, values, strict=False))
    if images:
        logits["vision"] += IMAGE_LOGIT
    chances = _softmax(logits, float(model.meta["temperature"]), skills)
    first = next(iter(chances))
    kept = _kept(chances)
    hard = values[DIFFICULTY]
    exam = 1.0 if seen.choices else MATH_IS_EXAM * chances.get("math", 0.0)
    hard += exam * (values[EXAM] - hard)
    hard += float(model.meta["difficulty_base"])
    if first == "math":
        hard = spread(hard)
    hard = min(9.5, max(0.5, hard))
    stated = size.output_tokens(request, task.prompt, first)
    length = stated or round(
        2 ** min(14.0, max(2.0, values[LENGTH_OUT] + float(model.meta["out_base"])))
    )
    return Assessment(
        skills=kept,
        difficulty=round(hard, 1),
        source="learned",
        confidence=round(chances[first], 3),
        difficulty_confidence=_sure(model.meta["difficulty_sure"], first),
        output_tokens=length,
        note=_note(kept),
    )


def spread(hard: Any) -> Any:
    """A difficulty of mathematics (or an array of them) after `MATH_SPREAD`."""
    return MATH_PIVOT + MATH_SPREAD * (hard - MATH_PIVOT)


def _softmax(
    logits: Mapping[str, float], temperature: float, skills: Iterable[str]
) -> dict[str, float]:
    """Probabilities of the allowed skills, highest first."""
    allowed = {skill: logits[skill] for skill in skills if skill in logits} or {"general": 0.0}
    most = max(allowed.values())
    powers = {s: exp((value - most) / temperature) for s, value in allowed.items()}
    total = sum(powers.values())
    ranked = sorted(powers.items(), key=lambda item: -item[1])
    return {skill: power / total for skill, power in ranked}


def _kept(chances: Mapping[str, float]) -> tuple[tuple[str, float], ...]:
    """The heaviest skills, their weights summing to 1."""
    ranked = list(chances.items())[:MOST_SKILLS]
    kept = ranked[:1] + [item for item in ranked[1:] if item[1] >= LEAST_WEIGHT]
    total = sum(weight for _, weight in kept)
    return tuple((skill, weight / total) for skill, weight in kept)


def _sure(table: Mapping[str, float], skill: str) -> float:
    """The measured probability that the difficulty is within 1.5 points, by skill."""
    return table.get(skill, table["any"])


def _note(kept: Sequence[tuple[str, float]]) -> str:
    if len(kept) == 1:
        return f"reads like {kept[0][0]} to the local model"
    return f"reads like {kept[0][0]}, less so {kept[1][0]}, to the local model"
