"""The local model: a linear model over `ngrams`, shipped with the package.

A table from keys to rows of small integers, packed so that one addition sums every head at once; no
numpy, no download. The row of a known word holds those of its beginnings. Heads: a logit for each
skill, difficulty, the logarithm of the answer's length, the difficulty of exam questions (trained
on how models scored on them), and two that tell a request
from what surrounds it: pasted lines, and sentences that wrap it ("You are an expert", "Return only
the result"). `training/train.py` writes the weights; `weights/learned.json` states the data.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from itertools import repeat
from math import exp, sqrt
from operator import itemgetter
from struct import Struct
from typing import TYPE_CHECKING, Any, Final

from rightmodel.core.decision import Assessment
from rightmodel.routing.signals import ngrams, size
from rightmodel.routing.signals.envelope import Reading, read

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rightmodel.core.task import Task

WEIGHTS: Final = "learned.bin"
PROVENANCE: Final = "learned.json"
LENGTH: Final = 5.0
"""Norm of a prompt's vector: long instructions get no more confidence than short ones."""
IMAGE_LOGIT: Final = 3.0
"""Added to the logit of `vision` where an image is attached."""
CODE_LOGIT: Final = 0.8
"""Added to the logit of `code` where the request points at a text that is code, or ends with a
colon before it: rows are too few for their key to outweigh "make it more readable"."""
ALL_CODE_LOGIT: Final = 2.0
"""The same where no long text is pasted, so that the code is what is meant: "Find the bug:"."""
LONG_PASTE: Final = 2_000
"""Characters from which on code may be beside the point."""
PASTED_PARTS: Final = 2
"""A pasted sentence counts for one of so many parts, a question for one more than others."""
LEAST_WEIGHT: Final = 0.08
"""Least weight of a skill other than the first."""
MOST_SKILLS: Final = 4
HEADS: Final = 18
DIFFICULTY, LENGTH_OUT, EXAM, PASTED, WRAPPING = range(HEADS - 5, HEADS)
"""The heads after those of the skills."""
MATH_IS_EXAM: Final = 0.75
"""Share of the exam head in the difficulty of mathematics that is not multiple choice."""
MATH_SPREAD: Final = 1.5
MATH_PIVOT: Final = 4.6
"""The fit compresses difficulties of mathematics: it puts 1.7 points between GSM8K and the hardest
level of MATH, the scores of 45 models 3 (on prompts used for neither fitting nor reporting). They
are spread from the midpoint of the two."""
MATH_LENGTH: Final = (6.1, 0.30)
"""log2 of the tokens of a mathematical answer, at difficulty 0 and for each point: least squares
over what 23 models wrote on GSM8K and the hardest level of MATH (r .77 on prompts used for nothing
else, where the head, whose labels are guesses, reaches .33)."""
CLEAR: Final = 0.6
"""Chance of a kind of work from which on a sentence in front of a layout asks for it."""
CARRIES_OUT: Final = ("general", "agentic")
CLEARLY: Final = 0.7
"""Chance of a kind of work from which on a line clearly asks for it by itself."""
MOST_REMEMBERED: Final = 20_000
"""Words without a row of their own whose sums are kept."""
MOST_ROWS: Final = 256
"""Sentences whose rows are kept summed: one decision reads them several times."""
BYTES: Final = HEADS + 1
"""Bytes of a row in the file: each head, and how many keys the row sums up."""
_LANES: Final = Struct(f"<{HEADS + 2}I")
_ROW: Final = Struct(f"{_LANES.size}s")
_LANE_BITS: Final = 32
_LANE: Final = (1 << _LANE_BITS) - 1
OFFSET: Final = 128
"""Weights are stored as bytes, `value + OFFSET`. The last two lanes count rows, to take that off
again, and the keys that they sum up."""
_COUNTS: Final = _LANE_BITS * HEADS
_EDGES: Final = (ngrams.sentence_keys(0, 2), ngrams.sentence_keys(1, 2))
"""The forms of a text's first sentence and of its last."""
_HEADER: Final = 4
"""Bytes at the head of a block that hold its number of keys."""


