"""The built-in rules: recognise what is plain from the form of a short request, else abstain.

The request sentence is looked at, not the whole text: its leading verb together with its object.
A verb alone decides nothing ("write a function" is code, "write a poem" is writing, "prove me
wrong" is neither), so every form names both. Anything else is `general` with low confidence.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from rightmodel.domain import Assessment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rightmodel.domain import Task

CONFIDENT: Final = 0.85
UNSURE: Final = 0.3
LOOKED_AT: Final = 600
"""Characters at the head and at the tail in which a request is looked for."""

_START: Final = r"(?:^|[.!?:;\n]\s*)(?:(?:please|can you|could you|kindly|hi|hello)[, ]+)*"
_CODE: Final = (
    r"(?:function|script|class|method|regex(?:p)?|regular expression|sql|quer(?:y|ies)|unit tests?"
    r"|program|code|bug|stack ?trace|traceback|dockerfile|makefile|api|endpoint|component|python"
    r"|javascript|typescript|rust|golang|java|bash|c\+\+|html|css|yaml)\b"
)
_LANGUAGE: Final = (
    r"(?:english|german|french|spanish|italian|portuguese|dutch|polish|russian|chinese|mandarin"
    r"|japanese|korean|arabic|turkish|hindi|swedish|danish|czech|ukrainian|greek|latin)\b"
)
_GAP: Final = r"(?:\W+\w+){0,6}?\W+"

_FORMS: Final[tuple[tuple[str, str, str], ...]] = (
    ("translate", "asks for a translation", rf"translate\b(?:\W+\w+){{0,12}}?\W+(?:in)?to {_LANGUAGE}"),
    ("translate", "asks for a translation", r"(?:übersetze?|traduce|traduis|traduisez|翻译|翻訳)"),
    ("summarize", "asks for a summary", r"(?:summari[sz]e|tl;?dr|give me a summary|condense)\b"),
    ("summarize", "asks for a summary", r"(?:fasse .{0,80}zusammen|resume|résume[zr]?|总结|要約)"),
    ("code", "asks for code", rf"(?:write|implement|create|fix|debug|refactor|optimi[sz]e){_GAP}{_CODE}"),
    ("extract", "asks to pull out fields", r"extract\b(?! method)"),
    ("extract", "asks to pull out fields", r"(?:extrahiere|extrae|extrais|提取|抽出)"),
    ("classify", "asks for a label", r"(?:classify|categori[sz]e|label) (?:this|these|the|each)\b"),
    ("classify", "asks for a label", r"is this\b.{0,40}\b(?:spam|positive|negative|urgent)\b"),
    ("math", "asks for a result", r"(?:calculate|compute|what is|how much is)\b.{0,12}?\d[\d.,]*\s*(?:%|[-+*/^×÷]|percent|plus|times)"),
    ("math", "asks for a solution", r"(?:solve|integrate|differentiate|simplify|factor)\b.{0,60}[=^∫√]"),
    ("writing", "asks for a text", r"(?:write|draft|compose)(?:\W+\w+){0,4}?\W+(?:poem|story|e-?mail|letter|essay|speech|blog post|article|haiku|toast)\b"),
)  # fmt: skip
_COMPILED: Final = tuple((s, n, re.compile(_START + f, re.IGNORECASE)) for s, n, f in _FORMS)
_FENCE: Final = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)
_WORDS: Final = re.compile(r"\bin (?:about |at most |under )?(\d{1,5}) words\b", re.IGNORECASE)


def assess_by_rules(task: Task, skills: Sequence[str]) -> Assessment:
    """What is plain from the form of the request; `general` with low confidence otherwise."""
    request = _request(task.prompt)
    found = _recognise(request)
    if any(file.modality == "image" for file in task.files):
        found = ("vision", "an image is attached")
    if found is None or found[0] not in skills:
        return Assessment(
            skills=(("general", 1.0),),
            difficulty=5.0,
            source="default",
            confidence=UNSURE,
            difficulty_confidence=UNSURE,
            output_tokens=_stated_length(request),
            note="nothing plain in the request",
        )
    skill, note = found
    return Assessment(
        skills=((skill, 1.0),),
        difficulty=5.0,
        source="rule",
        confidence=CONFIDENT,
        difficulty_confidence=UNSURE,
        output_tokens=_stated_length(request),
        note=note,
    )


def _recognise(request: str) -> tuple[str, str] | None:
    """The one form that the request has; two different ones are no recognition."""
    hits = {skill: note for skill, note, form in _COMPILED if form.search(request)}
    return next(iter(hits.items())) if len(hits) == 1 else None


def _request(prompt: str) -> str:
    """Head and tail of the prompt without fenced material: where requests stand."""
    if len(prompt) > 2 * LOOKED_AT:
        prompt = f"{prompt[:LOOKED_AT]}\n{prompt[-LOOKED_AT:]}"
    return _FENCE.sub("\n", prompt)


def _stated_length(request: str) -> int | None:
    """Tokens for a stated number of words, at 4 tokens for 3 words."""
    found = _WORDS.search(request)
    return int(found.group(1)) * 4 // 3 if found else None
