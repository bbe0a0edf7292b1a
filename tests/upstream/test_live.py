"""Text of an answer while it arrives."""

from __future__ import annotations

import pytest

from rightmodel.upstream.live import LONGEST_WORD, LiveText
from upstream.upstream import Heard, ask, chunk, events


def shown(*pieces: str, key: str = "sk-very-secret") -> list[str]:
    live = LiveText(lambda text: text.replace(key, "[key removed]"))
    return [*map(live.take, pieces), live.rest()]


def test_whole_words_are_shown_and_the_last_one_at_the_end() -> None:
    assert shown("The cap", "ital is ", "Rome", ".") == ["The ", "capital is ", "", "", "Rome."]


def test_a_key_that_comes_in_pieces_is_removed() -> None:
    assert "".join(shown("It is sk-ve", "ry-sec", "ret, I ", "think")) == (
        "It is [key removed], I think"
    )


def test_a_character_that_comes_in_halves_is_joined() -> None:
    assert "".join(shown("so \ud83d", "\ude00 it ", "is")) == "so 😀 it is"


@pytest.mark.parametrize("opening", ["<think>", "\n<think>", "[THINK]", "<|channel|>", "analysis"])
def test_what_may_be_reasoning_is_not_shown(opening: str) -> None:
    assert "".join(shown(opening[:3], opening[3:], "hm so ", "Rome it is")) == ""


def test_text_without_blanks_is_not_withheld_for_ever() -> None:
    assert len(shown("一" * (LONGEST_WORD + 1))[0]) == LONGEST_WORD + 1


def test_the_pieces_add_up_to_the_answer() -> None:
    reader = Heard()
    reply = events(
        chunk({"content": "The capital"}), chunk({"content": " is Rome."}), chunk(finish="stop")
    )
    assert ask(reply, watch=reader)[0].text == "".join(reader.texts) == "The capital is Rome."