class Rare(dict[str, int]):
    """Word without a row of its own → packed sum of the rows of its parts.

    `table`: all rows.
    """

    __slots__ = ("_table",)

    def __init__(self, table: Mapping[str, int]) -> None:
        super().__init__()
        self._table = table

    def __missing__(self, word: str) -> int:
        table, total = self._table, 0
        for chain in ngrams.chains(word):
            for key in chain:
                row = table.get(key)
                if row is None:
                    break
                total += row
        if len(self) >= MOST_REMEMBERED:
            self.clear()
        self[word] = total
        return total


@dataclass(slots=True)
class Model:
    """The loaded weights. `table`: key → packed row. `meta`: what the weights' first line holds.

    `others`: the block of keys that are not ASCII, until a text needs them; then empty.
    """

    table: dict[str, int]
    others: bytes
    skills: tuple[str, ...]
    scales: tuple[float, ...]
    meta: dict[str, Any]
    rare: Rare
    rows: dict[str, int]

    def lines(self, lines: Sequence[str], context: str) -> list[float]:
        """The scores of lines: above 0 for a request, below for pasted text."""
        return [
            self._score(
                sum(map(self.row, ngrams.sentences(line))),
                ngrams.line_keys(lines, number, context),
                PASTED,
            )
            for number, line in enumerate(lines)
        ]

    def sentences(self, sentences: Sequence[str]) -> list[float]:
        """The scores of sentences: above 0 for a request, below for wrapping."""
        last = len(sentences)
        return [
            self._score(self.row(part), ngrams.sentence_keys(i, last), WRAPPING)
            for i, part in enumerate(sentences)
        ]

    def edge(self, sentence: str, *, last: bool) -> float:
        """The score of the first or last sentence of a text."""
        return self._score(self.row(sentence), _EDGES[last], WRAPPING)

    def introduces(self, sentences: Sequence[str]) -> bool:
        """Whether sentences in front of a layout name no kind of work of their own.

        "Process the block", "Get this done": to carry out what it holds is no other work.
        """
        if max(self.sentences(sentences)) < 0.0:
            return True
        kind, chance = self._kind(sentences)
        return kind in CARRIES_OUT or chance < CLEAR

    def clear_kind(self, sentences: Sequence[str], *, least: float = CLEARLY) -> str:
        """The kind of work that sentences clearly ask for by themselves, "" for none."""
        kind, chance = self._kind(sentences)
        return kind if chance >= least else ""

    def _kind(self, sentences: Sequence[str]) -> tuple[str, float]:
        """The likeliest kind of work of some sentences, and its chance."""
        values = self._values(sum(map(self.row, sentences)))
        logits = dict(zip(self.skills, values, strict=False))
        chances = _softmax(logits, float(self.meta["temperature"]), self.skills)
        return next(iter(chances.items()))

    def _score(self, row: int, form: Sequence[str], head: int) -> float:
        row += sum(filter(None, map(self.table.get, form)))
        counts = row >> _COUNTS
        value = (row >> _LANE_BITS * head & _LANE) - OFFSET * (counts & _LANE)
        return value * self.scales[head] / sqrt((counts >> _LANE_BITS) + 1.0)

    def row(self, sentence: str) -> int:
        """The packed sum of a sentence's rows."""
        row = self.rows.get(sentence)
        if row is not None:
            return row
        if (others := self.others) and not sentence.isascii():
            self.table |= _rows(others)
            self.others = b""
        words = ngrams.tokens(sentence)
        find, rare = self.table.get, self.rare
        row = sum([find(word) or rare[word] for word in set(words)])
        row += sum(filter(None, map(find, ngrams.pair_keys(words))))
        if len(self.rows) > MOST_ROWS:
            self.rows.clear()
        self.rows[sentence] = row
        return row

    def heads(self, reading: Reading, *, images: bool) -> list[float]:
        """The value of each head."""
        text, context = "\n".join(reading.sentences), reading.request.context
        points = reading.code == "pointed"
        shape = ngrams.shape_keys(text, context, images=images, on_code=points)
        asked = sum(filter(None, map(self.table.get, shape)))
        asked += sum(map(self.row, reading.sentences))
        more = sum(map(self.row, (*reading.questions, *reading.pasted)))
        values = self._values(PASTED_PARTS * asked + more, parts=PASTED_PARTS)
        if images:
            values[self.skills.index("vision")] += IMAGE_LOGIT
        # Tags count as code, but agents put any text into them.
        if reading.code and not context.lstrip().startswith("<"):
            logit = ALL_CODE_LOGIT if len(context) < LONG_PASTE else CODE_LOGIT
            values[self.skills.index("code")] += logit
        return values

    def _values(self, row: int, *, parts: int = 1) -> list[float]:
        """`parts`: how often a sentence that counts once is in the sum."""
        *lanes, rows, keys = _LANES.unpack(row.to_bytes(_LANES.size, "little"))
        norm = LENGTH / sqrt(keys / parts + 1.0) / parts
        off = OFFSET * rows
        scaled = zip(lanes, self.scales, strict=True)
        return [(lane - off) * scale * norm for lane, scale in scaled]


