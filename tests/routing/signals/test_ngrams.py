from __future__ import annotations

import pytest

from rightmodel.routing.signals import ngrams
from rightmodel.routing.signals.local_model import load


def tokens(text: str) -> list[str]:
    return ngrams.tokens(ngrams.plain(text))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("इस ईमेल का अनुवाद करो।", ["इस", "ईमेल", "का", "अनुवाद", "करो"]),
        ("İPTAL ET", ["iptal", "et"]),
        ("والمطلوب ترجمة الرسالة", ["مطلوب", "ترجمه", "رساله"]),
        ("don't use C++ or c#", ["don't", "use", "c++", "or", "c#"]),
        ("3 of 42", ["0", "of", "00"]),
        ("日本語を翻訳して", ["日本語を翻訳して"]),
    ],
)
def test_words_of_every_script_stay_whole(text: str, words: list[str]) -> None:
    assert tokens(text) == words


@pytest.mark.parametrize(
    ("word", "edges"),
    [
        ("translation", ["tran*", "trans*", "transl*", "*ion", "*tion"]),
        ("번역해주세요", ["번역*", "번역해*", "*요", "*세요"]),
        ("رسائل", ["رسا*", "رسائ*", "*ائل", "*سائل"]),
        ("cat", []),
    ],
)
def test_beginnings_and_endings_are_as_long_as_the_script_needs(
    word: str, edges: list[str]
) -> None:
    assert ngrams.word_keys(word) == [word, *edges]


def test_a_star_is_a_word_and_not_the_edge_of_one() -> None:
    assert ngrams.is_word("*")
    assert not ngrams.is_ending("*")
    assert not ngrams.is_word("*ion")
    assert not ngrams.is_word("tran*")


def test_every_key_of_a_chain_names_the_shorter_one() -> None:
    for word in ("translation", "번역해주세요", "日本語を", "رسائل"):
        for chain in map(list, ngrams.chains(word)):
            assert [ngrams.shorter(key) for key in chain] == ["", *chain[:-1]]


def test_the_shipped_table_holds_the_shorter_keys_of_every_chain() -> None:
    model = load()
    model.row("größer")
    table = model.table
    assert all(before in table for key in table if (before := ngrams.shorter(key)))


def test_sentences_end_where_the_language_ends_them() -> None:
    assert ngrams.sentences("Do it: now! ok") == ("Do it:", "now!", "ok")
    assert ngrams.sentences("一つ。二つ？三") == ("一つ。", "二つ？", "三")
    assert ngrams.sentences("इसे करो। फिर बताओ") == ("इसे करो।", "फिर बताओ")
    assert ngrams.sentences("v1.2 is a.b") == ("v1.2 is a.b",)


def test_quotes_lists_and_scripts_are_keys_of_every_language() -> None:
    def keys(text: str) -> set[str]:
        return set(ngrams.shape_keys(text, ""))

    assert {"=quoted4", "=quoted $"} <= keys('wie heißt das auf polnisch: "frohes fest"')
    assert {"=quoted3", "=^ quoted"} <= keys("「ありがとう」を英語で")
    assert {"=commas3", "=words3"} <= keys("eggs, milk, bread, and tea")
    assert "=scripts" in keys("test_refund が落ちる")
    assert "=scripts" not in keys("déjà vu")
