from __future__ import annotations

import random
import tomllib

import pytest

from rightmodel.core.decision import Assessment, success
from rightmodel.evaluation.fit import as_toml, fit_ratings

TRUE = {"code": 7.5, "math": 4.0, "writing": 6.2}
PRIOR = {"general": 5.0}


def outcomes(count: int, seed: int = 0) -> list[tuple[Assessment, float]]:
    dice = random.Random(seed)
    found = []
    for _ in range(count):
        skills: tuple[tuple[str, float], ...] = ((dice.choice(list(TRUE)), 1.0),)
        if dice.random() < 0.3:
            skills = (("code", 0.65), ("math", 0.35))
        difficulty = round(dice.uniform(2, 8), 1)
        rating = sum(TRUE[skill] * weight for skill, weight in skills)
        right = dice.random() < success(rating, difficulty)
        found.append((Assessment(skills, difficulty, "rule"), float(right)))
    return found


def test_known_ratings_are_recovered() -> None:
    fitted = fit_ratings(PRIOR, outcomes(6000))
    for skill, rating in TRUE.items():
        assert fitted[skill] == pytest.approx(rating, abs=0.25)


def test_without_outcomes_the_manifest_s_ratings_stand() -> None:
    prior = {"general": 5.5, "code": 7.25}
    assert fit_ratings(prior, []) == prior
    assert fit_ratings({}, []) == {"general": 5.0}


def test_few_outcomes_move_a_rating_little_and_many_move_it_far() -> None:
    task = Assessment((("code", 1.0),), 5.0, "rule")
    moved = [fit_ratings(PRIOR, [(task, 1.0)] * n)["code"] for n in (1, 10, 100, 1000)]
    assert moved == sorted(moved)
    assert moved[0] == pytest.approx(5.5, abs=0.2)
    assert moved[-1] > 8


def test_skills_without_outcomes_keep_their_ratings() -> None:
    prior = {"general": 5.0, "code": 6.0, "writing": 7.0}
    task = Assessment((("code", 1.0),), 5.0, "rule")
    fitted = fit_ratings(prior, [(task, 0.0)] * 50)
    assert fitted["code"] < 4.0
    assert (fitted["general"], fitted["writing"]) == (5.0, 7.0)


def test_ratings_stay_on_the_scale_with_two_decimals() -> None:
    task = Assessment((("code", 1.0),), 9.5, "rule")
    fitted = fit_ratings({"general": 9.5}, [(task, 1.0)] * 3000)
    assert fitted["code"] == 10.0
    low = Assessment((("code", 1.0),), 1.0, "rule")
    assert fit_ratings({"general": 0.5}, [(low, 0.0)] * 3000)["code"] == 0.0
    assert all(round(r, 2) == r for r in fit_ratings(PRIOR, outcomes(200)).values())


def test_graded_scores_count_by_their_share() -> None:
    task = Assessment((("code", 1.0),), 5.0, "rule")
    halves = fit_ratings(PRIOR, [(task, 0.75)] * 100)
    split = fit_ratings(PRIOR, [(task, 1.0)] * 75 + [(task, 0.0)] * 25)
    assert halves == split


def test_the_order_of_outcomes_does_not_matter() -> None:
    found = outcomes(300)
    assert fit_ratings(PRIOR, found) == fit_ratings(PRIOR, found[::-1])


def test_toml_can_be_read_back_whatever_the_name() -> None:
    ratings = {'we"ird/\x7f\\näme': {"general": 5.0, "code": 7.25}, "b/c": {"general": 10.0}}
    tables = tomllib.loads(as_toml(ratings))["models"]
    assert {t["id"]: t["skills"] for t in tables} == ratings
