"""The seam between dispatch and the wire protocols: one request, one method, one completion."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from typing import Protocol as TypingProtocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rightmodel.core.call import Completion
    from rightmodel.core.task import Turn
    from rightmodel.manifest.catalog import Provider


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """One attempt at one endpoint.

    `name`: the model on the wire. `key`: "" where none is needed. `turns`: ends with the prompt.
    `schema`: the answer must be JSON valid against it; `native_schema`: whether the model takes
    it as a parameter (else it is asked for in the system prompt). `effort`: "" is never sent.
    `max_output_tokens`: reasoning included; 0 leaves it to the upstream where the protocol allows.
    `uncapped`: whether an upstream that takes no such limit may be asked without one.
    `expect_input_tokens`: our estimate, to notice an upstream that silently cut the prompt.
    """

    provider: Provider
    name: str
    turns: tuple[Turn, ...]
    key: str = field(default="", repr=False)
    system: str = ""
    schema: Mapping[str, Any] | None = None
    native_schema: bool = False
    effort: str = ""
    max_output_tokens: int = 0
    uncapped: bool = False
    expect_input_tokens: int = 0


class Watch(TypingProtocol):
    """Told what is heard from the upstream while an answer comes in."""

    def sent(self) -> None:
        """The request is out: from here on, the upstream may bill for it."""

    def heard(self, chars: int) -> None:
        """So many characters of answer or reasoning came. Keep-alive comments do not count."""


class ChatProvider(TypingProtocol):
    """One wire protocol. Stateless apart from the HTTP client and what it has learned to mend."""

    async def complete(self, request: ModelRequest, watch: Watch | None = None) -> Completion:
        """Ask for one complete answer. Raises `ProviderError`; cancelling closes the socket."""
        ...
