"""Whether a line points at a text that is given with it: "Turn this into JSON", "the note below".

Demonstratives and words of place are few in every language, verbs on texts are not. What the line
asks for is the local model's to tell.
"""

from __future__ import annotations

from typing import Final

QUESTION_MARKS: Final = ("?", "？", "؟")  # noqa: RUF001
LONGEST: Final = 240
"""Characters of the longest line that announces a text."""

_WORDS: Final = frozenset((
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
_RUNS: Final = (
    "これ",
    "この",
    "次の",
    "以下",
    "下記",
    "上記",
    "下の",
    "上の",
    "这",
    "下面",
    "上面",
    "下列",
)
_OR: Final = frozenset((
    "or", "oder", "ou", "o", "u", "of", "czy", "lub", "или", "либо", "veya", "yoksa", "mi", "mı",  # noqa: RUF001
    "mu", "mü", "ام", "او", "या", "아니면",
))  # fmt: skip
LONGEST_CHOICE: Final = 48
"""Characters of the longest line that asks which of two a text is."""
_SIGNS: Final = str.maketrans(dict.fromkeys('.,;:!?…¿¡()"«»“”„،؟।：。、，？', " "))  # noqa: RUF001


def points_at_text(line: str) -> bool:
    """Whether a line, in lower case, points at a text."""
    if not _WORDS.isdisjoint(line.translate(_SIGNS).split()):
        return True
    return not line.isascii() and any(run in line for run in _RUNS)


def asks_which(line: str) -> bool:
    """Whether a line, in lower case, asks which of two a text is: "Positive or negative?"."""
    if len(line) > LONGEST_CHOICE or not line.rstrip().endswith(QUESTION_MARKS):
        return False
    return not _OR.isdisjoint(line.split()) or "还是" in line or "か、" in line
