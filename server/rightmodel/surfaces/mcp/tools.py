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
        "research, knowledge, vision, agentic, general or your own; empty: inferred",
    },
    "difficulty": _enum(DIFFICULTIES),
    "tier": _enum(TIERS),
    "files": {"type": "array", "items": _TEXT},
    "max_cost_usd": {"type": "number"},
}

COMPLETE: Final = {
    "annotations": {"readOnlyHint": True},
    "description": (
        "Delegate a self-contained subtask to a cheaper, stronger or specialist model and get its "
        "answer: summarize, extract, classify, translate, write, code, math, reason, research, "
        "look at an image. For bulk or simple work, a skill you lack, another opinion. The other "
        "model sees only what you pass, not your tools or this conversation. Pass long "
        "material as files: retyping costs tokens. Fails over to another model on faults."
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
                "description": "of a former result: alone, collect a pending answer or read on; "
                "with prompt, go on with that conversation",
            },
        },
        "required": ["prompt"],
    },
    "name": "complete",
}

CHOOSE_MODEL: Final = {
    "annotations": {"readOnlyHint": True},
    "description": (
        "Ask which model is right for a subtask without calling it: ranked candidates with chance "
        "of success, cost and why, and why the others are out."
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
}

REPORT_OUTCOME: Final = {
    "annotations": {"destructiveHint": False},
    "description": "Say whether an answer was good: later choices learn from it.",
    "inputSchema": {
        "type": "object",
        "properties": {"ref": _TEXT, "good": {"type": "boolean"}, "note": _TEXT},
        "required": ["ref", "good"],
    },
    "name": "report_outcome",
}

TOOLS: Final[tuple[dict[str, Any], ...]] = (COMPLETE, CHOOSE_MODEL, REPORT_OUTCOME)
TOOL_NAMES: Final = tuple(str(tool["name"]) for tool in TOOLS)
