"""The text of an answer while it streams, with the reasoning and the calls in it as events."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from rightmodel.wire.inline_calls import inline_calls
from rightmodel.wire.inline_reasoning import BLOCKS, CALLS, opens_channel, split_reasoning
from rightmodel.wire.response import CallDelta, CallStart, ReasoningDelta, StreamEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from rightmodel.core.task import ToolSpec

LONGEST_MARKER: Final = 40
"""Characters that are withheld while they may become a marker."""

_FIRST: Final = re.compile("[<\u25c1]|\\[(?:\\Z|/|[tT](?:\\Z|[hHO]))")
"""How a marker begins, as far as it is there: `[THINK]`, `[/THINK]` and `[TOOL_CALLS]` with `[`."""
_BARE: Final = ("analysis", "commentary")
"""Names of channels, in front of whose text a server may have removed the markers."""


def may_be_marker(text: str) -> bool:
    """Whether it is the beginning of what may become a marker."""
    return len(text) < LONGEST_MARKER and bool(_FIRST.match(text))


class InlineSplitter:
    """Takes the events of a response and gives them on as soon as it is clear what they are.

    `tools`: of the request; without them no call is looked for. `prompt`: makes its text, which is
    searched for markers: those that the request is about are content.
    """

    __slots__ = ("_closing", "_held", "_pending", "_prompt", "_received", "_thinks", "_tools")

    def __init__(self, tools: Sequence[ToolSpec], prompt: Callable[[], str]) -> None:
        self._tools = tools
        self._prompt = prompt
        self._received: list[str] = []
        self._pending = ""
        self._thinks: bool | None = None
        """Whether reasoning is open; `None` where it can still begin."""
        self._closing: re.Pattern[str] | None = None
        self._held = False
        """Whether everything is withheld to the end."""

    def take(self, events: Iterable[StreamEvent]) -> list[StreamEvent]:
        """More of the response."""
        found: list[StreamEvent] = []
        for event in events:
            if isinstance(event, str):
                self._received.append(event)
                self._pending += event
                self._step(found)
            else:
                found.append(event)
        return found

    def end(self, call_id: Callable[[int], str]) -> list[StreamEvent]:
        """What was withheld, but for a call that cannot be read. `call_id`: makes a call's id."""
        rest, self._pending = self._pending, ""
        if not rest:
            return []
        if self._thinks and not self._held:
            return [ReasoningDelta(rest)]
        if not self._held:
            return [rest]
        text = "".join(self._received)
        split = split_reasoning(text, self._prompt())
        calls = inline_calls(rest, self._tools) if split.is_call else []
        if not calls:
            rest = split.text if opens_channel(text.lstrip()) else "" if split.is_call else rest
            return [rest] if rest else []
        found: list[StreamEvent] = []
        for index, call in enumerate(calls):
            found += [CallStart(index, call_id(index), call.name), CallDelta(index, call.arguments)]
        return found

    def _step(self, found: list[StreamEvent]) -> None:
        while not self._held and self._pending:
            if self._thinks is None:
                is_clear = self._begin()
            elif self._thinks:
                is_clear = self._think(found)
            else:
                is_clear = False
                self._speak(found)
            if not is_clear:
                return

    def _begin(self) -> bool:
        """Decide what the text begins with. Returns whether that is clear by now."""
        text = self._pending.lstrip()
        if not text:
            return False
        for opening, closing in BLOCKS:
            start = opening.match(text)
            if start and not opening.search(self._prompt()):
                self._pending, self._closing, self._thinks = text[start.end() :], closing, True
                return True
        if opens_channel(text):
            self._held = True
            return True
        if any(word.startswith(text) for word in _BARE):
            return False
        if may_be_marker(text) and "\n" not in text:
            return False
        self._pending, self._thinks = text, False
        return True

    def _think(self, found: list[StreamEvent]) -> bool:
        end = self._closing.search(self._pending) if self._closing else None
        thought, self._pending = _cut(self._pending, end)
        if thought:
            found.append(ReasoningDelta(thought))
        if end is None:
            return False
        self._thinks = None
        return True

    def _speak(self, found: list[StreamEvent]) -> None:
        call = CALLS.search(self._pending) if self._tools else None
        if call is not None and not CALLS.search(self._prompt()):
            text, self._pending = self._pending[: call.start()], self._pending[call.start() :]
            self._held = True
        elif self._tools:
            text, self._pending = _cut(self._pending, None)
        else:
            text, self._pending = self._pending, ""
        if text:
            found.append(text)


def _cut(text: str, end: re.Match[str] | None) -> tuple[str, str]:
    """What stands before a marker and behind it; without one, what can be none by now."""
    if end is not None:
        return text[: end.start()], text[end.end() :]
    tail = text[-LONGEST_MARKER:]
    first = _FIRST.search(tail)
    cut = len(text) - len(tail) + first.start() if first else len(text)
    return text[:cut], text[cut:]
