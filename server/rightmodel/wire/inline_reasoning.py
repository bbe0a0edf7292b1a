"""Reasoning and tool calls that a server left in the text of an answer.

A server that runs a model without the parser made for it hands the model's raw output on. The
markers are those of the models' own chat templates: `<think>` (DeepSeek, Qwen, GLM, MiniMax …),
`[THINK]` (Mistral), `<seed:think>` (ByteDance), `<|START_THINKING|>` (Cohere), `<|inner_prefix|>`
(Apertus), `<|channel>thought` (Gemma), harmony's channels (gpt-oss) and a few more.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import Final, NamedTuple

_WORDS: Final = "think|thinking|thoughts?|reasoning|seed:think|antml:thinking|antthinking"
BLOCKS: Final = tuple(
    (re.compile(opening, re.IGNORECASE), re.compile(closing, re.IGNORECASE))
    for opening, closing in (
        (rf"<(?:{_WORDS})(?:\s[^<>]*)?>", rf"</(?:{_WORDS})\s*>"),
        (r"\[think\]", r"\[/think\]"),
        (r"◁think▷", r"◁/think▷"),
        (
            r"<\|(?:begin_of_|start_)?(?:think(?:ing)?|thought)\|>",
            r"<\|/?(?:end_(?:of_)?)?(?:think(?:ing)?|thought)\|>",
        ),
        (r"<\|inner_prefix\|>", r"<\|inner_suffix\|>"),
        (r"<\|channel>thought\b", r"<channel\|>"),
        (r"<unused94>", r"<unused95>"),
    )
)  # fmt: skip
_GRANITE: Final = re.compile(
    r"\s*here(?: is|'s) my thought process:.*?here(?: is|'s) my response:\s*",
    re.IGNORECASE | re.DOTALL,
)
_WRAPPED: Final = re.compile(
    r"\s*(?:<(answer|response)>|<\|start_response\|>|<\|begin_of_(?:solution|box)\|>)(.*?)"
    r"(?:</\1>|<\|end_(?:response|of_solution|of_box)\|>)?\s*",
    re.IGNORECASE | re.DOTALL,
)
"""What some models put around the answer that follows their reasoning."""

_CHANNEL: Final = re.compile(
    r"<\|channel\|>\s*(\w+)((?:[^<]|<\|constrain\|>){0,200}?)<\|message\|>"
    r"(.*?)(?=<\|(?:end|return|call|start|channel)\|>|\Z)",
    re.DOTALL,
)
_CHANNEL_START: Final = re.compile(r"<\|(?:channel|start)\|>|(?:analysis|commentary)")
_EATEN_CHANNEL: Final = re.compile(r"\s*(?:analysis|commentary|final)\b[^<]{0,100}<\|message\|>")
_BARE_CHANNELS: Final = re.compile(r"\s*analysis(.*?)assistant(final|commentary)(.*)", re.DOTALL)
"""Harmony whose special tokens the server removed."""

CALLS: Final = re.compile(
    r"<tool_call>|<(?:antml:)?function_calls>|<(?:antml:)?invoke name=|<function=[\w.]+>"
    r"|\[TOOL_CALLS\]|<\|python_tag\|>|<\|tool_calls?(?:_section)?(?:_begin)?\|>"
    r"|<\uff5ctool\u2581calls?\u2581begin\uff5c>|<\uff5cDSML\uff5cfunction_calls>|<\|START_ACTION\|>"
)
_CALL_END: Final = re.compile(
    r"</tool_call>|</(?:antml:)?function_calls>|</(?:antml:)?invoke>|</function>"
    r"|<\|tool_calls?(?:_section)?_end\|>|<\uff5ctool\u2581calls?\u2581end\uff5c>"
    r"|</\uff5cDSML\uff5cfunction_calls>|<\|END_ACTION\|>"
)
_SPECIAL: Final = re.compile(r"<\|[\w/]+\|>|</s>|<\uff5c[^<>\uff5c]*\uff5c>")
_CODE: Final = re.compile(r"```.*?(?:```|\Z)|`[^`\n]+`", re.DOTALL)
_QUOTES: Final = frozenset("\"'`“”\u2018’«»")
MARKERS: Final = (
    "<", "[th", "[tH", "[Th", "[TH", "[TO", "[/", "◁", "analysis", "ere is my", "ere's my",
)  # fmt: skip
"""Every text with reasoning or a call in it holds one of these; most answers hold none."""


class Split(NamedTuple):
    """`reasoning_chars`: how much was taken out. `is_call`: the text ends in a call of a tool."""

    text: str
    reasoning_chars: int = 0
    is_call: bool = False

    def before_call(self) -> Split:
        """Without the call that it ends in, which was cut off."""
        text = CALLS.split(self.text, maxsplit=1)[0].rstrip()
        return Split(text, self.reasoning_chars + len(self.text) - len(text))


def opens_call(text: str) -> bool:
    """Whether the text begins with a call of a tool."""
    return bool(CALLS.match(text))


def opens_channel(text: str) -> bool:
    """Whether the text begins as that of gpt-oss does, whose parts only its end tells apart."""
    return bool(_CHANNEL_START.match(text))


def split_reasoning(text: str, prompt: str = "") -> Split:
    """The answer alone. Markers that `prompt` holds as well are content, and stay.

    Reasoning that was never closed leaves an empty answer.
    """
    harmony = _split_harmony(text, prompt)
    if harmony is not None:
        return harmony
    rest = text
    for opening, closing in BLOCKS:
        rest = _without_blocks(rest, opening, closing, prompt)
    if "my response:" not in prompt:
        rest = _GRANITE.sub("", rest, count=1) if _GRANITE.match(rest) else rest
    if rest is not text:
        wrapped = _WRAPPED.fullmatch(rest)
        rest = (wrapped[2] if wrapped else rest).strip()
    return Split(rest, len(text) - len(rest), _ends_in_call(rest, prompt))


def _split_harmony(text: str, prompt: str) -> Split | None:
    if "<|message|>" in text and "<|message|>" not in prompt:
        if _EATEN_CHANNEL.match(text):
            text = f"<|channel|>{text.lstrip()}"
        found = _CHANNEL.findall(text)
        final = "".join(body for name, _, body in found if name == "final").strip()
        called = not final and any("to=" in header for _, header, _ in found)
        return Split(final, len(text) - len(final), called) if found else None
    bare = _BARE_CHANNELS.fullmatch(text)
    if bare and "assistantfinal" not in prompt:
        final = bare[3].strip() if bare[2] == "final" else ""
        return Split(final, len(bare[1]), not final)
    return None


def _without_blocks(
    text: str, opening: re.Pattern[str], closing: re.Pattern[str], prompt: str
) -> str:
    if not closing.search(text) and not opening.match(text.lstrip()):
        return text
    if opening.search(prompt) or closing.search(prompt):
        return text
    text, is_closed = _without_leading(text, opening, closing)
    if not is_closed:
        return ""
    orphan = _last_orphan(text, opening, closing)
    if orphan is not None:
        text = text[orphan.end() :]
    return _without_inner(text, opening, closing)


def _without_leading(
    text: str, opening: re.Pattern[str], closing: re.Pattern[str]
) -> tuple[str, bool]:
    """The text behind the blocks that it begins with, and whether all of them are closed."""
    position = 0
    while (start := opening.match(text, _next_word(text, position))) is not None:
        end = closing.search(text, start.end())
        if end is None:
            return "", False
        position = end.end()
    return text[position:] if position else text, True


def _next_word(text: str, position: int) -> int:
    while position < len(text) and text[position].isspace():
        position += 1
    return position


def _last_orphan(
    text: str, opening: re.Pattern[str], closing: re.Pattern[str]
) -> re.Match[str] | None:
    """The last closing marker in front of any opening one: the template had opened the block."""
    first = next(iter(_markers(text, opening)), None)
    limit = first.start() if first else len(text)
    orphans = [found for found in _markers(text, closing) if found.start() < limit]
    return orphans[-1] if orphans else None


def _without_inner(text: str, opening: re.Pattern[str], closing: re.Pattern[str]) -> str:
    pieces: list[str] = []
    position = 0
    for start in _markers(text, opening):
        if start.start() < position:
            continue
        end = closing.search(text, start.end())
        if end is None:
            break
        pieces.append(text[position : start.start()])
        position = end.end()
    return "".join((*pieces, text[position:])) if position else text


def _ends_in_call(text: str, prompt: str) -> bool:
    """Whether nothing follows the last tool call but its end."""
    found = _markers(text, CALLS)
    if not found or CALLS.search(prompt):
        return False
    end = None
    for end in _CALL_END.finditer(text, found[-1].end()):  # noqa: B007 - the last one counts
        pass
    return end is None or not _SPECIAL.sub("", text[end.end() :]).strip()


def _markers(text: str, pattern: re.Pattern[str]) -> list[re.Match[str]]:
    """The pattern's occurrences outside of code, and not as quoted words."""
    found = list(pattern.finditer(text))
    if not found:
        return found
    code = [span.span() for span in _CODE.finditer(text)]
    starts = [start for start, _ in code]

    def is_marker(match: re.Match[str]) -> bool:
        start, end = match.span()
        if {text[start - 1 : start], text[end : end + 1]} & _QUOTES:
            return False
        span = bisect_right(starts, start) - 1
        return span < 0 or code[span][1] <= start

    return [match for match in found if is_marker(match)]
