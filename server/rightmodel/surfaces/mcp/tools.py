"""The tools as clients list them: written for a model that must decide whether to delegate.

Every byte here is in the context of every turn of every agent, so no word may be idle. Plain JSON
in the protocol's own names and the SDK's order of keys: `front` sends it as it is.
"""

from __future__ import annotations

from typing import Any, Final

from rightmodel import __version__
from rightmodel.core.task import DIFFICULTIES, EFFORTS, TIERS

SERVER_INFO: Final = {"name": "rightmodel", "version": __version__}
INSTRUCTIONS: Final = (
    "Hands subtasks to the right one of many models: cheaper for simple work, stronger for hard "
    "work, another one when a provider is down."
)


def _enum(values: Any) -> dict[str, Any]:
    return {"type": "string", "enum": list(values)}


_TEXT: Final = {"type": "string"}
_HINTS: Final = {
    "skill": {
        "type": "string",
        "description": "code, math, reasoning, writing, summarize, extract, classify, translate, "
        "research, knowledge, vision, agentic, general or your own",
    },
    "difficulty": _enum(DIFFICULTIES),
    "tier": _enum(TIERS),
    "files": {"type": "array", "items": _TEXT},
    "max_cost_usd": {"type": "number"},
}

COMPLETE: Final = {
    "annotations": {"readOnlyHint": True, "openWorldHint": True},
    "description": (
        "Delegate a self-contained subtask to a cheaper, stronger or specialist model and get its "
        "answer: summarize, extract, classify, translate, write, code, math, reason, research, "
        "images. For bulk or simple work or a skill you lack. It sees only "
        "what you pass, not this conversation. Pass long material as files."
    ),
    "inputSchema": {
        "type": "object",
        "properties": {
            "prompt": {"type": "string", "description": "the whole subtask"},
            **_HINTS,
            "model": {"type": "string", "description": "only these ids, in order, by comma"},
            "system": _TEXT,
            "schema": {"type": "string", "description": "JSON Schema the answer must match"},
            "effort": _enum(EFFORTS),
            "max_output_tokens": {"type": "integer"},
            "ref": {
                "type": "string",
                "description": "of a former result: alone, collect it or read on; with prompt, "
                "go on with that conversation",
            },
        },
        "required": ["prompt"],
    },
    "name": "complete",
    "title": "Delegate subtask",
}

CHOOSE_MODEL: Final = {
    "annotations": {"readOnlyHint": True, "idempotentHint": True, "openWorldHint": False},
    "description": (
        "Ask which model suits a subtask without calling it: candidates with chance of "
        "success and cost, with reasons."
    ),
    "inputSchema": {
        "type": "object",
        "properties": {
            "task": _TEXT,
            **{k: {"type": v["type"]} if k == "skill" else v for k, v in _HINTS.items()},
            "limit": {"type": "integer"},
        },
        "required": ["task"],
    },
    "name": "choose_model",
    "title": "Choose model",
}

REPORT_OUTCOME: Final = {
    "annotations": {"destructiveHint": False, "idempotentHint": True, "openWorldHint": False},
    "description": "Say whether an answer was good: later choices learn.",
    "inputSchema": {
        "type": "object",
        "properties": {"ref": _TEXT, "good": {"type": "boolean"}, "note": _TEXT},
        "required": ["ref", "good"],
    },
    "name": "report_outcome",
    "title": "Report outcome",
}

LIST_TTL_MS: Final = 300_000
"""How long a client may keep the list of tools, which changes with rightmodel's version alone."""
TASKS_EXTENSION: Final = "io.modelcontextprotocol/tasks"
EXTENSIONS: Final[dict[str, dict[str, Any]]] = {TASKS_EXTENSION: {}}

TOOLS: Final[tuple[dict[str, Any], ...]] = (COMPLETE, CHOOSE_MODEL, REPORT_OUTCOME)
TOOL_NAMES: Final = tuple(str(tool["name"]) for tool in TOOLS)
