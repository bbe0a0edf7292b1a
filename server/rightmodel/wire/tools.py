"""Tools of every kind as functions, the one kind that all APIs have, and calls of them back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final

from rightmodel.core.task import ToolOrigin, ToolSpec
from rightmodel.wire.fields import arguments_object, dumps, obj, text

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
"""Names that all APIs take."""

_OTHER: Final = re.compile(r"[^A-Za-z0-9_-]+")
_MOST_READABLE: Final = 50

_TEXT: Final = {"type": "string", "description": "The whole input as plain text."}
_CUSTOM: Final[Mapping[str, Any]] = {
    "type": "object",
    "properties": {"input": _TEXT},
    "required": ["input"],
    "additionalProperties": False,
}
_SHELL: Final[Mapping[str, Any]] = {
    "type": "object",
    "properties": {
        "command": {"type": "array", "items": {"type": "string"}},
        "working_directory": {"type": "string"},
        "timeout_ms": {"type": "integer"},
    },
    "required": ["command"],
    "additionalProperties": False,
}
LOCAL_SHELL: Final = "local_shell"
TOOL_SEARCH: Final = "tool_search"


@lru_cache(maxsize=1024)
def tool_name(name: str, namespace: str = "") -> str:
    """A name that all APIs take, the same for the same tool in every turn."""
    full = f"{namespace}__{name}" if namespace else name
    if _NAME.fullmatch(full):
        return full
    readable = _OTHER.sub("_", name)[:_MOST_READABLE]
    return f"t_{readable}_{sha256(full.encode('utf-8', 'replace')).hexdigest()[:8]}"


def function_tool(
    name: str, description: str, parameters: Mapping[str, Any], namespace: str = ""
) -> ToolSpec:
    """A function; of a namespace, under both names."""
    known = tool_name(name, namespace)
    origin = None if known == name else ToolOrigin("function", name, namespace)
    return ToolSpec(known, description, parameters, origin)


def custom_tool(tool: Mapping[str, Any], namespace: str = "") -> ToolSpec:
    """A tool that takes free text: a function with one string. Its grammar is told in words."""
    name, form = text(tool.get("name")), obj(tool.get("format"))
    description = text(tool.get("description"))
    if form.get("type") == "grammar":
        syntax, definition = form.get("syntax"), form.get("definition")
        description += f"\n\n`input` must match this {syntax} grammar:\n{definition}"
    origin = ToolOrigin("custom", name, namespace)
    return ToolSpec(tool_name(name, namespace), description.strip(), _CUSTOM, origin)


def shell_tool() -> ToolSpec:
    """OpenAI's local shell, which the client runs."""
    origin = ToolOrigin("local_shell", LOCAL_SHELL)
    description = "Runs a command on the user's machine; `command` is the list of its words."
    return ToolSpec(LOCAL_SHELL, description, _SHELL, origin)


def search_tool(tool: Mapping[str, Any]) -> ToolSpec:
    """The search for deferred tools that the client runs (Codex 0.15x and later)."""
    origin = ToolOrigin("tool_search", TOOL_SEARCH)
    return ToolSpec(TOOL_SEARCH, text(tool.get("description")), obj(tool.get("parameters")), origin)


def custom_arguments(content: str) -> str:
    """The arguments of the function that stands for a custom tool."""
    return dumps({"input": content})


def custom_input(arguments: str) -> str:
    """The free text within such arguments; all of them where they are no object of that kind."""
    given = arguments_object(arguments)
    content = given.get("input")
    return content if isinstance(content, str) else arguments if given else ""


def shell_action(arguments: str) -> dict[str, Any]:
    """What a local shell is to do."""
    given = arguments_object(arguments)
    command = given.get("command", given.get("arguments", ""))
    words = [str(word) for word in command] if isinstance(command, list) else None
    known: dict[str, Any] = {
        key: given[key] for key in ("working_directory", "timeout_ms") if key in given
    }
    return {**known, "type": "exec", "command": words or ["bash", "-lc", str(command)], "env": {}}


def shell_arguments(action: Mapping[str, Any]) -> str:
    """The arguments of the function that stands for a local shell."""
    return dumps({k: v for k, v in action.items() if k not in {"type", "env"} and v})
