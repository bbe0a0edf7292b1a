"""Every codec by the name of its wire format in the manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rightmodel.core.task import WireFormat
from rightmodel.wire.anthropic_messages import AnthropicMessages
from rightmodel.wire.gemini import Gemini
from rightmodel.wire.openai_chat import OpenAIChat
from rightmodel.wire.openai_responses import OpenAIResponses

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rightmodel.wire.codec import Codec

CODECS: Final[Mapping[WireFormat, Codec]] = {
    WireFormat.OPENAI_CHAT: OpenAIChat(),
    WireFormat.OPENAI_RESPONSES: OpenAIResponses(),
    WireFormat.ANTHROPIC_MESSAGES: AnthropicMessages(),
    WireFormat.GEMINI: Gemini(),
}
