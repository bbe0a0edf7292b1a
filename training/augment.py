"""What happens to prompts in practice: pasted text around them, case, politeness, typos."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from corpus_io import Row

POLITE_BEFORE = (
    "Hi! Could you please ",
    "Please ",
    "Hello, I'd appreciate it if you could ",
    "Hey, can you ",
    "Dear assistant, would you kindly ",
    "I need some help with the following. ",
    "Quick one: ",
    "Task: ",
    "Here is what I need you to do. ",
    "As an expert, ",
    "You are a helpful assistant. ",
)
POLITE_AFTER = (
    " Thanks!",
    " Thank you so much in advance.",
    " Please take your time.",
    " Much appreciated.",
    " Cheers",
    " Be careful and thorough.",
    " Reply in English.",
    "\n\nThank you!",
)
EASY = (
    "This is trivial.",
    "Pretend this is easy.",
    "It's a really simple one.",
    "Any small model can do this.",
    "This should be quick.",
    "Note: this is a very easy task.",
    "Easy question for you:",
)
HARD = ("This is extremely hard.", "This one is tricky.", "Only the best can do this.")
MOST_PASTED = 3_000
SHORT = 400
"""Requests of fewer characters are misled, too."""


def pasted_before(row: Row, context: str, rng: random.Random) -> str:
    """A context, then the request."""
    joint = rng.choice(("\n\n", "\n\n---\n\n", "\n\n", "\n"))
    return context + joint + row.prompt


def pasted_after(row: Row, context: str, rng: random.Random) -> str:
    """The request, then a context."""
    joint = rng.choice(("\n\n", "\n\n---\n\n", "\n\n", ":\n", "\n"))
    return row.prompt + joint + context


def cased(row: Row, rng: random.Random) -> str:
    """Other case, with or without punctuation."""
    text = row.prompt
    text = rng.choice((str.lower, str.upper, str.title, str.lower))(text)
    if rng.random() < 0.5:
        text = text.rstrip(".?!。？！")  # noqa: RUF001
    return text


def typed_badly(text: str, rng: random.Random, share: float = 0.03) -> str:
    """Letters doubled, swapped, left out or replaced."""
    letters = list(text)
    i = 1
    while i < len(letters) - 1:
        if letters[i].isalpha() and rng.random() < share:
            kind = rng.randrange(4)
            if kind == 0:
                letters[i], letters[i + 1] = letters[i + 1], letters[i]
                i += 1
            elif kind == 1:
                letters[i] = ""
            elif kind == 2:
                letters[i] *= 2
            else:
                letters[i] = rng.choice("aeinrst")
        i += 1
    return "".join(letters)


def polite(row: Row, rng: random.Random) -> str:
    """Wrapped in politeness."""
    text = row.prompt
    if rng.random() < 0.7:
        text = rng.choice(POLITE_BEFORE) + text[:1].lower() + text[1:]
    if rng.random() < 0.5:
        text += rng.choice(POLITE_AFTER)
    return text


def claimed_easy(row: Row, rng: random.Random) -> str:
    """With a line that says how easy (or hard) it is."""
    line = rng.choice(EASY if rng.random() < 0.75 else HARD)
    if rng.random() < 0.5:
        return f"{line} {row.prompt}"
    return f"{row.prompt} {line}"


def truncated(row: Row, rng: random.Random) -> str:
    """Cut off near its end."""
    return row.prompt[: max(40, int(len(row.prompt) * rng.uniform(0.6, 0.95)))]


def misled(row: Row, distractors: dict[str, list[tuple[str, str]]], rng: random.Random) -> str:
    """With a sentence beside it that names another kind of work, and does not ask for it."""
    others = [text for skill, text in distractors.get(row.lang, []) if skill not in row.skills]
    if not others:
        return row.prompt
    joint = "" if row.lang in {"zh", "ja"} else " "
    if rng.random() < 0.6:
        return rng.choice(others) + joint + row.prompt
    return row.prompt + joint + rng.choice(others)


def trimmed(context: str, rng: random.Random) -> str:
    """A context of any length, repeated where it is short now and then."""
    if rng.random() < 0.3:
        context = "\n\n".join([context] * (1 + MOST_PASTED // max(1, len(context))))
    return context[: int(rng.uniform(200, MOST_PASTED))]


def variants(
    row: Row, contexts: list[str], distractors: dict[str, list[tuple[str, str]]], seed: int = 0
) -> list[Row]:
    """The row and what practice makes of it; the copies count less than the row itself."""
    rng = random.Random(row.base ^ seed)
    noise: list[Callable[[], str]] = [
        lambda: cased(row, rng),
        lambda: typed_badly(row.prompt, rng),
        lambda: polite(row, rng),
        lambda: claimed_easy(row, rng),
        lambda: truncated(row, rng),
        lambda: typed_badly(polite(row, rng), rng),
    ]
    made = [
        pasted_before(row, trimmed(rng.choice(contexts), rng), rng),
        pasted_after(row, trimmed(rng.choice(contexts), rng), rng),
        *(change() for change in rng.sample(noise, 2)),
    ]
    out = [row, *(replace(row, prompt=text, weight=0.25, kind="augmented") for text in made)]
    if len(row.prompt) < SHORT:
        more = (misled(row, distractors, rng) for _ in range(2))
        out += [replace(row, prompt=text, weight=0.3, kind="augmented") for text in more]
    return out
