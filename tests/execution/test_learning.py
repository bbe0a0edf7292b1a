from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from engines import Tools, catalog_from, engine_from, text_of
from ledger.rows import NOON, attempt, outcome
from loopback import loopback, openai_answer
from rightmodel.core.decision import Assessment, Decision, Requirements
from rightmodel.execution import learning
from rightmodel.execution.learning import corrected, ratings_of
from rightmodel.routing.decide import decide
from rightmodel.routing.router import MOST_REGRET, explored
from rightmodel.routing.scoring import Question

if TYPE_CHECKING:
    from pathlib import Path

    from rightmodel.manifest.catalog import Catalog

MANIFEST = """
version = 1
baseline = "p/dear"
[routing]
assess = "rules"
learn = {learn}
[providers.p]
protocol = "openai-chat"
base_url = "http://127.0.0.1:{port}/v1"
[[models]]
id = "p/cheap"
cost = {{ input = 1, output = 2 }}
limits = {{ context = 100000, output = 1000 }}
skills = {{ general = 7, code = 7 }}
[[models]]
id = "p/dear"
cost = {{ input = 4, output = 8 }}
limits = {{ context = 100000, output = 1000 }}
skills = {{ general = 9, code = 9 }}
features = ["reasoning"]
"""


def catalog_of(tmp_path: Path) -> Catalog:
    return catalog_from(tmp_path, MANIFEST.format(port=9, learn="true"))


def call_tools(tmp_path: Path, *calls: tuple[str, dict[str, Any]], learn: bool = True) -> list[str]:
    """What the tools return, called in order."""

    async def run() -> list[str]:
        async with loopback({"cheap": [openai_answer("a")], "dear": [openai_answer("a")]}) as up:
            manifest = MANIFEST.format(port=up.port, learn=str(learn).lower())
            engine = engine_from(tmp_path, manifest)
            tools = Tools.of(engine)
            said = [text_of(await tools.call(tool, arguments)) for tool, arguments in calls]
            await engine.close()
            return said

    return asyncio.run(run())


ASK = (
    "complete",
    {
        "prompt": "Write a Python function that parses a date",
        "skill": "code",
        "difficulty": "easy",
    },
)
CHOOSE = (
    "choose_model",
    {"task": "Write a Python function", "skill": "code", "difficulty": "hard"},
)
BAD = ("report_outcome", {"ref": "{ref}", "good": "false"})


def test_a_reported_outcome_moves_the_rating_and_the_reply_confirms_it(tmp_path: Path) -> None:
    *_, line = call_tools(tmp_path, ASK, ("report_outcome", {"ref": "{ref}", "good": False}))
    assert re.fullmatch(r"p/cheap: code 7\.0 → 6\.[4-9], 1 outcome", line)


def test_bad_outcomes_change_the_choice_also_after_a_restart(tmp_path: Path) -> None:
    before = call_tools(tmp_path, CHOOSE)[0]
    assert '"model": "p/cheap"' in before
    call_tools(tmp_path, *[step for n in range(12) for step in (with_number(ASK, n), BAD)])
    after = call_tools(tmp_path, CHOOSE)[0]
    assert '"model": "p/dear"' in after


def with_number(call: tuple[str, dict[str, Any]], number: int) -> tuple[str, dict[str, Any]]:
    return call[0], {**call[1], "prompt": f"{call[1]['prompt']} of kind {number}"}


def test_a_corrected_report_replaces_the_former(tmp_path: Path) -> None:
    good = ("report_outcome", {"ref": "{ref}", "good": True})
    *_, line = call_tools(tmp_path, ASK, BAD, good)
    assert re.fullmatch(r"p/cheap: code 7\.0 → 7\.[0-5], 1 outcome", line)


def test_without_learning_a_report_is_kept_and_changes_nothing(tmp_path: Path) -> None:
    *_, line = call_tools(tmp_path, ASK, BAD, learn=False)
    assert "learn = false" in line


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"ref": "nosuch", "good": True}, "names no answered call"),
        ({"ref": "", "good": True}, "ref is empty"),
        ({"ref": "{ref}", "good": "perhaps"}, "good must be true or false, not 'perhaps'"),
        ({"ref": "{ref}"}, "good must be true or false"),
        ({"ref": "{ref}", "good": True, "notes": "x"}, "Did you mean 'note'?"),
        ({"ref": "{ref}", "good": True, "note": "x" * 2001}, "the most is 2000: say in a sentence"),
    ],
)
def test_a_wrong_report_is_an_error_that_teaches(
    tmp_path: Path, arguments: dict[str, Any], expected: str
) -> None:
    *_, line = call_tools(tmp_path, ASK, ("report_outcome", arguments))
    assert expected in line


