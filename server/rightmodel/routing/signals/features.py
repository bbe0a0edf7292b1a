"""What the learned assessor sees of a prompt: words, and what they mean in any of many languages.

A prompt becomes *keys*, strings that have a row of weights or have none. Words of the ask give
n-grams of words, and n-grams of *concepts*: "übersetze", "traduis" and "翻译" are all TRANSLATE
(`training/concepts.txt`; compiled into the weights). Concepts are what lets little text in one
language teach about all of them. Of what was pasted only its size and sort are seen, and those only
by the heads for difficulty and length: reading its words bought nothing on cross-validation and
made decisions hang on it. Case, politeness, claims that a task is easy, and most punctuation are
dropped before (`wrappers`). Training and serving both look at text by this module alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt
from typing import TYPE_CHECKING, Final

from rightmodel.routing.signals import lexicon as lx

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rightmodel.routing.signals.instruction import Request

HEAD_TOKENS: Final = 72
TAIL_TOKENS: Final = 36
"""Tokens of the ask that are read at its head and its tail."""
ASK_CHARACTERS: Final = 900
MATERIAL_CHARACTERS: Final = 360
BREAK: Final = "^"
"""Stands for the end of a sentence."""
SHORT_ASK: Final = 240
BIG: Final = 1_000
"""A shorter ask with less material is all read; else, lines that look pasted are told apart."""
CLEARLY_LESS: Final = 1.0
"""A line is taken for pasted when it scores so much under the best one."""
EDGE_LINES: Final = 4
"""Lines that are looked at, each at the head and the tail of a long ask."""
LINE_CHARACTERS: Final = 480
AGAIN: Final = 40
"""A line that begins with so many characters of the material is an edge of it."""
SIZES: Final = "=given"
NEGATION: Final = "NEG"
NEGATED_TOKENS: Final = 4
"""So many tokens after a "not" or "without" are denied."""

_CJK: Final = "぀-ヿ一-鿿가-힯々"
_EXTENSIONS: Final[Mapping[str, str]] = {
    ending: concept
    for concept, endings in (
        ("IMAGE", "png jpg jpeg webp gif heic tif tiff bmp svg mp4"),
        ("CODEFILE", "py js ts tsx go rs java cpp c h sh sql html css yml yaml toml"),
        ("DATAFILE", "csv xls xlsx json log zip eml"),
        ("DOCFILE", "pdf doc docx ppt pptx txt md"),
    )
    for ending in endings.split()
}
_TOKEN: Final = re.compile(
    r"https?://\S+|www\.\S+"
    rf"|[\w~/-]{{0,60}}\.(?:{'|'.join(sorted(_EXTENSIONS, key=len, reverse=True))})\b"
    rf"|c\+\+|c#|[{_CJK}]+|[^\W\d_{_CJK}]+(?:['’]t\b)?|\d+(?:[.,:]\d+)*"
    r"|->|[?:/%=+*×÷√∫€$£¥→<>@^|.!;。！\n]"  # noqa: RUF001
)
_SIGNS: Final = {"?": "Q", "/": "SLASH", "→": "ARROW", ":": "COLON", "=": "EQUALS"}
_ENDS: Final = frozenset(".!;。！\n^")  # noqa: RUF001
_DROPPED: Final = lx.word_set(
    "please pls plz kindly bitte gracias danke thanks thank thx merci trivial trivially easy easily"
    " simple simply quick quickly just really very super leicht einfach schnell fácil facile"
    " simplement rápido obvious obviously straightforward hard difficult tricky"
)
_CHOICE: Final = re.compile(r"^[ (]{0,2}[a-e][).:]", re.MULTILINE)
LEAST_CHOICES: Final = 3
"""Lines that begin with a letter, from which on an ask has answers to choose from."""
_QUOTED: Final = re.compile(r"[\"“”„«»「」『』]")
_WORDS: Final = re.compile(rf"c\+\+|c#|[{_CJK}]+|[^\W_{_CJK}]+")
_CJK_ONE: Final = re.compile(f"[{_CJK}]")
LONGEST_STEM: Final = 12
SHORTEST_STEM: Final = 3
LEAST_MENDED: Final = 5
"""Shorter words are not looked up with a letter less or more."""

Token = tuple[str, str]
"""A word as it counts, and its concept, "" for none."""


@dataclass(slots=True)
class Lexicon:
    """What words mean. `words` whole, `stems` by their beginning, `runs` in scripts without spaces.

    `phrases`: two or three words; `begins`: the first words of these. `near`: words with one
    letter left out → the word.
    """

    words: dict[str, str]
    stems: dict[str, str]
    runs: dict[str, str]
    phrases: dict[str, str]
    begins: frozenset[str]
    near: dict[str, str]
    longest_run: int

    def concept(self, word: str) -> str:
        """The concept of a word, "" for none; one wrong letter is forgiven in a longer word."""
        found = self.words.get(word)
        if found:
            return found
        for end in range(min(len(word), LONGEST_STEM), SHORTEST_STEM - 1, -1):
            found = self.stems.get(word[:end])
            if found:
                return found
        if len(word) < LEAST_MENDED or word in self.near:
            return self.words.get(self.near.get(word, ""), "")
        for i in range(1, len(word)):
            shorter = word[:i] + word[i + 1 :]
            near = shorter if shorter in self.words and len(shorter) >= LEAST_MENDED else ""
            near = near or self.near.get(shorter, "")
            if near:
                return self.words[near]
        return ""


def lexicon(entries: Mapping[str, str]) -> Lexicon:
    """Entries as `training/concepts.txt` writes them (`stem*`, `two_words`) → concept."""
    words: dict[str, str] = {}
    stems: dict[str, str] = {}
    runs: dict[str, str] = {}
    phrases: dict[str, str] = {}
    for entry, concept in entries.items():
        if _CJK_ONE.search(entry):
            runs.setdefault(entry.replace("_", ""), concept)
            continue
        plain = " ".join(_WORDS.findall(entry))
        if " " in plain:
            phrases.setdefault(plain, concept)
        elif entry.endswith("*"):
            stems.setdefault(plain, concept)
        else:
            words.setdefault(plain, concept)
    near: dict[str, str] = {}
    for word in words:
        if len(word) > LEAST_MENDED:
            for i in range(1, len(word)):
                near.setdefault(word[:i] + word[i + 1 :], word)
    begins = frozenset(phrase.partition(" ")[0] for phrase in phrases)
    return Lexicon(words, stems, runs, phrases, begins, near, max(map(len, runs), default=1))


@dataclass(slots=True)
class Seen:
    """What was read. `words`: distinct ones of the ask. `keys`: n-grams and shapes.

    `choices`: whether it is a question with answers to choose from.
    """

    words: set[str]
    keys: set[str]
    choices: bool = False


def lines_of(ask: str) -> list[str]:
    """The lines of a long ask that may ask something: those at its head and its tail."""
    lines = [line for line in ask.split("\n") if line and not line.isspace()]
    if len(lines) > 2 * EDGE_LINES:
        lines = lines[:EDGE_LINES] + lines[-EDGE_LINES:]
    return [_in_reach(line, LINE_CHARACTERS) for line in lines]


def line_keys(tokens: list[Token], form: str) -> set[str]:
    """By what a line is known to ask: its words, its concepts, how it begins and ends, its form."""
    keys = {"=", f"={len(tokens).bit_length()}", *form.split()}
    if tokens:
        word, concept = tokens[0]
        keys.update(("^" + word, "^" + concept, "$" + tokens[-1][0]))
        keys.update([word for word, _ in tokens])
        keys.update([concept for _, concept in tokens if concept])
    return keys


def forms_of(lines: list[str], material: str) -> list[str]:
    """Of each line its place, whether it is indented, looks like code, and is pasted elsewhere."""
    forms = []
    last = len(lines) - 1
    for number, line in enumerate(lines):
        form = "=first" if number == 0 else "=last" if number == last else "=middle"
        if line[0] in " \t":
            form += " =indented"
        if line[:AGAIN] in material:
            form += f" =again {form}&again"
        odd = sum(map(line.count, "{}()[];=<>|_"))
        forms.append(f"{form} =odd{min(3, 20 * odd // len(line))}")
    return forms


def _has_choices(ask: str) -> bool:
    return "\n" in ask and len(_CHOICE.findall(ask)) >= LEAST_CHOICES


def _in_reach(text: str, reach: int) -> str:
    """The head and the tail of a text that is longer than `reach`."""
    if len(text) <= reach:
        return text
    return f"{text[: reach * 2 // 3]}\n{text[-reach // 3 :]}"


def _joined(read: list[list[Token]]) -> list[Token]:
    """The tokens of several lines, a sentence's end between them."""
    out: list[Token] = []
    for tokens in read:
        out += tokens
        out.append((BREAK, ""))
    return out[:-1]


