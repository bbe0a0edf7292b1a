"""Reads the request inside a prompt: out of its layout, and without what is around it.

Of what has no layout the local model's scores tell: sentences that wrap a request ("You are an
expert", "Return only the result"), and pasted lines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple, Protocol

from rightmodel.routing.signals import ngrams
from rightmodel.routing.signals.instruction import BIG, Request, is_claim, is_code, parse_request
from rightmodel.routing.signals.layout import unwrap

if TYPE_CHECKING:
    from collections.abc import Sequence

LINE_LESS: Final = 1.0
CLEARLY_LESS: Final = 1.0
"""A line or a sentence is left out when its score is so much under that of the best one."""
REST_LESS: Final = 0.8
"""The same of the rest of a line of which a sentence points at a text."""
MOST_EDGES: Final = 8
MOST_RUN_ON: Final = 3
LONGEST_EDGE: Final = 240
LONGEST_LINE: Final = 480
LEAST_ASKED: Final = 8
WRAPS, ASIDE = -1.0, 0.5
"""Scores up to which the first or last sentence of a prompt wraps the request; in brackets."""
RUNS_ON: Final = -2.0
"""The score of words that wrap the request though no stop stands before them."""
ON_TEXT: Final = ("translate", "summarize", "extract", "classify", "writing")
NOT_ON_TEXT: Final = ("code", "math", "reasoning", "research", "agentic")
ASKS_MORE: Final = 3.5
LONGEST_STEP: Final = 100
"""Score and characters of a line that asks for more than the line that announces a text."""
LABELS: Final = 0.98
"""Chance of its kind from which on a choice ("Spam or not?"; not: "Red or blue?") labels a text."""
LEAST_PASTED: Final = 40
"""Characters of the shortest text that is taken for pasted on the request's own line."""
MOST_PASTED: Final = 200
MOST_CODE: Final = 600
"""Characters of the longest pasted text that is read, and of the longest program: the words of a
longer one would outweigh the request, and it may be of anything."""
SHORT: Final = 240
"""Characters: a shorter instruction with less context than `BIG` holds no pasted lines."""
COLONS: Final = (":", "\uff1a")
LONGEST_POINTING: Final = 240
"""Characters of the longest line that announces a text."""

_POINTERS: Final = frozenset((
    "this", "these", "below", "above", "following", "here", "it", "dies", "diese", "diesen",
    "dieser", "dieses", "diesem", "das", "folgende", "folgenden", "folgender", "folgendes",
    "unten", "untenstehende", "untenstehenden", "oben", "obige", "obigen", "hier", "ce", "cet",
    "cette", "ces", "ceci", "ça", "cela", "suivant", "suivante", "suivants", "suivantes",
    "ci-dessous", "ci-dessus", "este", "esta", "esto", "estos", "estas", "ese", "esa", "eso",
    "siguiente", "siguientes", "abajo", "arriba", "isto", "isso", "esse", "essa", "estes",
    "abaixo", "acima", "seguinte", "seguintes", "seguir", "questo", "questa", "questi", "queste",
    "seguente", "seguenti", "sotto", "sopra", "dit", "deze", "dat", "onderstaand", "onderstaande",
    "bovenstaande", "volgende", "hieronder", "hierboven", "ten", "tego", "tę", "tej", "tym",
    "poniższy", "poniższą", "poniższe", "poniższego", "poniższej", "poniższych", "poniżej",
    "powyższy", "powyższego", "powyższej", "powyżej", "этот", "это", "эту", "этого", "этой",
    "этом", "эти", "этих", "следующий", "следующую", "следующее", "следующего", "ниже", "выше",
    "bu", "bunu", "şu", "şunu", "aşağıdaki", "aşağıda", "yukarıdaki", "هذا", "هذه", "التالي",  # noqa: RUF001
    "التاليه", "ادناه", "اعلاه", "इस", "इसे", "यह", "ये", "इन", "नीचे", "निम्न", "निम्नलिखित",
    "ऊपर", "이", "이걸", "이거", "이것", "이것을", "아래", "아래의", "밑에", "다음", "위", "위의",
))  # fmt: skip
"""Demonstratives and words of place: they are few in every language, verbs on texts are not. What
the line asks for is the local model's to tell."""
_POINTERS_UNSPACED: Final = (
    "これ", "この", "次の", "以下", "下記", "上記", "下の", "上の", "这", "下面", "上面", "下列",
)  # fmt: skip
_OR: Final = frozenset((
    "or", "oder", "ou", "o", "u", "of", "czy", "lub", "или", "либо", "veya", "yoksa", "mi", "mı",  # noqa: RUF001
    "mu", "mü", "ام", "او", "या", "아니면",
))  # fmt: skip
LONGEST_CHOICE: Final = 48
"""Characters of the longest line that asks which of two a text is."""
_SIGNS: Final = str.maketrans(dict.fromkeys('.,;:!?…¿¡()"«»“”„،؟।：。、，？', " "))  # noqa: RUF001


