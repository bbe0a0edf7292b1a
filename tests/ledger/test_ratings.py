from __future__ import annotations

import random
import tomllib
from math import exp
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.rows import NOON, attempt, outcome
from rightmodel.evaluation.fit import as_toml
from rightmodel.ledger.measurements import Measurements
from rightmodel.ledger.ratings import DAY_S, Learning, Ratings

if TYPE_CHECKING:
    from rightmodel.ledger.records import OutcomeRecord


def ratings(value: float = 7.0, **how: float) -> Ratings:
    return Ratings(lambda *_: value, Learning(**how))


def learn(made: Ratings, *outcomes: OutcomeRecord, now: float = NOON) -> float:
    assert made.learn(outcomes, now=now)
    return made.rating("p/m", "code", now=now)


def test_without_outcomes_the_manifest_holds() -> None:
    made = ratings()
    assert made.rating("p/m", "code", now=NOON) == 7.0
    assert made.all(now=NOON) == []


def test_good_outcomes_raise_a_rating_and_bad_ones_lower_it() -> None:
    assert learn(ratings(), outcome(good=1.0, difficulty=7.0)) > 7.0
    assert learn(ratings(), outcome(good=0.0, difficulty=7.0)) < 7.0
    assert learn(ratings(), outcome(good=0.0, difficulty=4.0)) < 7.0


def test_what_was_to_be_expected_changes_little() -> None:
    assert learn(ratings(), outcome(good=1.0, difficulty=3.0)) - 7.0 < 0.05
    assert 7.0 - learn(ratings(), outcome(good=0.0, difficulty=10.0)) < 0.1


def test_a_lucky_hit_on_a_hopeless_task_means_little() -> None:
    assert learn(ratings(2.0), outcome(good=1.0, difficulty=9.0)) - 2.0 < 0.1


def test_many_outcomes_find_the_truth() -> None:
    chance = random.Random(3)
    made = ratings(5.0)
    for number in range(600):
        difficulty = chance.uniform(2.0, 10.0)
        good = chance.random() < 1 / (1 + exp(difficulty - 7.5))
        made.learn([outcome(good=float(good), difficulty=difficulty, task=str(number))], now=NOON)
    learned = made.learned("p/m", "code", now=NOON)
    assert learned.rating == pytest.approx(7.5, abs=0.5)
    assert learned.sd < 0.2
    assert learned.outcomes == 600
    assert learned.shown == f"5.0 → {learned.rating:.1f}, 600 outcomes"


def test_skills_share_an_outcome_by_weight() -> None:
    made = ratings()
    made.learn([outcome(good=0.0, skills=(("code", 0.8), ("math", 0.2)))], now=NOON)
    code, math = made.rating("p/m", "code", now=NOON), made.rating("p/m", "math", now=NOON)
    assert code < math < 7.0
    assert made.rating("p/m", "writing", now=NOON) == 7.0
    assert made.rating("p/other", "code", now=NOON) == 7.0


@pytest.mark.parametrize(("count", "most"), [(1, 0.45), (3, 0.8), (10, 1.5)])
def test_a_few_odd_outcomes_do_not_turn_the_order_upside_down(count: int, most: float) -> None:
    made = ratings(8.0)
    odd = [outcome(good=0.0, difficulty=1.0, task=str(n)) for n in range(count)]
    assert 8.0 - learn(made, *odd) <= most


@given(
    st.lists(
        st.tuples(
            st.floats(0, 10), st.floats(0, 1), st.sampled_from(["reported", "check"]), st.booleans()
        ),
        max_size=60,
    ),
    st.floats(0, 10),
)
def test_a_rating_stays_on_the_scale_and_within_reach(
    told: list[tuple[float, float, Any, bool]], base: float
) -> None:
    made = ratings(base)
    rows = [
        outcome(call=n, difficulty=d, good=good, kind=kind, task="same" if same else str(n))
        for n, (d, good, kind, same) in enumerate(told)
    ]
    rating = learn(made, *rows)
    assert 0.0 <= rating <= 10.0
    assert abs(rating - base) <= 0.45 * len(told) ** 0.5 + 1e-9


def test_saying_the_same_a_thousand_times_is_not_a_thousand_outcomes() -> None:
    repeated = [outcome(good=0.0, task="same") for _ in range(1000)]
    various = [outcome(good=0.0, task=str(n)) for n in range(20)]
    assert learn(ratings(8.0), *repeated) > learn(ratings(8.0), *various)


