"""`[[rules]]`: what is required holds for every match; other settings come from the first."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from rightmodel.core.decision import Assessment, Trust
from rightmodel.core.task import Attachment, Task
from rightmodel.routing.router import Router
from rightmodel.routing.signals.judge import Judge, JudgeAnswer
from rightmodel.routing.signals.routing_rules import nearest_word
from rightmodel.routing.signals.rule_effects import ineffective
from routing.rules import CODE, SECRET, catalog_of, route, used

if TYPE_CHECKING:
    from pathlib import Path

    from rightmodel.core.decision import Decision

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