@lru_cache(maxsize=1)
def load() -> Model:
    """The shipped weights, read with the first task."""
    folder = resources.files("rightmodel.routing.signals").joinpath("weights")
    return decode(folder.joinpath(WEIGHTS).read_bytes())


def decode(data: bytes) -> Model:
    """Weights as `training/export.py` writes them: a line of JSON, and two blocks of keys.

    The second block, of keys that are not ASCII, is unpacked for the first text that needs it.
    """
    head, _, blocks = data.partition(b"\n")
    meta: dict[str, Any] = json.loads(head)
    table = _rows(blocks[: meta["ascii_bytes"]])
    return Model(
        table=table,
        others=blocks[meta["ascii_bytes"] :],
        skills=tuple(meta["skills"]),
        scales=tuple(meta["scales"]),
        meta=meta,
        rare=Rare(table),
        rows={},
    )


def _rows(block: bytes) -> dict[str, int]:
    """Key → packed row, of a compressed block: a row of bytes for each key, then the keys."""
    unpacked = zlib.decompress(block)
    count = int.from_bytes(unpacked[:_HEADER], "little")
    rows = unpacked[_HEADER : _HEADER + count * BYTES]
    keys = unpacked[_HEADER + count * BYTES :].decode().split("\n")
    size = _LANES.size
    wide = bytearray(count * size)
    for lane in range(HEADS):
        wide[lane * 4 :: size] = rows[lane::BYTES]
    wide[HEADS * 4 :: size] = b"\x01" * count
    wide[HEADS * 4 + 4 :: size] = rows[HEADS::BYTES]
    pieces = map(itemgetter(0), _ROW.iter_unpack(wide))
    # The type of from_bytes allows two words for the byte order, not every string.
    sums = map(int.from_bytes, pieces, repeat("little"))  # type: ignore[arg-type]
    return dict(zip(keys, sums, strict=True))


def assess(task: Task, skills: Sequence[str]) -> Assessment:
    """What kind of work a task is, how hard, and how long its answer will be.

    `skills`: the names allowed in the result; the weight of others goes to these. Never raises.
    Only instruction, head and tail of a prompt are read, whatever its length.
    """
    model = load()
    images = any(file.modality == "image" for file in task.files)
    reading = read(task.prompt, model)
    values = model.heads(reading, images=images)
    logits = dict(zip(model.skills, values, strict=False))
    chances = _softmax(logits, float(model.meta["temperature"]), skills)
    first = next(iter(chances))
    kept = _kept(chances)
    hard = values[DIFFICULTY]
    exam = 1.0 if reading.has_choices else MATH_IS_EXAM * chances.get("math", 0.0)
    hard += exam * (values[EXAM] - hard)
    hard += float(model.meta["difficulty_base"])
    if first == "math":
        hard = spread(hard)
    hard = round(min(9.5, max(0.5, hard)), 1)
    stated = size.output_tokens(reading.request, task.prompt, first)
    length = values[LENGTH_OUT] + float(model.meta["out_base"])
    if first == "math":
        length = MATH_LENGTH[0] + MATH_LENGTH[1] * hard
    return Assessment(
        skills=kept,
        difficulty=hard,
        source="learned",
        confidence=round(chances[first], 3),
        difficulty_confidence=_sure(model.meta["difficulty_sure"], first),
        output_tokens=stated or round(2 ** min(14.0, max(2.0, length))),
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
    ranked = sorted(powers.items(), key=itemgetter(1), reverse=True)
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
