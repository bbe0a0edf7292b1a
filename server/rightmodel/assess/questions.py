"""Questions and whole requests recognised by their form, where no leading verb tells the work."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from rightmodel.assess import lexicon as lx
from rightmodel.assess.clauses import points_at_text, words_of
from rightmodel.assess.found import HUNCH, LIKELY, PLAIN, Found
from rightmodel.assess.working import SUM

if TYPE_CHECKING:
    from rightmodel.assess.clauses import Clause, Context

_ASKING: Final = frozenset(
    [
        "what",
        "what's",
        "whats",
        "who",
        "whos",
        "who's",
        "when",
        "where",
        "why",
        "how",
        "which",
        "is",
        "are",
        "does",
        "do",
        "did",
        "was",
        "were",
        "should",
        "am",
        "in",
        "can",
        "was",
        "wer",
        "wann",
        "wo",
        "warum",
        "wie",
        "wieviel",
        "welche",
        "welcher",
        "welches",
        "ist",
        "sind",
        "qué",
        "que",
        "quién",
        "quien",
        "cuándo",
        "cuando",
        "dónde",
        "donde",
        "cuánto",
        "cuántos",
        "cuántas",
        "cuál",
        "cuáles",
        "cómo",
        "es",
        "son",
        "por",
        "qui",
        "quand",
        "où",
        "pourquoi",
        "combien",
        "quel",
        "quelle",
        "quels",
        "quelles",
        "comment",
        "est",
        "quelqu'un",
        "qu'est-ce",
        "est-ce",
    ]
)
_KNOWN_FORM: Final = re.compile(
    r"who(?:'s| is| was| were| are)? (?!should|would|can|could|do |am |will)\w+"
    r"|when (?:was|were|did|is|does) |where (?:is|was|are|were|does|did|do) "
    r"|what(?:'s| is| are| was| were) the (?:capital|difference|population|meaning|name|origin"
    r"|purpose"
    r"|currency|boiling|melting|speed|distance|tallest|largest|smallest|longest|history|definition"
    r"|chemical|atomic|function of|role|plot|main cause|cause|symptoms?|half-life|official"
    r"|formula for)"
    r"|what(?:'s| is| are| was| were| does| did| causes| happens| happened) "
    r"|how (?:is|are|was|were) |why (?:is|are|do|does|did|was|were|can't|doesn't) |how (?:do|does"
    r"|did) (?!i |we |you )\w+"
    r"|how (?:many|much|tall|old|far|long|big|deep|hot|fast|heavy) "
    r"|(?:in )?(?:which|what) (?:year|country|city|planet|element|president|river|state|century|war"
    r"|king|author|continent|animal|organ|gas|vitamin|language|ocean)"
    r"|(?:wer|wann|wo|warum) \w+|was (?:ist|sind|war|bedeutet|versteht) |wie (?:funktioniert"
    r"|entsteht"
    r"|hoch|alt|viele|lang|groß) |welche[rs]? (?:stadt|land|jahr|fluss)"
    r"|(?:quién|cuándo|dónde|por qué) |qué (?:es|son|significa|fue|causa) |cómo funciona"
    r"|cuál (?:es|fue) (?:la|el) |en qué (?:año|país|ciudad)"
    r"|(?:qui|quand|pourquoi) |où (?:est|se|sont) |qu'est-ce que? |comment fonctionne|que signifie"
    r"|quelle? (?:est|était) (?:la|le|l') ?|en quelle année"
)
_PERSONAL: Final = frozenset(
    [
        "my",
        "our",
        "we",
        "i",
        "i'm",
        "me",
        "us",
        "you",
        "your",
        "this",
        "these",
        "should",
        "following",
        "above",
        "below",
        "attached",
        "best",
        "wrong",
        "better",
        "worth",
        "recommend",
        "opinion",
        "think",
        "favorite",
        "favourite",
        "i've",
        "these",
        "these",
        "those",
        "it",
        "he",
        "she",
        "here",
        "mein",
        "meine",
        "meinen",
        "unser",
        "unsere",
        "wir",
        "ich",
        "mich",
        "uns",
        "dieser",
        "diese",
        "dieses",
        "sollte",
        "soll",
        "beste",
        "mi",
        "mis",
        "nuestro",
        "nuestra",
        "yo",
        "nosotros",
        "este",
        "esta",
        "debería",
        "mejor",
        "mon",
        "ma",
        "mes",
        "notre",
        "nous",
        "je",
        "cette",
        "ce",
        "devrais",
        "meilleur",
        "meilleure",
    ]
)
_WIDER: Final = lx.word_set(
    "evidence research studies study approaches landscape handle compare compared comparison"
    " current latest"
    " recent recently today nowadays known trends cities countries companies going if would might"
    " could will"
    " alternatives options market vendors forschung studien heute derzeit estudios hoy études"
    " recherche"
    " aujourd'hui attended lying lies raison say says versus vs trade-offs"
)
"""Words of questions that want sources gathered or something weighed, not a fact."""
_QUANTITY: Final = re.compile(
    r"\b(?:how (?:many|much|long|far|fast|old|tall)|what (?:percent\w*|fraction|is the (?:prob"
    r"|chance"
    r"|total|average|area|volume|perimeter|sum|speed|cost|price|ratio|expected|median|mean))"
    r"|find the "
    r"(?:area|volume|probability|value|number|sum)|wie (?:viele?|lange|hoch|schnell|groß)"
    r"|cuánt[oa]s?"
    r"|combien|quelle est la (?:probabilité|vitesse))\b"
)
_ARITHMETIC: Final = re.compile(
    r"(?:what(?:'s|s| is)|how much is|wie ?viel (?:ist|sind)|was (?:ist|sind)|cuánto es"
    r"|combien f(?:ont|ait)"
    r"|quel est|cuál es) (?:the (?:square|cube) root of \d|-?\(?[$€£]?\d[\d.,]*\)?\s*(?:%"
    r"|percent\b|per cent"
    r"|prozent|por ciento|pour cent|plus|minus|times|mal|divided|squared|cubed|mod\b|to the power"
    r"|más|por"
    r"|menos|fois|[-+*/^×÷]))|^-?[\d(][\d\s.,()+*/^×÷-]*[-+*/^×÷][\d\s.,()+*/^×÷-]*=?$"
)
_SENTIMENT: Final = re.compile(
    r"\b(?:what(?:'s| is) the (?:sentiment|tone) of|sentiment (?:of|analysis|for|here)"
    r"|which (?:category|label"
    r"|class|department|bucket|topic)|spam or not|positive,? (?:or )?negative|positiv oder negativ"
    r"|positivo o negativo|positif ou négatif|bug or (?:a )?feature)"
)
_IS_LABEL: Final = re.compile(r"(?:is|are|does|ist|sind|es|est|est-ce|do)\b")
_ATTACHED: Final = re.compile(
    r"\b(?:(?:this|attached|enclosed|uploaded|above|below|following|these|the attached|diese[snmr]?"
    r"|beigefügte\w*|esta|adjunta|cette|ci-jointe?) (?:\w+ ){0,2}?(?:image|photo|picture"
    r"|screenshot|scan"
    r"|photograph|x-ray|selfie|snapshot|handwriting|foto|bild|imagen|captura|capture)s?"
    r"|(?:in|from|on|of) (?:the|this) (?:attached )?(?:photo|picture|screenshot|image|scan)s?"
    r"|(?:attached|enclosed) (?:chart|diagram|floor ?plan|drawing|graph|receipt|meme)"
    r"|auf dem (?:bild|foto)|en la (?:foto|imagen)|sur (?:la photo|l'image))\b"
)
_FIGURATIVE: Final = re.compile(
    r"\b(?:docker|container|disk|base|iso|self|public|brand|css|resiz\w+|get the picture"
    r"|big picture|code"
    r"|function|script|opencv|pillow|image name|write (?:a|an) (?:story|poem))\b"
)
_PICTURES: Final = lx.word_set(
    "image images photo photos picture pictures screenshot screenshots scan scans photograph x-ray"
    " selfie",
    "snapshot handwriting foto bild imagen captura capture chart diagram floor floorplan drawing"
    " graph",
    "receipt meme photographs",
)
_WEIGHING: Final = lx.word_set("should which root root-cause weigh flaw wrong missing overlooking")
_GREETING: Final = re.compile(
    r"^\W*(?:hi|hello|hey|good (?:morning|evening|afternoon)|thanks|thank you|thx|how are you"
    r"|what's up"
    r"|yo|hallo|guten (?:morgen|tag)|danke|hola|buenos días|gracias|bonjour|salut"
    r"|merci)\b(?! in\b)[^.?!\n]{0,16}"
    r"[.?!]?(?: (?:how are you|how's it going|what's up|wie geht's|qué tal|ça va)[^\n]{0,20})?\W*$"
)
_CHAT: Final = re.compile(
    r"^(?:what do you think|tell me (?:a joke|something (?:fun|funny|interesting|nice))"
    r"|what's your fav"
    r"|surprise me|i'm (?:so )?bored|cheer me up|let's chat|how was your day|was hältst du"
    r"|qué opinas"
    r"|(?:give me |suggest |brainstorm |come up with )?(?:some |a few |\d+ |ten |five )?(?:fun "
    r"|good )?"
    r"(?:ideas?|suggestions) (?:for|of|to))"
)
_SHOULD: Final = re.compile(
    r"\b(?:should (?:i|we|my|our|the company)\b.{0,120}\bor\b|which (?:one |of (?:these|them"
    r"|the two) |option "
    r"|offer )?(?:should|would) (?:i|we|you)|root[- ]cause|weigh (?:the|up)|what(?:'s"
    r"| is) (?:the flaw|wrong "
    r"with (?:my|this|the) (?:argument|reasoning|plan|logic))|what am i (?:missing|overlooking))"
)
_PUZZLE: Final = re.compile(
    r"knights and knaves|always (?:lies|tells the truth)|logic (?:puzzle|riddle)|who owns the"
    r"|exactly one of"
    r" (?:them|the|these)|sits? (?:next to|to the left of)"
)
_BROKEN: Final = re.compile(
    r"\b(?:errors?|exception|crash\w*|undefined|null|segfault|fails?|failing|throws?|broken"
    r"|not working"
    r"|doesn't work|bug|compile|traceback|timeout|returns?)\b"
)
_UNTIL_DONE: Final = re.compile(
    r"\buntil (?:all |every |the )?(?:tests?|build|it|everything|ci)\b.{0,30}(?:pass|green|work"
    r"|succeed)"
)
SHORT: Final = 220
"""A question about the world is short; a longer text has a story of its own."""


def whole(x: Context) -> Found | None:
    """Forms that need the whole ask: greetings, images referred to, word problems, puzzles."""
    text = x.text.lower()
    if len(text) < SHORT and not x.material:
        if _GREETING.match(text):
            return Found("general", PLAIN, "a greeting")
        if _CHAT.match(text.strip()) and not x.tech:
            return Found("general", LIKELY, "small talk or ideas")
    if (
        not (x.images or x.words.isdisjoint(_PICTURES))
        and _ATTACHED.search(text)
        and not (x.tech or x.code or _FIGURATIVE.search(text))
    ):
        return Found("vision", LIKELY, "refers to an image")
    if "until" in x.words and _UNTIL_DONE.search(text):
        return Found("agentic", LIKELY, "a job until something passes")
    if not x.tech:
        return _worded(text, x)
    return None


def _worded(text: str, x: Context) -> Found | None:
    if x.numbers > 1 and _QUANTITY.search(text) and not points_at_text(words_of(text)):
        return Found("math", HUNCH if x.material else LIKELY, "a word problem with figures")
    if _PUZZLE.search(text):
        return Found("reasoning", LIKELY, "a logic puzzle")
    if not x.words.isdisjoint(_WEIGHING) and _SHOULD.search(text):
        return Found("reasoning", LIKELY, "asks to weigh a choice")
    return None


def question(c: Clause, x: Context) -> Found | None:
    """A clause that asks."""
    if _ARITHMETIC.match(c.text):
        return Found("math", PLAIN, "arithmetic")
    if c.word not in _ASKING:
        return None
    return _label(c, x) or _language(c) or _about_code(c, x) or _known(c, x)


def _label(c: Clause, x: Context) -> Found | None:
    words = set(c.words)
    if _SENTIMENT.search(c.text) and not x.tech:
        return Found("classify", LIKELY, "asks for a label")
    given = x.prose or words & (lx.ITEM_NOUNS | {"this", "following", "das", "esto", "dies"})
    if _IS_LABEL.match(c.text) and words & lx.LABELS and given and not (x.tech or x.code):
        return Found("classify", LIKELY, "asks whether it is of a kind")
    return None


_SAID: Final = re.compile(
    r"how (?:do|would|can) (?:you|i|we) (?:say|write) .* in \w+"
    r"|what(?:'s| is| would) .{2,60} in \w+$"
)
_SAID_ABROAD: Final = re.compile(
    r"wie (?:sagt man|heißt) .* auf|cómo se dice .* en|comment (?:dit-on|on dit) .* en"
)


def _language(c: Clause) -> Found | None:
    if c.words[-1] in lx.HUMAN_LANGUAGES and _SAID.match(c.text):
        return Found("translate", PLAIN, "asks how to say something")
    if _SAID_ABROAD.match(c.text):
        return Found("translate", PLAIN, "asks how to say something")
    return None


def _about_code(c: Clause, x: Context) -> Found | None:
    words = set(c.words)
    if x.code and not words.isdisjoint(_ABOUT_IT):
        return Found("code", LIKELY, "a question about code")
    if not x.tech:
        return None
    how_to = (
        c.word == "how" and c.words[1:3] and c.words[1] in {"do", "can", "to", "would", "should"}
    )
    if how_to and words & {"i", "we", "you", "one", "to"} and words & lx.TECH:
        return Found("code", LIKELY, "asks how to do something in code")
    if (
        c.word in {"why", "what", "what's"}
        and _BROKEN.search(c.text)
        and words & (lx.THINGS | _OWN)
    ):
        return Found("code", LIKELY, "asks why code fails")
    return None


_ABOUT_IT: Final = lx.word_set(
    "this it here above below code my the that these there error diesem dieser este esta ce cette"
    " der das"
)
_OWN: Final = frozenset(["my", "our", "this", "i", "am", "we", "the"])


def _known(c: Clause, x: Context) -> Found | None:
    alone = x.sentences == 1 and len(x.text) <= SHORT
    if x.images or not (alone or (c.sentence in x.ends and len(c.text) <= SHORT)):
        return None
    if not _KNOWN_FORM.match(c.text):
        return None
    if not _PERSONAL.isdisjoint(c.words) or not _WIDER.isdisjoint(c.words) or SUM.search(c.text):
        return None
    if x.tech:
        return Found("knowledge", HUNCH, "a question about something technical")
    if x.material:
        return Found("knowledge", HUNCH, "a question of fact, beside other material")
    return Found("knowledge", LIKELY, "a question of fact")
