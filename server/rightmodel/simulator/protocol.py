"""What a wire protocol has to be able to do, and what the three have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple
from typing import Protocol as TypingProtocol

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rightmodel.simulator.behaviour import Reply
    from rightmodel.simulator.dialect import Dialect, Facts
    from rightmodel.simulator.received import Received
    from rightmodel.simulator.wire import Event, Json

Route = Literal["answer", "models", ""]

ANY_OBJECT: Final[Json] = {"type": "object", "properties": {"answer": {"type": "string"}}}
"""Stands for the schema of an answer that only has to be some JSON object."""


class Setting(NamedTuple):
    """What an answer says about itself. `created`: seconds since 1970; `number`: of the request."""

    dialect: Dialect
    number: int
    created: int
    chunk_tokens: int = 8


class WireProtocol(TypingProtocol):
    """One protocol: reads requests, checks them as the real one does, dresses answers.

    `base_path`: what the manifest's `base_url` has after the host. `newline`: between the lines of
    an event. `last`: what ends a stream, after the last event.
    """

    base_path: str
    newline: str
    last: bytes

    def route(self, request: Received) -> Route:
        """What the path asks for; sets model and streaming where the path says them."""
        ...

    def read(self, request: Received) -> None:
        """Fill in what the body asks for."""
        ...

    def key(self, request: Received) -> str:
        """The key that was sent, "" for none."""
        ...

    def problem(self, request: Received) -> tuple[str, Facts] | None:
        """What the real one would refuse in any request, as kind of error and facts."""
        ...

    def body(self, reply: Reply, request: Received, setting: Setting) -> Json:
        """The body of an answer that is not streamed."""
        ...

    def events(self, reply: Reply, request: Received, setting: Setting) -> list[Event]:
        """The events of an answer that is streamed, without what ends the stream."""
        ...

    def models(self, names: Iterable[str], created: int) -> Json:
        """The list of models."""
        ...


def text_of(content: Any) -> str:
    """The text of a message: a string, or a list of parts of which the texts are taken."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "\n".join(str(p["text"]) for p in parts if isinstance(p, dict) and "text" in p)


def pieces(text: str, tokens: int) -> list[str]:
    """A text in pieces of so many tokens."""
    size = max(1, tokens) * 4
    return [text[at : at + size] for at in range(0, len(text), size)]


def dictionaries(value: Any) -> list[Json]:
    """The dictionaries of a list; nothing where it is no list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def as_int(value: Any) -> int | None:
    """A whole number, or `None` for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None
