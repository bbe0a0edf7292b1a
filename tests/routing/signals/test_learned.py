from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from importlib import resources
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightmodel.core.task import SKILLS, Attachment, Task
from rightmodel.routing.signals import envelope
from rightmodel.routing.signals import local_model as learned

if TYPE_CHECKING:
    from collections.abc import Callable

    from rightmodel.core.decision import Assessment

MOST_BYTES = 2_000_000
CODE = "def total(rows):\n    return sum(row.amount for row in rows)\n\n\n"
PROSE = (
    "The ferry was late again, which nobody on the quay found worth a remark. Two men carried a"
    " wardrobe past the ticket office. By noon the wind had turned.\n\nThe lighthouse was built"
    " twice: the first tower burnt down when a keeper dried his coat too near the lamp.\n\n"
)
LOG = "2025-03-02T10:14:07Z INFO gateway accepted conn=8821 peer=10.0.3.7\n"
IMAGE = Attachment("shot.png", "image/png", b"\x89PNG\r\n\x1a\n")

PLAIN = {
    "code": [
        "Write a Python function that merges two sorted lists.",
        "Schreibe eine Python-Funktion, die zwei sortierte Listen zusammenführt.",
        "Escribe una función de Python que una dos listas ordenadas.",
        "写一个 Python 函数，合并两个有序列表。",
        "2つのソート済みリストを結合するPythonの関数を書いてください。",
    ],
    "translate": [
        "Translate into German: Good morning, Ms Meier.",
        "Übersetze ins Englische: Guten Morgen, Frau Meier.",
        "Traduce al inglés: Buenos días, señora Meier.",
        "把下面这句话翻译成英文：早上好。",
        "次の文を英語に翻訳してください：おはようございます。",
    ],
    "summarize": [
        "Summarize the attached report in three sentences.",
        "Fasse den angehängten Bericht in drei Sätzen zusammen.",
        "Resume el informe adjunto en tres frases.",
        "用三句话总结附件中的报告。",
        "添付の報告書を3文で要約してください。",
    ],
    "math": [
        "What is 17 % of 2,340?",
        "Wie viel sind 17 % von 2.340?",
        "¿Cuánto es el 17 % de 2.340?",
        "2340 的 17% 是多少？",
        "2340の17%はいくつですか？",
    ],
    "writing": [
        "Write a friendly e-mail that invites the neighbours to a barbecue.",
        "Schreibe eine freundliche E-Mail, die die Nachbarn zum Grillen einlädt.",
        "Escribe un correo amable para invitar a los vecinos a una barbacoa.",
        "写一封友好的邮件，邀请邻居来烧烤。",
        "近所の人をバーベキューに招待する丁寧なメールを書いてください。",
    ],
}
PROMPTS = [prompt for prompts in PLAIN.values() for prompt in prompts]


def assess(prompt: str, *files: Attachment) -> Assessment:
    return learned.assess(Task(prompt, files=files), SKILLS)


@pytest.mark.parametrize(
    ("prompt", "skill"), [(prompt, skill) for skill, prompts in PLAIN.items() for prompt in prompts]
)
def test_plain_requests_in_five_languages_are_recognised(prompt: str, skill: str) -> None:
    assessment = assess(prompt)
    assert assessment.skill == skill
    assert assessment.source == "learned"


@pytest.mark.parametrize(
    ("prompt", "skill"),
    [
        ("Translate the following into German: Good morning, Ms Meier.", "translate"),
        ("Summarize this article in three sentences:\n\nThe harbour was closed …", "summarize"),
        ("Extract all invoice numbers and dates from the text below.", "extract"),
        ("Write a short poem about autumn in Lisbon.", "writing"),
        ("Übersetze den folgenden Satz ins Englische: Es regnet.", "translate"),
        ("把下面的句子翻译成英文：今天天气很好。", "translate"),
    ],
)
def test_plain_requests_are_recognised_with_confidence(prompt: str, skill: str) -> None:
    assessment = assess(prompt)
    assert assessment.skill == skill
    assert assessment.confidence >= 0.9


