"""How long an answer will be: stated in the instruction, or implied by the kind of work."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from rightmodel.routing.tokens import estimate_tokens

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rightmodel.routing.signals.instruction import Request

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
_TERSE: Final = (
    "yes or no", "true or false", "ja oder nein", "sí o no", "oui ou non", "one word",
    "single word", "single letter", "single number", "只回答", "只输出",
    *(f"{only} the {what}" for only in ("only", "just")
      for what in ("label", "number", "answer", "category", "name", "date")),
)  # fmt: skip
_TERSE_WORDS: Final = frozenset(("only", "just", "yes", "true", "ja", "sí", "oui", "one", "single"))
_COUNTED: Final = ("word", "wört", "worten", "palabras", "mots", "character", "zeichen", "字")
_UNIT_WORDS: Final = frozenset(
    unit + plural + sign
    for unit in (*_EACH, "sätzen")
    for plural in ("", "s")
    for sign in ("", ".", ",", ":", ";", "!", "?", ")")
)
_DIGIT: Final = re.compile(r"\d")
LABEL: Final = 15
MOST_OUTPUT: Final = 100_000


def output_tokens(request: Request, text: str, skill: str) -> int | None:
    """Expected tokens of the answer: stated, or implied by the kind of work; else `None`.

    `text`: the whole prompt. A translation is as long as what is translated.
    """
    instruction = request.instruction.lower()
    # The patterns are slow: most instructions hold none of their words.
    words = set(instruction.split())
    terse = not words.isdisjoint(_TERSE_WORDS) or "只" in instruction
    if terse and any(phrase in instruction for phrase in _TERSE):
        return LABEL
    if any(sign in instruction for sign in _COUNTED) and _DIGIT.search(instruction):
        counted = _WORDS.search(instruction)
        if counted:
            return _length_of(counted)
    units = None if words.isdisjoint(_UNIT_WORDS) else _UNITS.search(instruction)
    if units:
        number, unit = units.groups()
        count = int(number) if number.isdecimal() else _NUMBERS[number]
        each = _EACH.get(unit) or _EACH.get(unit.rstrip("s")) or AN_ITEM
        return min(MOST_OUTPUT, max(1, count) * each)
    if skill == "classify":
        return A_LABELLED_LINE * max(2, request.context.count("\n") + 1)
    if skill == "translate":
        return min(MOST_OUTPUT, max(5, round(1.1 * (estimate_tokens(text) - AN_INSTRUCTION))))
    return None


def _length_of(found: re.Match[str]) -> int:
    """Tokens of so many words or characters."""
    if found.group(4):
        return min(MOST_OUTPUT, int(found.group(4)))
    number = float((found.group(2) or found.group(1)).replace(",", "").replace(".", ""))
    per = _TOKENS_A_WORD if found.group(3)[0] in "wpm" else _TOKENS_A_CHARACTER
    return min(MOST_OUTPUT, max(1, round(number * per)))
