"""What happens to prompts in practice: pasted text, envelopes, case, politeness, typos."""

from __future__ import annotations

import json
import random
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from corpus_io import Row

MOST_PASTED = 3_000
SHORT = 400
"""Requests of fewer characters are misled, too."""
OWN_LANGUAGE = 0.75
"""Share of wrappings in the row's own language; the others are English, as agents write them."""
PASTED_OWN_LANGUAGE = 0.5
"""Share of pasted texts in the row's own language."""
UNSPACED = frozenset(("zh", "ja"))

TASK_KEYS = (
    "task", "instruction", "instructions", "prompt", "request", "query", "goal", "question",
    "objective", "subtask", "assignment", "user_request", "message", "description", "job",
)  # fmt: skip
FRAME_KEYS = (
    "context", "constraints", "output_format", "role", "notes", "format", "background", "style",
    "requirements", "audience", "parent_note", "rules", "priority", "language",
)  # fmt: skip
HEADINGS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "en": (("Task", "Goal", "Request", "Your task", "Objective", "Instructions", "What to do"),
           ("Constraints", "Output", "Context", "Notes", "Format", "Role", "Deliverable")),
    "de": (("Aufgabe", "Ziel", "Auftrag"), ("Kontext", "Vorgaben", "Ausgabe", "Hinweise")),
    "es": (("Tarea", "Objetivo"), ("Contexto", "Restricciones", "Salida", "Notas")),
    "fr": (("Tâche", "Objectif", "Consigne"), ("Contexte", "Contraintes", "Sortie")),
    "pt": (("Tarefa", "Objetivo"), ("Contexto", "Restrições", "Saída")),
    "it": (("Compito", "Obiettivo"), ("Contesto", "Vincoli")),
    "ru": (("Задача", "Цель"), ("Контекст", "Ограничения", "Формат")),
    "tr": (("Görev", "Amaç"), ("Bağlam", "Kısıtlar", "Çıktı")),
    "zh": (("任务", "目标"), ("背景", "约束", "输出")),
    "ja": (("タスク", "目的"), ("背景", "制約", "出力")),
    "ko": (("작업", "목표"), ("배경", "제약", "출력")),
    "ar": (("المهمة", "الهدف"), ("السياق", "القيود")),
    "hi": (("कार्य", "लक्ष्य"), ("संदर्भ", "आउटपुट")),
}  # fmt: skip

_CHOICES = re.compile(r"\{([^{}]*\|[^{}]*)\}")
"""`{one|other}` in a wrapping: one of them is drawn each time."""


class Wrappings:
    """The lines of `wrappings.txt`, drawn by language and kind."""

    def __init__(self, path: Path) -> None:
        self._texts: dict[tuple[str, str], list[str]] = {}
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.strip() and not line.startswith("#"):
                lang, kind, text = line.split("|", 2)
                self._texts.setdefault((lang, kind), []).append(text.replace("\\n", "\n"))

    def draw(self, row: Row, kind: str, rng: random.Random) -> str:
        """A wrapping of a kind, mostly in the row's language."""
        lang = row.lang if rng.random() < OWN_LANGUAGE else "en"
        text = rng.choice(self._texts.get((lang, kind)) or self._texts["en", kind])
        return _CHOICES.sub(lambda found: rng.choice(found[1].split("|")), text)


WRAPPINGS = Wrappings(Path(__file__).with_name("wrappings.txt"))
draw = WRAPPINGS.draw


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
        text = text.rstrip(".?!。？！")
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


def _joint(row: Row) -> str:
    return "" if row.lang in UNSPACED else " "


def _lowered(text: str) -> str:
    return text[:1].lower() + text[1:]


def polite(row: Row, rng: random.Random) -> str:
    """Politeness in front, behind, or running into the request."""
    text = row.prompt
    if rng.random() < 0.4:
        text = draw(row, "open", rng) + _joint(row) + _lowered(text)
    if rng.random() < 0.6:
        text = draw(row, "before", rng) + rng.choice((" ", "\n", "\n\n")) + text
    if rng.random() < 0.5:
        text += rng.choice((" ", "\n", "\n\n")) + draw(row, "after", rng)
    return text


def claimed_easy(row: Row, rng: random.Random) -> str:
    """With a sentence that says how easy or hard it is."""
    line = draw(row, "claim", rng)
    joint = rng.choice((" ", "\n"))
    return line + joint + row.prompt if rng.random() < 0.5 else row.prompt + joint + line


def truncated(row: Row, rng: random.Random) -> str:
    """Cut off near its end."""
    return row.prompt[: max(40, int(len(row.prompt) * rng.uniform(0.6, 0.95)))]


