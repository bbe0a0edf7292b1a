"""Finds the instruction of a prompt: without wrapping, and apart from its context.

Most prompts are a sentence or two of instruction with code, an e-mail, a table or a log before or
after it. Words of the context say nothing about the kind of work, so the classifier uses
`parse_request(prompt).instruction`.

Wrapping is greetings, "could you please", thanks, "this is trivial". It is removed first, so that
the same request is separated alike with and without it.

Context is: fenced blocks, XML-like blocks, long quotations, quoted lines, paragraphs
most of whose lines look like code, data, logs or stack traces, long paragraphs (all but their
first and last sentence), and everything after "Translate this: …" and the like. At most `REACH`
characters at the head and at the tail are read, where requests are.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from rightmodel.routing.signals import ngrams

REACH: Final = 3_000
"""Characters read at the head, and at the tail, of a prompt."""
LONG: Final = 480
"""A paragraph of more characters is context but for its first and last sentences."""
BIG: Final = 1_000
"""With less context, lines of a short instruction are not asked whether they are pasted."""
EDGE: Final = 200
"""Characters of a long paragraph in which its first and last sentences are searched."""
WHOLE: Final = 8
"""Of more paragraphs than this only the first and last `ENDS` are read."""
ENDS: Final = 2
MOST_CONTEXT: Final = 2 * REACH
WRAPPED: Final = 260
"""Characters at the head, and at the tail, that are searched for wrapping."""
QUICK_LOOK: Final = 60
"""Characters by which the last paragraph is looked up in the context."""
LAST_WORD: Final = 40
"""Characters at its end in which the last word of a prompt is looked for."""
LEAST_LEFT: Final = 3
"""A prompt that would have fewer characters left is returned unchanged."""

_BLOCK: Final = re.compile(
    r"(?:```|~~~)[^\n]*\n.*?(?:\n\s*(?:```|~~~)|\Z)"
    r"|<(?P<tag>[A-Za-z][\w-]{2,30})(?: [^<>\n]{0,80})?>.*?</(?P=tag)>"
    r'|"""(?:.*?)"""',
    re.DOTALL,
)
_QUOTED: Final = re.compile(
    r'"[^"\n]{25,}"|“[^”]{25,}”|„[^“”]{25,}[“”]|«[^»]{25,}»|「[^」]{12,}」|『[^』]{12,}』|“[^”]{12,}”'
)
_PARAGRAPHS: Final = re.compile(r"\n[ \t\r]*\n\s*")
_SENTENCE_END: Final = re.compile(r"[.!?:](?=\s)|[。！？：]|\n")  # noqa: RUF001
_WORD: Final = re.compile(r"\w")
POLITE: Final = (
    r"(?:(?:please|pls|plz|kindly|hey|hi|hello|dear|there|ok(?:ay)?|so|now|then|first(?:ly)?|next"
    r"|second(?:ly)?|finally|also|and|just|quick(?:ly)?|simply|task|question|request|instructions?"
    r"|goal|todo|job|prompt|q|simple|easy|trivial|one|this is (?:trivial|easy|simple|urgent)|urgent"
    r"|thanks|thank you|again|bitte|kannst du|könntest du|können sie|könnten sie|mir|mal|por favor"
    r"|puedes|podrías|puede usted|s'il (?:te|vous) pla[iî]t|peux-tu|pouvez-vous|merci de"
    r"|help me(?: out)?(?: to| with)?|let's|go ahead and|try to|carefully|thoroughly|briefly"
    r"|(?:can|could|would|will) (?:you|u|someone|anyone)|would you mind|i (?:need|want) (?:you )?to"
    r"|i(?:'d| would) (?:like|love|appreciate)(?: it)?(?: if)?(?: you)?(?: could| to)?"
    r"|(?:your|my) (?:task|job|goal) is(?: to)?|(?:you|we) (?:should|must|need to|have to)"
    r"|i need (?:some )?help(?: with)?|i need you to|i'm trying to|i am trying to)"
    r"\b[\s,.:!*-]*){0,6}"
)
"""Words before the verb of a request that carry no information."""
_VERBS_ON_TEXT: Final = (
    r"translate|locali[sz]e|summari[sz]e|condense|shorten|paraphrase|rephrase|reword|rewrite"
    r"|proofread"
    r"|polish|tl;?dr|übersetz\w*|fass\w*|formulier\w*|korrigier\w*|tradu\w+|resum\w+|reescrib\w+"
    r"|résum\w+|reformul\w+|corrig\w+"
)
_ON_TEXT: Final = re.compile(
    r"[\s#*>-]*(?:\d+[.)]\s*)?" + POLITE + rf"(?:(?:and )?(?:(?:{_VERBS_ON_TEXT})[^:\n]{{0,160}}"
    r"|(?:extract|classify|categori[sz]e|label|tag|triage|correct|pull|list all|is the following"
    r"|is this"
    r"|what is the sentiment|reply to|respond to|extrahier\w*|klassifizier\w*|ordne|extra\w+"
    r"|clasif\w+"
    r"|classe\w*)\s[^:\n]{1,160})"
    r"|[^:\uff1a\n]{0,60}(?:翻译|译成|总结|概括|提取|分类|改写|润色|翻訳|要約|抽出|分類|判断|判定)"
    r"[^:\uff1a\n]{0,40})"
    r"[:\uff1a](?!//)\s*",
    re.IGNORECASE,
)
_POINTS_DOWN: Final = re.compile(
    r"\b(?:below|following|here is|here are|folgende\w*|siguientes?|suivante?s?|ci-dessous)\b"
    r"|以下|下面|次の"
)
_POINTERS: Final = (
    "below", "follow", "here ", "folgende", "siguiente", "suivant", "ci-de", "以下", "下面", "次の",
)  # fmt: skip
"""One of them is in what `_POINTS_DOWN`, which is slow, finds."""
_POINTING_LENGTH: Final = 300
_DIFFICULTY: Final = (
    r"(?:trivial|easy|simple|quick|straightforward|basic|nothing (?:hard|special)|not hard|hard"
    r"|difficult|tricky|impossible)"
)
_CLAIM: Final = (
    r"(?:(?:note|hint|ps|p\.s\.|btw|by the way|fyi)\b\W{0,3})?"
    r"(?:(?:this|that|it)(?: one| task| question)?(?:'s| is| will be| should be| looks| seems)"
    rf"(?: (?!not)\w+){{0,3}}? {_DIFFICULTY}\b(?: (?:one|task|question|job|thing|request))?"
    r"(?: (?:for you|really|honestly|anyway))?"
    r"|(?:pretend|assume|imagine|treat)(?: that)? (?:this|it)(?:'s| is| as)?(?: \w+){0,2}? "
    rf"{_DIFFICULTY}(?: (?:one|task))?"
    rf"|{_DIFFICULTY} (?:one|task|question)(?: for you)?"
    r"|(?:any|a|even a|even the)(?: \w+){0,2} model (?:can|could) (?:do|handle|solve) (?:this|it)"
    r"|only the best (?:model )?can do (?:this|it)|no need to think(?: (?:hard|long))?"
    r"|das ist (?:\w+ )?(?:einfach|leicht|trivial|simpel)|(?:es|esto es) (?:muy )?(?:fácil|sencillo"
    r"|trivial)|c'est (?:très )?(?:facile|simple|trivial))"
)
_GREETING: Final = (
    r"(?:hi|hello|hey|hiya|greetings|good (?:morning|afternoon|evening|day)|dear (?:\w+)|hallo"
    r"|guten (?:tag|morgen|abend)|moin|hola|buen[oa]s(?: (?:días|tardes|noches))?|bonjour|bonsoir"
    r"|salut|ciao|olá|oi)(?: (?:there|all|everyone|team|assistant|again|zusammen))?"
)
_ASKING: Final = (
    r"(?:please|pls|plz|kindly|bitte|por favor|s'il (?:te|vous) pla[iî]t"
    r"|(?:i was )?(?:wondering|hoping) if you could|(?:could|can|would|will) (?:you|u)"
    r"(?: (?:please|kindly|maybe|possibly|perhaps|quickly|just))*|would you mind"
    r"|i(?:'d| would) (?:be grateful|appreciate it|really appreciate it|love it|like you)"
    r"(?: if you (?:could|would|can))?(?: to)?|(?:kannst|könntest|würdest) du(?: mir)?(?: bitte)?"
    r"|(?:können|könnten|würden) sie(?: mir)?(?: bitte)?|(?:puedes|podrías|podría usted"
    r"|puede usted)"
    r"|(?:peux|pourrais)[- ]tu|(?:pouvez|pourriez)[- ]vous|merci de|(?:i )?need you to"
    r"|i want you to"
    r"|(?:can |could )?(?:you )?help (?:me|us)(?: out)?(?: with (?:this|the following|something)"
    r"(?: task| request| question)?(?=\W*[:.,\n]))?(?: please)?|(?:i )?need (?:some |your )?help"
    r"(?: with (?:this|the following)(?: task| request)?(?=\W*[:.,\n]))?"
    r"|here(?:'s| is) (?:what i need|my (?:request|task|question))(?: you to do)?"
    r"|(?:your )?(?:task|request|question|job|quick one|quick question)(?= ?:)"
    r"|you are a (?:very )?helpful (?:assistant|ai)(?: assistant)?)"
)
_THANKS: Final = (
    r"(?:(?:many |big )?thanks|thank you|thx|ty|cheers|much appreciated|i (?:really )?appreciate it"
    r"|appreciated|danke(?: schön)?|vielen dank|besten dank|(?:muchas |mil )?gracias"
    r"|merci(?: beaucoup)?"
    r"|obrigad[oa]|grazie(?: mille)?|kind regards|best regards|best wishes|please take your time"
    r"|take your time|no rush|be careful(?: and thorough)?|please)"
    r"(?: (?:so much|very much|a lot|a bunch|a ton|in advance|im voraus|d'avance|de antemano"
    r"|for your help|for any help|again|really|everyone|team))*"
)
_GAP: Final = r"[\s,.!:;*–—-]*"
_HEAD: Final = re.compile(
    rf"(?:{_GAP}(?:{_CLAIM}|{_GREETING}|{_ASKING}|{_THANKS})(?!\w){_GAP}){{1,8}}", re.IGNORECASE
)
_TAIL: Final = re.compile(
    rf"(?:(?<=[\s.!?,;:。！？)\"”»])¡?(?:{_CLAIM}|{_THANKS})(?!\w){_GAP}){{1,6}}\Z",  # noqa: RUF001
    re.IGNORECASE,
)
_CJK_HEAD: Final = re.compile(
    r"(?:\s*(?:你好|您好|请帮我|请你|麻烦您?你?|劳驾|请|拜托|こんにちは|すみませんが?|お願いします|안녕하세요)"
    r"[\s,，。、!！]*)+"  # noqa: RUF001
)
_CJK_TAIL: Final = re.compile(
    r"[\s,，。、]*(?:(?:谢谢您?你?|多谢|拜托了?|よろしくお願いします|よろしくお願いいたします"  # noqa: RUF001
    r"|お願いします|お願いいたします|ありがとうございます|부탁드립니다|부탁해요|감사합니다)[\s,，。、!！]{0,20}){1,6}\Z"  # noqa: RUF001
)
_CJK_GAP: Final = " \t\n\r\u3000,，。、!！"  # noqa: RUF001
_CJK_ENDS: Final = tuple("谢您你托了すう다요")
"""The last characters of what `_CJK_TAIL` matches, and what may follow them."""
_CLAIM_ALONE: Final = re.compile(rf"\W*{_CLAIM}\W*", re.IGNORECASE)
LONGEST_CLAIM: Final = 90


def _inside(words: str, more: str = "") -> re.Pattern[str]:
    """Begins with a literal, so that the search is quick; the word boundary is looked up behind."""
    return re.compile(rf"{words}(?<![\w']{words}){more}\b")


_ASKING_INSIDE: Final = (
    *((words, _inside(words)) for words in ("please", "bitte", "por favor")),
    *((words, _inside(words, "(?: please| kindly)?"))
      for words in ("could you", "can you", "would you")),
    ("s'il ", _inside("s'il ", "(?:te|vous) pla[iî]t")),
)  # fmt: skip
"""What the text must hold, and what is taken out then."""
_WORDS: Final = re.compile(r"\w+")
_TAIL_ENDS: Final = frozenset((
    "trivial", "easy", "simple", "quick", "straightforward", "basic", "hard", "special",
    "difficult", "tricky", "impossible", "one", "task", "question", "job", "thing", "request",
    "you", "really", "honestly", "anyway", "this", "it", "long", "think", "einfach", "leicht",
    "simpel", "fácil", "sencillo", "facile", "thanks", "thx", "ty", "cheers", "appreciated",
    "danke", "schön", "dank", "gracias", "merci", "beaucoup", "obrigado", "obrigada", "grazie",
    "mille", "regards", "wishes", "time", "rush", "careful", "thorough", "please", "much",
    "lot", "bunch", "ton", "advance", "voraus", "avance", "antemano", "help", "again",
    "everyone", "team",
))  # fmt: skip
"""The last words of what `_TAIL` matches."""


class Request(NamedTuple):
    """`instruction`: the sentences that say what to do. `context`: the head of the rest."""

    instruction: str
    context: str


def parse_request(prompt: str) -> Request:
    """Instruction and context of a prompt without wrapping; the instruction in lower case."""
    if len(prompt) > 2 * REACH:
        prompt = f"{prompt[:REACH]}\n\n{prompt[-REACH:]}"
    text = strip_wrapping(prompt)
    instruction, context = split_request(text)
    last = text[text.rfind("\n\n") + 2 :] if "\n\n" in text else ""
    if 0 < len(last) <= LONG and last not in instruction and last[:QUICK_LOOK] in context[-LONG:]:
        # A request may follow the context: the line classifier decides, except on code and on a
        # short text that the request announces, of which this is the end.
        prose, _ = without_lines(_BLOCK.sub("", last), least=2)
        if prose.strip() and (len(context) > BIG or not _ON_TEXT.match(text)):
            instruction, context = f"{instruction}\n{last}", context.removesuffix(last)
    instruction = ngrams.plain(instruction)
    for sign, pattern in _ASKING_INSIDE:
        if sign in instruction:
            instruction = pattern.sub(" ", instruction)
    return Request(instruction.strip(), context)


def split_request(text: str) -> Request:
    """Separate a prompt into instruction and context. Never raises; bounded work.

    Where everything looks like context, its first and last sentences are the instruction.
    """
    if len(text) > 2 * REACH:
        text = f"{text[:REACH]}\n\n{text[-REACH:]}"
    asked: list[str] = []
    context: list[str] = []
    if "```" in text or "~~~" in text or "<" in text or '"""' in text:
        context += [found.group() for found in _BLOCK.finditer(text)]
        text = _BLOCK.sub("\n\n", text)
    paragraphs = [part for part in _PARAGRAPHS.split(text.strip()) if part]
    for place, part in enumerate(paragraphs):
        inner = ENDS <= place < len(paragraphs) - ENDS and len(paragraphs) > WHOLE
        (context if inner else asked).append(part)
    instruction, pasted = _settle(asked)
    instruction, quoted = _unquote(instruction)
    context += pasted + quoted
    if not _WORD.search(instruction) and context:
        instruction = "\n".join(_edges(context[0]))
    return Request(instruction, "\n".join(context)[:MOST_CONTEXT])


