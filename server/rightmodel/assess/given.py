"""Requests to do something with a text that is given: translate, summarize, extract, label."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from rightmodel.assess import lexicon as lx
from rightmodel.assess.clauses import OBJECT_WORDS, points_at_text
from rightmodel.assess.found import HUNCH, LIKELY, PLAIN, Found
from rightmodel.assess.lexicon import word_set

if TYPE_CHECKING:
    from rightmodel.assess.clauses import Clause, Context

_TO_LANGUAGE: Final = word_set(
    "into to in ins auf en al a vers à from aus del",
)


_SCALE: Final = re.compile(
    r"\b(?:from )?\d{1,2} ?(?:to|-|–) ?\d{1,3}\b|scale|out of \d|rubric|stars|percent|per cent"
    r"|high/"
    r"|(?:high|low),? (?:medium|or|to)"
)


_GROUPS: Final = re.compile(
    r"\b(?:categor|bucket|group|label|department|team|queue|folder|theme|topic|priorit|urgen"
    r"|sentiment"
    r"|kategorie|abteilung|categor[ií]a|catégorie|etiqueta|tone|intent)"
)


_UNITS: Final = re.compile(
    r"\b(?:miles?|km|kilomet\w+|cm|inch(?:es)?|feet|foot|met(?:er|re)s?|pounds?|lbs?|kg|kilos?"
    r"|grams?"
    r"|ounces?|celsius|fahrenheit|kelvin|gallons?|lit(?:er|re)s?|acres?|hectares?|binary|hex\w*"
    r"|octal"
    r"|decimal|mph|km/h|cups?|°[cf])\b"
)


HOLES: Final = re.compile(
    r"devil'?s advocate|steelman|poke holes|argue (?:against|the other)|\b(?:flaws?|fallac(?:y"
    r"|ies)|holes?"
    r"|weak(?:ness(?:es)?| points?| spots?)|contradictions?|inconsisten\w+|blind spots?"
    r"|assumptions?)\b"
    r".{0,24}\b(?:argument|reasoning|logic|plan|proposal|thinking|case|strategy|theory|hypothesis"
    r"|claim)"
)


_NOT_LABELLED: Final = word_set(
    "axes axis plot chart diagram release commit branch version image resources pods legend team",
    "plants boxes jars form",
)


def translate(c: Clause, x: Context) -> Found | None:
    """Into a human language, or out of one; into a programming language it is code."""
    words = c.words
    for i in range(1, len(words)):
        found = _into(words[i : i + 3], x) if words[i - 1] in _TO_LANGUAGE else None
        if found:
            return found
    if not lx.HUMAN_LANGUAGES.isdisjoint(c.object) and c.word not in {"put", "turn", "render"}:
        return Found("translate", LIKELY, "asks for a translation")
    given = points_at_text(words)
    if given and c.verb == "translate" and not set(words) & {"into", "to", "code"}:
        return Found("translate", LIKELY, "asks for a translation")
    return None


def _into(words: list[str], x: Context) -> Found | None:
    """What the words after "into" or "to" ask for."""
    if words[0] in lx.HUMAN_LANGUAGES:
        return Found("translate", PLAIN, f"asks for a translation: {words[0]}")
    if words[0] in {"plain", "simple", "everyday", "layman's", "normal"}:
        return Found("writing", HUNCH, "asks for plainer words")
    if words[0] == "code" or (words[0] in lx.LANGUAGES_OF_CODE and (x.code or x.tech)):
        return Found("code", LIKELY, f"asks for code in {words[0]}")
    kinds = word_set("the das brazilian simplified traditional british american")
    if words[0] in kinds and not lx.HUMAN_LANGUAGES.isdisjoint(words[1:]):
        return Found("translate", PLAIN, "asks for a translation")
    return None


def render(c: Clause, x: Context) -> Found | None:
    """Put, render, convert, turn: a translation, a conversion of units or of code."""
    words = set(c.words)
    if c.word == "convert" and x.numbers and _UNITS.search(c.text) and not x.code:
        return Found("math", LIKELY, "asks to convert a quantity")
    if (x.code or words & lx.THINGS) and words & lx.LANGUAGES_OF_CODE:
        return Found("code", LIKELY, "asks to convert code or data")
    if not (
        x.material or words & lx.TEXT_NOUNS or '"' in c.text or "…" in x.text or "line" in words
    ):
        return None
    found = translate(c, x)
    return found._replace(confidence=min(found.confidence, LIKELY)) if found else None


def summarize(c: Clause, x: Context) -> Found | None:
    """A summary of something that is given; of a subject it is something else."""
    words = set(c.words)
    if c.word == "resume" and not words & word_set("este esta el la los las en estos"):
        return None
    if (c.word in {"fass", "fasse"} and "zusammen" not in words) or c.words[:2] == ["sum", "of"]:
        return None
    if (x.code or x.tech) and not words & lx.TEXT_NOUNS - lx.POINTING:
        return Found("summarize", HUNCH, "asks for a summary of code")
    if x.prose or not lx.POINTING.isdisjoint(words):
        return Found("summarize", PLAIN, "asks for a summary of what is given")
    if points_at_text(c.words[:OBJECT_WORDS]):
        return Found("summarize", LIKELY, "asks for a summary of a text")
    return None


def shorten(c: Clause, x: Context) -> Found | None:
    """Shorten, boil down: a summary or an edit of prose."""
    words = set(c.words)
    if x.code or words & lx.THINGS:
        return None
    if c.word in {"boil", "distill"} and (x.prose or words & lx.TEXT_NOUNS):
        return Found("summarize", LIKELY, "asks to boil a text down")
    if words & lx.PROSE_NOUNS:
        return Found("writing", HUNCH, "asks to shorten a text")
    return None


def extract(c: Clause, x: Context) -> Found | None:
    """Fields or facts out of something that is given."""
    words = set(c.words)
    if set(c.object) & (lx.THINGS | word_set("logic helper interface variable constant archive")):
        return Found("code", LIKELY, "asks to move code out") if x.tech or x.code else None
    fields = bool(words & lx.FIELD_NOUNS)
    given = x.prose or points_at_text(c.words)
    if c.word == "pull" and not (fields and given):
        return None
    if fields and (given or "from" in words or x.material):
        return Found("extract", PLAIN, "asks to pull out fields")
    if given or (x.material and not x.code):
        return Found("extract", HUNCH, "asks to pull out facts")
    return None


def gather(c: Clause, x: Context) -> Found | None:
    """List or find the names, dates … in the text."""
    words = set(c.words)
    source = words & word_set("mentioned from in within aus en dans mencionadas")
    texts = words & (lx.TEXT_NOUNS - lx.POINTERS)
    if words & lx.FIELD_NOUNS - texts and source and words & lx.POINTERS and texts and not x.code:
        return Found("extract", LIKELY, "asks to list what a text names")
    if c.word in {"find", "identify"} and HOLES.search(c.text) and not (x.code or x.tech):
        return Found("reasoning", LIKELY, "asks for the flaw in an argument")
    if c.word == "identify" and "sentiment" in words:
        return Found("classify", LIKELY, "asks for a sentiment")
    return None


def classify(c: Clause, x: Context) -> Found | None:
    """Given items into categories."""
    words = set(c.words)
    if words & _NOT_LABELLED and (c.word in {"label", "tag", "bucket"} or "image" in words):
        return None
    items = bool(words & lx.ITEM_NOUNS)
    ways = bool(words & word_set("as into als in como en comme by nach por"))
    if items and (c.word not in {"label", "tag", "bucket"} or ways or words & lx.POINTERS):
        return Found("classify", PLAIN, "asks to label items")
    if (x.prose or words & lx.POINTERS) and (ways or words & lx.LABELS or _GROUPS.search(c.text)):
        sure = x.prose and not x.tech
        return Found("classify", LIKELY if sure else HUNCH, "asks for a category")
    if x.prose and c.word.startswith(("classif", "categor", "klassif", "clasif")):
        return Found("classify", LIKELY, "asks for a category")
    return None


def score(c: Clause, x: Context) -> Found | None:
    """Rate or flag given items on a scale."""
    words = set(c.words)
    items = words & (lx.ITEM_NOUNS | word_set("essay answer answers candidate candidates cv"))
    if items and (_SCALE.search(c.text) or words & lx.LABELS or (c.word == "flag" and not x.tech)):
        return Found("classify", LIKELY, "asks to rate items")
    return None


def sort(c: Clause, x: Context) -> Found | None:
    """Sort or route items into groups."""
    words = set(c.words)
    if (words & lx.ITEM_NOUNS or x.prose) and _GROUPS.search(c.text) and not x.tech:
        return Found("classify", LIKELY, "asks to sort items into groups")
    return None


def rewrite(c: Clause, x: Context) -> Found | None:
    """Prose in other words; code in another way."""
    words = set(c.words)
    if set(c.object) & lx.PROSE_NOUNS and not set(c.object) & lx.THINGS:
        return Found("writing", PLAIN, "asks to reword a text")
    if x.code or (words & lx.THINGS and (x.tech or words & lx.LANGUAGES_OF_CODE)):
        return Found("code", LIKELY, "asks to rewrite code")
    target = [
        w
        for w, before in zip(c.words[1:], c.words, strict=False)
        if before in {"in", "into", "auf"}
    ]
    if set(target) & lx.HUMAN_LANGUAGES and "plain" not in words:
        return Found("translate", HUNCH, "asks to rewrite in a language")
    if words & lx.PROSE_NOUNS:
        return Found("writing", PLAIN, "asks to reword a text")
    if x.prose and c.word not in {"improve", "edit", "mejora", "améliore"}:
        return Found("writing", LIKELY, "asks to reword what is given")
    return None


def reply(c: Clause, x: Context) -> Found | None:
    """An answer to somebody's message."""
    words = set(c.words)
    message = words & word_set("email e-mail mail message customer complaint review letter")
    if message and words & lx.POINTERS and not x.tech:
        return Found("writing", LIKELY, "asks for a reply")
    return None
