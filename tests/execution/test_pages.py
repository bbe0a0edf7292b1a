from __future__ import annotations

import random

import pytest

from rightmodel.execution.calls import PAGE_CHARS, PAGE_TOKENS, paged
from rightmodel.routing.tokens import estimate_tokens


@pytest.mark.parametrize(
    "text",
    [
        "",
        "short",
        "A plain English sentence with words in it.\n" * 5000,
        "國家政策" * 12_000,
        "한국어문장" * 10_000,
        "🙂🎉" * 20_000,
        "".join(random.Random(1).choices("0123456789abcdef", k=120_000)),
        "x" * 90_000,
    ],
)
def test_pages_are_below_what_clients_take_and_lose_nothing(text: str) -> None:
    pages = paged(text)
    assert "".join(pages) == text
    assert all(estimate_tokens(page) <= PAGE_TOKENS for page in pages)
    assert all(len(page) <= PAGE_CHARS for page in pages)
    assert all(pages) or text == ""


def test_a_page_ends_with_a_line_where_it_can() -> None:
    pages = paged("A plain English sentence with words in it.\n" * 5000)
    assert all(page.endswith("\n") for page in pages)
