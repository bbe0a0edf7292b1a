"""Requests to make something: a program or a text, told by the noun.

"Write a poem about Python" is writing because the object ends before "about".
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from rightmodel.assess import lexicon as lx
from rightmodel.assess.found import HUNCH, LIKELY, PLAIN, Found
from rightmodel.assess.given import summarize, translate
from rightmodel.assess.lexicon import word_set

if TYPE_CHECKING:
    from rightmodel.assess.clauses import Clause, Context

_CODE_MESSAGES: Final = word_set(
    "commit error log pr merge exception",
)


_WIDE: Final = re.compile(
    r"literature (?:review|survey)|state of the art|market (?:overview|analysis|research|landscape"
    r"|study|survey)|competit(?:ive|or) (?:analysis|landscape)|systematic review"
    r"|stand der (?:technik"
    r"|forschung)|marktüberblick|estado del arte|état de l'art|meta-analysis"
)


_ROMANCE_MAKE: Final = word_set(
    "escribe escribir escriba redacta redactar redacte crea crear implementa genera haz programa",
    "écris écrivez écrire rédige rédigez rédiger crée créez créer implémente génère génèrez need",
    "want",
)


_GERMAN_TEXT: Final = re.compile(r"(?:gedicht|brief|rede|mail|geschichte|artikel|schreiben|text)$")


_GERMAN_CODE: Final = re.compile(r"(?:funktion|skript|abfrage|programm|klasse)$")


_RETOLD: Final = word_set(
    "summarizing summarising sums summarizes comparing analyzing analysing",
)


_WHICH: Final = word_set(
    "that which to die das der que qui",
)


def make(c: Clause, x: Context) -> Found | None:
    """Write, create, build … something: a program or a text, by the noun."""
    if {"attached", "below", "above"} & set(c.object):
        return None
    if _WIDE.search(c.text):
        return Found("research", LIKELY, "asks for an overview of a field")
    noun = head(c)
    return _given(c, x, noun) if noun in lx.SUMMARY or noun == "translation" else _made(c, x, noun)


def _given(c: Clause, x: Context, noun: str) -> Found | None:
    return translate(c, x) if noun == "translation" else summarize(c, x)


def _made(c: Clause, x: Context, noun: str) -> Found | None:
    if noun in lx.WRITING_NOUNS and noun not in lx.MAYBE_CODE:
        return _text(c, x, noun)
    if noun in lx.CODE_NOUNS or _GERMAN_CODE.search(noun):
        return Found("code", PLAIN, f"asks to make code: {noun}")
    if noun in lx.MAYBE_CODE:
        return _program(c, x, noun)
    if _GERMAN_TEXT.search(noun):
        return Found("writing", PLAIN, f"asks for a text: {noun}")
    named = _named_language(c)
    if named and (x.tech or c.word in {"implement", "code", "build", "develop", "programmiere"}):
        return Found("code", LIKELY, f"asks for code in {named}")
    return None


def head(clause: Clause) -> str:
    """The noun of the object: its last word, before a participle; the first known in Romance."""
    words = clause.object
    for i, word in enumerate(words):
        if i and word.endswith(("ing", "ed")) and _known(words[i - 1]):
            words = words[:i]
            break
    if not words:
        return ""
    last = words[-1]
    if _known(last):
        return last
    if "-" in last and _known(last.rpartition("-")[2]):
        return last.rpartition("-")[2]
    if clause.word in _ROMANCE_MAKE:
        return next((word for word in words if _known(word)), last)
    return last


def _known(word: str) -> bool:
    return (
        word in lx.WRITING_NOUNS
        or word in lx.CODE_NOUNS
        or word in lx.MAYBE_CODE
        or word in lx.SUMMARY
        or word == "translation"
    )


def _named_language(c: Clause) -> str:
    """The programming language after "in" or "using", or as the object itself ("Python to …")."""
    for before, word in pairwise(c.after[:6]):
        if before in {"in", "using", "with", "en"} and word in lx.LANGUAGES_OF_CODE:
            return word
    last = c.object[-1] if c.object else ""
    return last if last in lx.LANGUAGES_OF_CODE and c.after[:1] == ["to"] else ""


def _text(c: Clause, x: Context, noun: str) -> Found | None:
    if not _CODE_MESSAGES.isdisjoint(c.object):
        return Found("code", HUNCH, "a message that belongs to code")
    if noun in {"copy", "reference", "text", "ad"} and c.word in {"make", "create", "need", "want"}:
        return None
    if x.prose or not _RETOLD.isdisjoint(c.words):
        return Found("writing", HUNCH, f"asks for a text: {noun}")
    if noun in {"riddle", "joke", "jokes", "riddles", "review"}:
        return Found("writing", HUNCH, "asks for a small text")
    return Found("writing", PLAIN, f"asks for a text: {noun}")


def _program(c: Clause, x: Context, noun: str) -> Found | None:
    words = set(c.words)
    technical = not words.isdisjoint(lx.TECH)
    if not words.isdisjoint(lx.NOT_CODE) and not technical:
        return None
    if technical or x.code or _does_like_code(c):
        return Found("code", PLAIN, f"asks to make code: {noun}")
    if (
        noun in {"function", "funktion", "fonction", "función"}
        and c.after[:1]
        and c.after[0] in _WHICH
    ):
        return Found("code", LIKELY, f"asks to make code: {noun}")
    if x.tech or set(c.after[:3]) & lx.LANGUAGES_OF_CODE:
        return Found("code", LIKELY, f"asks to make code: {noun}")
    if noun in word_set("function script unittests funktion fonction función algorithm"):
        return Found("code", HUNCH, f"may ask for code: {noun}")
    return None


def _does_like_code(c: Clause) -> bool:
    """Whether "that returns …" or "to parse …" follows the object."""
    if c.after[:1] and c.after[0] in _WHICH | {"for"}:
        return not lx.CODE_SIGNS.isdisjoint(c.after[1:14])
    return False
