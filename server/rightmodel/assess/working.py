"""Requests to work something out, on a program, in the mind or with tools.

"Fix my sleep" is nothing, because nothing in it is a text or a program.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from rightmodel.assess import lexicon as lx
from rightmodel.assess.found import HUNCH, LIKELY, PLAIN, Found
from rightmodel.assess.given import HOLES
from rightmodel.assess.lexicon import word_set

if TYPE_CHECKING:
    from rightmodel.assess.clauses import Clause, Context

_SOURCES: Final = re.compile(
    r"\b(?:latest|recent|literature|studies|papers|sources|evidence|market|vendors?|competitors?"
    r"|providers|landscape|trends|publications|reports|peer-reviewed|regulations|offerings)\b"
)


EQUATION: Final = re.compile(
    r"[\w)²³]\s*=\s*[-\w(√∫]|∫|√|∑|\bd[xy]/d[xyt]\b|[a-z0-9)]\s*\^\s*[\d(a-z]|\d\s*[-+*/×÷]\s*\d"
    r"|[a-z]²|\d[a-z]\s*[-+]"
)


SUM: Final = re.compile(
    r"\d[\d.,]*\s*(?:%|percent|prozent|por ciento|pour cent|plus|minus|times|mal|par|por|divided"
    r"|mod\b"
    r"|squared|[-+*/^×÷]\s*[\d(])"
)


_COMPUTED: Final = word_set(
    "probability integral derivative determinant eigenvalues eigenvalue gcd lcm factorial",
    "hypotenuse",
)


_FEW_WORDS: Final = 6


_BOOKED: Final = word_set(
    "flight table hotel appointment room meeting train restaurant ticket tickets call slot cab",
    "taxi reservation",
)


_SITE: Final = re.compile(
    r"https?://|www\.|\b[\w-]+\.(?:com|org|net|io|gov|de)\b|\bwebsite\b|\bbrowser\b"
)


_WEIGH: Final = re.compile(
    r"pros and cons|decide (?:whether|between|if|which)|trade-?offs|which (?:one|option)"
)
_ADDED: Final = word_set(
    "tests test type types hints logging docstrings docstring comments validation handling",
    "endpoint column feature button flag retry caching pagination typing annotations support",
    "parameter argument",
)


def calculate(c: Clause, x: Context) -> Found | None:
    """A number is asked for, from numbers."""
    words = set(c.words)
    if c.word == "work" and c.words[1:2] != ["out"]:
        return None
    signs = bool(words & lx.MATH_SIGNS) or SUM.search(c.text) or EQUATION.search(c.text)
    if x.numbers and signs:
        return Found("math", PLAIN, "asks to calculate from figures")
    if x.code:
        return None
    if (x.numbers > 1 and c.word not in {"evaluate", "work"}) or words & _COMPUTED:
        return Found("math", LIKELY, "asks to calculate from figures")
    return None


def solve(c: Clause, x: Context) -> Found | None:
    """An equation, an integral, an expression."""
    words = set(c.words)
    if (x.code or x.tech) and not EQUATION.search(c.text):
        broken = words & word_set("error bug issue exception problem fehler")
        return Found("code", LIKELY, "asks to fix code") if broken else None
    if EQUATION.search(c.text) or (EQUATION.search(x.text) and len(words) < _FEW_WORDS):
        return Found("math", PLAIN, "asks to solve a formula")
    kinds = word_set("equation equations integral quadratic inequality gleichung ecuación")
    if words & (kinds | {"équation", "polynomial", "derivative"}):
        return Found("math", LIKELY, "asks to solve an equation")
    return None


def prove(c: Clause, x: Context) -> Found | None:
    """A mathematical statement, told by its vocabulary."""
    signs = set(c.words) & lx.THEOREM_SIGNS
    formula = EQUATION.search(x.text) or re.search(r"[√∀∃≥≤∈]|\bn\b", x.text)
    if (
        len(signs) > 1
        or (signs and formula)
        or signs & {"irrational", "primes", "theorem", "divisible"}
    ):
        return Found("math", PLAIN, "asks for a proof")
    if formula and c.words[1:2] == ["that"] and EQUATION.search(c.text):
        return Found("math", LIKELY, "asks for a proof")
    return None


def debug(c: Clause, x: Context) -> Found | None:
    """Debug, refactor, optimise, port: with a program to do it to."""
    words = set(c.words)
    if words & lx.NOT_CODE and not x.tech:
        return None
    if x.code or (x.tech and words & (lx.THINGS | lx.TECH)):
        return Found("code", PLAIN, f"asks to {c.word} code")
    if words & lx.THINGS - word_set("build pipeline test tests class program"):
        return Found("code", LIKELY, f"asks to {c.word} code")
    return None


def fix(c: Clause, x: Context) -> Found | None:
    """Correct a program or a text."""
    words = set(c.words)
    if words & lx.NOT_CODE:
        return None
    if words & (lx.PROSE_NOUNS | {"translation"}) and not x.code:
        return Found("writing", LIKELY, "asks to correct a text")
    if x.code or (x.tech and words & (lx.THINGS | lx.TECH | lx.POINTERS)):
        return Found("code", PLAIN, "asks to fix code")
    if set(c.object[-2:]) & word_set("code bug regex function query script traceback código"):
        return Found("code", LIKELY, "asks to fix code")
    return None


def review(c: Clause, x: Context) -> Found | None:
    """A code review, told by the code."""
    words = set(c.words)
    if words & lx.NOT_CODE:
        return None
    things = words & word_set("pr pull-request code diff patch function implementation código")
    if x.code or things or (x.tech and words & lx.THINGS) or "pull request" in c.text:
        return Found("code", LIKELY, "asks to review code")
    return None


_OWN: Final = word_set("my our this these your i we you below above mein meine mi mon")
_WEIGHED: Final = word_set("which whether trade-offs better landscape should if")


def explain(c: Clause, x: Context) -> Found | None:
    """Explain code that is given, or something known."""
    words = set(c.words)
    shown = x.code and words & (_OWN | lx.THINGS | {"it", "what"})
    if shown or (words & lx.POINTERS and words & lx.THINGS and (x.tech or "code" in words)):
        return Found("code", LIKELY, "asks to explain code")
    if x.sentences > 1 or x.material or x.images or words & (_OWN | _WEIGHED):
        return None
    if c.word == "describe" and not words & {"how", "what", "why"}:
        return None
    if x.tech:
        return Found("knowledge", HUNCH, "asks to explain something technical")
    return Found("knowledge", LIKELY, "asks for an explanation")


def research(c: Clause, x: Context) -> Found | None:
    """Sources to be gathered."""
    if _SOURCES.search(c.text) and not x.material:
        return Found("research", LIKELY, "asks to gather sources")
    return None


def argue(c: Clause, x: Context) -> Found | None:
    """The other side of an argument."""
    if HOLES.search(c.text) and not (x.code or x.tech):
        return Found("reasoning", LIKELY, "asks to find the weak point")
    return None


def decide(c: Clause, x: Context) -> Found | None:
    """Weigh and recommend."""
    if _WEIGH.search(c.text) and not x.tech:
        return Found("reasoning", LIKELY, "asks to weigh and decide")
    return None


def add(c: Clause, x: Context) -> Found | None:
    """Something added to a program."""
    words = set(c.words)
    if x.code or (x.tech and words & (_ADDED | lx.THINGS)) or words & {"unittests", "docstrings"}:
        return Found("code", LIKELY, "asks to add to code")
    if {"unit", "tests"} <= words or {"type", "hints"} <= words or {"error", "handling"} <= words:
        return Found("code", LIKELY, "asks to add to code")
    return None


def act(c: Clause, x: Context) -> Found | None:
    """A job with tools: a page to visit, a table to book, tests to run until they pass."""
    words = set(c.words)
    if c.word in {"book", "schedule", "order"} and words & _BOOKED and "if" not in words:
        return Found("agentic", LIKELY, "asks to book something")
    goes = c.word in word_set("go open visit navigate browse log login download check")
    if goes and (_SITE.search(c.text) or words & {"inbox", "calendar"}):
        return Found("agentic", LIKELY, "asks to act on a site or an account")
    if c.word in {"clone", "deploy", "push"} and (
        x.tech or words & {"repo", "repository", "staging"}
    ):
        return Found("agentic", LIKELY, "asks for steps with tools")
    if c.word == "run" and words & word_set("tests test suite build pytest linter"):
        return Found("agentic", LIKELY, "asks to run commands")
    if c.word in {"monitor", "watch"} and words & word_set("alert notify until every tell ping"):
        return Found("agentic", LIKELY, "asks to watch something")
    return None
