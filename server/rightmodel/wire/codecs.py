"""Every codec by the name of its wire format in the manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rightmodel.core.task import WireFormat
from rightmodel.wire import (
    anthropic_messages_server,
    gemini_server,
    openai_chat_server,
    openai_responses_server,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rightmodel.wire.codec import Codec

CODECS: Final[Mapping[WireFormat, Codec]] = {
    WireFormat.OPENAI_CHAT: openai_chat_server.CODEC,
    WireFormat.OPENAI_RESPONSES: openai_responses_server.CODEC,
    WireFormat.ANTHROPIC_MESSAGES: anthropic_messages_server.CODEC,
    WireFormat.GEMINI: gemini_server.CODEC,
}
