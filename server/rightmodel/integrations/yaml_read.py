"""A reader for the YAML that people and programs write into settings.

It exists to be sure before and after an edit, without a dependency. Block and flow collections,
quoted, plain and block scalars and comments are understood. Anchors, tags, complex keys and several
documents are refused, as is everything that is not YAML: the file is then left to its owner.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from rightmodel.integrations.formats import CannotMergeError

KEY: Final = re.compile(
    r"""(?P<key>"(?:\\.|[^"\\])*"|'(?:''|[^'])*'
        |[^\s"'\#&*!|>%@`{}\[\],?:-](?:[^:\#]|:(?=\S)|(?<=\S)\#)*?)
        [ ]*:(?:[ ]+(?P<rest>.*))?$""",
    re.VERBOSE,
)
_COMMENT: Final = re.compile(r"(?:^|\s)#.*$")
_WORDS: Final = {"": None, "~": None, "null": None, "true": True, "false": False}
_FLOW: Final = re.compile(
    r"""[ \t\n]*(?:(?P<mark>[][{},]|:(?=[\s,}\]]|$))|(?P<quoted>"(?:\\.|[^"\\])*"|'(?:''|[^'])*')
        |(?P<plain>(?!["'])(?:[^][{},:\s\#]|:(?=[^\s,}\]])|(?<=\S)\#|[ ](?=[^][{},:\s\#]))+))""",
    re.VERBOSE,
)


def read_yaml(text: str) -> Any:
    """The document's data. Raises `CannotMergeError`."""
    try:
        return _Reader(text.split("\n")).document()
    except RecursionError as error:
        raise CannotMergeError("is nested too deeply") from error


def scalar(text: str) -> Any:
    """What a plain or quoted scalar means."""
    if text[:1] == '"':
        try:
            return json.loads(text, strict=False)
        except json.JSONDecodeError:
            return text  # an escape that only YAML knows: it need only stay the same
    if text[:1] == "'":
        return text[1:-1].replace("''", "'")
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text


def indent_of(line: str) -> int:
    """How many spaces a line begins with."""
    return len(line) - len(line.lstrip(" "))


def is_blank(line: str) -> bool:
    """Whether a line says nothing: empty or a comment."""
    return not line.strip() or line.lstrip().startswith("#")


class _Reader:
    def __init__(self, lines: list[str]) -> None:
        self._lines = [line.rstrip("\r") for line in lines]
        self._at = 0

    def document(self) -> Any:
        if self._peek() == 0 and self._lines[self._at].rstrip() == "---":
            self._at += 1
        data = self._block(self._peek()) if self._peek() >= 0 else None
        if self._peek() >= 0:
            raise self._error("does not belong to what stands before it")
        return data

    def _error(self, why: str, at: int | None = None) -> CannotMergeError:
        number = (self._at if at is None else at) + 1
        return CannotMergeError(f"cannot be read as YAML: line {number} {why}")

    def _peek(self) -> int:
        """The next line's indentation; -1 at the end."""
        while self._at < len(self._lines) and is_blank(self._lines[self._at]):
            self._at += 1
        if self._at == len(self._lines):
            return -1
        line = self._lines[self._at]
        if line.lstrip(" ")[:1] == "\t":
            raise self._error("is indented with a tab")
        return indent_of(line)

    def _content(self) -> str:
        return self._lines[self._at].strip()

    def _is_item(self) -> bool:
        return self._content() == "-" or self._content().startswith("- ")

    def _block(self, indent: int) -> Any:
        if self._is_item():
            return self._sequence(indent)
        if KEY.match(self._content()):
            return self._mapping(indent)
        text = _COMMENT.sub("", self._content()).strip()
        self._at += 1
        return self._value(text, indent - 1)

    def _mapping(self, indent: int) -> dict[str, Any]:
        data: dict[str, Any] = {}
        while self._peek() == indent and not self._is_item():
            found = KEY.match(self._content())
            if not found:
                raise self._error("is not of the form key: value")
            key = str(scalar(found["key"]))
            if key in data:
                raise self._error(f"has {key!r} a second time")
            self._at += 1
            rest = _uncommented(found["rest"] or "")
            if not rest and self._peek() == indent and self._is_item():
                data[key] = self._sequence(indent)
            else:
                data[key] = self._value(rest, indent)
        if self._peek() > indent:
            raise self._error("is indented further than its neighbours")
        return data

    def _sequence(self, indent: int) -> list[Any]:
        data: list[Any] = []
        while self._peek() == indent and self._is_item():
            rest = self._content()[1:].strip()
            inner = indent + len(self._content()) - len(self._content()[1:].lstrip())
            if KEY.match(rest) or rest == "-" or rest.startswith("- "):
                self._lines[self._at] = " " * inner + rest
                data.append(self._block(inner))
            else:
                self._at += 1
                data.append(self._value(_uncommented(rest), indent))
        if self._peek() > indent:
            raise self._error("is indented further than its neighbours")
        return data

    def _value(self, text: str, parent: int) -> Any:
        """What follows a key or a dash; `parent`: the indentation that it must exceed."""
        if not text:
            below = self._peek()
            return self._block(below) if below > parent else None
        if text[0] in "|>":
            return self._literal(text, parent)
        began = self._at - 1
        if text[0] in "&*!%@`?],}":
            raise self._error("has an anchor, an alias, a tag or a stray mark", began)
        if text[0] in "\"'[{":
            return self._flow(text, parent)
        while self._peek() > parent:
            text += " " + _uncommented(self._content())
            self._at += 1
        if re.search(r":(\s|$)", text):
            raise self._error("has two values for one key", began)
        return scalar(text)

    def _literal(self, head: str, parent: int) -> str:
        if not re.fullmatch(r"[|>][-+1-9]{0,2}", head):
            raise self._error("comes after a block of text that is not understood")
        taken = []
        while self._at < len(self._lines):
            line = self._lines[self._at]
            if line.strip() and indent_of(line) <= parent:
                break
            taken.append(line)
            self._at += 1
        return head + "\n".join(taken).rstrip()

    def _flow(self, text: str, parent: int) -> Any:
        """A quoted scalar or a flow collection, over as many lines as it takes."""
        began = self._at - 1
        quoted = text[0] in "\"'"
        while True:
            try:
                data, end = _flow_value(text, 0)
            except ValueError as error:
                more = self._quoted_line(parent) if quoted else self._flow_line(parent)
                if more is None:
                    why = "has quotes or brackets that do not match"
                    raise self._error(why, began) from error
                text += "\n" + more
                continue
            if text[end:].strip() and not text[end:].lstrip().startswith("#"):
                raise self._error("goes on after its value", began)
            return data

    def _flow_line(self, parent: int) -> str | None:
        """The next line of a flow collection; `None` where it cannot go on."""
        if self._peek() <= parent:
            return None
        self._at += 1
        return _uncommented(self._lines[self._at - 1].strip())

    def _quoted_line(self, parent: int) -> str | None:
        """The next line inside quotes, where blank lines and `#` mean themselves."""
        if self._at == len(self._lines):
            return None
        line = self._lines[self._at]
        if line.strip() and indent_of(line) <= parent:
            return None
        self._at += 1
        return line.strip()


def _uncommented(text: str) -> str:
    """The text without the comment at its end; a `#` inside quotes is none."""
    if text[:1] in {'"', "'"}:
        quoted = re.match(r'"(?:\\.|[^"\\])*"|\'(?:\'\'|[^\'])*\'', text)
        if not quoted:
            return text
        return quoted[0] + _COMMENT.sub("", text[quoted.end() :]).rstrip()
    if text[:1] in {"[", "{"}:
        for found in re.finditer(r'"(?:\\.|[^"\\])*"|\'(?:\'\'|[^\'])*\'|\s#.*$', text):
            if found[0].lstrip().startswith("#"):
                return text[: found.start()].rstrip()
        return text.strip()
    return _COMMENT.sub("", text).strip()


def _flow_value(text: str, at: int) -> tuple[Any, int]:
    """The value at a place and where it ends. Raises `ValueError` where it is not complete."""
    found = _FLOW.match(text, at)
    if not found:
        raise ValueError("no value")
    if found["mark"] == "[":
        return _flow_items(text, found.end())
    if found["mark"] == "{":
        return _flow_pairs(text, found.end())
    if found["mark"]:
        raise ValueError("no value")
    return scalar((found["quoted"] or found["plain"]).strip()), found.end()


def _flow_items(text: str, at: int) -> tuple[list[Any], int]:
    items: list[Any] = []
    while True:
        mark = _FLOW.match(text, at)
        if mark and mark["mark"] == "]":
            return items, mark.end()
        item, at = _flow_value(text, at)
        items.append(item)
        at = _after(text, at, "]")


def _flow_pairs(text: str, at: int) -> tuple[dict[str, Any], int]:
    pairs: dict[str, Any] = {}
    while True:
        mark = _FLOW.match(text, at)
        if mark and mark["mark"] == "}":
            return pairs, mark.end()
        key, at = _flow_value(text, at)
        colon = _FLOW.match(text, at)
        if not colon or not (colon["mark"] or "").startswith(":"):
            raise ValueError("no colon")
        pairs[str(key)], at = _flow_value(text, colon.end())
        at = _after(text, at, "}")


def _after(text: str, at: int, close: str) -> int:
    """Past the comma, or before the closing bracket."""
    mark = _FLOW.match(text, at)
    if mark and mark["mark"] == ",":
        return mark.end()
    if mark and mark["mark"] == close:
        return mark.start()
    raise ValueError("neither comma nor bracket")
