"""How long an answer will be: stated in the instruction, or implied by the kind of work."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from rightmodel.routing.tokens import estimate_tokens

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from rightmodel.routing.signals.instruction import Request

_TOKENS_A_WORD: Final = 1.4
_TOKENS_A_CHARACTER: Final = 0.25
AN_ITEM: Final = 30
AN_INSTRUCTION: Final = 4
"""Tokens of "Translate this into German:"."""
A_LABELLED_LINE: Final = 15
_WANTED: Final = (
    r"(?:\b(?:(?P<of>of|von|mit|de|con|di|com|van|met|na|на|из)|in|into|to|as|give(?: me)?|list"
    r"|write(?: me)?|exactly|at most|max\.?|maximum|under|about|around|approximately|roughly|up to"
    r"|suggest|name|only|generate|brainstorm|need|want|than|limit|auf|höchstens|etwa|ca\.?|en|em|w"
    r"|в|máximo|unos|environ|circa"
    r"|(?<!of )(?<!on )(?<!for )(?<!from )(?<!about )an?)\s+|[(,~≤<]\s*|^)"
)
"""Before a number that the answer is to have: "a 2 sentence blurb", not "for a 400 page novel"."""
_COUNTED: Final = (
    r"(?:words?|wörter\w*|worten|palabras|palavras|parole|mots|woorden|słów|слов\w*|characters"
    r"|zeichen)\b"
)
_WORDS: Final = re.compile(
    _WANTED + r"(?P<number>\d{1,3}(?:[,.]\d{3})|\d{1,5})(?:\s*(?:-|–|to)\s*(?P<most>\d{1,5}))?[ -]?"
    rf"(?P<unit>{_COUNTED})|(?P<signs>\d{{2,5}})\s?(?:字|文字)",
    re.MULTILINE,
)
_MAY_HOLD_WORDS: Final = re.compile(rf"\d(?:[ -]?{_COUNTED}|\s?文?字)")
_NUMBERS: Final[Mapping[str, int]] = {
    "one": 1, "a": 1, "single": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "ten": 10,
    "einem": 1, "einen": 1, "zwei": 2, "drei": 3, "una": 1, "un": 1, "une": 1, "dos": 2, "tres": 3,
    "deux": 2, "trois": 3,
}  # fmt: skip
_COUNT: Final = re.compile(rf"{_WANTED}(?P<number>\d{{1,3}}|{'|'.join(_NUMBERS)})\Z")
LONGEST_COUNT: Final = 40
"""Characters before a unit in which its number is searched."""
_LAST_LETTERS: Final = "".join({number[-1] for number in _NUMBERS})
_UNITS: Final = re.compile(
    rf"[ -](?<=[\d{_LAST_LETTERS}].)(?:short |key |bullet |main |brief |kurze[nr]? )?"
    r"(sentences?|paragraphs?|bullets?"
    r"|points?|lines?|words?|items|names|ideas|titles|examples|pages?|sätze\w*|satz|absätze"
    r"|frases?|líneas|phrases?|haikus?"
    r"|tips|questions|headlines|slogans|options|reasons|steps)\b"
)
"""Behind what may be a number. It begins with a character that is not frequent, so that the search
is quick."""
_EACH: Final[Mapping[str, float]] = {
    "sentence": 30, "paragraph": 120, "bullet": 25, "point": 25, "line": 15, "item": 15, "name": 6,
    "word": _TOKENS_A_WORD, "idea": 30, "title": 15, "example": 40, "page": 650, "satz": 30,
    "sätze": 30, "absätze": 120, "frase": 30, "línea": 15, "phrase": 30, "haiku": 25, "tip": 30,
    "question": 25, "headline": 15, "slogan": 12, "option": 30, "reason": 30, "step": 30,
}  # fmt: skip
_TERSE: Final = (
    "yes or no", "true or false", "ja oder nein", "sí o no", "oui ou non", "one word",
    "single word", "single letter", "single number", "只回答", "只输出",
    *(f"{only} the {what}" for only in ("only", "just")
      for what in ("label", "number", "answer", "category", "name", "date")),
)  # fmt: skip
_TERSE_WORDS: Final = frozenset(("only", "just", "yes", "true", "ja", "sí", "oui", "one", "single"))
_UNIT_WORDS: Final = frozenset(
    unit + plural + sign
    for unit in (*_EACH, "sätzen")
    for plural in ("", "s")
    for sign in ("", ".", ",", ":", ";", "!", "?", ")")
)
LABEL: Final = 15
_MADE: Final = ("writing", "general", "knowledge", "research", "agentic")
"""Work whose "of 300 words" says how long the answer is to be; elsewhere it is of what is given."""
MOST_OUTPUT: Final = 100_000


def output_tokens(request: Request, text: str, skill: str) -> int | None:
    """Expected tokens of the answer: stated, or implied by the kind of work; else `None`.

    `text`: the whole prompt. A translation is as long as what is translated.
    """
    instruction = request.instruction.lower()
    # The patterns are slow: most instructions hold none of their words.
    words = instruction.split()
    terse = not _TERSE_WORDS.isdisjoint(words) or "只" in instruction
    if terse and any(phrase in instruction for phrase in _TERSE):
        return LABEL
    # A story problem counts pages and points, too.
    if skill != "math" and (asked := list(_asked(instruction, words, made=skill in _MADE))):
        return min(MOST_OUTPUT, max(asked))
    if skill == "classify":
        return A_LABELLED_LINE * max(2, request.context.count("\n") + 1)
    if skill == "translate":
        return min(MOST_OUTPUT, max(5, round(1.1 * (estimate_tokens(text) - AN_INSTRUCTION))))
    return None


def _asked(instruction: str, words: Iterable[str], *, made: bool) -> Iterator[int]:
    """Tokens of each number of words, sentences, lines, items … that the answer is to have.

    `made`: whether "of 300 words" may be one.
    """
    if _MAY_HOLD_WORDS.search(instruction):
        for counted in _WORDS.finditer(instruction):
            if made or not counted["of"]:
                yield _length_of(counted)
    if _UNIT_WORDS.isdisjoint(words):
        return
    for unit in _UNITS.finditer(instruction):
        end = unit.start()
        count = _COUNT.search(instruction, max(0, end - LONGEST_COUNT), end)
        if count and (made or not count["of"]):
            number = count["number"]
            each = _EACH.get(unit[1]) or _EACH.get(unit[1].rstrip("s")) or AN_ITEM
            yield round(each * max(1, int(number) if number.isdecimal() else _NUMBERS[number]))


def _length_of(counted: re.Match[str]) -> int:
    """Tokens of so many words or characters."""
    if counted["signs"]:
        return int(counted["signs"])
    number = float((counted["most"] or counted["number"]).replace(",", "").replace(".", ""))
    per = _TOKENS_A_CHARACTER if counted["unit"][0] in "cz" else _TOKENS_A_WORD
    return max(1, round(number * per))
