"""One request and its response: encode, send, decode; repair once what the upstream refused."""

from __future__ import annotations

import json
import logging
import time
from dataclasses import replace
from itertools import takewhile
from math import inf
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, cast

from rightmodel.core.errors import ProviderError
from rightmodel.core.fault import Fault
from rightmodel.core.task import Message, Text, Turn, WireFormat
from rightmodel.upstream.answer import Answer, EmptyStreamError, malformed
from rightmodel.upstream.classify import SYSTEM, UpstreamError
from rightmodel.wire.codecs import CODECS
from rightmodel.wire.conversation import holds_foreign
from rightmodel.wire.fields import cost_of
from rightmodel.wire.plain import with_model
from rightmodel.wire.request import ModelRequest, has_system, system_of
from rightmodel.wire.response import CountDecoder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rightmodel.core.call import Completion, Usage
    from rightmodel.upstream.http import HttpClient
    from rightmodel.upstream.live import Watch
    from rightmodel.wire.codec import Codec

MOST_REPAIRS: Final = 4
"""Repairs of one call, each field once. A refusal costs nothing but its round trip."""

LEAST_ROOM: Final = 0.25
"""Share of the output limit that must fit the window for a smaller one to be worth a try."""

LEAST_AFFORDABLE: Final = 64
"""Output tokens below which a request that the credit allows is not worth sending."""

CREDIT_S: Final = 600.0
"""How long it is remembered that the credit allows only so many tokens: it may be topped up."""

MOST_SCHEMAS: Final = 1024
"""Schemas remembered as too complex for a model's grammar."""

STREAMING: Final = ("stream", "stream_options")
"""Left out to request the response in one piece."""

PROMPT_SHARE: Final = 0.6
"""Share of the estimated prompt tokens below which the prompt was cut."""

PROMPT_SHARE_ELSEWHERE: Final = 0.35
"""The same where the estimate is that of another family's tokenizer: a local model behind an
Anthropic endpoint counts half of what Claude would."""

LEAST_PROMPT: Final = 1000
"""Estimates of shorter prompts are off by too much to prove anything."""

FAR_BELOW: Final = 0.8
"""Share of the output limit below which an answer that ended by `length` met another limit."""

LEAST_WINDOW: Final = 256
"""No model is served with less: an answer that ends before met the server's own output limit."""

_STEP: Final = 256
"""Windows and output limits are multiples of this; servers stop up to `_OFF` tokens before."""
_OFF: Final = 2
_DECIMAL_STEP: Final = 100
"""Some servers end every answer at 100, 500 or 1,000 tokens unless they are configured."""

_log: Final = logging.getLogger(__name__)
_encode: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class Repair(NamedTuple):
    """What is done about a refused field: left out, renamed to `instead`, or limited to `most`.

    `until`: monotonic seconds after which the upstream may have changed its mind.
    """

    instead: str = ""
    most: int = 0
    until: float = inf


class Upstream(Protocol):
    """The seam between execution and the network."""

    async def complete(self, request: ModelRequest, watch: Watch | None = None) -> Completion:
        """Request one complete answer. Raises `ProviderError`; cancelling closes the connection."""
        ...

    async def count_tokens(self, request: ModelRequest) -> int | None:
        """Tokens of a turn as the upstream counts them, `None` where it cannot be asked."""
        ...


