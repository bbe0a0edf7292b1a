"""How hard a task looks and how long its answer will be, from the form of the request alone.

Text says little about difficulty within a kind of work (`bars.md`: a correlation of 0.2 at best),
so the kind sets the start, a few signs move it, and the confidence stays low.
"""

from __future__ import annotations

import re
from math import log2
from typing import TYPE_CHECKING, Final

from rightmodel.routing.signals import lexicon as lx
from rightmodel.routing.tokens import estimate_tokens

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rightmodel.routing.signals.instruction import Request

MIDDLE: Final = 5.0
USUAL: Final = 150
"""Characters of a usual request."""
A_DOUBLING: Final = 0.8
"""Points of difficulty that twice the length is worth."""
START: Final[Mapping[str, float]] = {
    "translate": 3.0,
    "summarize": 3.0,
    "extract": 3.0,
    "classify": 2.5,
    "writing": 3.5,
    "knowledge": 3.0,
    "math": 4.0,
    "code": 4.5,
    "reasoning": 5.5,
    "research": 6.0,
    "vision": 4.0,
    "agentic": 6.0,
    "general": 2.0,
}
"""Where each kind begins; `MIDDLE` for any other. Judgement, not measured."""
UNSURE: Final = 0.3
SOMEWHAT_SURE: Final = 0.5

_CONSTRAINT: Final = re.compile(
    r"\b(?:must|only|without|exactly|at least|at most|no more than|ensure|make sure|do not|don't"
    r"|never"
    r"|should|except|unless|under \d+|handle|support|muss|ohne|nur|sin|sans|doit)\b|必须|不要|只"
)
_STEP: Final = re.compile(r"^\s*(?:\d+[.)]|[-*•])\s+\S", re.MULTILINE)
_PROOF: Final = re.compile(r"\b(?:prove|proof|olympiad|putnam|beweise|demuestra|démontre)\b|证明")
_TINY_SUM: Final = re.compile(
    r"^\W*(?:what(?:'s| is)|how much is)?\s*[\d.,%\s]{1,12}(?:[-+*/×]|of|plus|times"
    r"|minus)?\s*[\d.,]{0,8}\W*$"
)
_EASY: Final = re.compile(r"\b(?:simple|quick|easy|basic|short|einfache?|kurz|sencill[oa])\b")

_TOKENS_A_WORD: Final = 1.4
_TOKENS_A_CHARACTER: Final = 0.25
AN_ITEM: Final = 30
AN_INSTRUCTION: Final = 4
"""Tokens of "Translate this into German:"."""
A_LABELLED_LINE: Final = 15
_WANTED: Final = (
    r"(?:\b(?:in|into|to|as|of|give(?: me)?|list|write(?: me)?|exactly|at most|max\.?|maximum"
    r"|under|about"
    r"|around|approximately|roughly|up to|suggest|name|only|generate|brainstorm|need|want|than"
    r"|limit|auf"
    r"|höchstens|etwa|ca\.?|en|máximo|unos|environ|maximum|a|an)\s+|[(,~≤<]\s*|^)"
)
_WORDS: Final = re.compile(
    _WANTED + r"(\d{1,3}(?:[,.]\d{3})|\d{1,5})(?:\s*(?:-|–|to)\s*(\d{1,5}))?[ -]?"
    r"(words?|wörter\w*|worten|palabras|mots|characters|zeichen)\b|(\d{2,5})\s?(字|文字)",
    re.MULTILINE,
)
_NUMBERS: Final[Mapping[str, int]] = {
    "one": 1, "a": 1, "single": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "ten": 10,
    "einem": 1, "einen": 1, "zwei": 2, "drei": 3, "una": 1, "un": 1, "une": 1, "dos": 2, "tres": 3,
    "deux": 2, "trois": 3,
}  # fmt: skip
_UNITS: Final = re.compile(
    _WANTED + rf"(\d{{1,3}}|{'|'.join(_NUMBERS)})[ -](?:short |key |bullet |main |brief "
    rf"|kurze[nr]? )?(sentences?|paragraphs?|bullets?"
    r"|points?|lines?|words?|items|names|ideas|titles|examples|pages?|sätze\w*|satz|absätze"
    r"|frases?|líneas|phrases?|haikus?"
    r"|tips|questions|headlines|slogans|options|reasons|steps)\b"
)
_EACH: Final[Mapping[str, int]] = {
    "sentence": 30, "paragraph": 120, "bullet": 25, "point": 25, "line": 15, "word": 2, "item": 15,
    "name": 6, "idea": 30, "title": 15, "example": 40, "page": 650, "satz": 30, "sätze": 30,
    "absätze": 120, "frase": 30, "línea": 15, "phrase": 30, "haiku": 25, "tip": 30, "question": 25,
    "headline": 15, "slogan": 12, "option": 30, "reason": 30, "step": 30,
}  # fmt: skip
_TERSE: Final = re.compile(
    r"\b(?:yes or no|one word|only the (?:label|number|answer|category|name|date)"
    r"|just the (?:label|number|answer"
    r"|category|name|date)|true or false|ja oder nein|sí o no|oui ou non|single (?:word|letter"
    r"|number))\b|只(?:回答|输出)"
)
_TERSE_WORDS: Final = lx.word_set("only just yes true ja sí oui one single 只回答 只输出")
_DIGIT: Final = re.compile(r"\d")
LABEL: Final = 15
MOST_OUTPUT: Final = 100_000


