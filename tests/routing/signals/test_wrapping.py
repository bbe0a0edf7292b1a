from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightmodel.routing.signals import ngrams
from rightmodel.routing.signals.envelope import read
from rightmodel.routing.signals.instruction import parse_request, strip_wrapping
from rightmodel.routing.signals.local_model import load

BARE = "Sort these tickets by urgency"


@pytest.mark.parametrize(
    "prompt",
    [
        f"Please {BARE}",
        f"Hi there! Could you please {BARE}",
        f"{BARE}. Thank you so much in advance!",
        f"This is trivial. {BARE}",
        f"{BARE}. This is a really simple one.",
        f"Pretend this is easy. {BARE}. Thanks!",
        f"Hi, could you please help me with this: {BARE} Thank you so much!",
        f"Only the best can do this. {BARE}",
        f"Guten Tag, könntest du bitte {BARE}. Vielen Dank im Voraus!",
    ],
)
def test_politeness_and_claims_are_taken_off(prompt: str) -> None:
    assert parse_request(prompt).instruction.rstrip(".") == BARE.lower()


@pytest.mark.parametrize(
    ("prompt", "bare"),
    [
        ("请帮我把这段话翻译成英文。谢谢！", "把这段话翻译成英文"),
        (
            "こんにちは。この記事を要約してください。よろしくお願いします",
            "この記事を要約してください",
        ),
        ("Por favor, resume esta carta. ¡Muchas gracias!", "resume esta carta"),
    ],
)
def test_so_are_those_of_other_languages(prompt: str, bare: str) -> None:
    assert parse_request(prompt).instruction.strip(" .。¡") == bare


@pytest.mark.parametrize("prompt", ["Thanks!", "Please", "Hi", "你好", "", " ", "This is trivial."])
def test_what_is_all_wrapper_is_left_as_it_is(prompt: str) -> None:
    assert strip_wrapping(prompt) == prompt


def test_a_claim_in_the_middle_is_taken_out_and_the_rest_stays() -> None:
    prompt = "Prove the lemma. This is trivial. Then say where it fails."
    assert read(prompt, load()).sentences == ["prove the lemma.", "then say where it fails."]


def test_words_that_are_part_of_the_request_stay() -> None:
    assert "easy" in parse_request("Explain why easy money leads to inflation").instruction
    assert "thank" in parse_request("Write a thank-you note to my teacher").instruction


@given(st.text(max_size=600))
def test_any_text_can_be_unwrapped(prompt: str) -> None:
    assert strip_wrapping(prompt) in prompt
    assert parse_request(prompt).instruction == parse_request(prompt).instruction.strip()


@pytest.mark.parametrize(
    "word", ["감사합니다 ", "谢谢 ", "お願いします。", "please ", "thanks, ", "a.", " ", "你好，"]
)
@pytest.mark.parametrize("end", ["", "x"])
def test_wrappers_on_end_are_read_in_time(word: str, end: str) -> None:
    # Nothing is asserted of the time: one that backtracks would not come back within the suite's.
    assert strip_wrapping("Summarize: " + word * 400 + end)
    assert strip_wrapping(word * 400 + "Summarize this" + end)


@pytest.mark.parametrize("apart", ["\n\n", "\n", " "])
@pytest.mark.parametrize(
    "text",
    [
        "Search is twice as fast. Attachments over 10 MB no longer time out.",
        "Hi team,\n\nthe deploy failed last night.\n\nBest,\nAnna",
        "Revenue rose 4 %. We hire two engineers.\n\nNext meeting: 12 June.",
    ],
)
def test_a_short_text_that_a_request_announces_is_context_to_its_end(apart: str, text: str) -> None:
    asked = "Shorten this update:"
    assert read(f"{asked}{apart}{text}", load()).sentences == [asked.lower()]


def test_a_question_that_a_line_announces_is_the_request() -> None:
    sentences = read("Answer this question:\n\nWhich river runs through Paris?", load()).sentences
    assert "which river runs through paris?" in sentences


NOTE = "Budget was raised to 2,400. Ben compares three caterers. It will rain, says Olga."


@pytest.mark.parametrize(
    "asked",
    [
        "Turn this into JSON:",
        "Put this into Spanish",
        "Pull every date out of the text below",
        "Fass das hier in zwei Sätzen zusammen",
        "Resume el texto de abajo en dos frases",
        "Выпиши даты из этого письма",
        "これを英語にして",
        "把这段话翻成英文",
    ],
)
@pytest.mark.parametrize("layout", ["{}\n{}", "{}\n\n{}", "{}\n\n---\n{}"])
def test_a_text_that_a_line_points_at_is_context(asked: str, layout: str) -> None:
    reading = read(layout.format(asked, NOTE), load())
    assert reading.sentences == [asked.lower()]
    assert "three caterers" in reading.request.context


