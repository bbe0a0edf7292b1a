"""What the local model reads of a text: words, their beginnings, pairs of words, and its shape.

A sentence becomes *keys*, strings that have a row of weights or have none: a word, the beginnings
of longer words (they survive inflection and typos), each pair of neighbours, the first and last
word. Scripts without spaces give runs of one to four characters. Training and serving read text by
this module alone.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

EDGE_LINES: Final = 6
"""Lines that are read at the head, and at the tail, of an instruction."""
LINE_CHARACTERS: Final = 640
"""Of a longer line its head and tail are read."""
AGAIN: Final = 40
"""Characters by which a line is looked up in the context."""
CONTEXT_CHARACTERS: Final = 360
SIZES: Final = "=given"
"""Keys that begin so count for difficulty and length, never for the kind of work."""
LEAST_CHOICES: Final = 3
"""Lines that begin with a letter, from which on a question has answers to choose from."""
STEMS: Final = (4, 5, 6)
"""Lengths of the beginnings of words."""

_UNSPACED: Final = "぀-ヿ一-鿿々"
_TOKEN: Final = re.compile(
    rf"[{_UNSPACED}]+|[^\W\d_{_UNSPACED}]+(?:['’]t\b)?|\d+|c\+\+|c#|[?:/%=+*√∫€$£→<>@]"
)
_UNSPACED_ONE: Final = re.compile(f"[{_UNSPACED}]")
_SENTENCE: Final = re.compile(r"(?<=[.!?…:])[ \t]+|(?<=[。！？：])")  # noqa: RUF001
_WORD: Final = re.compile(r"\w")
_CHOICE: Final = re.compile(r"^[ (]{0,2}[a-e][).:]", re.MULTILINE)
_ODD: Final = "{}()[];=<>|_"


def lines(text: str) -> list[str]:
    """The lines of an instruction, those at its head and its tail where there are many."""
    found = [line for line in text.split("\n") if _WORD.search(line)]
    if len(found) > 2 * EDGE_LINES:
        found = found[:EDGE_LINES] + found[-EDGE_LINES:]
    return [head_and_tail(line, LINE_CHARACTERS) for line in found]


def sentences(line: str) -> list[str]:
    """The sentences of a line; what stands in front of a colon counts as one."""
    return [part for part in _SENTENCE.split(line) if _WORD.search(part)]


def head_and_tail(text: str, reach: int) -> str:
    """The text, or where it is longer than `reach` its head and tail."""
    if len(text) <= reach:
        return text
    return f"{text[: reach * 2 // 3]} {text[-reach // 3 :]}"


def tokens(sentence: str) -> list[str]:
    """Lower-case words, signs and the shapes of numbers, in order."""
    return [
        ("0" if len(raw) == 1 else "00") if raw[0].isdigit() else raw
        for raw in _TOKEN.findall(sentence)
    ]


def word_keys(word: str) -> list[str]:
    """A word and its beginnings; of a script without spaces, its runs."""
    if _UNSPACED_ONE.match(word):
        return [word[i : i + n] for n in (1, 2, 3, 4) for i in range(len(word) - n + 1)]
    return [word, *(f"{word[:n]}*" for n in STEMS if len(word) > n)]


def pair_keys(words: list[str]) -> list[str]:
    """Each pair of neighbours, the edges included; the first and the last word."""
    if not words:
        return []
    first, last = words[0][:8], words[-1][-8:]
    pairs = [f"{a} {b}" for a, b in pairwise(words)]
    return [f"^ {first}", f"{last} $", *pairs]


def line_keys(lines: Sequence[str], number: int, context: str) -> list[str]:
    """Place and looks of one of the lines: what tells a request from pasted text.

    `context`: in lower case; a line that stands in it, too, is the edge of a pasted paragraph.
    """
    line, count = lines[number], len(lines)
    edge = "first" if number == 0 else "last" if number == count - 1 else "middle"
    odd = sum(map(line.count, _ODD))
    keys = [f"={edge}", f"=line{len(line).bit_length()}", f"=odd{min(3, 20 * odd // len(line))}"]
    if line[0] in " \t":
        keys.append("=indented")
    if line[:AGAIN] in context:
        keys += ["=again", f"={edge} again"]
    if line.rstrip()[-1:] in "?？":  # noqa: RUF001
        keys.append("=asks")
    return keys


def sentence_keys(number: int, count: int) -> list[str]:
    """Place of a sentence among `count`: what tells a request from the text that wraps it."""
    edge = (
        "only" if count == 1 else "first" if number == 0 else "last" if number == count - 1 else ""
    )
    return [f"=sentence {edge}"]


def shape_keys(instruction: str, context: str, *, images: bool = False) -> Iterator[str]:
    """Lengths and character counts of a request, binned."""
    yield "="
    yield f"=ask{len(instruction).bit_length()}"
    pasted = len(context)
    yield f"{SIZES}{pasted.bit_length()}"
    if images:
        yield "=image"
    if instruction.rstrip().endswith(("?", "？")):  # noqa: RUF001
        yield "=question"
    digits = sum(map(instruction.count, "0123456789"))
    if digits:
        yield f"=digits{digits.bit_length()}"
    if has_choices(instruction):
        yield "=choices"
    if pasted:
        head = context[:CONTEXT_CHARACTERS]
        yield f"{SIZES} odd{min(5, 40 * sum(map(head.count, _ODD)) // len(head))}"
        digits = sum(map(head.count, "0123456789"))
        yield f"{SIZES} digits{min(5, 20 * digits // len(head))}"


def has_choices(instruction: str) -> bool:
    """Whether an instruction is a question with answers to choose from."""
    return "\n" in instruction and len(_CHOICE.findall(instruction)) >= LEAST_CHOICES