class Exchange:
    """An upstream over HTTP in one wire format. Remembers refusals by (provider, model)."""

    def __init__(self, codec: Codec, client: HttpClient, mask: Callable[[str], str] = str) -> None:
        self._codec = codec
        self._client = client
        self._mask = mask
        self._known: dict[tuple[str, str], dict[str, Repair]] = {}
        self._refused_schemas: dict[tuple[str, str, int], None] = {}

    async def complete(self, request: ModelRequest, watch: Watch | None = None) -> Completion:
        """Request one complete answer. Raises `ProviderError`; cancelling closes the connection.

        A stream without an event is requested once more in one piece: then the server reports why.
        """
        known = self._known.get((request.provider.name, request.name), {})
        repairs = {path: r for path, r in known.items() if r.until > time.monotonic()}
        turn = request.passed_through
        if self._refused_schemas and self._schema_key(request) in self._refused_schemas:
            repairs[self._codec.schema_path] = Repair()
        new: set[str] = set()
        while True:
            if request.schema is not None and self._codec.schema_path in repairs:
                turn = None  # the schema goes in words, and the client gets the JSON alone
            body, repaired = self._repaired_body(request, turn, repairs)
            if request.max_output_tokens and not (request.uncapped or turn):
                self._refuse_uncapped(request, body)
            try:
                return await self._send(request, turn, body, watch, repaired)
            except UpstreamError as error:
                path, repair = self._repair_for(error, body)
                if not path or path in new or len(new) >= MOST_REPAIRS:
                    raise
                self._remember(error, request, path, repair)
            except EmptyStreamError:
                if "stream" not in body:
                    raise
                path, repair = "stream", Repair()
            new.add(path)
            repairs |= dict.fromkeys(STREAMING if path == "stream" else (path,), repair)

    async def count_tokens(self, request: ModelRequest) -> int | None:
        """Tokens of a turn as the upstream counts them, `None` where it cannot be asked.

        It can where the client speaks the upstream's API. Raises `ProviderError`.
        """
        turn = request.passed_through
        if turn is None or not self._codec.count_path:
            return None
        decoder = CountDecoder()
        url = self._codec.url(request) + self._codec.count_path
        content = with_model(turn.body, request.name)
        answer = Answer(request, decoder, None, self._mask, is_raw=True)
        await self._client.post(url, self._headers(request, turn), content, answer)
        return decoder.tokens

    async def _send(
        self,
        request: ModelRequest,
        turn: Turn | None,
        body: Mapping[str, Any],
        watch: Watch | None,
        repaired: tuple[str, ...],
    ) -> Completion:
        """One request: everything that an upstream writes enters here and is masked.

        `turn`: whose body is sent. The client's own bytes are, where they pass through unchanged.

        Whatever goes wrong while its response is read is a fault of the upstream's: the call must
        fail over, not end.
        """
        headers, url = self._headers(request, turn), self._codec.url(request)
        is_raw = turn is not None
        answer = Answer(request, self._codec.decoder(), watch, self._mask, is_raw=is_raw)
        if turn is not None and body is turn.document:
            content = with_model(turn.body, request.name)
        else:
            content = _encode(body).encode("utf-8", "replace")
        try:
            await self._client.post(url, headers, content, answer)
            completion = answer.completion(repaired)
            refuse_cuts(request, completion, self._cap(body))
        except ProviderError as error:
            error.args = (self._mask(str(error)),)
            decoder = answer.decoder
            error.usage, error.cost_usd = decoder.usage, cost_of(decoder.counts)
            raise
        except Exception as error:
            _log.exception("reading the response of %s failed", request.provider.name)
            what = f"reading the response failed: {type(error).__name__}: {error}"
            raise malformed(request, self._mask(what)) from error
        return completion

    def _cap(self, body: Mapping[str, Any]) -> int:
        """The limit on output tokens in the body, 0 where there is none."""
        return next((v for path in self._codec.cap_paths if (v := _value(body, path))), 0)

    def _headers(self, request: ModelRequest, turn: Turn | None) -> dict[str, str]:
        """A provider of the client's own API receives what the client says about its body."""
        return {**self._codec.headers(request), **(turn.headers if turn else {})}

    def _encoded(self, request: ModelRequest) -> dict[str, Any]:
        quirks = request.quirks
        return self._codec.encode_request(request.chat(), quirks)

    def _refuse_uncapped(self, request: ModelRequest, body: Mapping[str, Any]) -> None:
        """Without a limit on the answer, what it may cost has none either."""
        if self._cap(body):
            return
        name = request.provider.name
        raise ProviderError(
            Fault.PARAMETER,
            f"{name} takes no limit on output tokens for {request.name}, and without one no cost "
            "ceiling or budget can be held: the request was not sent",
            provider=name,
        )

    def _repaired_body(
        self, request: ModelRequest, turn: Turn | None, repairs: Mapping[str, Repair]
    ) -> tuple[Mapping[str, Any], tuple[str, ...]]:
        """The body as this model takes it, and which fields differ from what was meant."""
        if turn is not None:
            is_author = request.is_author and not holds_foreign(turn.body)
            quirks, document = request.quirks, cast("dict[str, Any]", turn.document)
            if not repairs and is_author:
                body = self._codec.fitted(document, quirks)
                return body if body is document else {**body, "model": request.name}, ()
            body = self._codec.fitted({**json.loads(turn.body), "model": request.name}, quirks)
            if not is_author or SYSTEM in repairs:
                body = self._codec.plain(body, with_system=SYSTEM not in repairs)
            done = [path for path in repairs if path == SYSTEM or _apply(body, path, repairs)]
            return body, tuple(done)
        if not repairs:
            return self._encoded(request), ()
        repaired: list[str] = []
        schema_path = self._codec.schema_path
        if schema_path in repairs and request.schema is not None and request.native_schema:
            request = replace(request, native_schema=False)
            repaired.append(schema_path)
        if SYSTEM in repairs and has_system(request):
            request = _without_system(request)
            repaired.append(SYSTEM)
        body = self._encoded(request)
        repaired += [path for path in repairs if _apply(body, path, repairs)]
        return body, tuple(dict.fromkeys(repaired))

    def _repair_for(self, error: UpstreamError, body: Mapping[str, Any]) -> tuple[str, Repair]:
        """The field that caused the refusal and what to do about it, "" where nothing helps."""
        path, limit = error.parameter, error.limit or 0
        if error.fault is Fault.CONTEXT_OVERFLOW:
            return self._smaller_output(error.room, body)
        if error.fault is Fault.QUOTA:
            repair = Repair(most=limit, until=time.monotonic() + CREDIT_S)
            enough = path and limit >= LEAST_AFFORDABLE
            path = next((p for p in self._codec.cap_paths if enough and _value(body, p)), "")
        else:
            repair = Repair(most=limit) if limit else Repair(self._codec.renamed.get(path, ""))
        is_sent = path == SYSTEM or (path and _value(body, path) is not None)
        helps = repair.most or path not in self._codec.needed
        return (path, repair) if is_sent and helps else ("", repair)

    def _smaller_output(self, room: int | None, body: Mapping[str, Any]) -> tuple[str, Repair]:
        """A smaller output limit, where prompt and answer together were too much for the window."""
        for path in self._codec.cap_paths:
            cap = _value(body, path)
            if room and isinstance(cap, int) and cap * LEAST_ROOM <= room < cap:
                return path, Repair(most=room)
        return "", Repair()

    def _remember(
        self, error: UpstreamError, request: ModelRequest, path: str, repair: Repair
    ) -> None:
        """Keep what holds for later requests: not the room in a window; a schema for itself."""
        if error.fault is Fault.CONTEXT_OVERFLOW:
            return
        if path == self._codec.schema_path and "schema" in str(error).lower():
            if len(self._refused_schemas) >= MOST_SCHEMAS:
                self._refused_schemas.clear()
            self._refused_schemas[self._schema_key(request)] = None
            return
        paths = STREAMING if path == "stream" else (path,)
        known = self._known.setdefault((request.provider.name, request.name), {})
        known |= dict.fromkeys(paths, repair)

    def _schema_key(self, request: ModelRequest) -> tuple[str, str, int]:
        return request.provider.name, request.name, hash(repr(request.schema))


