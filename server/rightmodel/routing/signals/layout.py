"""Opens the layout of a prompt: what holds the task, and what is said about it.

Layouts: a JSON object that carries the task in a field, XML-like tags, headings (`## Task`,
`Goal: …`, `[Subagent Task]`) and header lines (`Priority: high`). What a layout says about the task
(role, constraints, output format, background) becomes context. A layout that is itself the object
of the work ("Rewrite this prompt: <task>…</task>") stays closed: a request in front of it says so.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    IsFrame = Callable[[str], bool]

MOST_CHARACTERS: Final = 24_000
"""Longer prompts are not searched for a layout: agents' layouts are short."""
MOST_ROUNDS: Final = 3
"""Layouts inside each other that are opened."""
MOST_DEPTH: Final = 3
"""Levels of a JSON object that are searched for the task."""
LEAST_LEFT: Final = 3
"""A layout that holds a task of fewer characters stays closed."""


@lru_cache(maxsize=1)
def part_names() -> dict[str, str]:
    """Name of a part of a layout → "task" or "frame", from `layout_names.txt`."""
    text = resources.files(__package__).joinpath("layout_names.txt").read_text(encoding="utf-8")
    lines = (line.split(": ", 1) for line in text.splitlines() if not line.startswith("#"))
    return {name: kind for kind, names in lines for name in names.split(", ")}


_FENCED: Final = re.compile(r"\A```\w*\s*\n(.*?)\n?```\Z", re.DOTALL)
_TAG: Final = re.compile(
    r"<(?P<tag>[^\W\d_][\w.-]{1,30})(?:\s[^<>\n]{0,80})?>(?P<body>.*?)</(?P=tag)\s*>", re.DOTALL
)
_HEADING: Final = re.compile(
    r"""\n[ \t>]*(?:
      \#{1,6}[ \t]+(?P<hash>[^\n]{1,60}?)[ \t:\uff1a#]*$
    | (?:[-*+•]|\d{1,2}[.)])?[ \t]*(?:\*\*|__)(?P<bold>[^*_\n]{2,40}?)[ \t]*[:\uff1a]?[ \t]*
      (?:\*\*|__)[ \t]*[:\uff1a]?
    | [\[\u3010\u3014](?P<bracket>[^\[\]\u3010\u3011\u3014\u3015\n]{2,40})[\]\u3011\u3015]
      [ \t]*[:\uff1a]?
    | (?:={2,}|-{2,})[ \t]*(?P<ruled>[^\n=-]{2,40}?)[ \t]*(?:={2,}|-{2,})[ \t]*$
    | (?:[-*+•]|\d{1,2}[.)])?[ \t]*(?P<plain>[^\W\d_][^\n:\uff1a*`"'({\[<|=]{1,39}+)
      (?::(?=[ \t]|$|[^\x00-\x7f/])|\uff1a)
    )(?P<rest>[^\n]*)""",
    re.VERBOSE | re.MULTILINE,
)
_NAME_EDGES: Final = " \t#*_:\uff1a.-–—>()"
_SPACES: Final = re.compile(r"[\s_-]+")


class Opened(NamedTuple):
    """`text`: the task. `context`: what the layout says about it, "" where there was none."""

    text: str
    context: str


def unwrap(prompt: str, is_frame: IsFrame) -> Opened:
    """The task inside a prompt's layout; the prompt itself where it has none. Bounded work.

    `is_frame`: whether a text in front of a layout only introduces it ("You are a sub-agent. Here
    is your task:"), so that the layout may be opened.
    """
    if len(prompt) > MOST_CHARACTERS:
        return Opened(prompt, "")
    text, context = prompt, []
    for _ in range(MOST_ROUNDS):
        opened = _from_json(text) or _from_tags(text, is_frame) or _from_headings(text, is_frame)
        if opened is None or len(opened.text.strip()) < LEAST_LEFT:
            break
        text = opened.text.strip()
        context.append(opened.context)
    return Opened(text, "\n".join(context))


def _normal(name: str) -> str:
    return _SPACES.sub(" ", name.strip(_NAME_EDGES)).casefold()


