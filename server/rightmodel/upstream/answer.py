"""One response on its way in: bytes → events → the finished answer; errors are typed."""

from __future__ import annotations

import asyncio
import json
import re
import time
from contextlib import suppress
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from rightmodel.core.call import Completion
from rightmodel.core.errors import ProviderError
from rightmodel.core.fault import Fault
from rightmodel.core.format import one_line, well_formed
from rightmodel.core.task import Reasoning, Text, ToolCall
from rightmodel.upstream.classify import classify, classify_in_band
from rightmodel.upstream.error_response import is_refused
from rightmodel.upstream.live import Forward, LiveText, Watch, prompt_of, tools_of, without_keys
from rightmodel.wire.conversation import sealed
from rightmodel.wire.fields import cost_of
from rightmodel.wire.inline_calls import InlineCall, inline_calls
from rightmodel.wire.inline_reasoning import MARKERS, Split, split_reasoning
from rightmodel.wire.response import (
    FINISHES,
    PAUSED,
    InBandError,
    NoResponseError,
    ReasoningDelta,
    parts_of,
)
from rightmodel.wire.sse import Event, SseDecoder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rightmodel.upstream.connect import Response
    from rightmodel.wire.request import ModelRequest
    from rightmodel.wire.response import ResponseDecoder

    ResponsePart = Text | Reasoning | ToolCall

MOST_BYTES: Final = 20_000_000
"""Largest response that is read."""

MOST_ERROR_BYTES: Final = 200_000
LINGER_S: Final = 0.25
"""How long an upstream that sent its last event has to end the response."""

MOST_NAME: Final = 100
"""Characters of a model's name, which is printed into the receipt."""

_NOT_IN_NAMES: Final = re.compile(r"[^\w./:@-]+", re.ASCII)
_INVALID: Final = (AttributeError, IndexError, KeyError, TypeError, ValueError)
"""What decoding raises for a field of an unexpected type."""

_EVENT_HEAD: Final = re.compile(r"\A(?:event:[^\n]*\n)?data:\s*")
"""Some servers frame an error as an event even where the status is an error's."""

_DONE: Final = b"[DONE]"
_ILLEGIBLE: Final = {Fault.MALFORMED, Fault.CONNECTION}
_SPACE: Final = b" \t\r\n"
_BOM: Final = b"\xef\xbb\xbf"
_decode: Final = json.JSONDecoder(parse_float=Decimal).raw_decode


class EmptyStreamError(ProviderError):
    """A stream that ended in good order without a single event.

    Some servers (llama-cpp-python) find out what is wrong with a request only after their 200.
    """