def _settle(paragraphs: list[str]) -> tuple[str, list[str]]:
    """The instruction in some paragraphs, and the context among them."""
    asked: list[str] = []
    context: list[str] = []
    for place, part in enumerate(paragraphs):
        opened = _ON_TEXT.match(part) if place == 0 else None
        if opened:
            asked.append(opened.group())
            return "\n".join(asked), [part[opened.end() :], *paragraphs[1:]]
        if (
            place == 1
            and len(paragraphs[0]) < _POINTING_LENGTH
            and _points_down(paragraphs[0].lower())
        ):
            # "The following:" announces context; a request may still come last.
            last = paragraphs[-1] if len(paragraphs) > WHOLE // 2 else ""
            return "\n".join([*asked, last]), [*context, *paragraphs[1:]]
        prose, lines = without_lines(part, least=1 if len(paragraphs) > ENDS else 2)
        context += lines
        if len(prose) > LONG:
            context.append(prose)
            asked += _edges(prose)
        else:
            asked.append(prose)
    return "\n".join(asked), context


def _points_down(text: str) -> bool:
    """Whether a text in lower case announces what follows it."""
    if text.rstrip().endswith(":"):
        return True
    return any(map(text.__contains__, _POINTERS)) and _POINTS_DOWN.search(text) is not None