def difficulty(
    request: Request, text_length: int, skill: str, *, known: bool
) -> tuple[float, float]:
    """Difficulty and the confidence in it. `known`: whether the skill was recognised.

    `text_length`: characters of the whole prompt. Longer tasks are harder (`bars.md`: a rank
    correlation of 0.44), pasted material included, up to a point.
    """
    ask = request.ask.lower()
    moved = START.get(skill, MIDDLE) if known else MIDDLE
    if known and skill == "math":
        if _TINY_SUM.match(ask):
            return 1.5, SOMEWHAT_SURE
        moved += 3.0 if _PROOF.search(ask) else 0.0
    moved += min(2.0, 0.8 * len(lx.EXPERT.intersection(ask.split())))
    moved += min(1.5, 0.25 * len(_CONSTRAINT.findall(ask)))
    moved += min(1.0, 0.2 * len(_STEP.findall(ask)))
    length = min(len(ask), USUAL * 8) + min(text_length - len(ask), USUAL * 4) / 2
    moved += max(-2.0, min(2.0, A_DOUBLING * log2(max(20.0, length) / USUAL)))
    moved -= 0.4 if _EASY.search(ask) else 0.0
    sure = UNSURE if not known else SOMEWHAT_SURE if skill in _STEADY else 0.4
    return round(min(9.5, max(1.0, moved)), 1), sure


_STEADY: Final = frozenset(("translate", "summarize", "extract", "classify", "knowledge"))
"""Kinds whose tasks are mostly about equally hard."""


def output_tokens(request: Request, text: str, skill: str) -> int | None:
    """Expected tokens of the answer: stated in the ask, or implied by the kind; else `None`.

    `text`: the whole prompt. A translation is as long as what is translated.
    """
    ask = request.ask.lower()
    words = set(ask.split())
    if not words.isdisjoint(_TERSE_WORDS) and _TERSE.search(ask):
        return LABEL
    if _DIGIT.search(ask) or not words.isdisjoint(_NUMBERS):
        stated = _stated(ask)
        if stated is not None:
            return stated
    if skill == "classify":
        return A_LABELLED_LINE * max(2, request.material.count("\n") + 1)
    if skill == "translate":
        return min(MOST_OUTPUT, max(5, round(1.1 * (estimate_tokens(text) - AN_INSTRUCTION))))
    return None


def _stated(ask: str) -> int | None:
    words = _WORDS.search(ask)
    if words:
        if words.group(4):
            return min(MOST_OUTPUT, int(words.group(4)))
        number = float((words.group(2) or words.group(1)).replace(",", "").replace(".", ""))
        per = _TOKENS_A_WORD if words.group(3)[0] in "wpm" else _TOKENS_A_CHARACTER
        return min(MOST_OUTPUT, max(1, round(number * per)))
    units = _UNITS.search(ask)
    if units:
        number_word, unit = units.group(1), units.group(2)
        count = int(number_word) if number_word.isdecimal() else _NUMBERS[number_word]
        each = _EACH.get(unit) or _EACH.get(unit.rstrip("s")) or AN_ITEM
        return min(MOST_OUTPUT, max(1, count) * each)
    return None
