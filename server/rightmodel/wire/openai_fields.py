"""Fields that both of OpenAI's APIs have, as a server reads them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from rightmodel.core.format import cut
from rightmodel.core.task import ToolChoice, ToolSpec
from rightmodel.wire.body import Leftovers, optional, schema_of, wrong
from rightmodel.wire.fields import obj, objects, text
from rightmodel.wire.request import RequestError
from rightmodel.wire.tools import tool_name

_CHOICES: Final[Mapping[str, Literal["auto", "none", "required"]]] = {
    "auto": "auto",
    "none": "none",
    "required": "required",
    "any": "required",
}
"""Mistral's name for `required` is `any`."""

_ALLOWED: Final = "allowed_tools"


def decoded_choice(
    body: Mapping[str, Any], name: str, left: Leftovers, namespace: str = ""
) -> ToolChoice:
    """The tool choice; `name`, `namespace`: of the one tool that must be called, "" for none."""
    parallel = optional(body, "parallel_tool_calls", bool) is not False
    choice = body.get("tool_choice")
    if name:
        return ToolChoice("required", tool_name(name, namespace), parallel)
    if isinstance(choice, dict):
        kind = text(choice.get("type"))
        if kind == "function":
            raise wrong("tool_choice", "the name of the function")
        if kind != _ALLOWED and kind not in _CHOICES:
            left.native(f"tool_choice.{kind}")
        choice = _allowed(body).get("mode") if kind == _ALLOWED else kind
    elif choice is not None and text(choice) not in _CHOICES:
        words = f"{cut(repr(choice))} is not one of none, auto, required, or an object with a tool"
        raise RequestError(f"tool_choice: {words}", "tool_choice")
    return ToolChoice(_CHOICES.get(text(choice), "auto"), parallel=parallel)


def _allowed(body: Mapping[str, Any]) -> dict[str, Any]:
    """A choice among some of the tools; the two APIs nest it differently."""
    choice = obj(body.get("tool_choice"))
    return obj(choice.get(_ALLOWED, choice)) if choice.get("type") == _ALLOWED else {}


def allowed_tools(body: Mapping[str, Any], tools: tuple[ToolSpec, ...]) -> tuple[ToolSpec, ...]:
    """The tools that may be called: all, where none are named."""
    listed = [*objects(_allowed(body).get("tools"))]
    names = {
        tool_name(
            text(tool.get("name")) or text(obj(tool.get("function")).get("name")),
            text(tool.get("namespace")),
        )
        for tool in listed
    }
    return tuple(tool for tool in tools if tool.name in names) if listed else tools


def decoded_schema(
    form: Mapping[str, Any], holder: Mapping[str, Any], at: str, left: Leftovers
) -> dict[str, Any] | None:
    """The schema of the output's form. `holder`: has it, at `at`.

    JSON mode asks for any object; llama.cpp's and other hosts' may have a schema beside it.
    """
    kind = form.get("type")
    if kind == "json_object":
        return obj(form.get("schema")) or {"type": "object"}
    if kind not in (None, "text", "json_schema"):
        left.native(f"{at.removesuffix('.json_schema')}.{kind}")
    return schema_of(holder, at)