def _unquote(instruction: str) -> tuple[str, list[str]]:
    """The instruction without long quotations, and the quotations."""
    quoted = _QUOTED.findall(instruction)
    return (_QUOTED.sub(" … ", instruction), quoted) if quoted else (instruction, quoted)


def _edges(prose: str) -> list[str]:
    """The first and last sentences of a long paragraph, as far as `EDGE` reaches."""
    ends = [found.end() for found in _SENTENCE_END.finditer(prose, 0, EDGE)]
    head = prose[: ends[-1]] if ends else prose[:EDGE]
    tail = prose[max(len(head), len(prose) - EDGE) :]
    start = _SENTENCE_END.search(tail)
    return [head.strip(), tail[start.end() :].strip() if start else tail.strip()]


def is_claim(sentence: str) -> bool:
    """Whether a sentence only says how hard the request is: "This is a trivial one."."""
    return len(sentence) < LONGEST_CLAIM and _CLAIM_ALONE.fullmatch(sentence) is not None


def strip_wrapping(prompt: str) -> str:
    """A prompt without wrapping at its head and tail; unchanged where nothing else is left."""
    start, end = 0, len(prompt)
    head = _HEAD.match(prompt[:WRAPPED])
    if head:
        start = head.end()
    else:
        chinese = _CJK_HEAD.match(prompt[:WRAPPED])
        start = chinese.end() if chinese else 0
    base = max(start, end - WRAPPED)
    ending = prompt[base:]
    words = _WORDS.findall(ending[-LAST_WORD:])
    tail = _TAIL.search(ending) if words and words[-1].lower() in _TAIL_ENDS else None
    if tail is None and ending.rstrip(_CJK_GAP).endswith(_CJK_ENDS):
        tail = _CJK_TAIL.search(ending)
    if tail:
        end = base + tail.start()
    left = prompt[start:end].strip()
    return left if len(left) >= LEAST_LEFT else prompt


