"""The features of a prompt: words, and the concepts that words of many languages share.

A prompt becomes *keys*: strings, some of which have a row of weights. The words of the instruction
give n-grams of words and n-grams of *concepts*: "übersetze", "traduis" and "翻译" are all TRANSLATE
(`training/concepts.txt`, compiled into the weights), so that text in one language trains all of
them. The context counts by its size and its kind of characters alone, and only for difficulty and
length: its words gained nothing in cross-validation and made decisions depend on pasted text. Case,
politeness, claims that a task is easy, and most punctuation are removed first (`envelope`).
Training and serving use this module alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rightmodel.routing.signals.instruction import Request

HEAD_TOKENS: Final = 72
TAIL_TOKENS: Final = 36
"""Tokens used from the head and the tail of the instruction."""
INSTRUCTION_CHARACTERS: Final = 900
CONTEXT_CHARACTERS: Final = 360
BREAK: Final = "^"
"""The token for the end of a sentence."""
SHORT_INSTRUCTION: Final = 240
BIG: Final = 1_000
"""An instruction or a context this long has its lines classified as request or pasted text."""
CLEARLY_LESS: Final = 1.0
"""A line that scores this much below the best one counts as pasted."""
EDGE_LINES: Final = 4
"""Lines read at the head, and at the tail, of a long instruction."""
LINE_CHARACTERS: Final = 480
AGAIN: Final = 40
"""Characters of a line that are searched for in the context."""
SIZES: Final = "=given"
NEGATION: Final = "NEG"
NEGATED_TOKENS: Final = 4
"""Tokens after a "not" or "without" that count as negated."""

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
_DROPPED: Final = frozenset(
    """
    please pls plz kindly bitte gracias danke thanks thank thx merci trivial trivially easy
    easily simple simply quick quickly just really very super leicht einfach schnell fácil
    facile simplement rápido obvious obviously straightforward hard difficult tricky
    """.split()  # noqa: SIM905 - a list of this length is unreadable
)
_CHOICE: Final = re.compile(r"^[ (]{0,2}[a-e][).:]", re.MULTILINE)
LEAST_CHOICES: Final = 3
"""From this many lines that begin with a letter on, an instruction is multiple choice."""
_QUOTED: Final = re.compile(r"[\"“”„«»「」『』]")
_WORDS: Final = re.compile(rf"c\+\+|c#|[{_CJK}]+|[^\W_{_CJK}]+")
_CJK_ONE: Final = re.compile(f"[{_CJK}]")
LONGEST_STEM: Final = 12
SHORTEST_STEM: Final = 3
LEAST_CORRECTED: Final = 5
"""Shorter words are not matched with one letter more or less."""

Token = tuple[str, str]
"""A normalised word, and its concept, "" for none."""


@dataclass(slots=True)
class Lexicon:
    """Concepts by word: `words` whole, `stems` by prefix, `runs` in scripts without spaces.

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
        """The concept of a word, "" for none; longer words match with one letter wrong."""
        found = self.words.get(word)
        if found:
            return found
        for end in range(min(len(word), LONGEST_STEM), SHORTEST_STEM - 1, -1):
            found = self.stems.get(word[:end])
            if found:
                return found
        if len(word) < LEAST_CORRECTED or word in self.near:
            return self.words.get(self.near.get(word, ""), "")
        for i in range(1, len(word)):
            shorter = word[:i] + word[i + 1 :]
            near = shorter if shorter in self.words and len(shorter) >= LEAST_CORRECTED else ""
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
        if len(word) > LEAST_CORRECTED:
            for i in range(1, len(word)):
                near.setdefault(word[:i] + word[i + 1 :], word)
    begins = frozenset(phrase.partition(" ")[0] for phrase in phrases)
    return Lexicon(words, stems, runs, phrases, begins, near, max(map(len, runs), default=1))


@dataclass(slots=True)
class FeatureSet:
    """`words`: distinct words of the instruction. `keys`: n-grams and shapes.

    `choices`: whether it is a multiple-choice question.
    """

    words: set[str]
    keys: set[str]
    choices: bool = False


def edge_lines(instruction: str) -> list[str]:
    """The lines at the head and the tail of a long instruction, where requests are."""
    lines = [line for line in instruction.split("\n") if line and not line.isspace()]
    if len(lines) > 2 * EDGE_LINES:
        lines = lines[:EDGE_LINES] + lines[-EDGE_LINES:]
    return [_head_and_tail(line, LINE_CHARACTERS) for line in lines]


def line_keys(tokens: list[Token], form: str) -> set[str]:
    """Features of a line: its words, concepts, first and last word, and form."""
    keys = {"=", f"={len(tokens).bit_length()}", *form.split()}
    if tokens:
        word, concept = tokens[0]
        keys.update(("^" + word, "^" + concept, "$" + tokens[-1][0]))
        keys.update([word for word, _ in tokens])
        keys.update([concept for _, concept in tokens if concept])
    return keys


def line_forms(lines: list[str], context: str) -> list[str]:
    """For each line: position, indentation, share of code characters, repeated in the context."""
    forms = []
    last = len(lines) - 1
    for number, line in enumerate(lines):
        form = "=first" if number == 0 else "=last" if number == last else "=middle"
        if line[0] in " \t":
            form += " =indented"
        if line[:AGAIN] in context:
            form += f" =again {form}&again"
        odd = sum(map(line.count, "{}()[];=<>|_"))
        forms.append(f"{form} =odd{min(3, 20 * odd // len(line))}")
    return forms


