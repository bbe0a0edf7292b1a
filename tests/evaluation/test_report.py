from __future__ import annotations

import asyncio
import itertools
import random
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from engines import catalog_from
from rightmodel.core.errors import TaskError
from rightmodel.core.task import Task
from rightmodel.evaluation import baselines
from rightmodel.evaluation.replay import Routed, replay
from rightmodel.evaluation.report import Report, make_report
from rightmodel.evaluation.samples import Cell, Samples, make_samples
from rightmodel.evaluation.table import Outcome, Row
from rightmodel.execution.engine import make_router

if TYPE_CHECKING:
    from pathlib import Path

    from rightmodel.manifest.catalog import Catalog

MANIFEST = """
version = 1
[providers.p]
protocol = "openai-chat"
base_url = "https://api.p.example/v1"
[[models]]
id = "p/cheap"
cost = { input = 0.1, output = 0.4 }
limits = { context = 8000, output = 4000 }
skills = { general = 4, translate = 7 }
[[models]]
id = "p/middle"
cost = { input = 1, output = 4 }
limits = { context = 100000, output = 8000 }
skills = { general = 6 }
[[models]]
id = "p/strong"
cost = { input = 5, output = 20 }
limits = { context = 100000, output = 8000 }
skills = { general = 9 }
[[models]]
id = "p/mystery"
limits = { context = 100000, output = 8000 }
[[rules]]
when = { contains = ["poem"] }
use = ["p/strong"]
"""
PROMPTS = [
    "Translate this into German: good morning",
    "Prove that there are infinitely many primes.",
    "Write a poem about the sea.",
    "Write a Python function that parses ISO dates and returns None for anything else.",
    "Summarize this report in two sentences: sales rose, costs fell, nobody was hurt.",
]
SCORES = {"p/cheap": [1, 0, 0, 0, 1], "p/middle": [1, 0, 1, 1, 1], "p/strong": [1, 1, 1, 1, 0]}
COSTS = {"p/cheap": 0.001, "p/middle": 0.01, "p/strong": 0.05}


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return catalog_from(tmp_path, MANIFEST)


def rows(*models: str, repeat: int = 1) -> list[Row]:
    names = models or tuple(SCORES)
    return [
        Row(
            str(i),
            prompt + " " * number,
            {m: Outcome(float(SCORES[m][i]), cost_usd=COSTS[m]) for m in names},
        )
        for number in range(repeat)
        for i, prompt in enumerate(PROMPTS)
    ]


def routed_of(samples: Samples, catalog: Catalog, *tiers: str) -> dict[str, list[Routed]]:
    ticks = itertools.count()
    router = make_router(catalog, None)
    return {
        tier: asyncio.run(replay(router, samples.rows, tier=tier, clock=lambda: next(ticks) / 1000))
        for tier in tiers or ("",)
    }


def report_of(samples: Samples, catalog: Catalog, reference: str = "") -> Report:
    routed = routed_of(samples, catalog, "", "cheap", "balanced", "best")
    return make_report(samples, routed, tier="", chance=random.Random(3), reference=reference)


def test_the_choice_at_a_loss_is_the_router_s_at_that_failure_cost(catalog: Catalog) -> None:
    samples = make_samples(rows(), catalog)
    router = make_router(catalog, None)
    for routed in routed_of(samples, catalog)[""]:
        assert routed.at(routed.loss_usd) == routed.model
        for loss in ("0", "0.001", "0.01", "0.1", "10"):
            task = Task(prompt=routed.sample.prompt, failure_cost_usd=Decimal(loss))
            decision = asyncio.run(router.route(task))
            assert routed.at(float(loss)) == decision.candidates[0].model


def test_costs_come_from_the_table_and_else_from_tokens_and_price(catalog: Catalog) -> None:
    row = Row(
        "1",
        "hi",
        {
            "p/cheap": Outcome(1.0, 1000, 500, 0.25),
            "p/middle": Outcome(1.0, 1000, 500),
            "p/strong": Outcome(1.0, None, 500),
            "p/mystery": Outcome(1.0, 1000, 500),
            "elsewhere": Outcome(1.0, 1000, 500, 0.1),
        },
    )
    samples = make_samples([row], catalog)
    assert samples.rows[0].cells == {"p/cheap": Cell(1.0, 0.25), "p/middle": Cell(1.0, 0.003)}
    notes = "; ".join(samples.notes)
    assert "nor the manifest their price: p/strong, p/mystery" in notes
    assert "in the table, not in the manifest: elsewhere" in notes


def test_a_table_of_unknown_models_lists_both_sides(catalog: Catalog) -> None:
    with pytest.raises(TaskError, match=r"The table's: x\. The manifest's: p/cheap, p/middle"):
        make_samples([Row("1", "hi", {"x": Outcome(1.0, cost_usd=0.1)})], catalog)