class Reading(NamedTuple):
    """What is read of a prompt. `sentences`: those that ask for the work, in lower case.

    `has_choices`: it is a question with answers to choose from. `code`: how the sentences refer to
    a context that is code: they point at it, or end with a colon before it; "" for neither.
    `questions`: those among the sentences, which say most about the work.
    `pasted`: sentences of a short text that the request is about, in lower case, where it does not
    say by itself what to do with it.
    """

    request: Request
    sentences: list[str]
    has_choices: bool = False
    code: Literal["", "pointed", "colon"] = ""
    questions: Sequence[str] = ()
    pasted: Sequence[str] = ()


class Scorer(Protocol):
    """How far lines are no pasted text, and sentences no wrapping: above 0 for a request."""

    def lines(self, lines: Sequence[str], context: str) -> list[float]:
        """A score for each line. `context`: what is no instruction, in lower case."""

    def sentences(self, sentences: Sequence[str]) -> list[float]:
        """A score for each sentence."""

    def edge(self, sentence: str, *, last: bool) -> float:
        """The score of the first or last sentence of a text."""

    def introduces(self, sentences: Sequence[str]) -> bool:
        """Whether sentences in front of a layout ask for nothing but what it holds."""

    def clear_kind(self, sentences: Sequence[str], *, least: float = ...) -> str:
        """The kind of work that sentences clearly ask for by themselves, "" for none.

        `least`: its chance.
        """


def read(prompt: str, scorer: Scorer) -> Reading:
    """The request inside a prompt, and its sentences without pasted text and wrapping.

    Work is bounded whatever the length of the prompt.
    """

    def is_frame(text: str) -> bool:
        parts = ngrams.sentences_of(ngrams.lines(ngrams.plain(text)))
        return not parts or scorer.introduces(parts)

    opened = unwrap(prompt, is_frame)
    request = parse_request(without_edges(opened.text, scorer))
    pasted = request.context
    if opened.context:
        request = Request(request.instruction, f"{pasted}\n{opened.context}")
    lines = ngrams.lines(request.instruction)
    parts, scores = ngrams.sentences_of(lines), None
    if ngrams.has_choices(request.instruction):
        return _reading(request, parts, pasted, scorer)._replace(has_choices=True)
    if announcing := _announcing(lines, request.context, scorer):
        text = request.instruction.replace(announcing, "", 1)
        request, lines = Request(announcing, f"{text}\n{request.context}"), [announcing]
        pasted = f"{text}\n{pasted}"
        parts = ngrams.sentences_of(lines)
    instruction = request.instruction
    if len(lines) > 1 and (len(instruction) > SHORT or len(request.context) > BIG):
        kept = _not_pasted(lines, request.context, scorer)
        some = ngrams.sentences_of(kept)
        # A line that only wraps ("Thanks for any help") may look least like pasted text.
        if max(found := scorer.sentences(some)) >= 0.0:
            parts, scores = some, found
            pasted = "\n".join([pasted, *(line for line in lines if line not in kept)])
    if len(parts) > 1:
        asking = [part for part in parts if not is_claim(part)] or parts
        if scores is None or len(asking) < len(parts):
            scores = scorer.sentences(asking)
        least = min(0.0, max(scores) - CLEARLY_LESS)
        if min(scores) < least:  # but code wraps nothing: "return x"
            code = ngrams.sentences_of(line for line in lines if is_code(line))
            scored = zip(asking, scores, strict=True)
            asking = [part for part, score in scored if score >= least or part in code]
        parts = asking
    return _reading(request, parts, pasted, scorer)


def _reading(request: Request, sentences: list[str], pasted: str, scorer: Scorer) -> Reading:
    """`pasted`: what the request is about, in any case. A line that announces it says enough."""
    code = _code(sentences, request.context)
    is_read = _is_short(pasted) and (
        code or not any(_announces(part, scorer) for part in sentences)
    )
    some = ngrams.sentences_of(ngrams.lines(ngrams.plain(pasted))) if is_read else []
    questions = [part for part in sentences if part.rstrip()[-1:] in ngrams.QUESTION_MARKS]
    return Reading(request, sentences, code=code, questions=questions, pasted=some)


def _is_short(pasted: str) -> bool:
    size = len(pasted)
    return 0 < size <= MOST_PASTED or (size <= MOST_CODE and is_code(pasted))


def _code(sentences: Sequence[str], context: str) -> Literal["", "pointed", "colon"]:
    """See `Reading.code`."""
    text = "\n".join(sentences)
    points = bool(context) and _points_at_text(text)
    if not (points or text.endswith(COLONS)) or not is_code(context):
        return ""
    return "pointed" if points else "colon"


def _announcing(lines: Sequence[str], context: str, scorer: Scorer) -> str:
    """The first or last line, where it announces the others as a text to work on; else ""."""
    if not lines[1:]:
        return "" if context or not lines else _announcing_sentence(lines[0], scorer)
    if _announces(lines[0], scorer) and not _asks_more(lines, context, scorer):
        return lines[0]
    # The last line of a story says "this", too.
    if _announces(lines[-1], scorer) and lines[-1] in _not_pasted(lines, context, scorer):
        return lines[-1]
    return ""