def make_upstreams(
    client: HttpClient, mask: Callable[[str], str] = str
) -> Mapping[WireFormat, Upstream]:
    """One exchange for each wire format, over one client. `mask` removes every known key."""
    return {name: Exchange(codec, client, mask) for name, codec in CODECS.items()}


def _without_system(request: ModelRequest) -> ModelRequest:
    """The same request with the system prompt at the head of the first message, the user's."""
    leading = [m.text for m in takewhile(lambda m: m.role == "system", request.messages)]
    system = "\n\n".join(filter(None, (system_of(request), *leading)))
    rest = request.messages[len(leading) :]
    first, *others = rest if rest and rest[0].role == "user" else (Message("user", ()), *rest)
    texts = [part for part in first.parts if isinstance(part, Text)]
    head = Text("\n\n".join([system, *(part.text for part in texts[:1])]))
    files = [part for part in first.parts if not isinstance(part, Text)]
    first = Message("user", (*files, head, *texts[1:]))
    schema = request.schema if request.native_schema else None
    return replace(request, system="", schema=schema, messages=(first, *others))


def _value(body: Mapping[str, Any], path: str) -> Any:
    """What is at a path of the body, `None` where nothing is."""
    value: Any = body
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _apply(body: dict[str, Any], path: str, repairs: Mapping[str, Repair]) -> bool:
    """Repair one field, if the body has it."""
    value, repair = _value(body, path), repairs[path]
    if value is None or path == SYSTEM:
        return False
    *parents, key = path.split(".")
    holders = [body]
    for parent in parents:
        holders.append(holders[-1][parent])
    if repair.most:
        if value <= repair.most:
            return False
        holders[-1][key] = repair.most
        return True
    del holders[-1][key]
    if repair.instead and repair.instead not in repairs:
        holders[-1][repair.instead] = value
    for holder, parent in zip(reversed(holders[:-1]), reversed(parents), strict=True):
        if not holder[parent]:
            del holder[parent]
    return True


