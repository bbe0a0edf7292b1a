"""Removes the wrapping of a request: greetings, "could you please", thanks, "this is trivial".

This happens before instruction and context are separated, so that the same request is separated
alike with and without its wrapping.
"""

from __future__ import annotations

import re
from typing import Final

from rightmodel.routing.signals import ngrams
from rightmodel.routing.signals.instruction import (
    LONG,
    REACH,
    Request,
    split_request,
    without_lines,
)

EDGE: Final = 260
"""Characters at the head, and at the tail, that are searched for wrapping."""
QUICK_LOOK: Final = 60
"""Characters by which the last paragraph is looked up in the context."""
LAST_WORD: Final = 40
"""Characters at its end in which the last word of a prompt is looked for."""
LEAST_LEFT: Final = 3
"""A prompt that would have fewer characters left is returned unchanged."""

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


def parse_request(prompt: str) -> Request:
    """Instruction and context of a prompt without wrapping; the instruction in lower case."""
    if len(prompt) > 2 * REACH:
        prompt = f"{prompt[:REACH]}\n\n{prompt[-REACH:]}"
    text = strip_wrapping(prompt)
    instruction, context = split_request(text)
    last = text[text.rfind("\n\n") + 2 :] if "\n\n" in text else ""
    if 0 < len(last) <= LONG and last not in instruction and last[:QUICK_LOOK] in context[-LONG:]:
        # A request may follow the context: the line classifier decides, except on code.
        prose, _ = without_lines(last, least=2)
        if prose.strip():
            instruction, context = f"{instruction}\n{last}", context.removesuffix(last)
    instruction = ngrams.plain(instruction)
    for sign, pattern in _ASKING_INSIDE:
        if sign in instruction:
            instruction = pattern.sub(" ", instruction)
    return Request(instruction.strip(), context)


def is_claim(sentence: str) -> bool:
    """Whether a sentence only says how hard the request is: "This is a trivial one."."""
    return len(sentence) < LONGEST_CLAIM and _CLAIM_ALONE.fullmatch(sentence) is not None


def strip_wrapping(prompt: str) -> str:
    """A prompt without wrapping at its head and tail; unchanged where nothing else is left."""
    start, end = 0, len(prompt)
    head = _HEAD.match(prompt[:EDGE])
    if head:
        start = head.end()
    else:
        chinese = _CJK_HEAD.match(prompt[:EDGE])
        start = chinese.end() if chinese else 0
    base = max(start, end - EDGE)
    ending = prompt[base:]
    words = _WORDS.findall(ending[-LAST_WORD:])
    tail = _TAIL.search(ending) if words and words[-1].lower() in _TAIL_ENDS else None
    if tail is None and ending.rstrip(_CJK_GAP).endswith(_CJK_ENDS):
        tail = _CJK_TAIL.search(ending)
    if tail:
        end = base + tail.start()
    left = prompt[start:end].strip()
    return left if len(left) >= LEAST_LEFT else prompt