def _from_json(text: str) -> Opened | None:
    """The task of a prompt that is one JSON object."""
    body = text.strip()
    fenced = _FENCED.match(body)
    body = fenced.group(1).strip() if fenced else body
    if not (body.startswith(("{", "[{")) and body.endswith(("}", "}]"))):
        return None
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    task = _task_in(value, MOST_DEPTH)
    if not task:
        return None
    others = [t for t in _texts(value, MOST_DEPTH) if t != task]
    return Opened(task, "\n".join(others))


def _task_in(value: Any, depth: int) -> str:
    """The text under the first name of a task; of a list of messages, the last user's."""
    if depth == 0:
        return ""
    if isinstance(value, list):
        users = [m for m in value if isinstance(m, dict) and m.get("role") in {"user", None}]
        return next((t for m in reversed(users) if (t := _task_in(m, depth - 1))), "")
    if not isinstance(value, dict):
        return ""
    named = [v for k, v in value.items() if part_names().get(_normal(str(k))) == "task"]
    whole = [v for v in named if isinstance(v, str) and len(v.strip()) >= LEAST_LEFT]
    if whole:
        return max(whole, key=len)
    inner = [*named, *(v for v in value.values() if isinstance(v, dict | list))]
    found = next((t for v in inner if (t := _task_in(v, depth - 1))), "")
    content = value.get("content")
    return found or (content if isinstance(content, str) and value.get("role") else "")


def _texts(value: Any, depth: int) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif depth and isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts(item, depth - 1)


def _from_tags(text: str, is_frame: IsFrame) -> Opened | None:
    """The task of a prompt in XML-like tags; other tags and what introduces them are context."""
    if "</" not in text:
        return None
    found = list(_TAG.finditer(text))
    tasks = [m for m in found if part_names().get(_normal(m["tag"])) == "task"]
    frames = [m for m in found if m not in tasks and _is_frame_name(m["tag"])]
    if not tasks and not frames:
        return None
    outside = _without(text, [m.span() for m in (tasks or frames)]).strip()
    if not tasks:
        return Opened(outside, "\n".join(m["body"] for m in frames))
    rest = _without(text, [m.span() for m in found]).strip()
    if rest and not is_frame(rest):
        return None
    return Opened("\n".join(m["body"].strip() for m in tasks), outside)


def _is_frame_name(tag: str) -> bool:
    name = _normal(tag)
    return part_names().get(name) == "frame" or name.endswith(
        (" reminder", " context", " format", " note")
    )


def _without(text: str, spans: list[tuple[int, int]]) -> str:
    parts, start = [], 0
    for begin, end in spans:
        parts.append(text[start:begin])
        start = end
    return "\n".join([*parts, text[start:]])


def _from_headings(text: str, is_frame: IsFrame) -> Opened | None:
    """The task of a prompt under headings; other headings and what introduces them are context."""
    text = f"\n{text}"
    heads = [(m, kind) for m in _HEADING.finditer(text) if (kind := _kind_of(m))]
    if not any(kind != "other" for _, kind in heads):
        return None
    before = text[: heads[0][0].start()].strip()
    tasks: list[str] = []
    context: list[str] = []
    loose: list[str] = []
    for (head, kind), end in zip(
        heads, [*(m.start() for m, _ in heads[1:]), len(text)], strict=True
    ):
        body = f"{head['rest']}\n{text[head.end() : end]}".strip()
        if kind == "task":
            tasks.append(body)
        elif kind == "frame" and head["rest"].strip() and head["plain"]:
            # A header line ends with its paragraph: what follows it may be the task.
            first, _, after = body.partition("\n\n")
            context.append(first)
            loose.append(after.strip())
        else:
            context.append(body)
    if any(tasks):
        if before and not is_frame(before):
            return None
        return Opened("\n".join(filter(None, tasks)), "\n".join([before, *context, *loose]))
    if not any(kind == "frame" for _, kind in heads):
        return None
    left = "\n\n".join(filter(None, [before, *loose]))
    return Opened(left, "\n".join(context)) if left else None


def _kind_of(head: re.Match[str]) -> str:
    """`task`, `frame`, `other` (a heading of another name), or "" for no heading."""
    raw = head["hash"] or head["bold"] or head["bracket"] or head["ruled"] or head["plain"]
    name = _normal(raw)
    return part_names().get(name) or ("other" if head["hash"] else "")