def refuse_cuts(request: ModelRequest, completion: Completion, cap: int) -> None:
    """Raise `ProviderError` with the window where it cut the prompt, or the answer before `cap`."""
    usage = completion.usage
    if usage is None or not usage.input:
        return
    if request.expect_input_tokens > LEAST_PROMPT and request.provider.is_local:
        _refuse_cut_prompt(request, usage)
    if completion.finish == "length":
        _refuse_cut_answer(request, usage, cap)


def _refuse_cut_prompt(request: ModelRequest, usage: Usage) -> None:
    """The reported prompt tokens are far fewer than were sent."""
    expected = request.expect_input_tokens
    is_own = request.provider.protocol is WireFormat.OPENAI_CHAT
    share = PROMPT_SHARE if is_own else PROMPT_SHARE_ELSEWHERE
    if usage.input >= expected * share:
        return
    raise _overflow(
        request,
        f"read only {usage.input} of about {expected} prompt tokens: its window is smaller than "
        "the manifest says (Ollama: set num_ctx or OLLAMA_CONTEXT_LENGTH)",
        usage.input,
    )


def _refuse_cut_answer(request: ModelRequest, usage: Usage, cap: int) -> None:
    """The answer ended by `length` far below the limit on output tokens that was sent.

    A provider with a lower output limit of its own ends all long answers at the same round number
    of output tokens, whatever the prompt: that is no window.
    """
    window = usage.input + usage.output
    is_output_limit = window < LEAST_WINDOW or (_is_round(usage.output) > _is_round(window))
    if not usage.output or usage.output >= cap * FAR_BELOW or is_output_limit:
        return
    raise _overflow(
        request,
        f"ended the answer after {usage.output} of {cap} tokens: its context window is full at "
        f"{window} tokens",
        window,
    )


def _overflow(request: ModelRequest, what: str, window: int) -> ProviderError:
    name = request.provider.name
    return ProviderError(
        Fault.CONTEXT_OVERFLOW, f"{name} {what}", provider=name, status=200, window=window
    )


def _is_round(tokens: int) -> bool:
    return (tokens + _OFF) % _STEP <= _OFF + 1 or tokens % _DECIMAL_STEP == 0
