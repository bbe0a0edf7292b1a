"""One request to one model at one provider, whatever the wire format."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

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