def in_sentences(row: Row, rng: random.Random) -> str:
    """A role, a header or a note in front; notes and reply formats behind."""
    text = row.prompt
    style = rng.choice(("role", "join", "agent", "parent", "role+parent", "agent+role"))
    if style == "join":
        text = draw(row, "join", rng) + _joint(row) + _lowered(text)
    else:
        for kind in style.split("+"):
            text = draw(row, kind, rng) + rng.choice((" ", "\n", "\n\n")) + text
    for kind in ("parent", "format", "format"):
        if rng.random() < 0.4:
            text += rng.choice((" ", "\n", "\n\n")) + draw(row, kind, rng)
    return text


def in_layout(row: Row, rng: random.Random) -> str:
    """In tags, under headings, or in a JSON object."""
    return rng.choice((_in_tags, _under_headings, _in_json))(row, rng)


def _frames(row: Row, rng: random.Random) -> list[str]:
    kinds = rng.sample(("role", "parent", "format", "format"), rng.randrange(4))
    return [draw(row, kind, rng) for kind in kinds]


def _in_tags(row: Row, rng: random.Random) -> str:
    tag = rng.choice(TASK_KEYS)
    parts = [f"<{tag}>\n{row.prompt}\n</{tag}>"]
    for text in _frames(row, rng):
        name = rng.choice(FRAME_KEYS)
        parts.insert(rng.randrange(len(parts) + 1), f"<{name}>{text}</{name}>")
    if rng.random() < 0.5:
        parts.insert(0, draw(row, rng.choice(("lead", "agent", "role")), rng))
    return "\n".join(parts)


def _under_headings(row: Row, rng: random.Random) -> str:
    tasks, frames = HEADINGS[row.lang if row.lang in HEADINGS and rng.random() < 0.6 else "en"]
    style = rng.choice(("## {}\n{}", "**{}**\n{}", "{}: {}", "# {}\n\n{}", "[{}]\n{}", "- {}: {}"))
    parts = [style.format(rng.choice(tasks), row.prompt)]
    for text in _frames(row, rng):
        parts.insert(rng.randrange(len(parts) + 1), style.format(rng.choice(frames), text))
    if rng.random() < 0.3:
        parts.insert(0, draw(row, rng.choice(("lead", "agent")), rng))
    return rng.choice(("\n", "\n\n")).join(parts)


def _in_json(row: Row, rng: random.Random) -> str:
    items = [(rng.choice(TASK_KEYS), row.prompt)]
    for text in _frames(row, rng):
        items.insert(rng.randrange(len(items) + 1), (rng.choice(FRAME_KEYS), text))
    return json.dumps(dict(items), ensure_ascii=False, indent=rng.choice((None, 2)))


def misled(row: Row, distractors: dict[str, list[tuple[str, str]]], rng: random.Random) -> str:
    """With a sentence beside it that names another kind of work, and does not ask for it."""
    others = [text for skill, text in distractors.get(row.lang, []) if skill not in row.skills]
    if not others:
        return row.prompt
    joint = _joint(row)
    if rng.random() < 0.6:
        return rng.choice(others) + joint + row.prompt
    return row.prompt + joint + rng.choice(others)


def pasted(row: Row, contexts: dict[str, list[str]], rng: random.Random) -> str:
    """A context of any length, repeated where it is short now and then."""
    own = contexts.get(row.lang)
    context = rng.choice(own if own and rng.random() < PASTED_OWN_LANGUAGE else contexts[""])
    if rng.random() < 0.3:
        context = "\n\n".join([context] * (1 + MOST_PASTED // max(1, len(context))))
    return context[: int(rng.uniform(200, MOST_PASTED))]


def variants(
    row: Row,
    contexts: dict[str, list[str]],
    distractors: dict[str, list[tuple[str, str]]],
    seed: int = 0,
) -> list[Row]:
    """The row and what practice makes of it; the copies count less than the row itself."""
    rng = random.Random(row.base ^ seed)
    noise: list[Callable[[], str]] = [
        lambda: cased(row, rng),
        lambda: typed_badly(row.prompt, rng),
        lambda: claimed_easy(row, rng),
        lambda: truncated(row, rng),
        lambda: typed_badly(polite(row, rng), rng),
    ]
    made = [
        pasted_before(row, pasted(row, contexts, rng), rng),
        pasted_after(row, pasted(row, contexts, rng), rng),
        polite(row, rng),
        in_sentences(row, rng),
        in_sentences(row, rng),
        in_layout(row, rng),
        *(change() for change in rng.sample(noise, 2)),
    ]
    out = [row, *(replace(row, prompt=text, weight=0.2, kind="augmented") for text in made)]
    if len(row.prompt) < SHORT:
        more = (misled(row, distractors, rng) for _ in range(2))
        out += [replace(row, prompt=text, weight=0.25, kind="augmented") for text in more]
    return out
