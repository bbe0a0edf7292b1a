"""The marks by which turns of known clients are recognised: data, without a rule.

Each mark names the client's version on the wire and the day on which it was seen; a mark without a
capture says where it was read instead. No client's prompt is copied beyond the mark itself.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from rightmodel.core.task import TurnKind


class ClientMark(NamedTuple):
    """How a client is recognised. `where`: "header NAME", or "system" for the start of it."""

    client: str
    where: str
    pattern: re.Pattern[str]
    seen: str


class KindMark(NamedTuple):
    """What a turn of a client is for.

    `where`: "header NAME", "system", "ask" (the latest, without the envelope) or "schema" (names of
    the required properties, joined by commas). `bare`: the mark counts in requests without tools
    and files only.
    """

    kind: TurnKind
    client: str
    where: str
    pattern: re.Pattern[str]
    seen: str
    bare: bool = False


class Block(NamedTuple):
    """Part of the envelope between two texts, both included."""

    begin: str
    end: str
    seen: str


class Line(NamedTuple):
    """Part of the envelope that a pattern finds; patterns are bound to the start of a line."""

    pattern: re.Pattern[str]
    seen: str


def _starts(text: str) -> re.Pattern[str]:
    return re.compile(r"\s*" + re.escape(text))


_CLAUDE: Final = "Claude Code 2.1.332, 2026-11-29"
_CODEX: Final = "Codex 0.171.0, 2026-11-29"
_OPENCODE: Final = "opencode 1.18.33, 2026-11-29"
_OPENCLAW: Final = "OpenClaw 2026.9.6, 2026-11-29"

CLIENTS: Final = (
    ClientMark("claude-code", "header user-agent", _starts("claude-cli/"), _CLAUDE),
    ClientMark("codex", "header originator", _starts("codex"), _CODEX),
    ClientMark("opencode", "header user-agent", _starts("opencode/"), _OPENCODE),
    ClientMark("openclaw", "system", _starts("<!-- openclaw:"), _OPENCLAW),
)

SESSION_HEADERS: Final = (
    "x-claude-code-session-id",
    "x-claude-code-agent-id",
    "session-id",
    "session_id",
    "thread-id",
    "x-session-id",
    "x-session-affinity",
)
"""Claude Code, Codex (`session_id`: older versions) and opencode; seen on the days above."""

SESSION_IN_TEXT: Final = re.compile(r"^Runtime: agent=[^\n]*\bsessionId=([\w-]+)", re.MULTILINE)
"""OpenClaw sends no header; its runtime line stands in the first user message."""

KINDS: Final = (
    KindMark("title", "claude-code", "schema", re.compile(r"title\Z"), _CLAUDE, bare=True),
    KindMark(
        "title", "opencode", "system", _starts("You are a title generator"), _OPENCODE, bare=True
    ),
    KindMark(
        "heartbeat", "openclaw", "ask", _starts("[OpenClaw heartbeat poll]"), _OPENCLAW, bare=True
    ),
    KindMark("subagent", "claude-code", "header x-claude-code-agent-id", re.compile("."), _CLAUDE),
    KindMark("subagent", "opencode", "header x-parent-session-id", re.compile("."), _OPENCODE),
)

BLOCKS: Final = (
    Block("<system-reminder>", "</system-reminder>", _CLAUDE),
    Block("<environment_context>", "</environment_context>", _CODEX),
    Block(
        "<<<BEGIN_OPENCLAW_INTERNAL_CONTEXT>>>", "<<<END_OPENCLAW_INTERNAL_CONTEXT>>>", _OPENCLAW
    ),
)

LINES: Final = (
    Line(re.compile(r"^x-anthropic-billing-header:[^\n]*$", re.MULTILINE), _CLAUDE),
    Line(re.compile(r"^Runtime: agent=[^\n]*$", re.MULTILINE), _OPENCLAW),
    Line(re.compile(r"\A\s*\[[A-Z][a-z]{2} \d{4}-\d\d-\d\d \d\d:\d\d[^\]\n]*\] ?"), _OPENCLAW),
)

WAITING: Final = frozenset({"write_stdin", "wait_agent", "process", "sessions_yield", "TaskOutput"})
"""Tools that wait for something: calling one again and again is no stall."""