def test_where_no_model_answered_everything_the_widest_sets_the_prompts(catalog: Catalog) -> None:
    table = [*rows("p/cheap"), *rows("p/middle")[:2], *rows("p/cheap", "p/strong")]
    samples = make_samples(table, catalog)
    assert len(samples.rows) == 10
    assert samples.complete == ("p/cheap",)
    assert "no model answered every prompt: measured on the 10 of p/cheap" in samples.notes
    assert "2 of 12 prompts left out" in samples.notes
    assert "on a part of the prompts only: p/strong" in samples.notes


def test_a_model_without_an_outcome_is_not_chosen(catalog: Catalog) -> None:
    samples = make_samples(rows("p/cheap", "p/middle"), catalog)
    found = {r.model for r in routed_of(samples, catalog, "best")["best"]}
    assert found <= {"p/cheap", "p/middle"}


def test_baselines_match_their_definition(catalog: Catalog) -> None:
    samples = make_samples(rows(), catalog)
    singles = baselines.single_models(samples)
    assert singles["p/middle"] == pytest.approx((0.01, 0.8))
    assert baselines.best_of(singles) == "p/middle"  # ties with strong, costs less
    assert baselines.cheapest_of(singles) == "p/cheap"
    assert baselines.cheapest_at(singles, 0.5) == "p/middle"
    assert baselines.cheapest_at(singles, 0.9) is None
    # Cheap 4 times, strong once: the cheapest model that is right.
    cost, quality = baselines.oracle(samples.rows)
    assert (cost, quality) == pytest.approx(((2 * 0.001 + 2 * 0.01 + 0.05) / 5, 1.0))
    cheap, right = (
        baselines.average(baselines.oracle_cells(samples.rows, loss)) for loss in (0.0, 1.0)
    )
    assert cheap.cost == pytest.approx(0.001)
    assert right.quality == 1.0


def test_mixes_lie_between_the_models_around_their_cost(catalog: Catalog) -> None:
    samples = make_samples(rows(), catalog)
    singles = baselines.single_models(samples)
    assert baselines.random_mix(singles, 0.0055) == pytest.approx((0.0055, 0.6))
    assert baselines.random_mix(singles, 1.0) == singles["p/middle"]
    # Two of five prompts to the middle model, the longest: code and the report.
    by_length = baselines.length_only(samples.rows, singles, 0.0047)
    assert by_length == pytest.approx((0.0046, 0.6))
    assert baselines.length_only(samples.rows, singles, 0.0) == singles["p/cheap"]
    assert baselines.length_only(samples.rows, singles, 9.0) == singles["p/middle"]


def test_the_report_s_figures_agree_with_one_another(catalog: Catalog) -> None:
    report = report_of(make_samples(rows(repeat=4), catalog), catalog)
    assert (report.prompts, report.reference, report.tier) == (20, "p/middle", "balanced")
    assert sum(report.mix.values()) == pytest.approx(1)
    assert report.router.saving == pytest.approx(1 - report.router.cost_usd / 0.01)
    assert report.router.kept == pytest.approx(report.router.quality / 0.8)
    assert report.tiers[1].quality == report.router.quality
    low, high = report.router.intervals["quality"]
    assert low <= report.router.quality <= high
    assert report.aiq.above == pytest.approx(report.aiq.router - report.aiq.zero)
    assert report.reliability["p/cheap"].count == 20
    assert report.decision_ms == {"p50": pytest.approx(1.0), "p99": pytest.approx(1.0)}
    assert report.pair is None
    # A rule's model is taken at any failure cost: the poem costs 0.05 even at none.
    assert report.curve[0].cost_usd == pytest.approx((4 * 0.001 + 0.05) / 5)


def test_savings_count_against_the_model_that_is_named(catalog: Catalog) -> None:
    report = report_of(make_samples(rows(), catalog), catalog, "p/strong")
    assert report.router.saving == pytest.approx(1 - report.router.cost_usd / 0.05)


def test_a_pair_has_apgr_and_cpt(catalog: Catalog) -> None:
    report = report_of(make_samples(rows("p/cheap", "p/strong", repeat=3), catalog), catalog)
    assert report.pair is not None
    assert (report.pair.weak, report.pair.strong) == ("p/cheap", "p/strong")
    assert 0 <= report.pair.cpt50 <= report.pair.cpt80 <= 1
    assert report.pair.apgr_interval.low <= report.pair.apgr <= report.pair.apgr_interval.high


def test_prompts_that_fit_no_model_count_as_unanswered(catalog: Catalog) -> None:
    long = Row("l", "word " * 9000, {"p/cheap": Outcome(1.0, cost_usd=0.001)})
    report = report_of(make_samples([*rows("p/cheap"), long], catalog), catalog)
    assert report.unrouted == 1
    assert report.router.quality == pytest.approx(2 / 6)


def test_a_report_is_repeatable(catalog: Catalog) -> None:
    first, second = (
        report_of(make_samples(rows(repeat=3), catalog), catalog).as_json() for _ in range(2)
    )
    assert first == second
