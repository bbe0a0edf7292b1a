"""What was read of an answer so far, whatever the protocol."""

from __future__ import annotations

import re
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Final
from typing import Protocol as TypingProtocol

from rightmodel.core.call import Completion
from rightmodel.core.errors import ProviderError
from rightmodel.core.fault import Fault, Scope
from rightmodel.core.format import well_formed
from rightmodel.core.task import WireFormat
from rightmodel.manifest.base_url import is_loopback
from rightmodel.wire.inline_reasoning import split_reasoning
from rightmodel.wire.usage import cost_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from decimal import Decimal

    from rightmodel.core.call import Usage
    from rightmodel.wire.request import ModelRequest

SILENT_CUT_SHARE: Final = 0.6
SILENT_CUT_TOKENS: Final = 1000
SHOWN: Final = 500
"""Most characters of an upstream's words in a message."""
_KNOWN: Final = frozenset({"stop", "length", "refused"})
"""How an answer may end: with any other word it may be unfinished, and is none."""

_ODD_IN_NAMES: Final = re.compile(r"[^\w./:@-]+", re.ASCII)
MOST_NAME: Final = 100
"""Characters of a model's name, which is printed into the receipt."""


class Watch(TypingProtocol):
    """Receives the progress of one request."""

    def sent(self) -> None:
        """The request is out: from here on, the upstream may bill for it."""

    def heard(self, chars: int) -> None:
        """So many characters of answer or reasoning came. Keep-alive comments do not count."""


class InBandError(Exception):
    """An error object inside a successful response. `body`: the object that holds `error`."""

    def __init__(self, body: Mapping[str, Any]) -> None:
        super().__init__("error inside a successful response")
        self.body = body


class Answer(ABC):
    """Takes an answer apart as it comes in; one subclass per protocol, one object per attempt.

    `ended`: the upstream said that the answer is complete. `done`: it said that nothing follows.
    `finish`: as in `Completion`, "" until known. `tool_call`: the model called a tool, unasked.
    """

    __slots__ = (
        "_began", "_first_s", "_unheard", "counts", "done", "finish", "parts",
        "reasoning_chars", "request", "served", "tool_call", "watch",
    )  # fmt: skip

    def __init__(self, request: ModelRequest, watch: Watch | None) -> None:
        self.request = request
        self.watch = watch
        self.parts: list[str] = []
        self.reasoning_chars = 0
        self.finish = ""
        self.served = ""
        self.counts: dict[str, Any] = {}
        self.tool_call = False
        self.done = False
        self._unheard = 0
        self._first_s: float | None = None
        self._began = time.monotonic()

    @abstractmethod
    def event(self, value: Mapping[str, Any]) -> None:
        """One event of a stream. Raises `ProviderError` for an error inside it."""

    @abstractmethod
    def body(self, value: Mapping[str, Any]) -> None:
        """The answer in one piece, from an upstream that does not stream."""

    @property
    @abstractmethod
    def usage(self) -> Usage | None:
        """Tokens as counted so far, `None` where the upstream counts none."""

    @property
    def cost_usd(self) -> Decimal | None:
        """What the upstream says that it billed so far, `None` where it says nothing."""
        return cost_of(self.counts)

    @property
    def ended(self) -> bool:
        """Whether the answer is complete."""
        return bool(self.finish)

    def unfinished(self) -> ProviderError:
        """The error for a stream that was over before the answer was."""
        return broken(self.request, "the stream ended before the answer was complete")

    def text(self, piece: Any) -> None:
        """A piece of the answer."""
        if piece and isinstance(piece, str):
            self.parts.append(piece)
            self._unheard += len(piece)

    def reasoning(self, piece: Any) -> None:
        """A piece of the model's reasoning: counted, not kept."""
        if piece and isinstance(piece, str):
            self.reasoning_chars += len(piece)
            self._unheard += len(piece)

    def report(self) -> None:
        """Tell the watch what the last bytes from the wire brought."""
        heard, self._unheard = self._unheard, 0
        if not heard:
            return
        if self._first_s is None:
            self._first_s = time.monotonic() - self._began
        if self.watch is not None:
            self.watch.heard(heard)

    def completion(self, mended: tuple[str, ...], mask: Callable[[str], str] = str) -> Completion:
        """The finished answer, without keys. Raises `ProviderError` for what is not one."""
        usage = self.usage
        self._refuse_silent_cut(usage)
        found = split_reasoning(well_formed("".join(self.parts)), self._prompt())
        if self.tool_call or found.is_call:
            raise malformed(self.request, "a tool call instead of an answer")
        if self.finish not in _KNOWN:
            raise unfinished(self.request, self.finish)
        return Completion(
            text=mask(found.text),
            finish=self.finish,
            served=_ODD_IN_NAMES.sub("_", mask(self.served))[:MOST_NAME],
            usage=usage,
            cost_usd=self.cost_usd,
            reasoning_chars=self.reasoning_chars + found.reasoning_chars,
            mended=mended,
            first_token_s=self._first_s,
        )

    def _prompt(self) -> str:
        return "\n".join((self.request.system, *(turn.text for turn in self.request.turns)))

    def _refuse_silent_cut(self, usage: Usage | None) -> None:
        """Ollama cuts a long prompt without a word; the reported prompt tokens give it away."""
        provider, expected = self.request.provider, self.request.expect_input_tokens
        if (
            usage is None
            or not usage.input
            or expected <= SILENT_CUT_TOKENS
            or usage.input >= expected * SILENT_CUT_SHARE
            or provider.protocol is not WireFormat.OPENAI_CHAT
            or not is_loopback(provider.base_url)
        ):
            return
        raise ProviderError(
            Fault.CONTEXT_OVERFLOW,
            f"{provider.name} read only {usage.input} of about {expected} prompt tokens: its "
            "window is smaller than the manifest says (Ollama: set num_ctx or "
            "OLLAMA_CONTEXT_LENGTH)",
            provider=provider.name,
            window=usage.input,
        )


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
