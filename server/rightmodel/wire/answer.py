"""What was read of an answer so far, whatever the protocol."""

from __future__ import annotations

import re
import time
from abc import ABC, abstractmethod
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final
from typing import Protocol as TypingProtocol

from rightmodel.core.call import Completion, Usage
from rightmodel.core.errors import ProviderError
from rightmodel.core.fault import Fault
from rightmodel.core.task import Protocol as Wire
from rightmodel.manifest.base_url import is_loopback

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rightmodel.wire.request import ModelRequest

SILENT_CUT_SHARE: Final = 0.6
SILENT_CUT_TOKENS: Final = 1000
MOST_TOKENS: Final = 10**9
MOST_USD: Final = Decimal(10**6)
"""The most that one answer is believed to have used and cost."""
SHOWN: Final = 500
"""Most characters of an upstream's words in a message."""
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
        "_began", "_first_s", "_unheard", "cost_usd", "done", "finish", "parts",
        "reasoning_chars", "request", "served", "tool_call", "usage", "watch",
    )  # fmt: skip

    def __init__(self, request: ModelRequest, watch: Watch | None) -> None:
        self.request = request
        self.watch = watch
        self.parts: list[str] = []
        self.reasoning_chars = 0
        self.finish = ""
        self.served = ""
        self.usage: Usage | None = None
        self.cost_usd: Decimal | None = None
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
        text = mask("".join(self.parts))
        if self.tool_call and not text:
            raise malformed(self.request, "a tool call instead of an answer")
        self._refuse_silent_cut()
        return Completion(
            text=text,
            finish=self.finish,
            served=_ODD_IN_NAMES.sub("_", mask(self.served))[:MOST_NAME],
            usage=self.usage,
            cost_usd=self.cost_usd,
            reasoning_chars=self.reasoning_chars,
            mended=mended,
            first_token_s=self._first_s,
        )

    def _refuse_silent_cut(self) -> None:
        """Ollama cuts a long prompt without a word; the reported prompt tokens give it away."""
        provider, expected = self.request.provider, self.request.expect_input_tokens
        if (
            self.usage is None
            or not self.usage.input
            or expected <= SILENT_CUT_TOKENS
            or self.usage.input >= expected * SILENT_CUT_SHARE
            or provider.protocol is not Wire.OPENAI_CHAT
            or not is_loopback(provider.base_url)
        ):
            return
        raise ProviderError(
            Fault.CONTEXT_OVERFLOW,
            f"{provider.name} read only {self.usage.input} of about {expected} prompt tokens: its "
            "window is smaller than the manifest says (Ollama: set num_ctx or "
            "OLLAMA_CONTEXT_LENGTH)",
            provider=provider.name,
            window=self.usage.input,
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


def whole(value: Any) -> int:
    """A token count out of a body, 0 for anything else; no upstream makes it past reckoning."""
    is_count = isinstance(value, int) and not isinstance(value, bool) and value > 0
    return min(value, MOST_TOKENS) if is_count else 0


def usd(value: Any) -> Decimal | None:
    """An amount out of a body, `None` for anything else and for less than nothing."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or value < 0:
        return None
    return round(min(Decimal(value), MOST_USD), 12)


def usage_of(  # noqa: PLR0913 - one keyword for each count
    *,
    input_tokens: int,
    output: int,
    read: int = 0,
    write: int = 0,
    write_1h: int = 0,
    audio: int = 0,
    reasoning: int = 0,
) -> Usage | None:
    """Counts that agree with each other; `None` where the upstream counted nothing."""
    if not input_tokens and not output:
        return None
    read = min(read, input_tokens)
    write = min(write, input_tokens - read)
    return Usage(
        input=input_tokens,
        output=output,
        cache_read=read,
        cache_write=write,
        reasoning=min(reasoning, output),
        cache_write_1h=min(write_1h, write),
        audio=min(audio, input_tokens - read - write),
    )