def word_keys(word: str) -> list[str]:
    """A word and its beginnings and end, which survive inflection and typos."""
    keys = [word]
    if len(word) > 4:  # noqa: PLR2004 - shorter words are their own stems
        keys += ["<" + word[:4], "<" + word[:6], ">" + word[-4:]]
    return keys


class Reader:
    """Reads prompts with a lexicon; remembers words, boundedly."""

    MOST_REMEMBERED: Final = 20_000

    def __init__(self, words: Lexicon, asking: Mapping[str, float] | None = None) -> None:
        """`asking`: key of a line → how much it speaks for a request rather than a paste."""
        self._lexicon = words
        self._asking = asking or {}
        self._known: dict[str, tuple[Token, ...]] = {}

    def read(self, request: Request, *, images: bool = False) -> Seen:
        """The keys of a request (`wrappers.request_of`)."""
        ask, material, tokens = self.asked(request)
        if len(tokens) > HEAD_TOKENS + TAIL_TOKENS:
            tokens = [*tokens[:HEAD_TOKENS], (BREAK, ""), *tokens[-TAIL_TOKENS:]]
        words = [BREAK, *(word for word, _ in tokens), BREAK]
        keys = {f"{a} {b}" for a, b in pairwise(words)}
        keys.update(_concept_keys(_concepts(tokens)))
        keys.update(_shape(ask, material, images=images))
        distinct = set(words)
        distinct.discard(BREAK)
        return Seen(distinct, keys, choices=_has_choices(ask))

    def asked(self, request: Request) -> tuple[str, str, list[Token]]:
        """The lines that ask and their tokens, without those that look pasted; and what is."""
        ask = request.ask
        if (
            "\n" not in ask
            or (len(ask) < SHORT_ASK and len(request.material) < BIG)
            or _has_choices(ask)
        ):
            ask = _in_reach(ask, ASK_CHARACTERS)
            return ask, request.material, self.tokens(ask)
        lines = lines_of(ask)
        read = [self.tokens(line) for line in lines]
        forms = forms_of(lines, request.material.lower())
        scores = [self.asks(tokens, form) for tokens, form in zip(read, forms, strict=True)]
        least = max(scores) - CLEARLY_LESS
        asking = [i for i, score in enumerate(scores) if score >= least]
        rest = [line for i, line in enumerate(lines) if scores[i] < least]
        material = "\n".join([request.material, *rest]) if rest else request.material
        text = _in_reach("\n".join([lines[i] for i in asking]), ASK_CHARACTERS)
        return text, material, _joined([read[i] for i in asking])

    def asks(self, tokens: list[Token], form: str) -> float:
        """How much a line looks like a request: above 0 more so than like pasted text."""
        weights, keys = self._asking, line_keys(tokens, form)
        return sum([weights.get(key, 0.0) for key in keys]) / sqrt(len(keys))

    def tokens(self, text: str) -> list[Token]:
        """Words and their concepts, in order."""
        known = self._known
        out: list[Token] = []
        for raw in _TOKEN.findall(text):
            got = known.get(raw)
            if got is None:
                got = tuple(self._token(raw))
                if len(known) < self.MOST_REMEMBERED:
                    known[raw] = got
            out += got
        return self._with_phrases(out)

    def _token(self, raw: str) -> Iterator[Token]:
        if raw in _ENDS:
            yield (BREAK, "")
        elif raw in _DROPPED:
            return
        elif raw == "->":
            yield ("→", "ARROW")
        elif raw[0].isdigit():
            yield ("0" if len(raw) == 1 else "00" if raw.isdigit() else "0.0", "NUM")
        elif raw.startswith(("http:", "https:", "www.")):
            yield ("URL", "OPENSITE")
        elif "." in raw[:-1]:
            ending = raw.rpartition(".")[2]
            yield ("." + ending, _EXTENSIONS.get(ending, ""))
        elif _CJK_ONE.match(raw):
            yield from self._run(raw)
        elif len(raw) == 1 and not raw.isalnum():
            yield (raw, _SIGNS.get(raw, ""))
        else:
            word = raw.replace("'", "").replace("’", "")
            yield (word, self._lexicon.concept(word))

    def _run(self, run: str) -> Iterator[Token]:
        """Words of a script without spaces: the longest known ones, else single characters."""
        start = 0
        runs = self._lexicon.runs
        while start < len(run):
            for length in range(min(self._lexicon.longest_run, len(run) - start), 0, -1):
                concept = runs.get(run[start : start + length])
                if concept:
                    break
            else:
                length, concept = 1, ""
            yield (run[start : start + length], concept)
            start += length

    def _with_phrases(self, tokens: list[Token]) -> list[Token]:
        """The tokens with known phrases of two or three words made one."""
        begins, phrases = self._lexicon.begins, self._lexicon.phrases
        if not any(word in begins for word, _ in tokens):
            return tokens
        out: list[Token] = []
        i, end = 0, len(tokens)
        while i < end:
            here = tokens[i]
            i += 1
            if here[0] in begins:
                for length in (2, 1):
                    phrase = " ".join([here[0], *(word for word, _ in tokens[i : i + length])])
                    if phrase in phrases:
                        here = (phrase, phrases[phrase])
                        i += length
                        break
            out.append(here)
        return out


