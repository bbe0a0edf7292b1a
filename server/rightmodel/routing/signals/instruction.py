"""Separates the instruction of a prompt from its context.

Most prompts are a sentence or two of instruction with code, an e-mail, a table or a log before or
after it. Words of the context say nothing about the kind of work, so the classifier uses
`split_request(prompt).instruction`.

Context is: fenced blocks, XML-like blocks, long quotations, quoted lines, paragraphs
most of whose lines look like code, data, logs or stack traces, long paragraphs (all but their
first and last sentence), and everything after "Translate this: …" and the like. At most `REACH`
characters at the head and at the tail are read, where requests are.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

REACH: Final = 3_000
"""Characters read at the head, and at the tail, of a prompt."""
LONG: Final = 480
"""A paragraph of more characters is context but for its first and last sentences."""
EDGE: Final = 200
"""Characters of a long paragraph in which its first and last sentences are searched."""
WHOLE: Final = 8
"""Of more paragraphs than this only the first and last `ENDS` are read."""
ENDS: Final = 2
MOST_CONTEXT: Final = 2 * REACH

_BLOCK: Final = re.compile(
    r"(?:```|~~~)[^\n]*\n.*?(?:\n\s*(?:```|~~~)|\Z)"
    r"|<(?P<tag>[A-Za-z][\w-]{2,30})(?: [^<>\n]{0,80})?>.*?</(?P=tag)>"
    r'|"""(?:.*?)"""',
    re.DOTALL,
)
_QUOTED: Final = re.compile(
    r'"[^"\n]{25,}"|“[^”]{25,}”|„[^“”]{25,}[“”]|«[^»]{25,}»|「[^」]{12,}」|『[^』]{12,}』|“[^”]{12,}”'
)
_PARAGRAPHS: Final = re.compile(r"\n[ \t\r]*\n\s*")
_CONTEXT_LINE: Final = re.compile(
    r"""(?:\ {4}|\t)\s*\S | \s*(?:
      [>|] | at\s\S+[(:] | File\s" | Traceback\s | \w+(?:Error|Exception):
    | \[?\d{4}-\d\d-\d\d[T\s]\d\d: | \[?(?:ERROR|WARN(?:ING)?|INFO|DEBUG|FATAL)\b
    | "[\w .-]+"\s*: | [\w-]{1,30}+:\s["'\d{\[] | </?[a-zA-Z][^>]*> | \$\s | >>> | \#! | // | /\*
    | (?:---|\+\+\+|@@)\s | [-+][^\s-].*[(){};=/]
    | (?:def|class|func|fn|public|private|static|const|var|let|function)\s+[\w<].*[({:;=]
    | (?:from\s+[\w.]+\s+import|import)\s+[\w.{*"'] | @\w+
    | (?:SELECT|INSERT|UPDATE|CREATE|WHERE|FROM|(?:LEFT\s|INNER\s)?JOIN|GROUP|ORDER|ALTER|DROP)\s+\S
    | (?:return|if|for|while|elif|else|try)\b.*[;(){}\[\]:]\s*$
    | [\w.\[\]]{1,40}+\s?(?:=|\+=|:=|<-)\s?\S | \w[\w.]{0,40}+\(.*\)\s*$
    | [^\s,;\t][^,;\t]*+(?:[,;\t][^,;\t ][^,;\t]*+){2,}+$ | [{}\[\]();]+,?\s*$
    )""",
    re.VERBOSE,
)
_ENDS_LIKE_CODE: Final = (";", "{", "}", "};", "});", "],", "},", "):")
_SENTENCE_END: Final = re.compile(r"[.!?:](?=\s)|[。！？：]|\n")  # noqa: RUF001
_WORD: Final = re.compile(r"\w")
POLITE: Final = (
    r"(?:(?:please|pls|plz|kindly|hey|hi|hello|dear|there|ok(?:ay)?|so|now|then|first(?:ly)?|next"
    r"|second(?:ly)?|finally|also|and|just|quick(?:ly)?|simply|task|question|request|instructions?"
    r"|goal|todo|job|prompt|q|simple|easy|trivial|one|this is (?:trivial|easy|simple|urgent)|urgent"
    r"|thanks|thank you|again|bitte|kannst du|könntest du|können sie|könnten sie|mir|mal|por favor"
    r"|puedes|podrías|puede usted|s'il (?:te|vous) pla[iî]t|peux-tu|pouvez-vous|merci de"
    r"|help me(?: out)?(?: to| with)?|let's|go ahead and|try to|carefully|thoroughly|briefly"
    r"|(?:can|could|would|will) (?:you|u|someone|anyone)|would you mind|i (?:need|want) (?:you )?to"
    r"|i(?:'d| would) (?:like|love|appreciate)(?: it)?(?: if)?(?: you)?(?: could| to)?"
    r"|(?:your|my) (?:task|job|goal) is(?: to)?|(?:you|we) (?:should|must|need to|have to)"
    r"|i need (?:some )?help(?: with)?|i need you to|i'm trying to|i am trying to)"
    r"\b[\s,.:!*-]*){0,6}"
)
"""Words before the verb of a request that carry no information."""
_VERBS_ON_TEXT: Final = (
    r"translate|locali[sz]e|summari[sz]e|condense|shorten|paraphrase|rephrase|reword|rewrite"
    r"|proofread"
    r"|polish|tl;?dr|übersetz\w*|fass\w*|formulier\w*|korrigier\w*|tradu\w+|resum\w+|reescrib\w+"
    r"|résum\w+|reformul\w+|corrig\w+"
)
_ON_TEXT: Final = re.compile(
    r"[\s#*>-]*(?:\d+[.)]\s*)?" + POLITE + rf"(?:(?:and )?(?:(?:{_VERBS_ON_TEXT})[^:\n]{{0,160}}"
    r"|(?:extract|classify|categori[sz]e|label|tag|triage|correct|pull|list all|is the following"
    r"|is this"
    r"|what is the sentiment|reply to|respond to|extrahier\w*|klassifizier\w*|ordne|extra\w+"
    r"|clasif\w+"
    r"|classe\w*)\s[^:\n]{1,160})"
    r"|[^:\uff1a\n]{0,60}(?:翻译|译成|总结|概括|提取|分类|改写|润色|翻訳|要約|抽出|分類|判断|判定)"
    r"[^:\uff1a\n]{0,40})"
    r"[:\uff1a](?!//)\s*",
    re.IGNORECASE,
)
_POINTS_DOWN: Final = re.compile(
    r":\s*$|\b(?:below|following|here is|here are|folgende\w*|siguientes?|suivante?s?|ci-dessous)\b"
    r"|以下|下面|次の",
    re.IGNORECASE,
)
_POINTING_LENGTH: Final = 300


class Request(NamedTuple):
    """`instruction`: the sentences that say what to do. `context`: the head of the rest."""

    instruction: str
    context: str


def split_request(text: str) -> Request:
    """Separate a prompt into instruction and context. Never raises; bounded work.

    Where everything looks like context, its first and last sentences are the instruction.
    """
    if len(text) > 2 * REACH:
        text = f"{text[:REACH]}\n\n{text[-REACH:]}"
    asked: list[str] = []
    context: list[str] = []
    if "```" in text or "~~~" in text or "<" in text or '"""' in text:
        context += [found.group() for found in _BLOCK.finditer(text)]
        text = _BLOCK.sub("\n\n", text)
    paragraphs = [part for part in _PARAGRAPHS.split(text.strip()) if part]
    for place, part in enumerate(paragraphs):
        inner = ENDS <= place < len(paragraphs) - ENDS and len(paragraphs) > WHOLE
        (context if inner else asked).append(part)
    instruction, pasted = _settle(asked)
    instruction, quoted = _unquote(instruction)
    context += pasted + quoted
    if not _WORD.search(instruction) and context:
        instruction = "\n".join(_edges(context[0]))
    return Request(instruction, "\n".join(context)[:MOST_CONTEXT])


def _settle(paragraphs: list[str]) -> tuple[str, list[str]]:
    """The instruction in some paragraphs, and the context among them."""
    asked: list[str] = []
    context: list[str] = []
    for place, part in enumerate(paragraphs):
        opened = _ON_TEXT.match(part) if place == 0 else None
        if opened:
            asked.append(opened.group())
            return "\n".join(asked), [part[opened.end() :], *paragraphs[1:]]
        if (
            place == 1
            and len(paragraphs[0]) < _POINTING_LENGTH
            and _POINTS_DOWN.search(paragraphs[0])
        ):
            # "The following:" announces context; a request may still come last.
            last = paragraphs[-1] if len(paragraphs) > WHOLE // 2 else ""
            return "\n".join([*asked, last]), [*context, *paragraphs[1:]]
        prose, lines = without_lines(part, least=1 if len(paragraphs) > ENDS else 2)
        context += lines
        if len(prose) > LONG:
            context.append(prose)
            asked += _edges(prose)
        else:
            asked.append(prose)
    return "\n".join(asked), context


def without_lines(part: str, *, least: int) -> tuple[str, list[str]]:
    """A paragraph without its lines of code, data and logs, where there are at least `least`."""
    lines = part.split("\n")
    hits = [
        line.rstrip().endswith(_ENDS_LIKE_CODE) or _CONTEXT_LINE.match(line) is not None
        for line in lines
    ]
    if sum(hits) < least:
        return part, []
    # Between two such lines everything is context: a comment, a blank line.
    first, last = hits.index(True), len(hits) - 1 - hits[::-1].index(True)
    kept = lines[:first] + lines[last + 1 :]
    return "\n".join(kept), ["\n".join(lines[first : last + 1])]


def _unquote(instruction: str) -> tuple[str, list[str]]:
    """The instruction without long quotations, and the quotations."""
    quoted = _QUOTED.findall(instruction)
    return (_QUOTED.sub(" … ", instruction), quoted) if quoted else (instruction, quoted)


def _edges(prose: str) -> list[str]:
    """The first and last sentences of a long paragraph, as far as `EDGE` reaches."""
    ends = [found.end() for found in _SENTENCE_END.finditer(prose, 0, EDGE)]
    head = prose[: ends[-1]] if ends else prose[:EDGE]
    tail = prose[max(len(head), len(prose) - EDGE) :]
    start = _SENTENCE_END.search(tail)
    return [head.strip(), tail[start.end() :].strip() if start else tail.strip()]
