"""The ask, cut into clauses of one verb or question each, with what surrounds them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rightmodel.assess import lexicon
from rightmodel.assess.request import POLITE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rightmodel.assess.request import Request

MOST_CLAUSES: Final = 24
OBJECT_WORDS: Final = 9
"""A verb's object is looked for in so many words after it."""

_SENTENCE: Final = re.compile(r"[.!?;:](?=\s|$)|\n|[。！？；]|\s[-–—]\s")  # noqa: RUF001
_TOKEN: Final = re.compile(r"\w[\w'’+#./@-]*[\w+#]|\w|[,;:(%]")
_ELISION: Final = re.compile(r"\b(?:[ldnsjcm]|qu)['’](?=\w)")
_WISH: Final = re.compile(
    r"i(?:(?:'d| would) (?:like|love|appreciate) (?=an? |some )| (?=(?:need|want) ))"
)
_BULLET: Final = re.compile(r"[\s#*>•–-]*(?:\(?(?:\d{1,2}|[a-h])[.)]\s+)?[\s*_]*")
_LEAD: Final = re.compile(
    POLITE
    + r"(?:(?:given|based on|using|as an?|for|in|from|with|considering|after|before|if|when|als"
    r"|en|dans|aus|auf|act as|you are)\b[^,:\n]{0,100}[,:]\s*" + POLITE + ")?"
)
_IDENTIFIER: Final = re.compile(r"`[^`\n]|\w\(\)|[a-z]_[a-z]|\b[a-z]{2,}[A-Z][a-z]")
_CODE_LIKE: Final = re.compile(
    r"^\s*(?:def |class \w+[(:{ ]|import \w|from [\w.]+ import|function\b|func |fn |const |let "
    r"|var "
    r"|public |private |\#include|package \w|<\?php|SELECT |INSERT |UPDATE \w+ SET|CREATE TABLE"
    r"|WITH "
    r"|Traceback \(|\s+File \"|\s+at [\w.$<>]+[(:]|FROM \w+:|\w+ = \w+\(|if \(|for \(|while \("
    r"|return\b"
    r"|@\w+|\w+\.\w+\(.*\);?$|.*[;{]\s*$|\$ \w+|npm ERR|[\w.]+(?:Error|Exception)\b|</?(?:div|html"
    r"|p|span)\b)",
    re.MULTILINE,
)
_NUMBER: Final = re.compile(r"\d+(?:[.,]\d+)*")
_NEGATED: Final = lexicon.word_set("nothing not later no nichts nicht nada rien")
_NUMBER_WORDS: Final = lexicon.word_set(
    "two three four five six seven eight nine ten eleven twelve twenty hundred thousand dozen half"
)
_JOINTS: Final = frozenset(["and", "then", "und", "dann", "y", "luego", "et", "puis", ","])
_SKIPPED: Final = frozenset(
    [
        "me",
        "us",
        "him",
        "her",
        "them",
        "you",
        "a",
        "an",
        "the",
        "some",
        "my",
        "our",
        "your",
        "his",
        "their",
        "up",
        "out",
        "down",
        "off",
        "mir",
        "uns",
        "ihm",
        "ihr",
        "ein",
        "eine",
        "einen",
        "einem",
        "einer",
        "kurze",
        "kurzen",
        "kurzes",
        "un",
        "una",
        "une",
        "unos",
        "unas",
        "des",
        "mi",
        "nos",
    ]
)
_CODE_WINDOW: Final = 1_500


@dataclass(slots=True)
class Clause:
    """One verb or question. `verb`: the form in `lexicon.VERBS`, "" for none. `word`: as written.

    `object`: words after the verb up to a preposition; `after`: those from there on. `sure`: the
    clause begins with the verb, not behind a joint.
    """

    text: str
    words: list[str]
    verb: str
    object: list[str]
    after: list[str]
    sentence: int
    joined: str = ""

    @property
    def word(self) -> str:
        """The first word."""
        return self.words[0] if self.words else ""


