"""What is expected of a model: chance, tokens and cost, and the order that follows."""

from __future__ import annotations

import random
from decimal import Decimal

import pytest

from rightmodel.core.decision import Assessment, Candidate, Requirements, success
from rightmodel.core.task import TIERS, WireFormat
from rightmodel.manifest.catalog import DEFAULT_SLOPES, Catalog, Endpoint, Model, Provider, by_id
from rightmodel.manifest.price import Price, Terms
from rightmodel.routing.decide import LOSS_MULTIPLES, SPREAD, decide, plausible, weigh
from rightmodel.routing.scoring import Question, cost, rating

PROVIDER = Provider("p", WireFormat.OPENAI_CHAT, "http://127.0.0.1:9/v1")
TASK = Assessment((("code", 0.75), ("math", 0.25)), 5.0, "hint")


def model(name: str, usd: str | None = "1", **values: object) -> Model:
    """A model at so many dollars per million tokens, in and out."""
    price = Price() if usd is None else Price(*[Decimal(usd).scaleb(-6)] * 2)
    known = {"price": price, "context": 900_000, "output_limit": 9_000, "skills": {}}
    return Model(id=name, endpoints=(Endpoint(PROVIDER, name),), **{**known, **values})  # type: ignore[arg-type]


def question(tier: str = "balanced", **needed: object) -> Question:
    return Question(TASK, Requirements(1000, 500, **needed), tier)  # type: ignore[arg-type]


def decided(*models: Model, asked: Question | None = None) -> list[Candidate]:
    catalog = Catalog(models=by_id(models), providers={"p": PROVIDER})
    return list(decide(catalog, asked or question()).candidates)


def test_a_rating_is_the_mean_under_the_weights_and_falls_back_to_general() -> None:
    assert rating({"code": 8.0, "math": 4.0}, TASK.skills) == 7.0
    assert rating({"code": 8.0, "general": 6.0}, TASK.skills) == 7.5
    assert rating({}, TASK.skills) == 5.0


def test_half_at_the_model_s_own_level_and_nearly_all_three_points_below() -> None:
    assert success(7.0, 7.0) == 0.5
    assert success(7.0, 4.0) == pytest.approx(0.953, abs=0.001)


def test_verbosity_and_reasoning_are_paid_for_as_output() -> None:
    plain, wordy = decided(model("m"))[0], decided(model("m", verbosity=2.0))[0]
    assert (plain.cost_usd, wordy.cost_usd) == (Decimal("0.0015"), Decimal("0.0020"))
    thinking = decided(model("m", features=frozenset({"reasoning"}), thinking=300.0))[0]
    assert thinking.cost_usd == Decimal("0.0018")
    assert plain.p_success == wordy.p_success == thinking.p_success


def test_a_price_that_depends_on_the_prompt_s_size_is_reckoned_with() -> None:
    dearer = Price(Decimal("0.000002"), Decimal("0.000002"))
    price = Price(
        Decimal("0.000001"), Decimal("0.000001"), others=((Terms(input_above=900), dearer),)
    )
    assert decided(model("m", price=price))[0].cost_usd == Decimal("0.0030")


def test_the_chance_does_not_depend_on_what_else_is_connected() -> None:
    models = [model(f"m{n}", str(n + 1), skills={"code": 3.0 + n}) for n in range(5)]
    together = {c.model: c.p_success for c in decided(*models)}
    assert together == {m.id: decided(m)[0].p_success for m in models}


@pytest.mark.parametrize("seed", range(5))
def test_candidates_are_in_the_order_of_their_total_whatever_the_manifest_s(seed: int) -> None:
    dice = random.Random(seed)
    prices = ["0.1", "1", "1", "5", None]
    models = [
        model(f"m{n}", dice.choice(prices), skills={"code": dice.choice([4.0, 6.0, 8.0])})
        for n in range(20)
    ]
    ranked = decided(*models)
    assert ranked == sorted(ranked, key=lambda c: (c.total_usd, -c.p_success))
    named = decided(*models, asked=question(preferred=("m7", "m3")))
    assert [c.model for c in named[:2]] == ["m7", "m3"]
    assert named[2:] == [c for c in ranked if c.model not in {"m7", "m3"}]


def test_a_wrong_answer_costs_more_in_a_better_tier() -> None:
    catalog = Catalog(models=by_id([model("a", "1"), model("b", "10")]), providers={})
    losses = [weigh(catalog, question(tier)).loss_usd for tier in TIERS]
    assert losses == sorted(losses)
    assert losses == [pytest.approx(0.015 * LOSS_MULTIPLES[tier]) for tier in TIERS]


def test_nothing_priced_still_has_a_loss() -> None:
    catalog = Catalog(models=by_id([model("a", None), model("b", "0")]), providers={})
    loss = weigh(catalog, question("cheap")).loss_usd
    assert loss == pytest.approx(0.01 * LOSS_MULTIPLES["cheap"])


UNSURE = Assessment((("code", 0.6), ("writing", 0.4)), 5.0, "learned", 0.6, 0.4)


def asked(assessment: Assessment, tier: str = "balanced", **values: object) -> Question:
    return Question(assessment, Requirements(1000, 500), tier, **values)  # type: ignore[arg-type]


