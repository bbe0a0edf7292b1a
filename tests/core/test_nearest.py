"""Known names that a wrong one was probably meant to be."""

from __future__ import annotations

import pytest

from rightmodel.core.errors import nearest

KNOWN = ("gpt-nano", "openai/gpt-6-luna", "openai/gpt-5.6-luna", "anthropic/claude-haiku-5-5")


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("gpt6-luna", "openai/gpt-6-luna"),
        ("GPT-6-Luna", "openai/gpt-6-luna"),
        ("claude-haiku-55", "anthropic/claude-haiku-5-5"),
        ("openai/gpt6-luna", "openai/gpt-6-luna"),
        ("gpt-nanno", "gpt-nano"),
    ],
)
def test_a_model_is_found_with_and_without_its_provider(name: str, first: str) -> None:
    found = nearest(name, KNOWN)
    assert found[0] == first
    assert len(found) == len(set(found)) <= 3