def _has_choices(instruction: str) -> bool:
    return "\n" in instruction and len(_CHOICE.findall(instruction)) >= LEAST_CHOICES


def _head_and_tail(text: str, reach: int) -> str:
    """The text, or where it is longer than `reach` its head and tail."""
    if len(text) <= reach:
        return text
    return f"{text[: reach * 2 // 3]}\n{text[-reach // 3 :]}"


def _joined(read: list[list[Token]]) -> list[Token]:
    """The tokens of several lines with `BREAK` between them."""
    out: list[Token] = []
    for tokens in read:
        out += tokens
        out.append((BREAK, ""))
    return out[:-1]


def word_keys(word: str) -> list[str]:
    """A word with its prefixes and its suffix, which survive inflection and typos."""
    keys = [word]
    if len(word) > 4:  # noqa: PLR2004 - shorter words are their own stems
        keys += ["<" + word[:4], "<" + word[:6], ">" + word[-4:]]
    return keys


class Reader:
    """Extracts features with a lexicon; caches words, up to `MOST_REMEMBERED`."""

    MOST_REMEMBERED: Final = 20_000

    def __init__(self, words: Lexicon, asking: Mapping[str, float] | None = None) -> None:
        """`asking`: feature of a line → its weight for request over pasted text."""
        self._lexicon = words
        self._asking = asking or {}
        self._known: dict[str, tuple[Token, ...]] = {}

    def read(self, request: Request, *, images: bool = False) -> FeatureSet:
        """The features of a request (`envelope.parse_request`)."""
        instruction, context, tokens = self.instruction(request)
        if len(tokens) > HEAD_TOKENS + TAIL_TOKENS:
            tokens = [*tokens[:HEAD_TOKENS], (BREAK, ""), *tokens[-TAIL_TOKENS:]]
        words = [BREAK, *(word for word, _ in tokens), BREAK]
        keys = {f"{a} {b}" for a, b in pairwise(words)}
        keys.update(_concept_keys(_concepts(tokens)))
        keys.update(_shape(instruction, context, images=images))
        distinct = set(words)
        distinct.discard(BREAK)
        return FeatureSet(distinct, keys, choices=_has_choices(instruction))

    def instruction(self, request: Request) -> tuple[str, str, list[Token]]:
        """The lines that are no pasted text, the context with the others, and the tokens."""
        instruction = request.instruction
        if (
            "\n" not in instruction
            or (len(instruction) < SHORT_INSTRUCTION and len(request.context) < BIG)
            or _has_choices(instruction)
        ):
            instruction = _head_and_tail(instruction, INSTRUCTION_CHARACTERS)
            return instruction, request.context, self.tokens(instruction)
        lines = edge_lines(instruction)
        read = [self.tokens(line) for line in lines]
        forms = line_forms(lines, request.context.lower())
        scores = [
            self.request_score(tokens, form) for tokens, form in zip(read, forms, strict=True)
        ]
        least = max(scores) - CLEARLY_LESS
        asking = [i for i, score in enumerate(scores) if score >= least]
        rest = [line for i, line in enumerate(lines) if scores[i] < least]
        context = "\n".join([request.context, *rest]) if rest else request.context
        text = _head_and_tail("\n".join([lines[i] for i in asking]), INSTRUCTION_CHARACTERS)
        return text, context, _joined([read[i] for i in asking])

    def request_score(self, tokens: list[Token], form: str) -> float:
        """The classifier's score of a line: above 0 for a request, below for pasted text."""
        weights, keys = self._asking, line_keys(tokens, form)
        return sum([weights.get(key, 0.0) for key in keys]) / sqrt(len(keys))

    def tokens(self, text: str) -> list[Token]:
        """Words with their concepts, in order."""
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
        """A script without spaces: the longest known words, else single characters."""
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
        """Known phrases of two or three words become one token."""
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
    """The concepts in order with sentence ends; negated ones are marked with "!"."""
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


def _shape(instruction: str, context: str, *, images: bool) -> Iterator[str]:
    """Lengths and character counts, binned, as keys.

    Keys that begin with `SIZES` count for difficulty and length, never for the kind of work.
    """
    yield "="
    yield f"=ask{len(instruction).bit_length()}"
    pasted = len(context)
    yield f"{SIZES}{pasted.bit_length()}"
    if images:
        yield "=image"
    if instruction.rstrip().endswith(("?", "？")):  # noqa: RUF001
        yield "=question"
    if _QUOTED.search(instruction):
        yield "=quoted"
    digits = sum(map(instruction.count, "0123456789"))
    if digits:
        yield f"=digits{digits.bit_length()}"
    if pasted:
        head = context[:CONTEXT_CHARACTERS]
        odd = sum(map(head.count, "{}()[];=<>|_"))
        yield f"{SIZES} odd{min(5, 40 * odd // len(head))}"
        digits = sum(map(head.count, "0123456789"))
        yield f"{SIZES} digits{min(5, 20 * digits // len(head))}"
