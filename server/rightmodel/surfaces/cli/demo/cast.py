"""Who plays in the demo: subtasks as an agent would hand them over, and models that answer them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Final

from rightmodel.simulator import Behaviour, Reply, count_tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rightmodel.simulator import Received

BASELINE: Final = "anthropic/claude-opus-4-8"
"""The model that the agent itself is said to run on."""

RULES: Final = r"""
[routing]
assess = "learned"

[[rules]]
name = "secrets stay here"
when = { matches = "(?i)\\b(password|api key|secret)\\b" }
require = { trust = "local" }
"""

FILLER: Final = "Simulated text, as long as a real answer would be. "
SEED: Final = 7


@dataclass(frozen=True, slots=True)
class Subtask:
    """One call of `complete`.

    `answer`: how the simulated answer begins; it is drawn out to `tokens`. `thought`: reasoning
    tokens of the models that bill any. `hints`: the other arguments. `flawed`: what the first
    model that is asked answers instead.
    """

    label: str
    prompt: str
    answer: str
    tokens: int = 0
    thought: int = 0
    hints: Mapping[str, str] = field(default_factory=dict)
    flawed: str = ""


@dataclass(frozen=True, slots=True)
class Role:
    """A shipped model and how its simulation behaves. Speeds are several times those of life."""

    model: str
    first_token_s: float
    tokens_per_s: float
    thinks: bool


CAST: Final = (
    Role("openai/gpt-6-luna", 0.25, 900, thinks=True),
    Role("anthropic/claude-sonnet-5-5", 0.35, 850, thinks=False),
    Role("anthropic/claude-opus-5-5", 0.45, 750, thinks=False),
    Role("google/gemini-3.8-flash", 0.15, 1200, thinks=True),
    Role("ollama/gpt-oss:20b", 0.10, 300, thinks=True),
)


def behaviour(role: Role, asked: set[str]) -> Behaviour:
    """How a model of the cast answers. `asked`: labels of what had its flawed answer already."""
    return Behaviour(
        answers=_answers(role, asked),
        first_token_s=role.first_token_s,
        tokens_per_s=role.tokens_per_s,
    )


def _answers(role: Role, asked: set[str]) -> Callable[[Received], Reply]:
    def answers(request: Received) -> Reply:
        task = next((t for t in SUBTASKS if request.prompt.startswith(t.prompt)), None)
        if task is None:
            return Reply(FILLER)
        text = task.answer
        if task.flawed and task.label not in asked:
            asked.add(task.label)
            text = task.flawed
        short = task.tokens - count_tokens(text)
        if short > 0:
            text = f"{text}\n\n{FILLER * short}"[: task.tokens * 4]
        return Reply(text, reasoning_tokens=task.thought if role.thinks else 0)

    return answers


def _minutes(lines: int) -> str:
    """Minutes of a long meeting."""
    draw = Random(SEED).choice  # noqa: S311 - a simulation, reproducible
    who = ("Anna", "Ben", "Chiara", "Deniz", "Emil")
    what = ("the import", "the mobile app", "the invoice run", "the search index", "the new login")
    state = ("is a week late", "went live on Monday", "fails on large files", "needs a decision")
    then = ("will look into it", "asks for a second reviewer", "would rather wait for the audit")
    return "\n".join(
        f"{draw(who)}: {draw(what)} {draw(state)}; {draw(who)} {draw(then)}." for _ in range(lines)
    )


_INVOICE_SCHEMA: Final = json.dumps(
    {
        "type": "object",
        "properties": {
            "number": {"type": "string"},
            "date": {"type": "string"},
            "total": {"type": "number"},
        },
        "required": ["number", "date", "total"],
    }
)

CALM: Final = (
    Subtask(
        "Label a ticket",
        'Classify this support ticket as "billing", "bug" or "question":\n\n'
        "I was charged twice in March, and the second invoice has no number.",
        "billing",
        thought=120,
    ),
    Subtask(
        "Summarize minutes",
        f"Summarize these meeting notes in five sentences:\n\n{_minutes(220)}",
        "Five topics came up; most of them need a decision.",
        tokens=160,
        thought=260,
    ),
    Subtask(
        "Read an invoice",
        "Extract the number, the date and the total of this invoice:\n\n"
        "Invoice 2026-0117, 3 November 2026. Consulting, 12 h: 1,440.00. "
        "VAT 19 %: 273.60. Total: EUR 1,713.60.",
        '{"number": "2026-0117", "date": "2026-11-03", "total": 1713.6}',
        thought=150,
        hints={"schema": _INVOICE_SCHEMA},
        flawed='{"number": "2026-0117", "date": "2026-11-03", "total": "1,713.60 EUR"}',
    ),
    Subtask(
        "Word a reminder",
        "Write a polite reminder to the team: the database password tulip-42 has to be changed "
        "by Friday.",
        "Dear all, please change the database password by Friday.",
        tokens=90,
        thought=120,
    ),
    Subtask(
        "Fix an off-by-one",
        "Fix the off-by-one error in this function:\n\n```python\ndef last(items, n):\n"
        "    return [items[-i] for i in range(n)]\n```",
        "```python\ndef last(items, n):\n    return [items[-i] for i in range(1, n + 1)]\n```",
        tokens=180,
        thought=420,
    ),
    Subtask(
        "Find a race",
        "Find the race condition in this worker pool and rewrite it so that no job is ever run "
        "twice: two workers, a shared SQLite table as queue, crashes possible at any point.\n\n"
        "```python\njob = db.execute('SELECT id FROM jobs WHERE state = 0 LIMIT 1').fetchone()\n"
        "db.execute('UPDATE jobs SET state = 1 WHERE id = ?', job)\nrun(job)\n```",
        "Two workers can read the same row before either has marked it.",
        tokens=800,
        thought=1100,
        hints={"skill": "code", "difficulty": "hard"},
    ),
    Subtask(
        "Translate a notice",
        "Translate this release note into German:\n\n"
        "Search is twice as fast. Attachments over 10 MB no longer time out.",
        "Die Suche ist doppelt so schnell. Anhänge über 10 MB laufen nicht mehr ins Leere.",
        thought=140,
    ),
)

STORM: Final = (
    Subtask(
        "Judge a review",
        "Is the sentiment of this review positive, negative or mixed? Answer with one word.\n\n"
        "The screen is gorgeous, but the battery gives up after lunch.",
        "mixed",
        thought=110,
    ),
    Subtask(
        "More minutes",
        f"Summarize these meeting notes in one paragraph:\n\n{_minutes(180)}",
        "The invoice run and the login were at the centre.",
        tokens=140,
        thought=240,
    ),
    Subtask(
        "Write unit tests",
        "Write pytest tests for a function `parse_duration(text: str) -> timedelta` that accepts "
        "'1h30m' and '90s' and raises ValueError for anything else.",
        "```python\ndef test_hours_and_minutes(): ...\n```",
        tokens=420,
        thought=600,
    ),
    Subtask(
        "Write to a customer",
        "Write a short e-mail to the customer: the API key dk-live-3f9a was found in a public "
        "repository, so we revoked it.",
        "We found one of your keys in a public repository and revoked it.",
        tokens=80,
        thought=110,
    ),
)

AFTER: Final = (
    Subtask(
        "Write an SQL query",
        "Write an SQL query: for each customer the month with the highest revenue, ties "
        "included. Tables: customers(id, name), orders(customer_id, at, total).",
        "WITH monthly AS (SELECT ...) SELECT ...",
        tokens=230,
        thought=520,
    ),
    Subtask(
        "Prove a theorem",
        "Prove that every group of order p^2 with p prime is abelian.",
        "The centre of a p-group is not trivial.",
        tokens=520,
        thought=1400,
        hints={"difficulty": "expert"},
    ),
    Subtask(
        "Plan a migration",
        "Plan the migration of a 2 TB PostgreSQL 12 database to version 18 with less than five "
        "minutes of downtime, including the way back.",
        "Logical replication, a rehearsal, a switch, and a way back until the last write.",
        tokens=640,
        thought=900,
        hints={"tier": "best"},
    ),
)

SUBTASKS: Final = (*CALM, *STORM, *AFTER)
