from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightmodel.assess.rules import SURE, assess_by_rules
from rightmodel.domain import SKILLS, Attachment, Task


@pytest.mark.parametrize(
    ("prompt", "skill"),
    [
        ("Write a Python function that merges two sorted lists.", "code"),
        ("Translate the following into German: Good morning, Ms Meier.", "translate"),
        ("Summarize this article in three sentences:\n\nThe harbour was closed …", "summarize"),
        ("Extract all invoice numbers and dates from the text below.", "extract"),
        ("What is 17 % of 2,340?", "math"),
        ("Write a short poem about autumn in Lisbon.", "writing"),
        ("Übersetze den folgenden Satz ins Englische: Es regnet.", "translate"),
        ("把下面的句子翻译成英文：今天天气很好。", "translate"),
    ],
)
def test_what_is_plain_is_recognised(prompt: str, skill: str) -> None:
    assessment = assess_by_rules(Task(prompt), SKILLS)
    assert assessment.skill == skill
    assert assessment.source == "rule"
    assert assessment.confidence >= SURE


@pytest.mark.parametrize(
    "prompt",
    [
        "Prove me wrong about this café.",
        "Solve my boredom.",
        "I can't calculate how much I miss you.",
        "Hi there!",
    ],
)
def test_words_alone_decide_nothing(prompt: str) -> None:
    assessment = assess_by_rules(Task(prompt), SKILLS)
    assert assessment.skill not in {"math", "code"} or assessment.confidence < SURE


def test_an_attached_image_that_is_looked_at_is_vision() -> None:
    image = Attachment("shot.png", "image/png", b"\x89PNG\r\n\x1a\n")
    assert assess_by_rules(Task("What does it show?", files=(image,)), SKILLS).skill == "vision"


def test_a_long_paste_neither_hides_the_request_nor_takes_long() -> None:
    code = "```python\n" + "def summarize(x):\n    return translate(x)\n" * 400 + "```"
    assessment = assess_by_rules(Task(f"Fix the bug in this function:\n{code}"), SKILLS)
    assert assessment.skill == "code"
    assert assess_by_rules(Task("word " * 1_000_000), SKILLS).skills


@given(st.text(max_size=2000))
def test_any_text_gets_weights_that_sum_to_one(prompt: str) -> None:
    assessment = assess_by_rules(Task(prompt), SKILLS)
    assert sum(weight for _, weight in assessment.skills) == pytest.approx(1.0)
    assert 0 <= assessment.difficulty <= 10
    assert 0 <= assessment.confidence <= 1
