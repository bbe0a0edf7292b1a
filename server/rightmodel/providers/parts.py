"""What the protocols have in common: files as text, schema in words, a notebook while reading."""

from __future__ import annotations

import base64
import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from rightmodel.domain import Completion, Usage
from rightmodel.errors import Fault, ProviderError

if TYPE_CHECKING:
    from decimal import Decimal

    from rightmodel.domain import Attachment, Turn
    from rightmodel.providers.base import ModelRequest, Watch

SILENT_CUT_SHARE: Final = 0.6
SILENT_CUT_TOKENS: Final = 1000


def text_of(turn: Turn) -> str:
    """The turn's text with its text files in front, each under its name."""
    files = [
        f'<file name="{f.path}">\n{f.data.decode("utf-8-sig", "replace")}\n</file>'
        for f in turn.files
        if f.modality == "text"
    ]
    return "\n\n".join([*files, turn.text])


def other_files(turn: Turn) -> list[Attachment]:
    """The turn's files that are not text."""
    return [f for f in turn.files if f.modality != "text"]


def base64_of(file: Attachment) -> str:
    """The file's bytes as base64."""
    return base64.b64encode(file.data).decode()


def system_of(request: ModelRequest) -> str:
    """The system prompt; with the schema in words where the model does not take it natively."""
    if request.schema is None or request.native_schema:
        return request.system
    wish = (
        "Answer with one JSON value and nothing else: no fences, no comment. "
        f"It must be valid against this JSON Schema:\n{json.dumps(request.schema)}"
    )
    return f"{request.system}\n\n{wish}" if request.system else wish


@dataclass(slots=True)
class Notebook:
    """What was read of an answer so far."""

    request: ModelRequest
    watch: Watch | None
    began: float = field(default_factory=time.monotonic)
    parts: list[str] = field(default_factory=list)
    reasoning_chars: int = 0
    finish: str = ""
    served: str = ""
    usage: Usage | None = None
    cost_usd: Decimal | None = None
    first_s: float | None = None
    tool_call: bool = False

    def text(self, piece: object) -> None:
        """A piece of the answer; Mistral sends lists of parts."""
        if isinstance(piece, list):
            piece = "".join(p.get("text", "") for p in piece if isinstance(p, dict))
        if isinstance(piece, str) and piece:
            self.parts.append(piece)
            self._heard(len(piece))

    def reasoning(self, piece: object) -> None:
        """A piece of the model's reasoning: counted, not kept."""
        if isinstance(piece, str) and piece:
            self.reasoning_chars += len(piece)
            self._heard(len(piece))

    def _heard(self, chars: int) -> None:
        if self.first_s is None:
            self.first_s = time.monotonic() - self.began
        if self.watch is not None:
            self.watch.heard(chars)

    def completion(self, mended: tuple[str, ...] = ()) -> Completion:
        """The finished answer. Raises `ProviderError` for what is not one."""
        text = "".join(self.parts)
        name = self.request.provider.name
        if self.tool_call and not text:
            raise ProviderError(
                Fault.MALFORMED, f"{name}: a tool call instead of an answer", provider=name
            )
        self._refuse_silent_cut()
        return Completion(
            text=text,
            finish=self.finish,
            served=self.served,
            usage=self.usage,
            cost_usd=self.cost_usd,
            reasoning_chars=self.reasoning_chars,
            mended=mended,
            first_token_s=self.first_s,
        )

    def _refuse_silent_cut(self) -> None:
        """Ollama cuts a long prompt without a word; the reported prompt tokens give it away."""
        expected, name = self.request.expect_input_tokens, self.request.provider.name
        if self.usage is None or not self.usage.input or expected <= SILENT_CUT_TOKENS:
            return
        if self.usage.input < expected * SILENT_CUT_SHARE:
            raise ProviderError(
                Fault.CONTEXT_OVERFLOW,
                f"{name} read only {self.usage.input} of about {expected} prompt tokens: its "
                "window is smaller than the manifest says",
                provider=name,
                window=self.usage.input,
                scope="",
            )


def whole(value: Any) -> int:
    """A token count out of a body, 0 for anything else."""
    return value if isinstance(value, int) and value > 0 else 0