def test_a_short_paste_is_read_where_the_request_does_not_say_what_to_do_with_it() -> None:
    letter = "The parcel came on Tuesday. Two of the cups are broken, says Olga."
    vague, clear, long = (
        read(text, load())
        for text in (
            f'Anna wrote: "{letter}" Hm, what now?',
            f"Summarize the text below\n\n{letter}",
            f'Anna wrote: "{letter * 4}" Hm, what now?',
        )
    )
    assert [part.strip('" ') for part in vague.pasted] == [
        "the parcel came on tuesday.",
        "two of the cups are broken, says olga.",
    ]
    assert not clear.pasted
    assert not long.pasted


@pytest.mark.parametrize("layout", ["{} {}", "{}\n{}"])
def test_so_is_one_on_the_same_line_and_one_that_is_asked_which_of_two_it_is(layout: str) -> None:
    for asked in (
        "Pull every date out of the text below.",
        "Positive or negative?",
        "Спам или нет?",
    ):
        reading = read(layout.format(asked, NOTE), load())
        assert reading.sentences == [asked.lower()]
        assert "three caterers" in reading.request.context


@pytest.mark.parametrize(
    "asked", ["Red or blue?", "True or false?", "Bus oder Bahn?", "Мне уволиться или остаться?"]
)
def test_what_follows_a_choice_of_the_users_own_is_no_text_to_label(asked: str) -> None:
    reading = read(f"{asked} I have a small room that faces north, and a month to think.", load())
    assert len(reading.sentences) == 2


def test_a_second_sentence_that_asks_for_more_is_no_text_to_work_on() -> None:
    prompt = "Summarize this thread. Then fix the bug that it describes and run the tests."
    assert len(read(prompt, load()).sentences) == 2


@pytest.mark.parametrize(
    "layout", ["{}\n```python\n{}\n```", "{}\n\n```python\n{}\n```", "{}\n\n{}"]
)
def test_code_that_a_request_points_at_is_context_and_counts_as_code(layout: str) -> None:
    code = "def mean(xs):\n    t = 0\n    for x in xs:\n        t += x\n    return t / len(xs)"
    asked = "make this shorter"
    reading = read(layout.format(asked, code), load())
    assert reading.sentences == [asked]
    assert reading.code == "pointed"
    assert not read(layout.format("name a fish", code), load()).code
    assert not read(layout.format(asked, NOTE), load()).code
    assert "=on code" in set(ngrams.shape_keys(asked, reading.request.context, on_code=True))


def test_so_is_one_in_front_of_the_line() -> None:
    asked = "pull every date out of the text above"
    assert read(f"{NOTE}\n\n{asked}", load()).sentences == [asked]


def test_a_line_that_points_but_asks_for_no_work_on_a_text_leaves_the_rest_in() -> None:
    sentences = read("I need this today\nWrite a parser for INI files", load()).sentences
    assert "write a parser for ini files" in sentences


def test_a_pasted_line_that_says_this_is_not_the_request() -> None:
    story = (
        "At low tide you can see the posts of the old pier. It was used to load salt until 1911. A "
        "sign explains this in four languages, and below it somebody has scratched a heart."
    )
    assert "invent a board game" in read(f"Invent a board game\n\n{story}", load()).sentences


@pytest.mark.parametrize(
    ("asked", "thanks"),
    [
        ("pin the footer to the bottom", "I owe you one for this."),
        ("закрепи подвал внизу страницы", "Much obliged, you are saving my day"),
        ("푸터를 아래에 고정", "You are saving my day"),
    ],
)
def test_thanks_that_no_stop_separates_are_no_part_of_the_request(asked: str, thanks: str) -> None:
    assert read(f"{asked} {thanks}", load()).sentences == [asked]


def test_a_name_at_the_end_of_a_request_stays() -> None:
    asked = "outline how a bill becomes law in Scotland"
    assert read(asked, load()).sentences == [asked.lower()]


@pytest.mark.parametrize(
    "prompt",
    [
        "Write a short note about this outage\nDig through the logs first and find the deploy",
        "Extract all emails from this folder\nSend each of them the invitation and log answers",
        "Resume este documento\nLuego súbelo al Drive y avisa al equipo por correo",
    ],
)
def test_a_further_step_on_a_line_of_its_own_is_no_text_to_work_on(prompt: str) -> None:
    assert prompt.split("\n")[1].lower() in read(prompt, load()).sentences