def _concepts(tokens: list[Token]) -> list[str]:
    """The concepts in order, sentence ends among them, denied ones marked with "!"."""
    out = [BREAK]
    denied = 0
    for word, concept in tokens:
        if word == BREAK:
            denied = 0
            concept = BREAK  # noqa: PLW2901
        elif concept == NEGATION:
            denied = NEGATED_TOKENS + 1
        elif concept and denied > 0:
            concept = "!" + concept  # noqa: PLW2901
        denied -= 1
        if concept and concept != out[-1]:
            out.append(concept)
    return out


def _concept_keys(found: list[str]) -> Iterator[str]:
    plain = [concept for concept in found if concept != BREAK]
    yield from plain
    for a, b in pairwise([*found, BREAK]):
        yield f"{a} {b}"
    if plain:
        first = plain[0]
        yield "^^" + first
        yield "$$" + plain[-1]
        yield "^^" + " ".join(plain[:2])
        for concept in plain[1:]:
            yield f"{first}__{concept}"


def _shape(ask: str, material: str, *, images: bool) -> Iterator[str]:
    """Lengths, what was pasted, the form of the whole: in steps, so that they are keys, too.

    Keys that begin with `SIZES` speak about difficulty and length alone, never about the kind.
    """
    yield "="
    yield f"=ask{len(ask).bit_length()}"
    pasted = len(material)
    yield f"{SIZES}{pasted.bit_length()}"
    if images:
        yield "=image"
    if ask.rstrip().endswith(("?", "？")):  # noqa: RUF001
        yield "=question"
    if _QUOTED.search(ask):
        yield "=quoted"
    digits = sum(map(ask.count, "0123456789"))
    if digits:
        yield f"=digits{digits.bit_length()}"
    if pasted:
        head = material[:MATERIAL_CHARACTERS]
        odd = sum(map(head.count, "{}()[];=<>|_"))
        yield f"{SIZES} odd{min(5, 40 * odd // len(head))}"
        digits = sum(map(head.count, "0123456789"))
        yield f"{SIZES} digits{min(5, 20 * digits // len(head))}"
