"""How hosts depart from their wire format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Quirks:
    """One host's: keys of the provider in the manifest, but for `cache_key`.

    `output_cap`: the parameter that caps the output of chat completions. `effort_field`: where the
    effort is: `reasoning_effort`, or `reasoning` for an object. `stream_usage`: whether
    `stream_options` is accepted. `short_call_ids`: ids of tool calls have exactly 9 letters and
    digits. `strict_turns`: no user's message follows a tool's result, none of the assistant's ends
    the conversation. `reasoning_in_history`: every earlier answer has its `reasoning_content`.
    `cache_key`: the `prompt_cache_key` that the host caches by, "" where it needs none.
    """

    output_cap: str = "max_tokens"
    effort_field: str = "reasoning_effort"
    stream_usage: bool = True
    short_call_ids: bool = False
    strict_turns: bool = False
    reasoning_in_history: bool = False
    cache_key: str = ""


NO_QUIRKS: Final = Quirks()
