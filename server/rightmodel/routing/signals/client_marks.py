"""The marks by which turns of known clients are recognised: data, without a rule.

Each mark names the client's version and the day on which it was seen on the wire, or "read in" the
package where no run provoked it. No client's prompt is copied beyond the mark itself.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from rightmodel.core.task import TurnKind


class ClientMark(NamedTuple):
    """How a client is recognised. `where`: "header NAME", or "system" for the system text."""

    client: str
    where: str
    pattern: re.Pattern[str]
    seen: str


class KindMark(NamedTuple):
    """What a turn of a client is for.

    `where`: "header NAME", "system", "user" (the latest texts of the user, with their envelope),
    "runtime" (see `RUNTIME`) or "schema" (names of the properties, joined by commas). `bare`: the
    mark counts in requests without tools and files only.
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


class Piece(NamedTuple):
    """Part of a text that a pattern finds. `sign`: a text without it is not searched."""

    sign: str
    pattern: re.Pattern[str]
    seen: str


def _starts(text: str) -> re.Pattern[str]:
    return re.compile(r"\A\s*" + re.escape(text))


def _line(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"^{pattern}$", re.MULTILINE)


_ANY: Final = re.compile(".")
_CLAUDE: Final = "Claude Code 2.1.332, 2026-11-29"
_CLAUDE_READ: Final = "read in Claude Code 2.1.332, 2026-11-29"
_CODEX: Final = "Codex 0.171.0, 2026-11-29"
_CODEX_READ: Final = "read in Codex 0.171.0, 2026-11-29"
_OPENCODE: Final = "opencode 1.18.33, 2026-11-29"
_OPENCLAW: Final = "OpenClaw 2026.9.6, 2026-11-29"
_OPENCLAW_READ: Final = "read in OpenClaw 2026.9.6, 2026-11-29"