def test_a_bug_in_a_long_paste_is_recognised_as_code() -> None:
    assessment = assess(f"Fix the bug in this function:\n```python\n{CODE * 400}```")
    assert assessment.skill == "code"
    assert assessment.confidence >= 0.65


@pytest.mark.parametrize(
    "prompt",
    [
        "Prove me wrong about this café.",
        "Solve my boredom.",
        "I can't calculate how much I miss you.",
        "Hi there!",
    ],
)
def test_a_single_word_does_not_decide_the_skill(prompt: str) -> None:
    assert assess(prompt).skill not in {"math", "code"}


@pytest.mark.parametrize(
    "prompt",
    ["", " ", "\n\n\n", "?", "\x00", "💡" * 50, "\ud800", "a" * 2_000_000, "word " * 200_000,
     "\n" * 100_000, "```" * 5_000, "<" * 20_000, "(" * 20_000, "。" * 20_000, "翻" * 50_000,
     "1" * 50_000, "please " * 20_000, "\n\n".join(["\u3300" * 240 + "？"] * 8),
     "http://" * 9_000, "\u202e\u202d", "=\n" * 9_000],
)  # fmt: skip
def test_odd_prompts_get_an_assessment_too(prompt: str) -> None:
    well_formed(assess(prompt))


@given(st.text(max_size=1500))
def test_any_text_gets_a_well_formed_assessment(prompt: str) -> None:
    assessment = assess(prompt)
    well_formed(assessment)
    assert assessment == assess(prompt)


def well_formed(assessment: Assessment) -> None:
    weights = [weight for _, weight in assessment.skills]
    assert sum(weights) == pytest.approx(1.0)
    assert weights == sorted(weights, reverse=True)
    assert {skill for skill, _ in assessment.skills} <= set(SKILLS)
    assert 0 <= assessment.difficulty <= 10
    assert 0 < assessment.confidence <= 1
    assert 0 < assessment.difficulty_confidence < 1
    assert assessment.output_tokens is not None
    assert 1 <= assessment.output_tokens <= 100_000


def test_only_skills_that_are_given_are_answered() -> None:
    for skills in (("general", "writing"), ("general",), ("general", "legal_de")):
        for prompt in PROMPTS:
            assert learned.assess(Task(prompt), skills).skill in skills
    assert learned.assess(Task("x"), ("legal_de",)).skill == "general"


def test_an_attached_image_that_is_asked_about_is_vision() -> None:
    assert assess("What does it show?", IMAGE).skill == "vision"
    assert assess("Read the handwriting.", IMAGE).skill == "vision"


