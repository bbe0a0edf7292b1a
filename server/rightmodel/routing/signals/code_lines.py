"""Lines of code, data and logs, told by their form: no words of a language."""

from __future__ import annotations

import re
from typing import Final

LOOK: Final = 600
"""Characters at the head of a text that tell whether it is code."""

_CLEAR: Final = r"""
      </?[a-zA-Z][^>]*> | >>> | \#! | /\* | @[\w.]+(?:\(.*)?\s*$
    | (?:def|class|func|fn|public|private|static|const|var|let|function)\s+[\w<].*[({:;=]
    | (?:from\s+[\w.]+\s+import|import)\s+[\w.{*"']
    | (?:SELECT|INSERT|UPDATE|CREATE|WHERE|FROM|(?:LEFT\s|INNER\s)?JOIN|GROUP|ORDER|ALTER|DROP)\s+\S
    | (?:return|if|for|while|elif|else|try)\b.*[;(){}\[\]:]\s*$ | (?:done|fi|end)\s*$
    | End\s(?:If|Sub|Function)\s*$ | Dim\s\w
    | [\w.\[\]]{1,40}+\s?(?:\+=|:=|<-)\s?\S | (?:[\w.\[\]]{1,40}+\s?=\s?)?[a-z_]\w*\.[a-z_]\w*\(
"""
_BRACES: Final = r'(?!["{]).*(?:\{[^{};]*;|\{$)'
_FAINT: Final = r"""
      (?P<mark>\$\s | // | @\w+) | (?P<equation>[\w.\[\]]{1,40}+\s?=\s?\S)
    | (?P<call>\w[\w.]{0,40}+\(.*\)\s*$)
"""
"""Forms that prose and mathematics have, too: "y = 2x", "@anna can you", "Hastings (1066)"."""
_OTHER: Final = r"""
      [>|] | at\s\S+[(:] | File\s" | Traceback\s | \w+(?:Error|Exception):
    | \[?\d{4}-\d\d-\d\d[T\s]\d\d: | \[?(?:ERROR|WARN(?:ING)?|INFO|DEBUG|FATAL)\b
    | "[\w .-]+"\s*: | [\w-]{1,30}+:\s["'\d{\[]
    | (?:---|\+\+\+|@@)\s | [-+][^\s-].*[(){};=/]
    | [^\s,;\t][^,;\t]*+(?:[,;\t][^,;\t ][^,;\t]*+){2,}+$ | [{}\[\]();]+,?\s*$
"""
_CONTEXT_LINE: Final = re.compile(
    rf"(?:\ {{4}}|\t)\s*\S | \s*(?:{_CLEAR}|{_FAINT}|{_OTHER})", re.VERBOSE
)
_STATEMENT: Final = re.compile(rf"(?P<clear>{_CLEAR}|{_BRACES})|{_FAINT}", re.VERBOSE)
_DATA: Final = ('"', '{"')
_BRACKETS: Final = "{}[](),;` \t\r"
_ENDS_LIKE_CODE: Final = (";", "{", "}", "};", "});", "],", "},", "):", "; do", "; then")


def is_code(text: str) -> bool:
    """Whether at least a third of the lines at the head of a text are of a program, not data.

    One of them must clearly be, or they must be of two forms.
    """
    lines = [line.strip() for line in text[:LOOK].split("\n") if line.strip(_BRACKETS)]
    forms = [form for line in lines if (form := _form(line))]
    is_clear = "clear" in forms or len(set(forms)) > 1
    return is_clear and 3 * len(forms) >= len(lines)


def _form(line: str) -> str | None:
    """What makes a line look like one of a program, `None` for nothing."""
    if found := _STATEMENT.match(line):
        return found.lastgroup
    return "end" if line.endswith(_ENDS_LIKE_CODE) and not line.startswith(_DATA) else None


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
