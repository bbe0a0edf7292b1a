"""Every wire protocol by its name in the manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rightmodel.domain import Protocol
from rightmodel.providers.anthropic_messages import AnthropicMessages
from rightmodel.providers.gemini import Gemini
from rightmodel.providers.openai_chat import OpenAIChat

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rightmodel.providers.base import ChatProvider
    from rightmodel.providers.http import HttpClient


def make_providers(client: HttpClient) -> Mapping[Protocol, ChatProvider]:
    """One of each, sharing a connection pool."""
    return {
        Protocol.OPENAI_CHAT: OpenAIChat(client),
        Protocol.ANTHROPIC_MESSAGES: AnthropicMessages(client),
        Protocol.GEMINI: Gemini(client),
    }
