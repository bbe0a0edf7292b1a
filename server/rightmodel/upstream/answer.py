"""One response on its way in: progress reported, judged at its end, errors typed."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Final, Protocol

from rightmodel.core.call import Completion
from rightmodel.core.errors import ProviderError
from rightmodel.core.fault import Fault, Scope
from rightmodel.core.format import well_formed
from rightmodel.wire.decoder import FINISHES
from rightmodel.wire.inline_reasoning import split_reasoning
from rightmodel.wire.response import ReasoningDelta

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal

    from rightmodel.core.call import Usage
    from rightmodel.wire.decoder import ResponseDecoder
    from rightmodel.wire.request import ModelRequest

SHOWN: Final = 500
"""Most characters of an upstream's words in a message."""

_ODD_IN_NAMES: Final = re.compile(r"[^\w./:@-]+", re.ASCII)
MOST_NAME: Final = 100
"""Characters of a model's name, which is printed into the receipt."""
_REASONING: Final = ("<", "[", "◁", "analysis")
"""How reasoning within the text begins: `<think>`, `<|channel|>`, `[THINK]` …"""

LONGEST_OPENING: Final = 8
LONGEST_WORD: Final = 500
"""Characters without a blank that are withheld: more than any key has."""


class Watch(Protocol):
    """Receives the progress of one request."""

    def sent(self) -> None:
        """The request is out: from here on, the upstream may bill for it."""

    def heard(self, chars: int, text: str = "") -> None:
        """So many characters of answer or reasoning came. Keep-alive comments do not count.

        `text`: new text of the answer, where it cannot be reasoning between tags.
        """


class Answer:
    """The response to one request, taken apart by `decoder` as it comes in."""

    __slots__ = (
        "_began", "_first_s", "_live", "_mask", "_reported", "body", "decoder", "event",
        "request", "watch",
    )  # fmt: skip

    def __init__(
        self,
        request: ModelRequest,
        decoder: ResponseDecoder,
        watch: Watch | None,
        mask: Callable[[str], str] = str,
    ) -> None:
        self.request = request
        self.decoder = decoder
        self.watch = watch
        self.event = decoder.event
        self.body = decoder.body
        self._reported = 0
        self._mask = mask
        self._live = LiveText(mask)
        self._first_s: float | None = None
        self._began = time.monotonic()

    @property
    def ended(self) -> bool:
        """Whether the upstream said how the response ended."""
        return bool(self.decoder.finish)

    @property
    def usage(self) -> Usage | None:
        """Tokens as counted so far, `None` where the upstream counts none."""
        return self.decoder.usage

    @property
    def cost_usd(self) -> Decimal | None:
        """What the upstream says that it billed so far, `None` where it says nothing."""
        return self.decoder.cost_usd

    def unfinished(self) -> ProviderError:
        """The error for a stream that ended before the response did."""
        if self.decoder.done and not self.decoder.started:
            return malformed(self.request, "nothing in the stream that can hold an answer")
        return broken(self.request, "the stream ended before the answer was complete")

    def report(self) -> None:
        """Report to the watch what the last bytes contained."""
        events = self.decoder.events
        if len(events) == self._reported:
            return
        new = events[self._reported :]
        chars = sum(
            len(event if isinstance(event, str) else getattr(event, "text", "") or event[1])
            for event in new
        )
        self._reported = len(events)
        if self._first_s is None:
            self._first_s = time.monotonic() - self._began
        if self.watch is not None:
            pieces = [event for event in new if isinstance(event, str)]
            self.watch.heard(chars, self._live.take("".join(pieces)))

    def completion(self, repaired: tuple[str, ...]) -> Completion:
        """The finished answer, without keys. Raises `ProviderError` for what is not one."""
        decoder = self.decoder
        text = "".join(event for event in decoder.events if isinstance(event, str))
        thought = sum(len(e.text) for e in decoder.events if isinstance(e, ReasoningDelta))
        found = split_reasoning(well_formed(text), self._prompt())
        if decoder.called or found.is_call or decoder.finish == "tool_calls":
            raise malformed(self.request, "a tool call instead of an answer")
        if decoder.finish not in FINISHES:
            raise unfinished(self.request, decoder.finish)
        if self.watch is not None and (rest := self._live.rest()):
            self.watch.heard(0, rest)
        return Completion(
            text=self._mask(found.text),
            finish=decoder.finish,
            served=_ODD_IN_NAMES.sub("_", self._mask(decoder.served))[:MOST_NAME],
            usage=decoder.usage,
            cost_usd=decoder.cost_usd,
            reasoning_chars=thought + found.reasoning_chars,
            repaired=repaired,
            first_token_s=self._first_s,
        )

    def _prompt(self) -> str:
        return "\n".join((self.request.system, *(turn.text for turn in self.request.turns)))


class LiveText:
    """Text of an answer as it may be shown while it arrives: whole words, without keys.

    Nothing of an answer that begins like reasoning: what it is shows at its end only.
    """

    __slots__ = ("_mask", "_opening", "_word")

    def __init__(self, mask: Callable[[str], str]) -> None:
        self._mask = mask
        self._opening = ""
        self._word = ""

    def take(self, piece: str) -> str:
        """More of the answer; returns what can be shown by now."""
        text = self._word + piece
        if len(self._opening) < LONGEST_OPENING:
            self._opening += piece if self._opening else piece.lstrip()
        if self._opening.startswith(_REASONING):
            self._word = ""
            return ""
        end = max(text.rfind(" "), text.rfind("\n")) + 1
        if not end and len(text) > LONGEST_WORD:
            end = len(text)
        self._word = text[end:]
        return self._mask(well_formed(text[:end])) if end else ""

    def rest(self) -> str:
        """The last word, once the answer is complete."""
        text, self._word = self._word, ""
        return self._mask(well_formed(text))


class EmptyStreamError(ProviderError):
    """A stream that ended in good order without a single event.

    Some servers (llama-cpp-python) find out what is wrong with a request only after their 200.
    """


def malformed(request: ModelRequest, what: str) -> ProviderError:
    """The error for a successful response that is not an answer."""
    name = request.provider.name
    return ProviderError(
        Fault.MALFORMED, f"{name}: {shown(what, request.key)}", provider=name, status=200
    )


def unfinished(request: ModelRequest, reason: str) -> ProviderError:
    """The error for an answer that ended for a reason that is none of the known ones."""
    name = request.provider.name
    what = f"the answer may be unfinished: finish reason {reason!r}"
    return ProviderError(
        Fault.MALFORMED, f"{name}: {shown(what)}", provider=name, status=200, scope=Scope.REQUEST
    )


def broken(request: ModelRequest, what: str) -> ProviderError:
    """The error for a connection that was not made or did not last."""
    name = request.provider.name
    return ProviderError(Fault.CONNECTION, f"{name}: {shown(what, request.key)}", provider=name)


def shown(text: str, key: str = "") -> str:
    """The text as callers may see it: on one line, printable, bounded, without the key."""
    text = masked(" ".join(text.split()), key)[: SHOWN + 1]
    text = "".join(letter if letter.isprintable() else "?" for letter in text)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"


def masked(text: str, key: str) -> str:
    """The text without the key."""
    return text.replace(key, "[key removed]") if key else text