CLIENTS: Final = (
    ClientMark("claude-code", "header user-agent", _starts("claude-cli/"), _CLAUDE),
    ClientMark("codex", "header originator", _starts("codex"), _CODEX),
    ClientMark("opencode", "header user-agent", _starts("opencode/"), _OPENCODE),
    ClientMark("openclaw", "system", _starts("<!-- openclaw:"), _OPENCLAW),
    # Its calls beside the agent's loop have a system text of their own.
    ClientMark(
        "openclaw", "system", _starts("You are a context summarization assistant."), _OPENCLAW_READ
    ),
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
"""Claude Code, Codex (`session_id` in older versions) and opencode, seen on the days above."""

RUNTIME_SIGN: Final = "Runtime: agent="
RUNTIME: Final = re.compile(rf"^{RUNTIME_SIGN}[^\n]*", re.MULTILINE)
"""OpenClaw sends no header. Its runtime line names the session: it ends the first user message over
chat completions, and the system text over responses and messages (OpenClaw 2026.9.6, 2026-11-29).
"""
RUNTIME_SESSION: Final = re.compile(r"\bsessionId=([\w-]+)")

KINDS: Final = (
    KindMark("title", "claude-code", "schema", re.compile(r"\Atitle\Z"), _CLAUDE, bare=True),
    KindMark(
        "title", "opencode", "system", _starts("You are a title generator."), _OPENCODE, bare=True
    ),
    KindMark(
        "compaction",
        "claude-code",
        "user",
        _line(r"CRITICAL: Respond with TEXT ONLY\. Do NOT call any tools\."),
        _CLAUDE,
    ),
    KindMark(
        "compaction",
        "codex",
        "header x-codex-turn-metadata",
        re.compile(r'"request_kind":\s*"compaction"'),
        _CODEX,
    ),
    KindMark(
        "compaction",
        "opencode",
        "system",
        _starts("You are a context summarization agent."),
        _OPENCODE,
    ),
    KindMark(
        "compaction",
        "openclaw",
        "system",
        _starts("You are a context summarization assistant."),
        _OPENCLAW_READ,
    ),
    KindMark(
        "heartbeat",
        "openclaw",
        "user",
        _line(r"(?:Follow the heartbeat monitor scratch context|\[OpenClaw heartbeat poll\]).*"),
        _OPENCLAW,
        bare=True,
    ),
    KindMark("subagent", "claude-code", "header x-claude-code-agent-id", _ANY, _CLAUDE),
    KindMark("subagent", "codex", "header x-openai-subagent", _ANY, _CODEX),
    KindMark("subagent", "opencode", "header x-parent-session-id", _ANY, _OPENCODE),
    KindMark(
        "subagent",
        "openclaw",
        "runtime",
        re.compile(r"\bsession=agent:[^:|]+:subagent:"),
        _OPENCLAW,
    ),
)
"""The first that matches counts."""

BLOCKS: Final = (
    Block("<system-reminder>", "</system-reminder>", _CLAUDE),
    Block("<local-command-caveat>", "</local-command-caveat>", _CLAUDE),
    Block("<local-command-stdout>", "</local-command-stdout>", _CLAUDE),
    Block("<command-name>", "</command-name>", _CLAUDE),
    Block("<command-message>", "</command-message>", _CLAUDE),
    Block("<task-notification>", "</task-notification>", _CLAUDE),
    *(
        Block(f"<{tag}>", f"</{tag}>", _CLAUDE_READ)
        for tag in (
            "bash-input",
            "bash-stdout",
            "bash-stderr",
            "local-command-stderr",
            "ide_opened_file",
            "ide_selection",
            "new-diagnostics",
        )
    ),
    Block("# AGENTS.md instructions for ", "</INSTRUCTIONS>", _CODEX),
    *(
        Block(f"<{tag}>", f"</{tag}>", _CODEX_READ)
        for tag in ("skill", "subagent_notification", "turn_aborted", "user_shell_command")
    ),
    Block("<environment_context>", "</environment_context>", _CODEX),
    Block("<skills_instructions>", "</skills_instructions>", _CODEX),
    Block("<permissions instructions>", "</permissions instructions>", _CODEX),
    Block(
        "<<<BEGIN_OPENCLAW_INTERNAL_CONTEXT>>>", "<<<END_OPENCLAW_INTERNAL_CONTEXT>>>", _OPENCLAW
    ),
    Block("<active_memory_plugin>", "</active_memory_plugin>", _OPENCLAW_READ),
    Block("[Subagent Context]", "\n[Subagent Task]\n", _OPENCLAW),
)

PIECES: Final = (
    Piece("x-anthropic-billing-header", _line(r"x-anthropic-billing-header:[^\n]*"), _CLAUDE),
    Piece("[Request interrupted", _line(r"\[Request interrupted by user[^\]\n]*\]"), _CLAUDE_READ),
    Piece(
        "command-args", re.compile("</?command-args>"), _CLAUDE
    ),  # what the human typed is between them
    Piece(RUNTIME_SIGN, RUNTIME, _OPENCLAW),
    Piece(
        "[", re.compile(r"\A\s*\[[A-Z][a-z]{2} \d{4}-\d\d-\d\d \d\d:\d\d[^\]\n]*\] ?"), _OPENCLAW
    ),
    Piece("Begin. Execute", _line(r"Begin\. Execute the assigned task to completion\."), _OPENCLAW),
    Piece("Delivery: ", _line(r"Delivery: [^\n]*`message` tool[^\n]*"), _OPENCLAW_READ),
    # The sender, the chat and what was quoted, as JSON or as lines.
    Piece(
        "openclaw:ctx",
        re.compile(
            r"^[^\n]{1,80}\u27e6openclaw:ctx\u27e7[ \t]*\n"
            r"(?:```json\n(?:(?!```)[^\n]*\n)*```|(?:[^\n]+\n?)*)",
            re.MULTILINE,
        ),
        _OPENCLAW_READ,
    ),
)

NOTICES: Final = (
    Piece(
        "This session is being",
        _starts("This session is being continued from a previous conversation"),
        _CLAUDE,
    ),
    Piece(
        "Another language model",
        _starts("Another language model started to solve this problem"),
        _CODEX,
    ),
    Piece(
        "Called the Read tool", _starts("Called the Read tool with the following input:"), _OPENCODE
    ),
    Piece("<path>", re.compile(r"\A<path>[^\n]*</path>\n<type>"), _OPENCODE),
    Piece("What did we do", re.compile(r"\AWhat did we do so far\?\Z"), _OPENCODE),
    Piece(
        "Continue if you have", _starts("Continue if you have next steps, or stop and"), _OPENCODE
    ),
    Piece("A background task", _starts("A background task completed. Use this result"), _OPENCLAW),
)
"""Beginnings of texts that are the harness's from the first to the last word."""

FAILED: Final = (
    Piece("Process exited", _line(r"Process exited with code [1-9]\d*"), _CODEX),
    Piece("(Command exited", re.compile(r"\(Command exited with code [1-9]\d*\)\s*\Z"), _OPENCLAW),
    Piece('"status"', re.compile(r'\A\s*\{\s*"status": "error"'), _OPENCLAW),
    Piece("File not found", _starts("File not found: "), _OPENCODE),
)
"""Results of tools that failed, where the client's API has no field that says so."""

WAITING: Final = frozenset({"write_stdin", "wait_agent", "process", "sessions_yield", "TaskOutput"})
"""Tools that wait for something: calling one again and again is no stall."""
