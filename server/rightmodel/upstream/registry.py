"""Every wire protocol by its name in the manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rightmodel.core.task import Protocol
from rightmodel.wire.anthropic_messages import AnthropicMessages
from rightmodel.wire.gemini import Gemini
from rightmodel.wire.openai_chat import OpenAIChat

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rightmodel.upstream.http import HttpClient
    from rightmodel.wire.base import ChatProvider


def make_providers(
    client: HttpClient, mask: Callable[[str], str] = str
) -> Mapping[Protocol, ChatProvider]:
    """One of each, sharing a connection pool. `mask`: takes every known key out of a text."""
    return {
        Protocol.OPENAI_CHAT: OpenAIChat(client, mask),
        Protocol.ANTHROPIC_MESSAGES: AnthropicMessages(client, mask),
        Protocol.GEMINI: Gemini(client, mask),
    }
