"""Reads the request inside a prompt: out of its layout, and without what is around it.

Layouts: a JSON object that carries the task in a field, XML-like tags, headings (`## Task`,
`Goal: …`, `[Subagent Task]`) and header lines (`Priority: high`). What a layout says about the task
(role, constraints, output format, background) becomes context. A layout that is itself the object
of the work ("Rewrite this prompt: <task>…</task>") stays closed: a request in front of it says so.

Of what has no layout the local model's scores tell: sentences that wrap a request ("You are an
expert", "Return only the result"), and pasted lines.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from rightmodel.routing.signals import announce, ngrams
from rightmodel.routing.signals.instruction import BIG, Request, is_claim, parse_request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    IsFrame = Callable[[str], bool]

MOST_CHARACTERS: Final = 24_000
"""Longer prompts are not searched for a layout: agents' layouts are short."""
MOST_ROUNDS: Final = 3
"""Layouts inside each other that are opened."""
MOST_DEPTH: Final = 3
"""Levels of a JSON object that are searched for the task."""
LEAST_LEFT: Final = 3
"""A layout that holds a task of fewer characters stays closed."""
LINE_LESS: Final = 1.0
CLEARLY_LESS: Final = 1.0
"""A line or a sentence is left out when its score is so much under that of the best one."""
MOST_EDGES: Final = 8
MOST_RUN_ON: Final = 3
LONGEST_EDGE: Final = 240
LONGEST_LINE: Final = 480
LEAST_ASKED: Final = 8
WRAPS, ASIDE = -1.0, 0.5
"""Scores up to which the first or last sentence of a prompt wraps the request; in brackets."""
RUNS_ON: Final = -2.0
"""The score of words that wrap the request though no stop stands before them."""
ON_TEXT: Final = ("translate", "summarize", "extract", "classify", "writing")
NOT_ON_TEXT: Final = ("code", "math", "reasoning", "research", "agentic")
ASKS_MORE: Final = 3.5
LONGEST_STEP: Final = 100
"""Score and characters of a line that asks for more than the line that announces a text."""
SHORT: Final = 240
"""Characters: a shorter instruction with less context than `BIG` holds no pasted lines."""


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


class Reading(NamedTuple):
    """What is read of a prompt. `sentences`: those that ask for the work, in lower case.

    `has_choices`: it is a question with answers to choose from.
    """

    request: Request
    sentences: list[str]
    has_choices: bool = False


class Scorer(Protocol):
    """How far lines are no pasted text, and sentences no wrapping: above 0 for a request."""

    def lines(self, lines: Sequence[str], context: str) -> list[float]:
        """A score for each line. `context`: what is no instruction, in lower case."""

    def sentences(self, sentences: Sequence[str]) -> list[float]:
        """A score for each sentence."""

    def edge(self, sentence: str, *, last: bool) -> float:
        """The score of the first or last sentence of a text."""

    def introduces(self, sentences: Sequence[str]) -> bool:
        """Whether sentences in front of a layout ask for nothing but what it holds."""

    def clear_kind(self, sentences: Sequence[str]) -> str:
        """The kind of work that sentences clearly ask for by themselves, "" for none."""


class Opened(NamedTuple):
    """`text`: the task. `context`: what the layout says about it, "" where there was none."""

    text: str
    context: str


def read(prompt: str, scorer: Scorer) -> Reading:
    """The request inside a prompt, and its sentences without pasted text and wrapping.

    Work is bounded whatever the length of the prompt.
    """

    def is_frame(text: str) -> bool:
        parts = _sentences(ngrams.lines(ngrams.plain(text)))
        return not parts or scorer.introduces(parts)

    opened = unwrap(prompt, is_frame)
    request = parse_request(without_edges(opened.text, scorer))
    if opened.context:
        request = Request(request.instruction, f"{request.context}\n{opened.context}")
    lines = ngrams.lines(request.instruction)
    if ngrams.has_choices(request.instruction):
        return Reading(request, _sentences(lines), has_choices=True)
    if announcing := _announcing(lines, request.context, scorer):
        text = request.instruction.replace(announcing, "", 1)
        request, lines = Request(announcing, f"{text}\n{request.context}"), [announcing]
    instruction = request.instruction
    parts, scores = _sentences(lines), None
    if len(lines) > 1 and (len(instruction) > SHORT or len(request.context) > BIG):
        some = _sentences(_not_pasted(lines, request.context, scorer))
        # A line that only wraps ("Thanks for any help") may look least like pasted text.
        if max(found := scorer.sentences(some)) >= 0.0:
            parts, scores = some, found
    if len(parts) > 1:
        asking = [part for part in parts if not is_claim(part)] or parts
        if scores is None or len(asking) < len(parts):
            scores = scorer.sentences(asking)
        least = min(0.0, max(scores) - CLEARLY_LESS)
        parts = [part for part, score in zip(asking, scores, strict=True) if score >= least]
    return Reading(request, parts)


