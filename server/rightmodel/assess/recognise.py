"""From a request to the kinds of work in it, and from these to skill weights."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from rightmodel.assess import forms_cjk
from rightmodel.assess.clauses import clauses, context
from rightmodel.assess.forms import FORMS
from rightmodel.assess.found import HUNCH, LIKELY, PLAIN, Found
from rightmodel.assess.questions import question, whole
from rightmodel.assess.request import LONG

if TYPE_CHECKING:
    from rightmodel.assess.clauses import Clause, Context
    from rightmodel.assess.request import Request

SURE: Final = 0.8
Weights = tuple[tuple[str, float], ...]
_MIXED: Final = 0.85
"""Confidence in the first of two kinds of work, at most."""


_TOOLS: Final = re.compile(
    r"\b(?:repo(?:sitory)?|commit (?:the|it|and)|push (?:the|it|to)|deploy|open (?:a|the) (?:pr"
    r"|page|browser"
    r"|site)|pull request and|click|log ?in|send (?:it|them)|post (?:it|them) (?:to|on|in)"
    r"|save (?:it|them|the)"
    r"|upload|download|hold it|my (?:unread |last )?(?:inbox|calendar|drive|e-?mails)"
    r"|every (?:morning|day|hour"
    r"|night)|set the labels|in (?:the|my) folder|all (?:the )?(?:pdfs|files)|every file|run (?:it"
    r"|them|the"
    r" tests)|checke|ordner|until (?:it|all|everything|the tests)|cheapest flight)\b"
    r"|(?<![\w.])~?/[\w-]+/|https?://"
    r"|打开|下载|发给|发送|登录|网站|仓库|提交|运行|リポジトリ|実行して|送信|ダウンロード|ログイン"
)
"""Signs that a job is to be done with tools, whatever text is written on the way."""
_SEEN: Final = re.compile(
    r"\.(?:png|jpe?g|webp|gif|heic|tiff?|bmp)\b|\b(?:photos?|pictures?|screenshots?|image"
    r"|scan(?:ned|s)?"
    r"|handwrit\w+|whiteboard|foto|bild|imagen|captura)\b|照片|图片|截图|扫描|画像|写真|スクショ"
)
_IMAGE_FILE: Final = re.compile(r"\.(?:png|jpe?g|webp|gif|heic|tiff?|bmp)\b")
_CONSTRAINT: Final = re.compile(
    r"(?:keep|use|no|not|don't|do not|make sure|make it|include|avoid|return|respond|output|format"
    r"|max|at most"
    r"|only|just|tone|length|audience|it should|the tone|mention|in json|write it|be |as json"
    r"|thanks|thank you"
    r"|a lot|so much|in advance|much|very|best|cheers|i appreciate|under|about \d|around \d|hi"
    r"|hello|sign|no need|answer|one|two|three|plain|bullet|it's|it is"
    r"|json|maximal"
    r"|höchstens|bitte|ohne|sin |sans |nur|… )|\W*$|[\d. ]+\W*$"
)
MUCH_CODE: Final = 1_500
"""More characters of pasted code do not make an unrecognised request one about code."""
_MOSTLY: Final = 0.5
_AT_THE_HEAD: Final = 0.25
_CJK_LONG: Final = 100


def recognise(request: Request, *, images: bool = False) -> list[Found]:
    """The kinds of work in a request, the main one first; empty when nothing is plain."""
    x = context(request, images=images)
    found: list[Found] = []
    if forms_cjk.PRESENT.search(x.text):
        found = forms_cjk.recognise(x)
        if len(x.text) > _CJK_LONG:
            found = [_doubted(f) for f in found]
    if not found:
        found = _in_clauses(request, x)
    if images:
        return _with_image(found, x)
    return _elsewhere(_settled(found), x)


def _doubted(found: Found) -> Found:
    return found._replace(confidence=min(found.confidence, HUNCH))


def _elsewhere(found: list[Found], x: Context) -> list[Found]:
    """Doubt what needs tools or an image to be done, unless that was recognised itself."""
    if not found:
        return found
    text = x.text.lower()
    for skill, signs, certain in (("vision", _SEEN, _IMAGE_FILE), ("agentic", _TOOLS, None)):
        if found[0].skill in {skill, "agentic"} or not signs.search(text):
            continue
        itself = [f for f in found if f.skill == skill]
        if not itself and certain is not None and certain.search(text) and not x.tech:
            itself = [Found(skill, LIKELY, "names an image file")]
        rest = [f for f in found if f.skill != skill]
        found = [*itself, *rest[:1]] if itself else [_doubted(f) for f in rest]
    return found


def _in_clauses(request: Request, x: Context) -> list[Found]:
    found: list[Found] = []
    made = -1
    parts = clauses(request.ask)
    x.sentences = len({c.sentence for c in parts if not _CONSTRAINT.match(c.text)})
    if parts and len(request.material) > LONG:
        x.ends = frozenset((parts[0].sentence, parts[-1].sentence))
    hits: set[int] = set()
    for clause in parts:
        # "a function that finds and extracts …": what follows in the sentence describes the thing.
        if clause.sentence == made and clause.joined not in {"then", "dann", "luego", "puis"}:
            continue
        hit = _in_clause(clause, x)
        if hit is None:
            continue
        if clause.verb == "make":
            made = clause.sentence
        hits.add(clause.sentence)
        found.append(hit)
    if hits and not (_carries(parts, hits) or x.ends & hits):
        found = [_doubted(f) for f in found]
    overall = whole(x)
    if overall is not None:
        found.append(overall)
    if not found and x.code and len(request.material) < MUCH_CODE:
        found.append(Found("code", LIKELY, "something is asked about code"))
    return found


def _carries(parts: list[Clause], hits: set[int]) -> bool:
    """Whether the recognised sentences are most of the ask, constraints left aside."""
    lengths = {c.sentence: len(c.text) for c in parts}
    asked = sum(n for s, n in lengths.items() if s in hits)
    rest = sum(
        len(c.text)
        for c in parts
        if c.sentence not in hits and not c.joined and not _CONSTRAINT.match(c.text)
    )
    share = asked / (asked + rest)
    return share >= _MOSTLY or (min(hits) == parts[0].sentence and share >= _AT_THE_HEAD)


def _in_clause(clause: Clause, x: Context) -> Found | None:
    form = FORMS.get(clause.verb)
    return (form(clause, x) if form else None) or question(clause, x)


def _settled(found: list[Found]) -> list[Found]:
    """Each skill once; hunches only where nothing better is there; background left out."""
    sure = [f for f in found if f.confidence >= SURE] or found[:1]
    best: dict[str, Found] = {}
    for hit in sure:
        if hit.skill not in best or best[hit.skill].confidence < hit.confidence:
            best[hit.skill] = hit
    for background, main in _BACKGROUND:
        if background in best and (best.keys() - {background}) & (main or best.keys()):
            del best[background]
    if "code" in best and ("fix" in best["code"].note or "debug" in best["code"].note):
        return [best.pop("code"), *best.values()]
    return list(best.values())


_BACKGROUND: Final[tuple[tuple[str, frozenset[str]], ...]] = (
    ("knowledge", frozenset()),
    ("general", frozenset()),
    ("classify", frozenset({"code"})),
)
"""Kinds that give way when another one of the named (none named: any) was found as well."""


def _with_image(found: list[Found], x: Context) -> list[Found]:
    """An attached image is looked at, whatever else is asked."""
    looked = Found("vision", PLAIN if len(x.text) < 400 else LIKELY, "an image is attached")  # noqa: PLR2004
    others = [f for f in _settled(found) if f.skill not in {"vision", "knowledge", "general"}]
    if others and others[0].skill in {"code", "writing", "agentic"}:
        return [others[0]._replace(confidence=HUNCH), looked]
    if x.tech:
        looked = looked._replace(confidence=HUNCH)
    return [looked, *others[:1]]


def weigh(found: list[Found]) -> tuple[Weights, float, str]:
    """Weights that sum to 1, the confidence in the first skill, and a note."""
    if not found:
        return (), 0.0, ""
    first = found[0]
    if len(found) == 1:
        return ((first.skill, 1.0),), first.confidence, first.note
    second = found[1]
    weights = ((first.skill, 0.65), (second.skill, 0.35))
    confidence = min(_MIXED, first.confidence)
    if len(found) > 2:  # noqa: PLR2004 - three kinds and more: nobody knows which is the main one
        confidence = HUNCH
    return weights, confidence, f"{first.note}, and {second.note}"