CHANGES: dict[str, Callable[[str], str]] = {
    "lower case": str.lower,
    "upper case": str.upper,
    "politeness": lambda p: f"Hi, could you please help me with this: {p} Thank you so much!",
    "trivial": lambda p: f"{p}\nThis is trivial.",
    "easy": lambda p: f"Pretend this is easy. {p}",
    "code before": lambda p: f"{CODE * 45}\n\n{p}",
    "code after": lambda p: f"{p}\n\n{CODE * 45}",
    "prose before": lambda p: f"{PROSE * 10}\n\n{p}",
    "prose after": lambda p: f"{p}\n\n{PROSE * 10}",
    "log before": lambda p: f"{LOG * 44}\n\n{p}",
    "log after": lambda p: f"{p}\n\n{LOG * 44}",
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_does_not_matter_changes_nothing(change: str) -> None:
    changed = [assess(CHANGES[change](prompt)).skill for prompt in PROMPTS]
    same = [a == assess(b).skill for a, b in zip(changed, PROMPTS, strict=True)]
    assert sum(same) >= 0.9 * len(same)


def test_hard_work_is_harder_than_easy_work() -> None:
    easy = assess("What is 2 + 2?").difficulty
    hard = assess("Prove that every continuous function on a compact set is uniformly continuous.")
    assert easy + 2 < hard.difficulty


def read(prompt: str) -> list[str]:
    return envelope.read(prompt, learned.load()).sentences


def test_a_question_with_answers_to_choose_from_is_read_whole() -> None:
    question = "Which of these is least soluble in water?\nA. NaBr\nB. NiSO3\nC. CrCl3\nAnswer:"
    assert any("nabr" in sentence for sentence in read(question))
    well_formed(assess(question))


def test_a_request_at_the_end_of_a_paste_is_found() -> None:
    ask = "Translate the second paragraph into French."
    prompt = f"Minutes of the meeting, item 4:\n\n{LOG * 9}\n{PROSE * 3}{ask}"
    assert any("french" in sentence for sentence in read(prompt))


@pytest.mark.parametrize("layout", ["{0}\n\n{1}", "{0}\n```\n{1}\n```", "{1}\n\n{0}"])
@pytest.mark.parametrize(
    "asked",
    [
        "Make this code more readable:",
        "Improve this code:",
        "Rewrite this function so that it is faster:",
        "Write docstrings for this:",
        "Shorten this function:",
        "Make this shorter and idiomatic:",
        "Mach diesen Code lesbarer:",
        "Mejora este código:",
    ],
)
def test_to_rewrite_shorten_or_document_code_is_work_on_code(asked: str, layout: str) -> None:
    assert assess(layout.format(asked, CODE.strip())).skill == "code"


@pytest.mark.parametrize("asked", ["Find the bug:", "Is there a bug in this?", "Optimize:"])
def test_a_request_that_says_little_by_itself_is_about_the_code_below(asked: str) -> None:
    assert assess(f"{asked}\n\n{CODE.strip()}").skill == "code"


@pytest.mark.parametrize(
    "asked",
    ["bug?", "is this ok?", "safe?", "Fehler?", "un problème ?", "va bene?", "está certo?",
     "dobrze?", "что не так?", "hata ne?", "أين الخطأ؟", "ye sahi hai?", "이거 맞아?",
     "哪里错了？"],
)  # fmt: skip
def test_so_is_a_question_of_a_word_or_two(asked: str) -> None:
    assert assess(f"{asked}\n\n{CODE.strip()}").skill == "code"
    assert assess(f"{CODE * 5}\n\n{asked}").skill == "code"


@pytest.mark.parametrize("code", ["def f(x): return x*2", "return x*2;"])
@pytest.mark.parametrize("asked", ["Does this look right?", "What does this do?", "Stimmt das so?"])
def test_so_is_a_question_about_a_single_line_of_code(asked: str, code: str) -> None:
    assert assess(f"{asked}\n\n{code}").skill == "code"
    assert assess(f"{asked}\n{code}").skill == "code"


@pytest.mark.parametrize(
    "asked", ["Make this paragraph more readable:", "Improve this text:", "Mach das freundlicher:"]
)
def test_to_do_the_same_with_prose_is_not(asked: str) -> None:
    assert assess(f"{asked}\n\n{PROSE.strip()}").skill == "writing"


@pytest.mark.parametrize(
    "prompt",
    [
        "You are a senior linguist. {} Return only the result.",
        "You are a sub-agent of the main agent.\n\n{}\n\nReport back when you are done.",
        "I hope you are doing well! {} That would help me a lot.",
        "Du bist eine erfahrene Lektorin. {} Antworte nur mit dem Ergebnis.",
        "Eres una experta. {} Responde solo con el resultado.",
        "Tu es un expert. {} Réponds uniquement avec le résultat.",
        "你是一名专家。\n{}\n只返回最终结果。",
    ],
)
def test_sentences_around_a_request_are_left_out(prompt: str) -> None:
    ask = "Find out which supplier raised its prices the most."
    assert read(prompt.format(ask)) == [ask.lower()]


def test_a_note_behind_a_request_does_not_hide_it() -> None:
    request = f"{CODE * 3}\n\nWhy does total() count closed rows twice?"
    note = "(Memo from the lead: this is merged with the work of others. Hand in only the result.)"
    assert assess(f"{request}\n\n{note}").skill == assess(request).skill


def test_a_tag_opens_where_the_words_before_it_only_say_to_carry_it_out() -> None:
    held = "<task>Translate this menu into Polish.</task>"
    assert assess(f"Work through the block below.\n{held}").skill == "translate"
    assert assess(f"Rewrite this prompt so that it is clearer: {held}").skill == "writing"


def test_a_stated_length_is_believed() -> None:
    short, long = (assess(f"Write a {n} word essay about tides.").output_tokens for n in (50, 2000))
    assert short is not None
    assert long is not None
    assert short < 150
    assert long > 2000


@pytest.mark.parametrize(
    ("prompt", "low", "high"),
    [
        ("Summarize the attached contract of 120 pages in 3 sentences.", 60, 120),
        ("Shorten this abstract of 400 words to 150 words: lorem ipsum", 200, 220),
        ("Extract all dates from the log of 900 lines", 10, 1_000),
        ("Write a story of 300 words about a fox", 400, 450),
        ("Escribe un ensayo de 300 palabras sobre el mar", 400, 450),
        ("Rédige un article de 300 mots", 400, 450),
        ("Schreibe einen Aufsatz von 300 Wörtern über Bienen", 400, 450),
        ("Напиши эссе на 300 слов", 400, 450),
        ("Napisz esej na 300 słów", 400, 450),
        ("Scrivi un saggio di 300 parole sul mare", 400, 450),
        ("Traduce al inglés un texto de 900 palabras", 5, 60),
        ("Write 10 slogans of 5 words each for a bakery", 100, 140),
        ("Write a 2 sentence blurb for a 400 page novel", 60, 60),
        ("Write 3 sentences about a 500 page novel", 90, 90),
        ("Write a tweet about a 300 page book", 10, 400),
        ("Judy read a total of 100 pages at 2 pages a minute. How long did it take?", 50, 500),
        ("Four students scored a total of 251 points. Naomi scored 68. How many did Jo?", 50, 500),
    ],
)
def test_a_number_is_a_length_only_where_the_answer_is_to_have_it(
    prompt: str, low: int, high: int
) -> None:
    assert low <= (assess(prompt).output_tokens or 0) <= high


def test_a_harder_problem_of_mathematics_has_a_longer_answer() -> None:
    easy = assess("Ann has 3 apples and buys 4 more. How many apples does she have?")
    hard = assess(
        r"Find all $f:\mathbb{R}\to\mathbb{R}$ with $f(x+f(y)) = f(x)^2 + y$ for all real $x, y$."
    )
    assert easy.skill == hard.skill == "math"
    assert (easy.output_tokens or 0) < (hard.output_tokens or 0)


def test_the_note_names_the_runner_up_where_there_is_one() -> None:
    for prompt in PROMPTS:
        assessment = assess(prompt)
        assert ("less so" in assessment.note) == (len(assessment.skills) > 1)


def test_the_weights_are_small_and_carry_their_provenance() -> None:
    folder = resources.files("rightmodel.routing.signals").joinpath("weights")
    data = folder.joinpath(learned.WEIGHTS).read_bytes()
    provenance = json.loads(folder.joinpath(learned.PROVENANCE).read_text(encoding="utf-8"))
    assert len(data) < MOST_BYTES
    assert provenance["weights"]["bytes"] == len(data)
    assert provenance["weights"]["sha256"] == hashlib.sha256(data).hexdigest()
    assert provenance["corpus"]["rows"] > 0
    assert provenance["held_out"]


def test_weights_are_read_with_the_first_task_and_without_numpy() -> None:
    code = (
        "import sys\n"
        "from rightmodel.routing.signals import local_model as learned\n"
        "from rightmodel.core.task import Task\n"
        "assert learned.load.cache_info().currsize == 0\n"
        "learned.assess(Task('x'), ('general',))\n"
        "assert learned.load.cache_info().currsize == 1\n"
        "assert not {'numpy', 'scipy'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=50)


def test_keys_that_are_not_ascii_are_unpacked_for_the_first_text_that_needs_them() -> None:
    folder = resources.files("rightmodel.routing.signals").joinpath("weights")
    model = learned.decode(folder.joinpath(learned.WEIGHTS).read_bytes())
    model.row("translate the note")
    assert model.others
    assert "übersetze" not in model.table
    model.row("übersetze die notiz")
    assert not model.others
    assert "übersetze" in model.table