def _announcing_sentence(line: str, scorer: Scorer) -> str:
    """The first or last sentence of a line, where it announces the others; else ""."""
    parts = ngrams.sentences(line)
    for asked, others in ((parts[0], parts[1:]), (parts[-1], parts[:-1])):
        rest = " ".join(others)
        if (
            len(rest) >= LEAST_PASTED
            and _announces(asked, scorer)
            and _not_pasted([asked, rest], "", scorer, less=REST_LESS) == [asked]
            and not _asks_more(parts, "", scorer)
        ):
            return asked
    return ""


def _asks_more(lines: Sequence[str], context: str, scorer: Scorer) -> bool:
    """Whether a line after the first asks, too: "Summarize this thread / then answer it".

    A question alone does: "Answer this:" does not work on it as on a text.
    """
    if not lines[2:] and lines[1].rstrip().endswith(ngrams.QUESTION_MARKS):
        return True
    scores = scorer.lines(lines, context.lower())
    return any(
        score > ASKS_MORE
        and len(line) <= LONGEST_STEP
        and scorer.clear_kind(ngrams.sentences(line)) in NOT_ON_TEXT
        for line, score in zip(lines[1:], scores[1:], strict=True)
    )


def _announces(line: str, scorer: Scorer) -> bool:
    """Whether a line, in lower case, asks for work on the text that it points at."""
    if len(line) > LONGEST_POINTING:
        return False
    if _points_at_text(line):
        return scorer.clear_kind(ngrams.sentences(line)) in ON_TEXT
    return _asks_which(line) and (
        scorer.clear_kind(ngrams.sentences(line), least=LABELS) in ON_TEXT
    )


def _points_at_text(line: str) -> bool:
    """Whether a line, in lower case, points at a text."""
    if not _POINTERS.isdisjoint(line.translate(_SIGNS).split()):
        return True
    return not line.isascii() and any(run in line for run in _POINTERS_UNSPACED)


def _asks_which(line: str) -> bool:
    """Whether a line, in lower case, asks which of two a text is: "Positive or negative?"."""
    if len(line) > LONGEST_CHOICE or not line.rstrip().endswith(ngrams.QUESTION_MARKS):
        return False
    return not _OR.isdisjoint(line.split()) or "还是" in line or "か、" in line


def _not_pasted(
    lines: Sequence[str], context: str, scorer: Scorer, *, less: float = LINE_LESS
) -> list[str]:
    """The lines that look least like pasted text."""
    scores = scorer.lines(lines, context.lower())
    best = max(scores)
    least = best - min(less, max(best, 0.0) / 2)
    return [line for line, score in zip(lines, scores, strict=True) if score >= least]


def without_edges(text: str, scorer: Scorer) -> str:
    """The text without sentences at its head and tail that only wrap the request.

    What is pasted and what asks is told by the place in the text, so these go first.
    """
    for last in (False, True):
        for _ in range(MOST_EDGES):
            edge, left = _edge(text, last=last)
            if not edge or len(left) < LEAST_ASKED:
                break
            asked = ngrams.plain(edge)
            score = scorer.edge(asked, last=last)
            if score > (ASIDE if edge[0] in "(（[" else WRAPS):  # noqa: RUF001
                break
            if not last and _announces(asked, scorer):
                break
            text = left
    return _without_run_on(text, scorer)


def _without_run_on(text: str, scorer: Scorer) -> str:
    """A short text without a wrapping that no stop separates: "fix the footer Thanks a million"."""
    if len(text) > SHORT or not any(map(str.isupper, text[LEAST_ASKED:])):
        return text
    capitals = [
        place
        for place in range(LEAST_ASKED, len(text))
        if text[place].isupper() and text[place - 1] == " " and text[place - 2].isalnum()
    ]
    for place in reversed(capitals[-MOST_RUN_ON:]):
        if scorer.edge(ngrams.plain(text[place:]), last=True) <= RUNS_ON:
            return text[:place].strip()
    return text


def _edge(text: str, *, last: bool) -> tuple[str, str]:
    """The first or the last sentence of a text, and the rest; "" where it is long for a note."""
    text = text.strip()
    cut = text.rfind("\n") if last else text.find("\n")
    line = text[cut + 1 :] if last else text[: cut if cut >= 0 else len(text)]
    if not line or len(line) > LONGEST_LINE:
        return "", text
    parts = ngrams.sentences(line)
    bracketed = line[0] in "(（["  # noqa: RUF001
    if not parts:
        return "", text
    edge = line if bracketed else parts[-1] if last else parts[0]
    edge = edge.strip()
    if len(edge) > LONGEST_EDGE:
        return "", text
    return edge, (text[: -len(edge)] if last else text[len(edge) :]).strip()