# -- lines of code, data and logs, known by their form: no words of a language ---------------------

LOOK: Final = 600
"""Characters at the head of a text that tell whether it is code."""

_CLEAR: Final = r"""
      </?[a-zA-Z][^>]*> | >>> | \#! | /\* | @[\w.]+(?:\(.*)?\s*$
    | (?:def|class|func|fn|public|private|static|const|var|let|function)\s+[\w<].*[({:;=]
    | (?:from\s+[\w.]+\s+import|import)\s+[\w.{*"']
    | (?:SELECT|INSERT|UPDATE|CREATE|WHERE|FROM|(?:LEFT\s|INNER\s)?JOIN|GROUP|ORDER|ALTER|DROP)\s+\S
    | (?:return|if|for|while|elif|else|try)\b.*[;(){}\[\]:]\s*$ | (?:done|fi|end)\s*$
    | End\s(?:If|Sub|Function)\s*$ | Dim\s\w
    | [\w.\[\]]{1,40}+\s?(?:\+=|:=|<-)\s?\S | (?:[\w.\[\]]{1,40}+\s?=\s?)?[a-z_]\w*\.[a-z_]\w*\(
"""
_BRACES: Final = r'(?!["{]).*(?:\{[^{};]*;|\{$)'
_FAINT: Final = r"""
      (?P<mark>\$\s | // | @\w+) | (?P<equation>[\w.\[\]]{1,40}+\s?=\s?\S)
    | (?P<call>\w[\w.]{0,40}+\(.*\)\s*$)
"""
"""Forms that prose and mathematics have, too: "y = 2x", "@anna can you", "Hastings (1066)"."""
_OTHER: Final = r"""
      [>|] | at\s\S+[(:] | File\s" | Traceback\s | \w+(?:Error|Exception):
    | \[?\d{4}-\d\d-\d\d[T\s]\d\d: | \[?(?:ERROR|WARN(?:ING)?|INFO|DEBUG|FATAL)\b
    | "[\w .-]+"\s*: | [\w-]{1,30}+:\s["'\d{\[]
    | (?:---|\+\+\+|@@)\s | [-+][^\s-].*[(){};=/]
    | [^\s,;\t][^,;\t]*+(?:[,;\t][^,;\t ][^,;\t]*+){2,}+$ | [{}\[\]();]+,?\s*$
"""
_CONTEXT_LINE: Final = re.compile(
    rf"(?:\ {{4}}|\t)\s*\S | \s*(?:{_CLEAR}|{_FAINT}|{_OTHER})", re.VERBOSE
)
_STATEMENT: Final = re.compile(rf"(?P<clear>{_CLEAR}|{_BRACES})|{_FAINT}", re.VERBOSE)
_DATA: Final = ('"', '{"')
_BRACKETS: Final = "{}[](),;` \t\r"
_ENDS_LIKE_CODE: Final = (";", "{", "}", "};", "});", "],", "},", "):", "; do", "; then")