class Answer:
    """The response to one request, taken apart by `decoder` as it comes in.

    `is_raw`: the client of the turn speaks the upstream's API, and can read the bytes.

    Every chunk of every answer passes `_stream`: a function call more would cost as much as the
    parsing.
    """

    __slots__ = (
        "_began", "_first_s", "_forward", "_head", "_held", "_is_raw", "_kind", "_live", "_mask",
        "_pieces", "_reported", "_sse", "_take", "decoder", "request", "watch",
    )  # fmt: skip

    def __init__(
        self,
        request: ModelRequest,
        decoder: ResponseDecoder,
        watch: Watch | None = None,
        mask: Callable[[str], str] = str,
        *,
        is_raw: bool = False,
    ) -> None:
        self.request = request
        self.decoder = decoder
        decoder.taken = set() if is_raw else request.call_ids
        self.watch = watch
        self._is_raw = is_raw
        self._mask = mask
        self._live = LiveText(mask) if watch is not None and watch.shows_text else None
        self._forward: Forward | None = None
        self._reported = self._held = 0
        self._first_s: float | None = None
        self._began = time.monotonic()
        self._kind = ""
        self._head = b""
        self._pieces: list[bytes] = []
        self._sse = SseDecoder()
        self._take: Callable[[bytes], None] = self._start

    async def read(self, response: Response) -> None:
        """Read the response to its end. Raises `ProviderError`, also for one that is an error.

        How the body starts decides between events and one body.
        """
        headers = response.headers
        if headers.get(b"content-encoding", b"identity") != b"identity":
            from rightmodel.upstream.httpcore_adapter import UnpackedResponse

            response = UnpackedResponse(response)
        if not 200 <= response.status < 300:  # noqa: PLR2004
            raise await _refusal(self.request, response)
        self._kind = headers.get(b"content-type", b"").decode("latin-1")
        size = 0
        while chunk := await response.body():
            size += len(chunk)
            if size > MOST_BYTES:
                raise malformed(self.request, f"the answer exceeds {MOST_BYTES} bytes")
            self._take(chunk)
            if self._forward is not None:
                await self._forward.take(chunk)
            if self.decoder.done:
                break
        self._close()
        if self._forward is not None:
            await self._forward.close()
        if self.decoder.done:
            await _linger(response)

    def completion(self, repaired: tuple[str, ...]) -> Completion:
        """The finished answer, without keys. Raises `ProviderError` for what is not one."""
        decoder, request = self.decoder, self.request
        text = well_formed("".join([e for e in decoder.events if isinstance(e, str)]))
        thought = sum([len(e.text) for e in decoder.events if isinstance(e, ReasoningDelta)])
        split = Split(text)
        if [marker for marker in MARKERS if marker in text]:
            split = split_reasoning(text, prompt_of(request))
        calls = inline_calls(split.text or text, tools_of(request)) if split.is_call else []
        is_out = self._is_raw and self._forward is not None and self._forward.is_open
        is_cut = split.is_call and not calls and decoder.finish == "length"
        if is_cut and request.turn is not None:
            split = split.before_call()
        if (split.is_call and not calls and not is_out) or (
            request.turn is None and (decoder.called or decoder.finish == "tool_calls")
        ):
            raise malformed(request, "a tool call instead of an answer", Fault.UNFINISHED)
        if decoder.finish not in FINISHES and not (self._is_raw and decoder.finish == PAUSED):
            what = f"the answer may be unfinished: finish reason {decoder.finish!r}"
            raise malformed(request, what, Fault.UNFINISHED)
        if self.watch is not None and self._live and (rest := self._live.rest()):
            self.watch.received(0, rest)
        turn: dict[str, Any] = {}
        if request.turn is not None:
            body = b"" if calls or is_cut else self._body_bytes()
            parts = (without_keys(part, self._mask) for part in self._parts(split, calls))
            turn = {"parts": tuple(parts), "id": decoder.id, "body": body}
            turn["has_other"] = self._is_raw and decoder.has_other
        self._take = self._pieces.append  # a method of its own holds all of this for the collector
        return Completion(
            text=self._mask(split.text),
            finish="tool_calls" if calls else decoder.finish,
            served=_NOT_IN_NAMES.sub("_", self._mask(decoder.served))[:MOST_NAME],
            usage=decoder.usage,
            cost_usd=cost_of(decoder.counts),
            reasoning_chars=thought + split.reasoning_chars,
            repaired=repaired,
            first_token_s=self._first_s,
            **turn,
        )

    def _parts(
        self, split: Split, calls: Sequence[InlineCall]
    ) -> tuple[Text | Reasoning | ToolCall, ...]:
        """The parts of a turn's answer: reasoning and calls within its text are no text."""
        parts = parts_of(self.decoder.events)
        if not self._is_raw:
            parts = tuple(sealed(part, self.request.provider.protocol) for part in parts)
        if not calls and not split.reasoning_chars:
            return parts
        content = split.text[: calls[0].start].rstrip() if calls else split.text
        others = [part for part in parts if not isinstance(part, Text)]
        id_of = self.decoder.call_id
        made = [ToolCall(id_of(n), call.name, call.arguments) for n, call in enumerate(calls)]
        return (*others, *([Text(content)] if content else []), *made)

    def _body_bytes(self) -> bytes:
        """A response in one piece whose bytes the client can read itself."""
        if not self._is_raw or self._take == self._stream:
            return b""
        body = b"".join(self._pieces)
        text = body.decode("utf-8", "surrogateescape")
        masked = self._mask(text)
        return body if masked is text else masked.encode("utf-8", "surrogateescape")

    def _start(self, chunk: bytes) -> None:
        head = (self._head + chunk).lstrip(_SPACE)
        if _BOM.startswith(head):
            self._head = head
            return
        self._head, head = b"", head.removeprefix(_BOM).lstrip(_SPACE)
        if not head:
            return
        kind = self._kind or "no content type"
        if "text/html" in self._kind or head.startswith(b"<"):
            raise malformed(self.request, f"{kind}, not an API's answer")
        if head[:1] in b"{[":
            self._take = self._pieces.append
        elif "event-stream" in self._kind or head[:1] in b":deir":
            self._take = self._stream
            request, watch, is_raw = self.request, self.watch, self._is_raw
            # A schema in words: of what the client's own API sends, it gets the JSON alone.
            is_freed = request.passed_through is not None and not is_raw
            if watch is not None and watch.relays and not is_freed:
                self._forward = Forward(request, self.decoder, watch, self._mask, is_raw=is_raw)
        else:
            raise malformed(self.request, f"not JSON ({kind}): {_start_of([head])}")
        self._take(head)

    def _stream(self, chunk: bytes) -> None:
        self._events(self._sse.feed(chunk))
        self._report()

    def _events(self, events: list[Event], *, cut: bool = False) -> None:
        """Decode what is in order, also in front of an event that is not.

        What is illegible after the end of the answer costs nobody the answer, which was paid for.
        """
        values: list[Mapping[str, Any]] = []
        illegible: ProviderError | None = None
        for name, data in events:
            if data == _DONE:
                self.decoder.done = True
                continue
            try:
                values.append(self._checked(name, data, cut=cut))
            except ProviderError as error:
                illegible = error
                break
        try:
            for value in values:
                self.decoder.event(value)
        except InBandError as error:
            raise classify_in_band(self.request, error.body) from None
        except _INVALID as error:
            what = f"an invalid event: {_start_of([data for _, data in events])}"
            raise malformed(self.request, what) from error
        if illegible is not None:
            if not self.decoder.finish or illegible.fault not in _ILLEGIBLE:
                raise illegible
            self.decoder.done = True

    def _checked(self, name: bytes, data: bytes, *, cut: bool) -> Mapping[str, Any]:
        """One event, which is no error. `cut`: the stream may have ended within it."""
        try:
            value: dict[str, Any] = self._value(data)
        except ProviderError as error:
            if not cut:
                raise
            raise broken(self.request, "the stream was cut inside an event") from error
        is_error = name == b"error" or value.get("object") == "error"
        if is_error or value.get("error") or ("base_resp" in value and is_refused(value)):
            raise classify_in_band(self.request, value)
        return value

    def _report(self) -> None:
        """Report to the watch what the last bytes contained; what is held is no silence either."""
        events, held = self.decoder.events, len(self.decoder.held)
        if len(events) == self._reported and held == self._held:
            return
        new = events[self._reported :]
        self._reported, self._held = len(events), held
        if self._first_s is None:
            self._first_s = time.monotonic() - self._began
        if self.watch is not None:
            chars = sum(
                len(event if isinstance(event, str) else getattr(event, "text", "") or event[1])
                for event in new
            )
            texts = [event for event in new if isinstance(event, str)] if self._live else ()
            self.watch.received(chars, self._live.take("".join(texts)) if self._live else "")

    def _close(self) -> None:
        """The response has ended. Raises `ProviderError` where it is incomplete."""
        request, decoder = self.request, self.decoder
        if self._take == self._stream:
            if events := self._sse.close():
                self._events(events, cut=True)
            if decoder.finish:
                return
            if decoder.done and not decoder.started:
                raise malformed(request, "nothing in the stream that can hold an answer")
            raise broken(request, "the stream ended before the answer was complete", status=200)
        if self._take == self._start and "event-stream" in self._kind:
            name = request.provider.name
            what = f"{name}: the stream ended before it began"
            raise EmptyStreamError(Fault.CONNECTION, what, provider=name)
        value = self._value(self._head + b"".join(self._pieces))
        for part in value if isinstance(value, list) else [value]:
            self._body(part)
        self._report()
        if not decoder.finish:
            raise malformed(request, f"no answer in the body: {_start_of(self._pieces)}")

    def _body(self, part: dict[str, Any]) -> None:
        """The response in one piece, or one of Gemini's list without SSE."""
        if part.get("error") or part.get("object") == "error" or is_refused(part):
            raise classify_in_band(self.request, part)
        try:
            self.decoder.body(part)
        except InBandError as error:
            raise classify_in_band(self.request, error.body) from None
        except NoResponseError as error:
            raise malformed(self.request, str(error)) from None
        except _INVALID as error:
            raise malformed(self.request, f"an invalid answer: {part}") from error

    def _value(self, data: bytes) -> Any:
        text = data.decode("utf-8", "replace").lstrip("\ufeff").strip()
        try:
            value, end = _decode(text)
        except (ValueError, RecursionError, ArithmeticError) as error:
            what = f"not JSON ({self._kind or 'no content type'}): {_start_of([data])}"
            raise malformed(self.request, what) from error
        if end == len(text):
            if isinstance(value, dict):
                return value
            is_list = isinstance(value, list) and all(isinstance(part, dict) for part in value)
            if is_list and self._take != self._stream:
                return value
        raise malformed(self.request, f"not a JSON object: {_start_of([data])}")


