"""Subtasks as an agent would hand them over, with the answers of simulated models."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from random import Random
from typing import Final

from rightmodel.core.task import Attachment, Task

SEED: Final = 7


@dataclass(frozen=True, slots=True)
class Sample:
    """A subtask and its simulated answer, padded to `tokens`."""

    label: str
    task: Task
    answer: str = ""
    """How the answer begins; "": filler, or an example of the schema."""
    tokens: int = 0
    """0: the answer as it is."""
    thought: int = 0
    """Reasoning tokens of models that bill any."""
    flawed: str = ""
    """The first answer, where a show wants one that fails its check."""
    reads: str = ""
    """A file that the model asks the agent's tool `read_file` for before it answers."""


def _minutes(lines: int) -> str:
    draw = Random(SEED).choice  # noqa: S311 - a simulation, reproducible
    who = ("Anna", "Ben", "Chiara", "Deniz", "Emil")
    what = ("the import", "the mobile app", "the invoice run", "the search index", "the new login")
    state = ("is a week late", "went live on Monday", "fails on large files", "needs a decision")
    then = ("will look into it", "asks for a second reviewer", "would rather wait for the audit")
    return "\n".join(
        f"{draw(who)}: {draw(what)} {draw(state)}; {draw(who)} {draw(then)}." for _ in range(lines)
    )


_PIXEL: Final = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
_INVOICE_SCHEMA: Final = {
    "type": "object",
    "properties": {
        "number": {"type": "string"},
        "date": {"type": "string"},
        "total": {"type": "number"},
    },
    "required": ["number", "date", "total"],
}

SAMPLES: Final = (
    Sample(
        "Label a ticket",
        Task(
            'Classify this support ticket as "billing", "bug" or "question":\n\n'
            "I was charged twice in March, and the second invoice has no number."
        ),
        "billing",
        thought=120,
    ),
    Sample(
        "Summarize minutes",
        Task(f"Summarize these meeting notes in five sentences:\n\n{_minutes(220)}"),
        "Five topics came up; most of them need a decision.",
        tokens=160,
        thought=260,
    ),
    Sample(
        "Read an invoice",
        Task(
            "Extract the number, the date and the total of this invoice:\n\n"
            "Invoice 2026-0117, 3 November 2026. Consulting, 12 h: 1,440.00. "
            "VAT 19 %: 273.60. Total: EUR 1,713.60.",
            schema=_INVOICE_SCHEMA,
        ),
        '{"number": "2026-0117", "date": "2026-11-03", "total": 1713.6}',
        thought=150,
        flawed='{"number": "2026-0117", "date": "2026-11-03", "total": "1,713.60 EUR"}',
    ),
    Sample(
        "Word a reminder",
        Task(
            "Write a polite reminder to the team: the database password tulip-42 has to be changed "
            "by Friday."
        ),
        "Dear all, please change the database password by Friday.",
        tokens=90,
        thought=120,
    ),
    Sample(
        "Fix an off-by-one",
        Task(
            "Fix the off-by-one error in this function:\n\n```python\ndef last(items, n):\n"
            "    return [items[-i] for i in range(n)]\n```"
        ),
        "```python\ndef last(items, n):\n    return [items[-i] for i in range(1, n + 1)]\n```",
        tokens=180,
        thought=420,
    ),
    Sample(
        "Find a race",
        Task(
            "Find the race condition in this worker pool and rewrite it so that no job is ever run "
            "twice: two workers, a shared SQLite table as queue, crashes possible at any point.\n\n"
            "```python\njob = db.execute('SELECT id FROM jobs WHERE state = 0').fetchone()\n"
            "db.execute('UPDATE jobs SET state = 1 WHERE id = ?', job)\nrun(job)\n```",
            skill="code",
            difficulty="hard",
        ),
        "Two workers can read the same row before either has marked it.",
        tokens=800,
        thought=1100,
    ),
    Sample(
        "Translate a notice",
        Task(
            "Translate this release note into German:\n\n"
            "Search is twice as fast. Attachments over 10 MB no longer time out."
        ),
        "Die Suche ist doppelt so schnell. Anhänge über 10 MB laufen nicht mehr ins Leere.",
        thought=140,
    ),
    Sample(
        "Judge a review",
        Task(
            "Is the sentiment of this review positive, negative or mixed? Answer with one word.\n\n"
            "The screen is gorgeous, but the battery gives up after lunch."
        ),
        "mixed",
        thought=110,
    ),
    Sample(
        "More minutes",
        Task(f"Summarize these meeting notes in one paragraph:\n\n{_minutes(180)}"),
        "The invoice run and the login were at the centre.",
        tokens=140,
        thought=240,
    ),
    Sample(
        "Write unit tests",
        Task(
            "Write pytest tests for a function `parse_duration(text: str) -> timedelta` that "
            "accepts '1h30m' and '90s' and raises ValueError for anything else."
        ),
        "```python\ndef test_hours_and_minutes(): ...\n```",
        tokens=420,
        thought=600,
    ),
    Sample(
        "Write to a customer",
        Task(
            "Write a short e-mail to the customer: the API key dk-live-3f9a was found in a public "
            "repository, so we revoked it."
        ),
        "We found one of your keys in a public repository and revoked it.",
        tokens=80,
        thought=110,
    ),
    Sample(
        "Write an SQL query",
        Task(
            "Write an SQL query: for each customer the month with the highest revenue, ties "
            "included. Tables: customers(id, name), orders(customer_id, at, total)."
        ),
        "WITH monthly AS (SELECT ...) SELECT ...",
        tokens=230,
        thought=520,
    ),
    Sample(
        "Prove a theorem",
        Task("Prove that every group of order p^2 with p prime is abelian.", difficulty="expert"),
        "The centre of a p-group is not trivial.",
        tokens=520,
        thought=1400,
    ),
    Sample(
        "Plan a migration",
        Task(
            "Plan the migration of a 2 TB PostgreSQL 12 database to version 18 with less than five "
            "minutes of downtime, including the way back.",
            tier="best",
        ),
        "Logical replication, a rehearsal, a switch, and a way back until the last write.",
        tokens=640,
        thought=900,
    ),
)
"""Every kind of work, in an order that a show can divide into healthy, outage and healed."""

INSTRUCTIONS: Final = (
    "You are a coding agent. Work in small steps, read before you write, and say what you did. "
    * 260
)
"""As long as those of real agents: some 6,000 tokens, sent with every turn."""
TURNS: Final = (
    Sample(
        "Rename a function",
        Task("Rename the function total() in invoice.py to sum_lines()."),
        "Renamed, and both callers changed.",
        tokens=180,
        thought=120,
        reads="invoice.py",
    ),
    Sample(
        "Find a race",
        Task(
            "Under load two workers sometimes book the same invoice twice. Find the race condition "
            "in worker.py, explain every interleaving that leads to it, and prove that your fix "
            "cannot deadlock."
        ),
        "Both workers read the row before either of them has locked it.",
        tokens=900,
        thought=1500,
        reads="worker.py",
    ),
    Sample(
        "Say what changed",
        Task("Say in one sentence what changed."),
        "total() is called sum_lines() now, and booking locks the row first.",
        thought=60,
    ),
)
"""What a user asks an agent in one session; a tool call makes two turns of it."""

PICTURE: Final = Sample(
    "Look at a picture",
    Task(
        "What does this screenshot show? One sentence.",
        files=(Attachment("screenshot.png", "image/png", _PIXEL),),
    ),
    "A settings page.",
    tokens=60,
)
