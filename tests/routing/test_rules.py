"""`[[rules]]`: what is required holds for every match; other settings come from the first."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from engines import catalog_from
from rightmodel.core.decision import Assessment, Trust
from rightmodel.core.task import Attachment, Message, Task, Turn, WireFormat
from rightmodel.routing.router import Router
from rightmodel.routing.signals.judge import Judge, JudgeAnswer
from rightmodel.routing.signals.routing_rules import nearest_word
from rightmodel.routing.signals.rule_effects import ineffective
from rightmodel.wire.codecs import CODECS

if TYPE_CHECKING:
    import re
    from collections.abc import Sequence
    from pathlib import Path

    from rightmodel.core.decision import Decision
    from rightmodel.manifest.catalog import Catalog

LONG = "x " * 20_000
MODELS = """
version = 1
[routing]
assess = "{assess}"
[providers.far]
protocol = "openai-chat"
base_url = "https://api.far.example/v1"
[providers.near]
protocol = "openai-chat"
base_url = "http://127.0.0.1:8/v1"
trust = "local"
[[models]]
id = "far/a"
cost = {{ input = 0.1, output = 0.4 }}
limits = {{ context = 200000, output = 30000 }}
skills = {{ general = 8, classify = 8 }}
features = ["tools"]
[[models]]
id = "far/b"
cost = {{ input = 3, output = 9 }}
limits = {{ context = 200000, output = 30000 }}
skills = {{ general = 9 }}
[[models]]
id = "near/c"
cost = {{ input = 0, output = 0 }}
limits = {{ context = 200000, output = 30000 }}
skills = {{ general = 4 }}
[skills.legal_de]
description = "German legal text"
"""
SECRET = """
[[rules]]
name = "secrets stay here"
when = { contains = ["hunter2"] }
require = { trust = "local" }
"""
CODE = Assessment((("code", 1.0),), 5.0, "learned", confidence=0.9, difficulty_confidence=0.5)


def catalog_of(tmp_path: Path, rules: str, assess: str = "learned") -> Catalog:
    return catalog_from(tmp_path, MODELS.format(assess=assess) + rules)


def route(tmp_path: Path, rules: str, task: Task, inferred: Assessment = CODE) -> Decision:
    router = Router(catalog_of(tmp_path, rules), lambda _: "", assess=lambda *_: inferred)
    return asyncio.run(router.route(task))


def used(tmp_path: Path, rules: str, task: Task, inferred: Assessment = CODE) -> list[str]:
    return [c.model for c in route(tmp_path, rules, task, inferred).candidates]


def text_file(name: str, data: bytes = b"plain") -> Attachment:
    return Attachment(name, "text/plain", data)


SENT = {
    "prompt": Task("the word is hunter2"),
    "capitals": Task("HUNTER2"),
    "zero width": Task("hun\u200bter2"),
    "control character": Task("hun\x00ter2"),
    "full width": Task("ｈｕｎｔｅｒ２"),
    "system": Task("x", system="hunter2"),
    "earlier turn": Task(
        "x", history=(Message.of("user", "hunter2"), Message.of("assistant", "noted"))
    ),
    "earlier answer": Task(
        "x", history=(Message.of("user", "hi"), Message.of("assistant", "hunter2"))
    ),
    "text file": Task("x", files=(text_file("notes.md", b"a\nhunter2\n"),)),
    "file name": Task("x", files=(text_file("hunter2.txt"),)),
    "folder": Task("x", files=(text_file("plans/hunter2/a.txt"),)),
    "image name": Task("x", files=(Attachment("hunter2.png", "image/png", b"\x89PNG"),)),
    "file of an earlier turn": Task(
        "x", history=(Message.of("user", "", (text_file("hunter2"),)),)
    ),
    "schema text": Task("x", schema={"type": "object", "description": "hunter2"}),
    "schema key": Task("x", schema={"properties": {"hunter2": {"type": "string"}}}),
    "schema enum": Task("x", schema={"properties": {"a": {"enum": [1, "hunter2"]}}}),
    "schema title deep down": Task("x", schema={"$defs": {"a": {"anyOf": [{"title": "hunter2"}]}}}),
}


@pytest.mark.parametrize("task", SENT.values(), ids=SENT)
def test_a_requirement_sees_all_that_would_be_sent(tmp_path: Path, task: Task) -> None:
    decision = route(tmp_path, SECRET, task)
    assert {"far/a", "far/b"} <= {r.model for r in decision.rejections}
    assert decision.requirements.trust is Trust.local


def test_a_number_in_a_schema_and_text_with_quotes_are_matched(tmp_path: Path) -> None:
    rule = "[[rules]]\nwhen = { matches = '%s' }\nrequire = { trust = 'local' }\n"
    card = Task("x", schema={"enum": [4111111111111111]})
    quoted = Task("x", schema={"const": 'say "hunter2"'})
    pair = Task("x", schema={"password": "x"})
    assert route(tmp_path, rule % r"\d{16}", card).requirements.trust is Trust.local
    assert route(tmp_path, rule % '"hunter2"', quoted).requirements.trust is Trust.local
    assert route(tmp_path, rule % '"password": "x"', pair).requirements.trust is Trust.local


def test_escapes_within_the_arguments_of_a_tool_hide_nothing(tmp_path: Path) -> None:
    escaped = '{"data": ["it is \\u0068unter2"]}'
    function = {"name": "f", "arguments": escaped}
    call = {"id": "c1", "type": "function", "function": function}
    messages = [
        {"role": "user", "content": "go on"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "done"},
    ]
    document = {"model": "auto", "messages": messages}
    request = CODECS[WireFormat.OPENAI_CHAT].decode_request(document)
    turn = Turn(request, WireFormat.OPENAI_CHAT, json.dumps(document).encode(), document)
    assert route(tmp_path, SECRET, Task("go on", turn=turn)).requirements.trust is Trust.local


@pytest.mark.parametrize("key", ["data", "model", "type", "role"])
def test_a_key_of_the_wire_format_hides_nothing_in_the_input_of_a_tool(
    tmp_path: Path, key: str
) -> None:
    ran = {"type": "server_tool_use", "id": "s1", "name": "run", "input": {key: "hunter2"}}
    messages = [
        {"role": "user", "content": "go on"},
        {"role": "assistant", "content": [ran]},
        {"role": "user", "content": "and now?"},
    ]
    document = {"model": "auto", "max_tokens": 9, "messages": messages}
    request = CODECS[WireFormat.ANTHROPIC_MESSAGES].decode_request(document)
    turn = Turn(request, WireFormat.ANTHROPIC_MESSAGES, json.dumps(document).encode(), document)
    assert route(tmp_path, SECRET, Task("and now?", turn=turn)).requirements.trust is Trust.local


def test_escapes_of_a_prompt_in_json_hide_nothing(tmp_path: Path) -> None:
    task = Task('{"note": "it is \\u0068unter2"}')
    assert route(tmp_path, SECRET, task).requirements.trust is Trust.local


def test_the_wire_format_s_own_keys_are_not_text_of_the_request(tmp_path: Path) -> None:
    rule = '[[rules]]\nwhen = { contains = ["user"] }\nrequire = { trust = "local" }\n'
    assert route(tmp_path, rule, Task("hello")).requirements.trust is Trust.any


EARLIER = {
    "an earlier rule that uses a model": 'use = ["far/b"]',
    "an earlier rule that sets a tier": 'tier = "best"',
    "an earlier rule that sets the skill": 'skill = "writing"',
    "an earlier rule that requires less": 'require = { trust = "any", features = ["tools"] }',
}


@pytest.mark.parametrize("sets", EARLIER.values(), ids=EARLIER)
def test_an_earlier_match_never_hides_a_requirement(tmp_path: Path, sets: str) -> None:
    rules = f'[[rules]]\nname = "first"\nwhen = {{ contains = ["word"] }}\n{sets}\n{SECRET}'
    assert used(tmp_path, rules, Task("the word is hunter2")) in ([], ["near/c"])


def test_the_strictest_of_all_requirements_holds(tmp_path: Path) -> None:
    rules = """
    [[rules]]
    name = "one"
    require = { max_cost_usd = 0.5, features = ["tools"] }
    [[rules]]
    name = "two"
    require = { max_cost_usd = 0.2, features = ["json_schema"], trust = "trusted" }
    [[rules]]
    name = "three"
    require = { max_cost_usd = 0.9 }
    """
    needed = route(tmp_path, rules, Task("x", max_cost_usd=Decimal("0.7"))).requirements
    assert needed.features == {"tools", "json_schema"}
    assert needed.trust is Trust.trusted
    assert needed.max_cost_usd == Decimal("0.2")


def test_a_pin_and_a_conversation_obey_a_requirement(tmp_path: Path) -> None:
    assert used(tmp_path, SECRET, Task("hunter2", model="far/b")) == []
    assert used(tmp_path, SECRET, Task("hunter2", prefer="far/b")) == ["near/c"]


def test_each_setting_comes_from_the_first_match_that_sets_it(tmp_path: Path) -> None:
    rules = """
    [[rules]]
    name = "secrets"
    when = { contains = ["hunter2"] }
    require = { trust = "local" }
    [[rules]]
    name = "one"
    tier = "cheap"
    [[rules]]
    name = "two"
    tier = "best"
    use = ["far/b"]
    [[rules]]
    name = "three"
    use = ["far/a"]
    """
    decision = route(tmp_path, rules, Task("x"))
    assert decision.tier == "cheap"
    assert decision.candidates[0].model == "far/b"
    assert decision.rule == "one, two"
    assert "two" in decision.reason


def test_a_skill_that_a_rule_sets_reaches_later_rules(tmp_path: Path) -> None:
    sets = '[[rules]]\nname = "sets"\nwhen = { contains = ["Vertrag"] }\nskill = "legal_de"\n'
    uses = '[[rules]]\nname = "uses"\nwhen = { skill = "legal_de" }\nuse = ["far/b"]\n'
    stays = '[[rules]]\nwhen = { skill = "legal_de" }\nrequire = { trust = "local" }\n'
    task = Task("Prüfe den Vertrag")
    assert used(tmp_path, sets + uses, task)[0] == "far/b"
    assert used(tmp_path, sets + stays, task) == ["near/c"]
    assert used(tmp_path, sets + uses, Task("Hello"))[0] != "far/b"
    assert used(tmp_path, uses + sets, task)[0] != "far/b"  # only later rules
    hinted = Task("Prüfe den Vertrag", skill="code")
    assert used(tmp_path, sets + stays, hinted) != ["near/c"]


def test_a_difficulty_that_a_rule_sets_reaches_later_rules(tmp_path: Path) -> None:
    sets = '[[rules]]\nwhen = { contains = ["proof"] }\ndifficulty = "expert"\n'
    uses = '[[rules]]\nwhen = { difficulty = "expert" }\nuse = ["far/b"]\n'
    decision = route(tmp_path, sets + uses, Task("a proof"))
    assert decision.assessment.difficulty == 9.0
    assert decision.candidates[0].model == "far/b"
    assert used(tmp_path, sets + uses, Task("a poem"))[0] != "far/b"


def test_a_rule_that_asks_for_an_inferred_skill_may_require(tmp_path: Path) -> None:
    rules = '[[rules]]\nwhen = { skill = "code" }\nrequire = { trust = "local" }\n'
    assert used(tmp_path, rules, Task("x")) == ["near/c"]
    assert used(tmp_path, rules, Task("x", skill="writing")) != ["near/c"]


def test_an_unsure_skill_does_not_let_a_rule_set_the_tier(tmp_path: Path) -> None:
    rules = '[[rules]]\nwhen = { skill = "code" }\ntier = "cheap"\n'
    unsure = Assessment((("code", 1.0),), 5.0, "learned", 0.4, 0.4)
    assert route(tmp_path, rules, Task("x")).tier == "cheap"
    assert route(tmp_path, rules, Task("x"), unsure).tier == "balanced"


class Recorded:
    def __init__(self, text: str = '{"skill": "legal_de", "difficulty": 5}') -> None:
        self.text = text
        self.models: list[tuple[str, Trust]] = []

    async def ask(self, model: Any, *, trust: Trust, **_: Any) -> JudgeAnswer:
        self.models.append((model.id, trust))
        return JudgeAnswer(self.text, Decimal(0))


def judged(tmp_path: Path, rules: str, task: Task) -> tuple[Decision, Recorded]:
    catalog, caller = catalog_of(tmp_path, rules, "judge"), Recorded()
    judge = Judge(catalog, caller, {})
    router = Router(catalog, lambda _: "", judge=judge, assess=lambda *_: CODE)
    return asyncio.run(router.route(task)), caller


def test_the_judge_obeys_what_may_yet_be_required(tmp_path: Path) -> None:
    open_rule = '[[rules]]\nwhen = { skill = "legal_de" }\nrequire = { trust = "local" }\n'
    tools = '[[rules]]\nrequire = { features = ["json_schema"] }\n'
    cheap = "[[rules]]\nrequire = { max_cost_usd = 0.0000001 }\n"
    assert judged(tmp_path, "", Task("x"))[1].models == [("far/a", Trust.any)]
    for rules in (SECRET, open_rule, tools, cheap):
        assert judged(tmp_path, rules, Task("hunter2"))[1].models == []


def test_rules_are_applied_to_what_the_judge_says(tmp_path: Path) -> None:
    rules = '[[rules]]\nname = "law"\nwhen = { skill = "legal_de" }\nuse = ["far/b"]\n'
    decision, _ = judged(tmp_path, rules, Task("x"))
    assert decision.candidates[0].model == "far/b"
    assert decision.rule == "law"


APART = "Geha\u0308lter"
"""Accents as characters of their own, as macOS and some editors write them."""


@pytest.mark.parametrize("text", ["die Gehälter", "die Geha\u0308lter", "DIE GEHÄLTER"])
@pytest.mark.parametrize(
    "when",
    [
        f'contains = ["{APART}"]',
        f'matches = "(?i){APART}"',
        'contains = ["Gehälter"]',
        'contains = ["Ｇｅｈälter"]',
    ],
)
def test_a_word_is_found_however_its_accents_and_widths_are_written(
    tmp_path: Path, when: str, text: str
) -> None:
    rules = f'[[rules]]\nwhen = {{ {when} }}\nrequire = {{ trust = "local" }}\n'
    assert route(tmp_path, rules, Task(text)).requirements.trust is Trust.local


@pytest.mark.parametrize(
    ("files", "holds"),
    [
        ((), True),
        ((text_file("a.txt"),), True),
        ((Attachment("a.pdf", "application/pdf", b""),), False),
    ],
)
def test_text_among_modalities_means_a_request_without_other_files(
    tmp_path: Path, files: tuple[Attachment, ...], *, holds: bool
) -> None:
    rules = '[[rules]]\nwhen = { input = ["text", "image"] }\ntier = "best"\n'
    decision = route(tmp_path, rules, Task("x", files=files, skill="code"))
    assert (decision.tier == "best") is holds


def test_a_file_is_known_by_each_of_its_names(tmp_path: Path) -> None:
    rules = '[[rules]]\nwhen = { files = ["Secret/*.CSV"] }\nrequire = { trust = "local" }\n'
    for name in ("secret/a.csv", "Secret/a.csv"):
        plain = Task("x", files=(text_file(name),))
        assert route(tmp_path, rules, plain).requirements.trust is Trust.local
    link = replace(text_file("./x/../link"), places=("a.csv", "secret/a.csv"))
    assert route(tmp_path, rules, Task("x", files=(link,))).requirements.trust is Trust.local


@pytest.mark.parametrize(
    ("pattern", "slow"),
    [
        (r"(?i)\b(password|api key)\b", False),
        (r"\d{4}[ -]?\d{4}", False),
        (r"C\+\+|[*+]{2}|\{,\}", False),
        (r"[]+*]", False),
        (r"(a+)+$", True),
        (r".*password", True),
        (r"[\w.]+@", True),
        (r"(a|aa){2,40}b", True),
        (r"(a?){30}a{30}", True),
        (r"(a|aa)(a|aa)(a|aa)(a|aa)(a|aa)(a|aa)(a|aa)(a|aa)(a|aa)b", True),
        (r"(one|two|three|four|five|six|seven|eight|nine|ten)", False),
        (r"\b\d{13,16}\b", False),
        (r"a{0,99}a{0,99}a{0,99}b", True),
        (r"a?a?a?a?a?a?a?b", True),
        (".*" * 90, True),
    ],
)
def test_a_pattern_that_may_be_slow_is_searched_where_it_can_be_stopped(
    tmp_path: Path, pattern: str, *, slow: bool
) -> None:
    asked: list[str] = []

    async def search(found: re.Pattern[str], texts: Sequence[str]) -> bool | None:
        asked.append(found.pattern)
        assert LONG in texts
        return None

    rules = f"[[rules]]\nwhen = {{ matches = '{pattern}' }}\n"
    for sets, counts in (('require = { trust = "local" }', True), ('tier = "best"', False)):
        router = Router(catalog_of(tmp_path, rules + sets), lambda _: "", search=search)
        decision = asyncio.run(router.route(Task(LONG, difficulty="easy", skill="code")))
        held = decision.requirements.trust is Trust.local or decision.tier == "best"
        assert held is (slow and counts), "too slow: it counts where something is required"
    assert asked == [pattern] * 2 * slow


@pytest.mark.parametrize("pattern", [r"sk-\w{20,}", r"pass\s*\w+", r"(?i)key:.*"])
def test_a_short_text_is_searched_without_a_process(tmp_path: Path, pattern: str) -> None:
    rule = f"[[rules]]\nwhen = {{ matches = '{pattern}' }}\nrequire = {{ trust = 'local' }}\n"

    async def search(found: re.Pattern[str], _: Sequence[str]) -> bool | None:
        raise AssertionError(found.pattern)

    router = Router(catalog_of(tmp_path, rule), lambda _: "", search=search)
    for text, trust in (
        ("sk-0123456789abcdefghij", Trust.local if "sk" in pattern else Trust.any),
        ("hello", Trust.any),
    ):
        assert asyncio.run(router.route(Task(text))).requirements.trust is trust


def test_a_model_that_no_manifest_lists_serves_the_rule_that_uses_it_alone(tmp_path: Path) -> None:
    rules = '[[rules]]\nwhen = { contains = ["new"] }\nuse = ["far/new", "near/c"]\n'
    assert used(tmp_path, rules, Task("the new one"))[:2] == ["far/new", "near/c"]
    assert "far/new" not in used(tmp_path, rules, Task("another"))


def test_an_unknown_assess_mode_is_an_error(tmp_path: Path) -> None:
    catalog = catalog_of(tmp_path, "")
    odd = replace(catalog, routing=replace(catalog.routing, assess="oracle"))
    with pytest.raises(ValueError, match=r"'oracle'; known: rules, learned, judge, hybrid"):
        asyncio.run(Router(odd, lambda _: "").route(Task("x")))


def test_a_rule_may_say_how_to_assess(tmp_path: Path) -> None:
    rules = '[[rules]]\nwhen = { contains = ["quick"] }\nassess = "rules"\n'
    assert route(tmp_path, rules, Task("quick")).assessment.source == "default"
    assert route(tmp_path, rules, Task("slow")).assessment.source == "learned"


ALL = '[[rules]]\nname = "all"\ntier = "cheap"\n'
WIDE = '[[rules]]\nname = "wide"\nwhen = { skill = ["code", "math"] }\nuse = ["far/a"]\n'
BEST_CODE = '[[rules]]\nwhen = { skill = "code" }\ntier = "best"\n'
NARROW = '[[rules]]\nwhen = { skill = "code", min_input_tokens = 9 }\nuse = ["far/b"]\n'
BOTH = '[[rules]]\nwhen = { skill = "math" }\ntier = "best"\nuse = ["far/b"]\n'
EMPTY = '[[rules]]\nwhen = { min_input_tokens = 900, max_input_tokens = 800 }\ntier = "best"\n'
WITHOUT_EFFECT = {
    "empty sizes": (EMPTY, "more than max_input_tokens"),
    "nothing set": ('[[rules]]\nwhen = { contains = ["a"] }\n', "sets and requires nothing"),
    "shadowed by one for all": (ALL + BEST_CODE, "set the same: 'all'"),
    "shadowed by a wider list": (WIDE + NARROW, "set the same: 'wide'"),
    "shadowed by two together": (ALL + WIDE + BOTH, "set the same: 'all', 'wide'"),
}


@pytest.mark.parametrize(("rules", "why"), WITHOUT_EFFECT.values(), ids=WITHOUT_EFFECT)
def test_rules_that_can_never_have_an_effect_are_named(
    tmp_path: Path, rules: str, why: str
) -> None:
    ((rule, reason),) = ineffective(catalog_of(tmp_path, rules).rules)
    assert rule.name.startswith("rule ")
    assert why in reason


CODE_TO_MATH = '[[rules]]\nwhen = { skill = "code" }\ntier = "cheap"\nskill = "math"\n'
LONG_WORD = '[[rules]]\nwhen = { contains = ["ab"] }\ntier = "cheap"\n'
SHORT_WORD = '[[rules]]\nwhen = { contains = ["a"] }\ntier = "best"\n'
EFFECTIVE = [
    ALL + '[[rules]]\nrequire = { trust = "local" }\n',
    ALL + WIDE,
    BEST_CODE + ALL,
    LONG_WORD + SHORT_WORD,
    CODE_TO_MATH + BOTH,
]


@pytest.mark.parametrize("rules", EFFECTIVE)
def test_rules_that_may_have_an_effect_are_left_alone(tmp_path: Path, rules: str) -> None:
    assert ineffective(catalog_of(tmp_path, rules).rules) == []


def test_the_same_prompt_is_assessed_once(tmp_path: Path) -> None:
    seen: list[str] = []

    def assess(task: Task, _: object) -> Assessment:
        seen.append(task.prompt)
        return CODE

    router = Router(catalog_of(tmp_path, ""), lambda _: "", assess=assess)
    image = Attachment("a.png", "image/png", b"\x89PNG")
    for task in (Task("a"), Task("b"), Task("a", tier="best"), Task("a", files=(image,))):
        asyncio.run(router.route(task))
    assert seen == ["a", "b", "a"]


@pytest.mark.parametrize(
    ("difficulty", "word"),
    [(0, "easy"), (3.5, "medium"), (5.9, "medium"), (6, "hard"), (8, "expert")],
)
def test_a_difficulty_between_two_words_is_the_harder_one(difficulty: float, word: str) -> None:
    assert nearest_word(difficulty) == word