def malformed(
    request: ModelRequest, what: str, fault: Fault = Fault.MALFORMED, status: int = 200
) -> ProviderError:
    """The error for a successful response that is not an answer."""
    name, what = request.provider.name, one_line(what, request.key)
    return ProviderError(fault, f"{name}: {what}", provider=name, status=status)


def broken(request: ModelRequest, what: str, status: int = 0) -> ProviderError:
    """The error for a connection that was not made or did not last."""
    return malformed(request, what, Fault.CONNECTION, status)


def _start_of(pieces: list[bytes]) -> str:
    """For a message, which is cut after the key is masked: half a key would stay readable."""
    return b"".join(pieces).decode(errors="replace")


async def _linger(response: Response) -> None:
    """Wait shortly for the response's end, so that its connection can be reused."""
    size = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(None if response.is_complete else LINGER_S):
            while (chunk := await response.body()) and size <= MOST_BYTES:
                size += len(chunk)


async def _refusal(request: ModelRequest, response: Response) -> ProviderError:
    """The error for an unsuccessful response, out of its first 200 kB."""
    named = {k.decode("latin-1"): v.decode("latin-1") for k, v in response.headers.items()}
    if 300 <= response.status < 400:  # noqa: PLR2004
        where = _host(named.get("location", ""))
        return broken(request, f"refused redirect to {where}; correct base_url")
    data = bytearray()
    while (chunk := await response.body()) and len(data) <= MOST_ERROR_BYTES:
        data += chunk
    text = _EVENT_HEAD.sub("", bytes(data).decode("utf-8-sig", "replace").strip())
    try:
        body: Any = _decode(text)[0] if text[:1] in {"{", "["} else text
    except (ValueError, RecursionError, ArithmeticError):
        body = text
    return classify(request, response.status, body, named)


def _host(location: str) -> str:
    """Where a redirect leads: the host alone, which holds no key."""
    host = None
    with suppress(ValueError):
        host = urlsplit(location).hostname
    return f"host {host}" if host else "an invalid location"