def _announcing(lines: Sequence[str], context: str, scorer: Scorer) -> str:
    """The first or last line, where it announces the others as a text to work on; else ""."""
    if not lines[1:]:
        return ""
    if _announces(lines[0], scorer) and not _asks_more(lines, context, scorer):
        return lines[0]
    # The last line of a story says "this", too.
    if _announces(lines[-1], scorer) and lines[-1] in _not_pasted(lines, context, scorer):
        return lines[-1]
    return ""


def _asks_more(lines: Sequence[str], context: str, scorer: Scorer) -> bool:
    """Whether a line after the first asks, too: "Summarize this thread / then answer it".

    A question alone does: "Answer this:" does not work on it as on a text.
    """
    if not lines[2:] and lines[1].rstrip().endswith(ngrams.QUESTION_MARKS):
        return True
    scores = scorer.lines(lines, context.lower())
    return any(
        score > ASKS_MORE
        and len(line) <= LONGEST_STEP
        and scorer.clear_kind(ngrams.sentences(line)) in NOT_ON_TEXT
        for line, score in zip(lines[1:], scores[1:], strict=True)
    )


def _announces(line: str, scorer: Scorer) -> bool:
    """Whether a line, in lower case, asks for work on the text that it points at."""
    return (
        len(line) <= announce.LONGEST
        and announce.points_at_text(line)
        and scorer.clear_kind(ngrams.sentences(line)) in ON_TEXT
    )


def _not_pasted(lines: Sequence[str], context: str, scorer: Scorer) -> list[str]:
    """The lines that look least like pasted text."""
    scores = scorer.lines(lines, context.lower())
    best = max(scores)
    least = best - min(LINE_LESS, max(best, 0.0) / 2)
    return [line for line, score in zip(lines, scores, strict=True) if score >= least]


def without_edges(text: str, scorer: Scorer) -> str:
    """The text without sentences at its head and tail that only wrap the request.

    What is pasted and what asks is told by the place in the text, so these go first.
    """
    for last in (False, True):
        for _ in range(MOST_EDGES):
            edge, left = _edge(text, last=last)
            if not edge or len(left) < LEAST_ASKED:
                break
            asked = ngrams.plain(edge)
            score = scorer.edge(asked, last=last)
            if score > (ASIDE if edge[0] in "(（[" else WRAPS):  # noqa: RUF001
                break
            if not last and _announces(asked, scorer):
                break
            text = left
    return _without_run_on(text, scorer)


def _without_run_on(text: str, scorer: Scorer) -> str:
    """A short text without a wrapping that no stop separates: "fix the footer Thanks a million"."""
    if len(text) > SHORT:
        return text
    capitals = [
        place
        for place in range(LEAST_ASKED, len(text))
        if text[place].isupper() and text[place - 1] == " " and text[place - 2].isalnum()
    ]
    for place in reversed(capitals[-MOST_RUN_ON:]):
        if scorer.edge(ngrams.plain(text[place:]), last=True) <= RUNS_ON:
            return text[:place].strip()
    return text


def _edge(text: str, *, last: bool) -> tuple[str, str]:
    """The first or the last sentence of a text, and the rest; "" where it is long for a note."""
    text = text.strip()
    cut = text.rfind("\n") if last else text.find("\n")
    line = text[cut + 1 :] if last else text[: cut if cut >= 0 else len(text)]
    if not line or len(line) > LONGEST_LINE:
        return "", text
    parts = ngrams.sentences(line)
    bracketed = line[0] in "(（["  # noqa: RUF001
    if not parts:
        return "", text
    edge = line if bracketed else parts[-1] if last else parts[0]
    edge = edge.strip()
    if len(edge) > LONGEST_EDGE:
        return "", text
    return edge, (text[: -len(edge)] if last else text[len(edge) :]).strip()


def _sentences(lines: Sequence[str]) -> list[str]:
    return [part for line in lines for part in ngrams.sentences(line)]


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
