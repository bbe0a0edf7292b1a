"""What the local model reads of a text: words, their edges, pairs of words, and its shape.

A sentence becomes *keys*, strings that have a row of weights or have none: a word, the beginnings
and endings of longer words (they survive inflection and typos), each pair of neighbours, the first
and last word. Scripts without spaces give runs of one to four characters. Training and serving read
text by this module alone.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

QUESTION_MARKS: Final = ("?", "？", "؟")  # noqa: RUF001
EDGE_LINES: Final = 6
"""Lines that are read at the head, and at the tail, of an instruction."""
LINE_CHARACTERS: Final = 640
"""Of a longer line its head and tail are read."""
MOST_LINES: Final = 32
"""Lines whose sentences are kept: one decision asks for them several times."""
AGAIN: Final = 40
"""Characters by which a line is looked up in the context."""
CONTEXT_CHARACTERS: Final = 360
SIZES: Final = "=given"
"""Keys that begin so count for difficulty and length, never for the kind of work."""
LEAST_CHOICES: Final = 3
"""Lines that begin with a letter, from which on a question has answers to choose from."""
STEMS: Final = (4, 5, 6)
STEMS_DENSE: Final = (3, 4, 5)
STEMS_SYLLABLES: Final = (2, 3)
"""Lengths of the beginnings of words, one more each: of scripts with letters, of those that leave
vowels out (Arabic, Hebrew), of Korean, which writes syllables."""
ENDINGS: Final = (3, 4)
ENDINGS_SYLLABLES: Final = (1, 2)
"""Lengths of the endings of words: they tell a command from a question where verbs inflect."""
RUN: Final = "~"
"""Runs of a script without spaces begin so."""
LONGEST_RUN: Final = 4

_UNSPACED: Final = "぀-ヿ一-鿿々"
_MARKS: Final = "\u0300-\u036f\u064b-\u065f\u0900-\u0963\u0971-\u0dff\u0e31\u0e34-\u0e4e"
"""Vowel signs and accents that belong to the letter before them."""


def _token(word: str) -> re.Pattern[str]:
    signs = "[?:/%=+*√∫€$£→<>@]"
    return re.compile(rf"c\+\+|c#|{word}(?:['’]t\b)?|\d+|{signs}|[{_UNSPACED}]+")


_LETTERS: Final = rf"[^\W\d_{_UNSPACED}]+"
_TOKEN_ASCII: Final = _token("[a-zA-Z]+")
_TOKEN: Final = _token(_LETTERS)
_TOKEN_MARKED: Final = _token(rf"(?:{_LETTERS}[{_MARKS}]*)+")
_MARK: Final = re.compile(f"[{_MARKS}]")
_ONE_FORM: Final = str.maketrans("أإآىة", "اااي\u0647", "\u0307\u0640")
"""Letters that people write one for the other in Arabic; the dot that is left of a Turkish İ."""
_FORMS: Final = re.compile("[أإآىة\u0307\u0640]")
_ARTICLE: Final = re.compile(
    "(?<![\u0621-\u064a])(?:[\u0648\u0628\u0641\u0643]?\u0627\u0644|\u0644\u0644)(?=[\u0621-\u064a]{3})"
)
"""The Arabic article and what is written together with it."""
_UNSPACED_ONE: Final = re.compile(f"[{_UNSPACED}]")
_SENTENCE_END: Final = re.compile(
    r"[.!?…:।؟。！？：](?:[ \t]+|(?<=[。！？：]))"  # noqa: RUF001
)
_WORD: Final = re.compile(r"\w")
_DIGIT: Final = re.compile(r"\d")
_DIGIT_ASCII: Final = re.compile("[0-9]")
_NOTATION: Final = (("tex", "\\"), ("dollar", "$"), ("power", "^"))
MOST_NOTATION: Final = 6
_CHOICE: Final = re.compile(r"\n[ (]{0,2}[a-e][).:]")
_ODD: Final = b"{}()[];=<>|_"
_DIGITS: Final = b"0123456789"
_QUOTED: Final = re.compile(r"[\"“„«「『](.*)[\"“”»」』]", re.DOTALL)
_COMMAS: Final = ",،、;"
_LATIN: Final = re.compile("[a-z]")
_NOT_LATIN: Final = re.compile("[^\x00-\u024f\u2000-\u206f\u3000-\u303f]")
MOST_COMMAS: Final = 5
MOST_BREAKS: Final = 4
MOST_WORDS: Final = 40
NEAR: Final = 3
"""Characters from an edge of an instruction within which a quotation begins or ends it."""


def plain(text: str) -> str:
    """The text in lower case, with one form of each letter."""
    if text.isascii():
        return text.lower()
    text = unicodedata.normalize("NFKC", text).lower()
    return text.translate(_ONE_FORM) if _FORMS.search(text) else text


def lines(text: str) -> list[str]:
    """The lines of an instruction, those at its head and its tail where there are many."""
    found = [line for line in text.split("\n") if _WORD.search(line)]
    if len(found) > 2 * EDGE_LINES:
        found = found[:EDGE_LINES] + found[-EDGE_LINES:]
    return [head_and_tail(line, LINE_CHARACTERS) for line in found]


@lru_cache(maxsize=MOST_LINES)
def sentences(line: str) -> tuple[str, ...]:
    """The sentences of a line; what stands in front of a colon counts as one."""
    parts, start = [], 0
    for found in _SENTENCE_END.finditer(line):
        parts.append(line[start : found.start() + 1])
        start = found.end()
    parts.append(line[start:])
    return tuple([part for part in parts if _WORD.search(part)])


def sentences_of(lines: Iterable[str]) -> list[str]:
    """The sentences of some lines."""
    return [part for line in lines for part in sentences(line)]


def head_and_tail(text: str, reach: int) -> str:
    """The text, or where it is longer than `reach` its head and tail."""
    if len(text) <= reach:
        return text
    return f"{text[: reach * 2 // 3]} {text[-reach // 3 :]}"


def tokens(sentence: str) -> list[str]:
    """Lower-case words, signs and the shapes of numbers, in order."""
    pattern, digit = _TOKEN_ASCII, _DIGIT_ASCII
    if not sentence.isascii():
        pattern, digit = _TOKEN_MARKED if _MARK.search(sentence) else _TOKEN, _DIGIT
        if "\u0644" in sentence:
            sentence = _ARTICLE.sub("", sentence)
    found: list[str] = pattern.findall(sentence)
    if not digit.search(sentence):
        return found
    return [("0" if len(raw) == 1 else "00") if raw[0].isdigit() else raw for raw in found]


def word_keys(word: str) -> list[str]:
    """A word, its beginnings and endings; of a script without spaces, its runs."""
    inner = [key for chain in chains(word) for key in chain]
    return inner if _UNSPACED_ONE.match(word) else [word, *inner]


def chains(word: str) -> Sequence[Iterable[str]]:
    """The keys of a word besides itself, each chain from the shortest key to the longest.

    A key has a row of weights only where every shorter one of its chain has.
    """
    size = len(word)
    if not word.isascii() and _UNSPACED_ONE.match(word):
        runs = (word[i : i + LONGEST_RUN] for i in range(size))
        return [map(RUN.__add__, accumulate(run)) for run in runs]
    return [
        [word[:n] + "*" for n in stems_of(word) if n < size],
        ["*" + word[-n:] for n in endings_of(word) if n < size],
    ]


def stems_of(word: str) -> tuple[int, ...]:
    """Lengths of the beginnings that are read of a word of this script."""
    if word.isascii():
        return STEMS
    if _is_hangul(word[:1]):
        return STEMS_SYLLABLES
    return STEMS_DENSE if "\u0590" <= word[:1] <= "\u06ff" else STEMS


def endings_of(word: str) -> tuple[int, ...]:
    """Lengths of the endings that are read of a word of this script."""
    return ENDINGS_SYLLABLES if _is_hangul(word[-1:]) else ENDINGS


def _is_hangul(letter: str) -> bool:
    return "\uac00" <= letter <= "\ud7a3"


def shorter(key: str) -> str:
    """The key before this one in its chain, "" for the first and for keys of no chain."""
    if key.startswith(RUN):
        return key[:-1] if len(key) > len(RUN) + 1 else ""
    if " " in key:
        return ""
    if key.endswith("*") and len(key) > stems_of(key)[0] + 1:
        return f"{key[:-2]}*"
    if key.startswith("*") and len(key) > endings_of(key)[0] + 1:
        return f"*{key[2:]}"
    return ""


def is_word(key: str) -> bool:
    """Whether a key is a whole word, of a script with spaces."""
    beginning = key.endswith("*") and len(key) > 1
    return not (beginning or is_ending(key) or " " in key or key.startswith((RUN, "=")))


def is_ending(key: str) -> bool:
    """Whether a key is the ending of words."""
    return key.startswith("*") and len(key) > 1 and " " not in key


def pair_keys(words: list[str]) -> list[str]:
    """Each pair of neighbours, the edges included; the first and the last word."""
    if not words:
        return []
    return [f"^ {words[0][:8]}", f"{words[-1][-8:]} $", *map(" ".join, pairwise(words))]


def line_keys(lines: Sequence[str], number: int, context: str) -> list[str]:
    """Place and looks of one of the lines: what tells a request from pasted text.

    `context`: in lower case; a line that stands in it, too, is the edge of a pasted paragraph.
    """
    line, count = lines[number], len(lines)
    edge = "first" if number == 0 else "last" if number == count - 1 else "middle"
    odd = _count(line, _ODD)
    keys = [f"={edge}", f"=line{len(line).bit_length()}", f"=odd{min(3, 20 * odd // len(line))}"]
    if line[0] in " \t":
        keys.append("=indented")
    if line[:AGAIN] in context:
        keys += ["=again", f"={edge} again"]
    if line.rstrip()[-1:] in QUESTION_MARKS:
        keys.append("=asks")
    return keys


def sentence_keys(number: int, count: int) -> list[str]:
    """Place of a sentence among `count`: what tells a request from the text that wraps it."""
    edge = (
        "only" if count == 1 else "first" if number == 0 else "last" if number == count - 1 else ""
    )
    return [f"=sentence {edge}"]


def shape_keys(
    instruction: str, context: str, *, images: bool = False, on_code: bool = False
) -> Iterator[str]:
    """Lengths and character counts of a request, binned. `on_code`: it points at code."""
    yield "="
    yield f"=ask{len(instruction).bit_length()}"
    pasted = len(context)
    yield f"{SIZES}{pasted.bit_length()}"
    if images:
        yield "=image"
    if instruction.rstrip().endswith(QUESTION_MARKS):
        yield "=question"
    digits = _count(instruction, _DIGITS)
    if digits:
        yield f"=digits{digits.bit_length()}"
    for name, sign in _NOTATION:
        if count := instruction.count(sign):
            yield f"={name}{min(MOST_NOTATION, count.bit_length())}"
    if has_choices(instruction):
        yield "=choices"
    yield from _layout_keys(instruction)
    if pasted:
        head = context[:CONTEXT_CHARACTERS]
        yield f"{SIZES} odd{min(5, 40 * _count(head, _ODD) // len(head))}"
        digits = _count(head, _DIGITS)
        yield f"{SIZES} digits{min(5, 20 * digits // len(head))}"
        if on_code:
            yield "=on code"


def _layout_keys(instruction: str) -> Iterator[str]:
    """What is quoted, listed and set apart: these say the same in every language."""
    if quoted := _QUOTED.search(instruction):
        yield f"=quoted{len(quoted[1]).bit_length()}"
        if quoted.start() < NEAR:
            yield "=^ quoted"
        if quoted.end() > len(instruction) - NEAR:
            yield "=quoted $"
    yield f"=commas{min(MOST_COMMAS, sum(map(instruction.count, _COMMAS)))}"
    yield f"=words{min(MOST_WORDS, instruction.count(' ') + 1).bit_length()}"
    yield f"=breaks{min(MOST_BREAKS, instruction.count(chr(10)))}"
    _, colon, rest = instruction.partition(":")
    if colon:
        yield f"=after{len(rest).bit_length()}"
    if "/" in instruction:
        yield "=slash"
    if not instruction.isascii() and _LATIN.search(instruction) and _NOT_LATIN.search(instruction):
        yield "=scripts"


def _count(text: str, signs: bytes) -> int:
    """How many characters of a text are one of these ASCII signs."""
    coded = text.encode(errors="surrogatepass")
    return len(coded) - len(coded.translate(None, signs))


def has_choices(instruction: str) -> bool:
    """Whether an instruction is a question with answers to choose from."""
    return "\n" in instruction and len(_CHOICE.findall(f"\n{instruction}")) >= LEAST_CHOICES
