"""One request and its response: encode, send, decode; repair once what the upstream refused."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from rightmodel.core.errors import ProviderError
from rightmodel.core.fault import Fault
from rightmodel.core.task import WireFormat
from rightmodel.upstream.classify import UpstreamError
from rightmodel.upstream.http import Post
from rightmodel.wire.answer import EmptyStreamError
from rightmodel.wire.anthropic_messages import AnthropicMessages
from rightmodel.wire.gemini import Gemini
from rightmodel.wire.openai_chat import OpenAIChat

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rightmodel.core.call import Completion
    from rightmodel.upstream.http import HttpClient
    from rightmodel.wire.answer import Watch
    from rightmodel.wire.codec import Codec
    from rightmodel.wire.request import ModelRequest

MOST_MENDS: Final = 3
"""Refused parameters that one call mends, each once. A refusal costs nothing but its round trip."""

LEAST_ROOM: Final = 0.25
"""Share of the answer's allowance that must fit for a smaller one to be worth a try."""

CODECS: Final[Mapping[WireFormat, Codec]] = {
    WireFormat.OPENAI_CHAT: OpenAIChat(),
    WireFormat.ANTHROPIC_MESSAGES: AnthropicMessages(),
    WireFormat.GEMINI: Gemini(),
}

STREAMING: Final = ("stream", "stream_options")
"""Left out to ask for an answer in one piece."""


class Mend(NamedTuple):
    """What is done about a refused parameter: left out, renamed, or no more than `most`."""

    instead: str = ""
    most: int = 0


class Upstream(Protocol):
    """The seam between execution and the network."""

    async def complete(self, request: ModelRequest, watch: Watch | None = None) -> Completion:
        """Request one complete answer. Raises `ProviderError`; cancelling closes the connection."""


class Exchange:
    """An upstream over HTTP in one wire format. Remembers refusals by (provider, model)."""

    def __init__(self, codec: Codec, client: HttpClient, mask: Callable[[str], str] = str) -> None:
        self._codec = codec
        self._client = client
        self._mask = mask
        self._known: dict[tuple[str, str], dict[str, Mend]] = {}

    async def complete(self, request: ModelRequest, watch: Watch | None = None) -> Completion:
        """Ask for one complete answer. Raises `ProviderError`; cancelling closes the connection.

        A stream without an event is asked for once more in one piece: then the server says why.
        """
        known = self._known.setdefault((request.provider.name, request.name), {})
        just_now: dict[str, Mend] = {}
        while True:
            mends = {**known, **just_now}
            body, mended = self._mended_body(request, mends)
            if request.max_output_tokens and not request.uncapped:
                self._refuse_uncapped(request, body)
            try:
                return await self._asked(request, body, watch, mended)
            except UpstreamError as error:
                if len(just_now) >= MOST_MENDS or not self._learn(error, body, known, just_now):
                    raise
            except EmptyStreamError:
                if "stream" not in body:
                    raise
                just_now |= dict.fromkeys(STREAMING, Mend())

    async def _asked(
        self,
        request: ModelRequest,
        body: Mapping[str, Any],
        watch: Watch | None,
        mended: tuple[str, ...],
    ) -> Completion:
        """One request: the only place where an upstream's words enter the house, masked here."""
        answer = self._codec.answer(request, watch)
        try:
            await self._client.ask(
                Post(request, self._codec.url(request), self._codec.headers(request), body), answer
            )
            return answer.completion(mended, self._mask)
        except ProviderError as error:
            error.args = (self._mask(str(error)),)
            error.usage, error.cost_usd = answer.usage, answer.cost_usd
            raise

    def _refuse_uncapped(self, request: ModelRequest, body: Mapping[str, Any]) -> None:
        """Without a limit on the answer, what it may cost has none either."""
        if any(_value(body, path) for path in self._codec.cap_paths):
            return
        name = request.provider.name
        raise ProviderError(
            Fault.PARAMETER,
            f"{name} takes no limit on output tokens for {request.name}, and without one no cost "
            "ceiling or budget can be held: it was not asked",
            provider=name,
        )

    def _mended_body(
        self, request: ModelRequest, mends: Mapping[str, Mend]
    ) -> tuple[dict[str, Any], tuple[str, ...]]:
        """The body as this model takes it, and which parameters are not as they were meant."""
        if not mends:
            return self._codec.body(request), ()
        mended: list[str] = []
        if (
            self._codec.schema_path in mends
            and request.schema is not None
            and request.native_schema
        ):
            request = replace(request, native_schema=False)
            mended.append(self._codec.schema_path)
        body = self._codec.body(request)
        for path, mend in mends.items():
            if _apply(body, path, mend, mends):
                mended.append(path)
        return body, tuple(mended)

    def _learn(
        self,
        error: UpstreamError,
        body: Mapping[str, Any],
        known: dict[str, Mend],
        just_now: dict[str, Mend],
    ) -> bool:
        """Whether the request can be mended. What is true of this request alone is not kept."""
        if error.fault is Fault.CONTEXT_OVERFLOW:
            path, mend = self._smaller(error.room, body)
            if not path or path in just_now:
                return False
            just_now[path] = mend
            return True
        path = error.parameter
        if error.fault is not Fault.PARAMETER or path in just_now or _value(body, path) is None:
            return False
        mend = Mend(self._codec.renamed.get(path, ""), 0)
        if error.limit:
            mend = Mend(most=error.limit)
        elif path in self._codec.needed:
            return False
        just_now[path] = mend
        if path != self._codec.schema_path or "schema" not in str(error).lower():
            known[path] = mend
        return True

    def _smaller(self, room: int | None, body: Mapping[str, Any]) -> tuple[str, Mend]:
        """A smaller answer, where prompt and answer together were too much for the window."""
        for path in self._codec.cap_paths:
            cap = _value(body, path)
            if room and isinstance(cap, int) and cap * LEAST_ROOM <= room < cap:
                return path, Mend(most=room)
        return "", Mend()


def make_upstreams(
    client: HttpClient, mask: Callable[[str], str] = str
) -> Mapping[WireFormat, Upstream]:
    """One exchange for each wire format, over one client. `mask` removes every known key."""
    return {name: Exchange(codec, client, mask) for name, codec in CODECS.items()}


def _value(body: Mapping[str, Any], path: str) -> Any:
    """What is at a path of the body, `None` where nothing is."""
    value: Any = body
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _apply(body: dict[str, Any], path: str, mend: Mend, mends: Mapping[str, Mend]) -> bool:
    """Mend one parameter, if the body has it."""
    value = _value(body, path)
    if value is None:
        return False
    *folders, key = path.split(".")
    holders = [body]
    for folder in folders:
        holders.append(holders[-1][folder])
    if mend.most:
        if value <= mend.most:
            return False
        holders[-1][key] = mend.most
        return True
    del holders[-1][key]
    if mend.instead and mend.instead not in mends:
        holders[-1][mend.instead] = value
    for holder, folder in zip(reversed(holders[:-1]), reversed(folders), strict=True):
        if not holder[folder]:
            del holder[folder]
    return True