def test_the_chance_is_the_mean_over_the_plausible_readings() -> None:
    coder = model("m", skills={"code": 9.0, "writing": 3.0})
    (candidate,) = decided(coder, asked=asked(UNSURE))
    readings = plausible(UNSURE, DEFAULT_SLOPES)
    assert len(readings) == 6
    assert sum(r.share for r in readings) == pytest.approx(1.0)
    expected = sum(r.share * success(rating(coder.skills, r.skills), r.level) for r in readings)
    assert candidate.p_success == pytest.approx(expected)
    best_reading = success(9.0, 5.0)
    assert candidate.p_success < best_reading - 0.2


def test_an_inferred_difficulty_counts_by_the_skill_s_slope_and_a_stated_one_in_full() -> None:
    hard = Assessment((("code", 1.0),), 8.0, "learned", 1.0, 0.4)
    stated = Assessment((("code", 1.0),), 8.0, "hint")
    assert plausible(stated, DEFAULT_SLOPES)[0].level == 8.0
    levels = [r.level for r in plausible(hard, DEFAULT_SLOPES)]
    slope = DEFAULT_SLOPES["code"]
    assert levels == [
        pytest.approx(slope.center + slope.slope * (d - slope.center))
        for d in (8.0 - SPREAD, 8.0, 8.0 + SPREAD)
    ]
    flat = {"code": slope._replace(slope=0.0)}
    assert {r.level for r in plausible(hard, flat)} == {slope.center}


def test_a_guess_from_a_price_never_wins_over_a_rating() -> None:
    rated = model("rated", "3", skills={"general": 7.0})
    for usd, guess in (("0.01", 9.0), ("30", 10.0)):
        guessed = model("guessed", usd, skills={"general": guess}, guessed=True)
        for tier in TIERS:
            first, second = decided(rated, guessed, asked=asked(TASK, tier))
            assert (first.model, second.model) == ("rated", "guessed")
            named = Question(TASK, Requirements(1000, 500, pinned=("guessed", "rated")), tier)
            assert decided(rated, guessed, asked=named)[0].model == "guessed"


def test_prices_alone_choose_nothing_dearer_than_the_baseline() -> None:
    prices = {"a": "0.1", "b": "1", "c": "8", "d": "40"}
    models = [
        model(name, usd, skills={"general": 4.0 + n}, guessed=True)
        for n, (name, usd) in enumerate(prices.items())
    ]
    for baseline in prices:
        catalog = Catalog(models=by_id(models), providers={"p": PROVIDER}, baseline=baseline)
        for tier in TIERS:
            for difficulty in (1.0, 5.0, 9.0):
                task = Assessment((("code", 1.0),), difficulty, "hint")
                chosen = decide(catalog, asked(task, tier)).candidates[0].model
                assert list(prices).index(chosen) <= list(prices).index(baseline)


def test_candidates_beyond_the_first_are_made_when_they_are_read() -> None:
    catalog = Catalog(models=by_id([model(f"m{n}", str(n + 1)) for n in range(50)]), providers={})
    decision = decide(catalog, question())
    assert len(decision.candidates) == 50
    assert decision.candidates[0].model == "m0"
    assert [c.model for c in decision.candidates] == [f"m{n}" for n in range(50)]
    assert decision.candidates == tuple(decision.candidates)
    assert decision.candidates[-1].model == "m49"
    assert [c.model for c in decision.candidates[1:3]] == ["m1", "m2"]


@pytest.mark.parametrize("seed", range(8))
def test_a_decision_matches_its_definition(seed: int) -> None:
    """Against the plain definition, one model and one reading at a time."""
    dice = random.Random(seed)
    models = [
        model(
            f"m{n}",
            dice.choice(["0.2", "1", "7", None]),
            skills={s: dice.uniform(3, 9) for s in ("general", "code", "math")},
            features=frozenset(dice.sample(["reasoning", "tools"], dice.randint(0, 2))),
            verbosity=dice.choice([1.0, 1.4]),
            context=dice.choice([1200, 900_000]),
        )
        for n in range(25)
    ]
    task = Assessment((("code", 0.7), ("math", 0.3)), dice.uniform(0, 10), "learned", 0.7, 0.4)
    ceiling = dice.choice([None, Decimal("0.002")])
    needed = Requirements(1000, 500, max_cost_usd=ceiling)
    put = Question(task, needed, dice.choice(TIERS), failure_cost_usd=Decimal("0.01"))
    catalog = Catalog(models=by_id(models), providers={"p": PROVIDER})
    expected = {}
    for m in models:
        usd = cost(m, put)
        if m.context < 1650 or (ceiling and (usd is None or usd > ceiling)):
            continue
        p = sum(
            r.share * success(rating(m.skills, r.skills), r.level)
            for r in plausible(task, DEFAULT_SLOPES)
        )
        expected[m.id] = (p, float("inf") if usd is None else float(usd) + (1 - p) * 0.01)
    decision = decide(catalog, put)
    assert {c.model: (c.p_success, c.total_usd) for c in decision.candidates} == {
        name: pytest.approx(figures) for name, figures in expected.items()
    }
    totals = [c.total_usd for c in decision.candidates]
    assert totals == sorted(totals)
    assert {r.model for r in decision.rejections} == {m.id for m in models} - expected.keys()
