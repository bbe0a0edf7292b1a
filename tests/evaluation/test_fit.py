from __future__ import annotations

import random
import tomllib

import pytest

from rightmodel.core.decision import Assessment, success
from rightmodel.core.errors import TaskError
from rightmodel.evaluation.changes import changed_ratings, with_fit
from rightmodel.evaluation.fit import Fit, as_toml, fit, fit_ratings
from rightmodel.manifest.catalog import DEFAULT_SLOPES

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


def test_without_outcomes_the_manifest_s_ratings_are_kept() -> None:
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


def uncertain(difficulty: float, skill: str = "math") -> Assessment:
    return Assessment(((skill, 1.0),), difficulty, "learned", 0.9, 0.4)


def flat_table(count: int) -> list[tuple[Assessment, dict[str, float]]]:
    """The difficulty inferred from a prompt is independent of who answers it right."""
    dice = random.Random(3)
    return [
        (
            uncertain(round(dice.uniform(1.5, 8.5), 1)),
            {m: float(dice.random() < p) for m, p in (("a", 0.8), ("b", 0.5))},
        )
        for _ in range(count)
    ]


def test_an_uninformative_difficulty_flattens_the_slope_a_little() -> None:
    priors = {"a": {"general": 6.0}, "b": {"general": 6.0}}
    few, many = (
        fit(priors, flat_table(n), DEFAULT_SLOPES, slope_spread=0.3).slopes for n in (20, 400)
    )
    assert few == {}
    assert 0.0 <= many["math"].slope < DEFAULT_SLOPES["math"].slope - 0.3
    drawn = fit(priors, flat_table(400), DEFAULT_SLOPES).slopes
    assert many["math"].slope < drawn["math"].slope < DEFAULT_SLOPES["math"].slope


def test_a_stated_difficulty_says_nothing_about_the_slope() -> None:
    stated = [(Assessment(a.skills, a.difficulty, "rule"), scores) for a, scores in flat_table(200)]
    assert fit({"a": PRIOR, "b": PRIOR}, stated, DEFAULT_SLOPES).slopes == {}


def test_a_hard_table_does_not_lift_a_model_without_outcomes() -> None:
    priors = {name: {"general": 6.0} for name in ("a", "b", "unmeasured")}
    hard = [(uncertain(5.0), {"a": 0.3, "b": 0.2})] * 100
    found = fit(priors, hard, DEFAULT_SLOPES)
    ratings = found.ratings
    assert ratings["b"]["math"] <= ratings["unmeasured"]["math"] <= ratings["a"]["math"] < 6.0
    assert "unmeasured" not in found.outcomes
    easy = [(uncertain(5.0), {"a": 1.0, "b": 0.9})] * 100
    assert "unmeasured" not in fit(priors, easy, DEFAULT_SLOPES).ratings


@pytest.mark.parametrize("elsewhere", ["code", "math"])
def test_a_hard_table_does_not_lift_a_model_with_a_single_outcome(elsewhere: str) -> None:
    priors = {name: {"general": 8.0} for name in ("a", "b", "barely")}
    hard = [(uncertain(5.0), {"a": 0.3, "b": 0.2})] * 100
    single = (uncertain(5.0, elsewhere), {"barely": 1.0})
    ratings = fit(priors, [*hard, single], DEFAULT_SLOPES).ratings
    assert ratings["a"]["math"] < 5.0
    fallen = 8.0 - ratings["a"]["math"]
    assert ratings["barely"]["math"] < 8.0 - fallen / 2


def test_the_only_model_that_was_measured_is_not_lowered_by_its_own_shift() -> None:
    table = [(Assessment((("math", 1.0),), 5.0, "rule"), 0.2)] * 20
    fitted = fit({"a": PRIOR}, [(task, {"a": score}) for task, score in table], DEFAULT_SLOPES)
    assert fitted.ratings["a"] == fit_ratings(PRIOR, table)


def test_a_few_outcomes_of_two_models_move_them_little() -> None:
    priors = {"a": {"general": 8.0}, "b": {"general": 7.0}}
    task = Assessment((("general", 1.0),), 5.0, "rule")
    table = [(task, {"a": score}) for score in (1.0, 0.0, 1.0, 0.0, 1.0, 0.0)]
    table += [(task, {"b": 1.0})] * 2
    ratings = fit(priors, table, DEFAULT_SLOPES).ratings
    assert ratings["a"]["general"] == fit_ratings(priors["a"], [(task, 0.5)] * 6)["general"]
    assert ratings["b"]["general"] > 5.5


def test_slopes_are_part_of_the_toml() -> None:
    text = as_toml({"a/b": {"general": 5.0}}, {"math": DEFAULT_SLOPES["math"]._replace(slope=0.9)})
    assert tomllib.loads(text)["skills"] == {"math": {"slope": 0.9}}


def test_a_manifest_takes_the_fit_and_keeps_everything_else() -> None:
    text = (
        '# mine\nversion = 1\n[skills.law]\ndescription = "law"  # why\n[[models]]\nid = "a"\n'
        'provider = "p"  # here\nskills = { general = 4, code = 3 }\n'
    )
    found = Fit(
        {"a": {"general": 4.0, "code": 6.5}, "b": {"general": 7.25}},
        {"math": DEFAULT_SLOPES["math"]._replace(slope=0.9)},
        {"a": {"code": 3}},
    )
    changed = with_fit(text, found)
    assert all(note in changed for note in ("# mine", "# why", "# here"))
    data = tomllib.loads(changed)
    assert data["skills"] == {"law": {"description": "law"}, "math": {"slope": 0.9}}
    assert data["models"] == [
        {"id": "a", "provider": "p", "skills": {"general": 4.0, "code": 6.5}},
        {"id": "b", "skills": {"general": 7.25}},
    ]
    assert with_fit(changed, found) == changed


def test_what_changes_is_listed_with_the_number_of_outcomes() -> None:
    before = {"a": {"general": 5.0}, "b": {"general": 6.0}}
    after = {"a": {"general": 5.0, "code": 6.2}, "b": {"general": 6.0, "code": 5.5}}
    lines = list(changed_ratings(before, after, {"a": {"code": 12}}))
    assert lines == [
        "a: code 5.00 → 6.20 (12)",
        "b: code 6.00 → 5.50, no outcomes: lowered with the scale",
    ]


def test_models_in_an_inline_array_are_refused() -> None:
    found = Fit({"a": {"general": 4.0}}, {}, {})
    with pytest.raises(TaskError, match=r"write it as \[\[models\]\] tables"):
        with_fit('version = 1\nmodels = [{id = "a"}]\n', found)