def test_a_passed_check_says_less_than_a_report_and_less_than_a_failed_one() -> None:
    def moved(good: float, kind: str) -> float:
        return abs(learn(ratings(), outcome(good=good, difficulty=7.0, kind=kind)) - 7.0)

    assert moved(1.0, "check") < moved(0.0, "check") / 3 < moved(0.0, "reported") / 3


def test_old_outcomes_fade_towards_the_manifest() -> None:
    made = ratings(reach=9.0)
    learn(made, *(outcome(good=0.0, task=str(n)) for n in range(10)))
    now, later, much_later = (
        7.0 - made.rating("p/m", "code", now=NOON + days * DAY_S) for days in (0, 90, 900)
    )
    assert now > later > much_later
    assert much_later < 0.05
    assert made.learned("p/m", "code", now=NOON + 90 * DAY_S).outcomes == pytest.approx(5)


def test_a_clock_that_was_ahead_fades_nothing() -> None:
    right = learn(ratings(), outcome(good=0.0, task="a"), outcome(good=0.0, task="b"))
    ahead = outcome(good=0.0, task="b", at=NOON + 3650 * DAY_S)
    assert learn(ratings(), outcome(good=0.0, task="a"), ahead) == right
    back = outcome(good=0.0, task="b", at=NOON - 3650 * DAY_S)
    assert learn(ratings(), outcome(good=0.0, task="a"), back) == right


def test_a_corrected_report_recomputes_the_rating() -> None:
    made = ratings()
    assert made.learn([outcome(call=1), outcome(call=1, kind="check")], now=NOON)
    assert not made.learn([outcome(call=1, good=0.0)], now=NOON)


@pytest.mark.parametrize(
    ("model", "skills", "left"),
    [
        ("", (), []),
        ("p/m", (), [("p/n", "code")]),
        ("p/m", (("code", 1.0),), [("p/m", "math"), ("p/n", "code")]),
    ],
)
def test_a_reset_forgets(model: str, skills: Any, left: list[tuple[str, str]]) -> None:
    made = ratings()
    made.learn(
        [
            outcome(skills=(("code", 0.5), ("math", 0.5))),
            outcome(model="p/n"),
            outcome(model=model, skills=skills, kind="reset"),
        ],
        now=NOON,
    )
    assert [(one.model, one.skill) for one in made.all(now=NOON)] == left


def test_what_was_learned_can_be_exported() -> None:
    made = ratings()
    made.learn([outcome(good=0.0, skills=(("code", 0.5), ("math", 0.5)))], now=NOON)
    (model,) = tomllib.loads(as_toml(made.by_model(now=NOON)))["models"]
    assert model["id"] == "p/m"
    assert model["skills"]["code"] == round(made.rating("p/m", "code", now=NOON), 2)


@pytest.mark.parametrize("model", ['p/a"b', "p/a\\b", "p/größer"])
def test_any_models_name_can_be_exported(model: str) -> None:
    made = ratings()
    made.learn([outcome(model=model)], now=NOON)
    (found,) = tomllib.loads(as_toml(made.by_model(now=NOON)))["models"]
    assert found["id"] == model


def test_speed_and_verbosity_come_from_what_was_measured() -> None:
    measurements = Measurements()
    assert measurements.of("p/m").verbosity == 1.0
    assert measurements.of("p/m").tokens_s is None
    told = attempt(output=260, reasoning=60, expected_output=100, time_s=2.5, first_token_s=0.5)
    measurements.learn([told] * 50)
    found = measurements.of("p/m")
    assert found.first_token_s == pytest.approx(0.5)
    assert found.tokens_s == pytest.approx(130.0)
    assert found.verbosity == pytest.approx(2.0, rel=0.1)
    assert found.reasoning == pytest.approx(60.0)
    measurements.learn([told._replace(time_s=4.5)] * 50)
    assert measurements.of("p/m").tokens_s == pytest.approx(65.0, rel=0.1)


def test_one_attempt_does_not_make_a_model_verbose() -> None:
    measurements = Measurements()
    measurements.learn([attempt(output=10_000, expected_output=100)])
    assert 1.0 < measurements.of("p/m").verbosity < 2.5


def test_failed_attempts_and_the_judges_are_not_measured() -> None:
    measurements = Measurements()
    measurements.learn([attempt(output=50, fault="timeout"), attempt(output=50, role="judge")])
    assert measurements.of("p/m").attempts == 0