@dataclass(slots=True)
class Context:
    """What holds for the whole request.

    `sentences`: those of the ask that are no mere constraints. `ends`: the first and the last one,
    where much was pasted: between them stand the edges of the paste.
    """

    text: str
    words: frozenset[str]
    code: bool
    material: bool
    tech: bool
    numbers: int
    images: bool = False
    sentences: int = 1
    ends: frozenset[int] = frozenset()

    @property
    def prose(self) -> bool:
        """Something was pasted that is not code."""
        return self.material and not self.code


def context(request: Request, *, images: bool = False) -> Context:
    """What the ask and the material show beside the clauses."""
    words = frozenset(words_of(request.ask.lower()))
    material = request.material.strip()
    return Context(
        text=request.ask,
        words=words,
        code=bool(material) and _CODE_LIKE.search(material[:_CODE_WINDOW]) is not None,
        material=len(material) > 20,  # noqa: PLR2004 - shorter is a title or a name
        tech=not words.isdisjoint(lexicon.TECH) or _IDENTIFIER.search(request.ask) is not None,
        numbers=len(_NUMBER.findall(request.ask)) + len(words & _NUMBER_WORDS),
        images=images,
    )


def words_of(text: str) -> list[str]:
    """Words and the marks that end a noun phrase; compounds also in their parts."""
    words = _TOKEN.findall(text)
    if "-" in text:
        words += [part for word in words if "-" in word for part in word.split("-") if part]
    return words


def points_at_text(words: list[str]) -> bool:
    """Whether "this email", "the attached report" and the like occurs, or a bare "this"."""
    for i, word in enumerate(words):
        if word in lexicon.POINTERS and not _TEXTS.isdisjoint(words[i + 1 : i + 4]):
            return True
    return len(words) > 1 and words[1] in _BARE and (words[2:3] or [","])[0] in lexicon.NP_ENDS


_TEXTS: Final = lexicon.TEXT_NOUNS - lexicon.POINTERS
_BARE: Final = frozenset(("this", "these", "it", "dies", "das", "esto", "ceci", "above", "below"))


def clauses(ask: str) -> list[Clause]:
    """The clauses of an ask, in order, at most `MOST_CLAUSES`."""
    found: list[Clause] = []
    for place, sentence in enumerate(_SENTENCE.split(ask.lower())):
        if len(found) >= MOST_CLAUSES:
            break
        if sentence and not sentence.isspace():
            found.extend(_in_sentence(sentence, place))
    return found


def _in_sentence(sentence: str, place: int) -> Iterator[Clause]:
    start = _BULLET.match(sentence)
    sentence = sentence[start.end() if start else 0 :].strip(" *_¿¡")
    wish = _WISH.match(sentence)
    if wish:
        sentence = ("need " if sentence[1] != " " or "would" in wish.group() else "") + sentence[
            wish.end() :
        ]
    lead = _LEAD.match(sentence)
    sentence = sentence[lead.end() if lead else 0 :]
    if "'" in sentence or "’" in sentence:
        sentence = _ELISION.sub("", sentence)
    words = _TOKEN.findall(sentence)
    begin, joint = 0, ""
    for i in range(1, len(words) - 1):
        if words[i] not in lexicon.VERBS or i <= begin + 1:
            continue
        before = words[i - 2] if words[i - 1] in {"please", "then", "dann"} else words[i - 1]
        if before in _JOINTS:
            yield _clause(sentence, words[begin : i - 1], place, joint)
            begin, joint = i, words[i - 1]
    if words:
        yield _clause(sentence, words[begin:], place, joint)


def _clause(sentence: str, words: list[str], place: int, joint: str) -> Clause:
    negated = len(words) > 1 and words[1] in _NEGATED
    verb = "" if negated else lexicon.VERBS.get(words[0], "")
    start = 1
    while start < len(words) and words[start] in _SKIPPED:
        start += 1
    end = _end_of_object(words, start)
    if end < len(words) and words[end] in {"of", "von", "de"} and words[end - 1] in lexicon.FRAMES:
        start = end + 1
        end = _end_of_object(words, start)
    return Clause(sentence, words, verb, words[start:end], words[end:], place, joint)


def _end_of_object(words: list[str], start: int) -> int:
    limit = min(len(words), start + OBJECT_WORDS)
    for i in range(start, limit):
        if words[i] in lexicon.NP_ENDS:
            return i
    return limit
