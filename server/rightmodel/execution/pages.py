"""Long answers in pages that every client takes whole.

Claude Code takes 25,000 tokens of a tool's result and OpenClaw 64,000 characters, at most.
"""

from __future__ import annotations

from typing import Final

from rightmodel.routing.tokens import estimate_tokens

PAGE_CHARS: Final = 40_000
PAGE_TOKENS: Final = 12_000
LAST_PART: Final = 0.8
"""A page ends at the end of a line where there is one after this share of it."""


def paged(text: str) -> tuple[str, ...]:
    """The pages of a text, at least one; joined they are the text."""
    pages = []
    start = 0
    while True:
        page = _first_page(text, start)
        pages.append(page)
        start += len(page)
        if start >= len(text):
            return tuple(pages)


def _first_page(text: str, start: int) -> str:
    size = PAGE_CHARS
    page = text[start : start + size]
    while (tokens := estimate_tokens(page)) > PAGE_TOKENS:
        size = max(1, min(size - 1, int(len(page) * PAGE_TOKENS / tokens)))
        page = text[start : start + size]
    if start + len(page) >= len(text):
        return page
    line_end = page.rfind("\n", int(len(page) * LAST_PART)) + 1
    return page[: line_end or len(page)]