def is_code(text: str) -> bool:
    """Whether at least a third of the lines at the head of a text are of a program, not data.

    One of them must clearly be, or they must be of two forms.
    """
    lines = [line.strip() for line in text[:LOOK].split("\n") if line.strip(_BRACKETS)]
    forms = [form for line in lines if (form := _form(line))]
    is_clear = "clear" in forms or len(set(forms)) > 1
    return is_clear and 3 * len(forms) >= len(lines)


def _form(line: str) -> str | None:
    """What makes a line look like one of a program, `None` for nothing."""
    if found := _STATEMENT.match(line):
        return found.lastgroup
    return "end" if line.endswith(_ENDS_LIKE_CODE) and not line.startswith(_DATA) else None


def without_lines(part: str, *, least: int) -> tuple[str, list[str]]:
    """A paragraph without its lines of code, data and logs, where there are at least `least`."""
    lines = part.split("\n")
    hits = [
        line.rstrip().endswith(_ENDS_LIKE_CODE) or _CONTEXT_LINE.match(line) is not None
        for line in lines
    ]
    if sum(hits) < least:
        return part, []
    # Between two such lines everything is context: a comment, a blank line.
    first, last = hits.index(True), len(hits) - 1 - hits[::-1].index(True)
    kept = lines[:first] + lines[last + 1 :]
    return "\n".join(kept), ["\n".join(lines[first : last + 1])]
