from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import TYPE_CHECKING

from engines import catalog_from
from rightmodel.core.task import Message, Task
from rightmodel.execution.engine import make_router
from rightmodel.routing.tokens import estimate_tokens

if TYPE_CHECKING:
    from pathlib import Path

    from rightmodel.core.decision import Decision
    from rightmodel.manifest.catalog import Catalog

MANIFEST = """
version = 1
baseline = "p/strong"
[providers.p]
protocol = "openai-chat"
base_url = "https://api.p.example/v1"
[[models]]
id = "p/cheap"
cost = {input = 0.1, output = 0.4}
limits = {context = 8000, output = 2000}
skills = {general = 6, extract = 7}
[[models]]
id = "p/strong"
cost = {input = 5, output = 25}
limits = {context = 200000, output = 32000}
input = ["text", "image"]
skills = {general = 9}
[[models]]
id = "p/mystery"
skills = {general = 8}
limits = {context = 200000, output = 32000}
[[rules]]
name = "secrets stay here"
when = {matches = "(?i)password"}
require = {trust = "local"}
"""


def catalog(tmp_path: Path) -> Catalog:
    return catalog_from(tmp_path, MANIFEST)


def decide(tmp_path: Path, task: Task) -> Decision:
    return asyncio.run(make_router(catalog(tmp_path), None).route(task))


def test_an_easy_task_goes_to_the_cheap_model_and_a_hard_one_to_the_strong(tmp_path: Path) -> None:
    easy = decide(tmp_path, Task("Extract the dates.", skill="extract", difficulty="easy"))
    hard = decide(tmp_path, Task("Extract the dates.", skill="extract", difficulty="expert"))
    assert easy.candidates[0].model == "p/cheap"
    assert hard.candidates[0].model == "p/strong"
    assert easy.assessment.source == "hint"


def test_an_unknown_price_ranks_last_and_fails_a_ceiling(tmp_path: Path) -> None:
    free = decide(tmp_path, Task("Hello there"))
    capped = decide(tmp_path, Task("Hello there", max_cost_usd=Decimal(1)))
    assert free.candidates[-1].model == "p/mystery"
    assert {r.model: r.code for r in capped.rejections} == {"p/mystery": "max_cost_usd"}


def test_a_long_prompt_leaves_small_windows_out_with_their_reason(tmp_path: Path) -> None:
    decision = decide(tmp_path, Task("word " * 20_000))
    assert decision.rejections[0].model == "p/cheap"
    assert "exceed its window of 8000" in decision.rejections[0].reason


def test_a_rule_that_requires_trust_rejects_whatever_the_caller_names(tmp_path: Path) -> None:
    decision = decide(tmp_path, Task("my password is x", model="p/strong"))
    assert decision.candidates == ()
    assert {r.code for r in decision.rejections} >= {"trust"}


def test_named_models_keep_the_order_named(tmp_path: Path) -> None:
    decision = decide(tmp_path, Task("Hello", model="p/strong, p/cheap"))
    assert [c.model for c in decision.candidates] == ["p/strong", "p/cheap"]


def test_token_estimate_is_in_the_right_region() -> None:
    text = "The quick brown fox jumps over the lazy dog. " * 50
    assert 0.85 < estimate_tokens(text) / 501 < 1.15
    assert estimate_tokens(text * 400) > 0.8 * 400 * estimate_tokens(text)


def test_what_a_rule_requires_holds_for_all_that_is_sent(tmp_path: Path) -> None:
    said = (Message.of("user", "My password is hunter2"), Message.of("assistant", "Noted"))
    later = decide(tmp_path, Task("And now in German", history=said))
    asked = decide(tmp_path, Task("Hello", system="The password is hunter2"))
    assert later.candidates == asked.candidates == ()
    assert {r.code for r in later.rejections} == {"trust"}