def test_usage_teaches_speed_and_verbosity(tmp_path: Path) -> None:
    catalog = catalog_of(tmp_path)
    rows = [
        attempt(
            model="p/dear",
            output=300,
            reasoning=100,
            expected_output=100,
            time_s=3.0,
            first_token_s=1.0,
        )
        for _ in range(40)
    ]
    learned = corrected(catalog, ratings_of(catalog), rows, now=NOON).models["p/dear"]
    assert learned.verbosity == pytest.approx(2.0, rel=0.15)
    assert learned.tokens_s == pytest.approx(150)
    assert learned.first_token_s == pytest.approx(1.0)
    assert learned.thinking == pytest.approx(100)
    assert catalog.models["p/dear"].verbosity == 1.0


def decision_on(catalog: Catalog, **needed: Any) -> Decision:
    assessment = Assessment((("code", 1.0),), 5.0, "hint")
    question = Question(assessment, Requirements(100, 100, **needed), "cheap")
    return decide(catalog, question)


def test_a_learned_speed_gives_an_expected_time(tmp_path: Path) -> None:
    catalog = catalog_of(tmp_path)
    rows = [attempt(model="p/cheap", output=100, time_s=2.0, first_token_s=1.0)]
    learned = corrected(catalog, ratings_of(catalog), rows, now=NOON)
    times = {c.model: c.time_s for c in decision_on(learned).candidates}
    assert times == {"p/cheap": 2.0, "p/dear": None}


def test_outcomes_of_a_model_that_is_no_longer_connected_change_nothing(tmp_path: Path) -> None:
    catalog = catalog_of(tmp_path)
    ratings = ratings_of(catalog, [outcome(model="gone/m", good=0.0)], now=NOON)
    assert corrected(catalog, ratings, [], now=NOON).models == catalog.models


def test_a_guess_from_a_price_counts_as_a_rating_once_outcomes_are_reported(tmp_path: Path) -> None:
    catalog = catalog_of(tmp_path)
    cheap = replace(catalog.models["p/cheap"], guessed=True)
    catalog = replace(catalog, models={**catalog.models, "p/cheap": cheap})
    for kind, guessed in (("check_passed", True), ("reported", False)):
        rows = [outcome(model="p/cheap", good=1.0, kind=kind)]
        learned = corrected(catalog, ratings_of(catalog, rows, now=NOON), [], now=NOON)
        assert learned.models["p/cheap"].guessed is guessed


async def test_a_ledger_that_does_not_answer_holds_up_no_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learning, "PATIENCE_S", 0.01)
    manifest = catalog_of(tmp_path)

    class Slow:
        def __init__(self) -> None:
            self.free = asyncio.Event()

        async def read(self, _: object) -> Any:
            await self.free.wait()
            return [outcome(model="p/cheap", good=0.0)], [], []

    ledger, heard = Slow(), asyncio.Event()
    learned = learning.Learning(
        manifest,
        ledger,  # type: ignore[arg-type]
        lambda *_: heard.set(),
        clock=lambda: NOON,
        now=lambda: 0.0,
    )
    for _ in range(2):
        assert (await learned.catalog()).models == manifest.models
    ledger.free.set()
    await heard.wait()
    assert (await learned.catalog()).models["p/cheap"].skills["code"] < 7


def test_exploring_takes_a_near_candidate_in_the_stated_share_of_calls(tmp_path: Path) -> None:
    first, second = decision_on(catalog_of(tmp_path)).candidates
    near = second._replace(total_usd=MOST_REGRET * first.total_usd)
    decision = replace(decision_on(catalog_of(tmp_path)), candidates=(first, near))
    chance = Random(1)
    made = [explored(decision, 0.25, chance) for _ in range(2000)]
    share = sum(d.explored for d in made) / len(made)
    assert share == pytest.approx(0.25, abs=0.03)
    assert all(d.reason.startswith("explored") for d in made if d.explored)
    assert {d.candidates for d in made} == {(first, near), (near, first)}


def test_a_candidate_that_is_far_worse_is_not_explored(tmp_path: Path) -> None:
    decision = decision_on(catalog_of(tmp_path))
    first, second = decision.candidates
    assert second.total_usd > MOST_REGRET * first.total_usd
    assert explored(decision, 1.0, Random(1)) is decision


def test_what_was_named_is_never_explored_away_from(tmp_path: Path) -> None:
    decision = decision_on(catalog_of(tmp_path), pinned=("p/cheap", "p/dear"))
    assert explored(decision, 1.0, Random(1)) is decision
