from __future__ import annotations

import random

import pytest

from rightmodel.evaluation.metrics import (
    Interval,
    Point,
    aiq,
    aiq_pair,
    apgr,
    bootstrap,
    cpt,
    mean,
    pair_curve,
    percentile,
    quality_at,
    reliability,
    upper_hull,
)

WEAK = [1.0, 0.0, 0.0, 1.0]
STRONG = [1.0, 1.0, 1.0, 1.0]
"""Weak is right on half of four prompts, strong on all: accuracy from 0.5 to 1."""


def test_the_oracle_calls_the_strong_model_where_only_it_is_right() -> None:
    gains = [s - w for w, s in zip(WEAK, STRONG, strict=True)]
    curve = pair_curve(gains, WEAK, STRONG)
    assert curve == [(0.0, 0.5), (0.5, 1.0), (1.0, 1.0)]
    # Area 0.25 · 1.5 + 0.5 = 0.875; (0.875 − 0.5) / 0.5.
    assert apgr(curve) == pytest.approx(0.75)
    assert cpt(curve, 0.5) == pytest.approx(0.25)
    assert cpt(curve, 1.0) == pytest.approx(0.5)


def test_a_reversed_router_is_as_bad_as_the_oracle_is_good() -> None:
    gains = [w - s for w, s in zip(WEAK, STRONG, strict=True)]
    assert apgr(pair_curve(gains, WEAK, STRONG)) == pytest.approx(0.25)


def test_an_oracle_that_avoids_a_strong_model_s_mistakes_passes_one() -> None:
    # Strong is right on one more of the four, but wrong where weak is right on one of them.
    weak, strong = [1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 1.0, 0.0]
    curve = pair_curve([s - w for w, s in zip(weak, strong, strict=True)], weak, strong)
    assert curve == [(0.0, 0.25), (0.5, 0.75), (0.75, 0.75), (1.0, 0.5)]
    assert apgr(curve) == pytest.approx((0.25 + 0.1875 + 0.15625 - 0.25) / 0.25)


def test_equal_scores_move_together_and_give_the_straight_line() -> None:
    curve = pair_curve([0.3] * 4, WEAK, STRONG)
    assert curve == [(0.0, 0.5), (1.0, 1.0)]
    assert apgr(curve) == pytest.approx(0.5)
    assert cpt(curve, 0.8) == pytest.approx(0.8)


def test_chance_gives_one_half() -> None:
    dice = random.Random(1)
    weak = [float(dice.random() < 0.6) for _ in range(4000)]
    strong = [float(dice.random() < 0.9) for _ in range(4000)]
    found = [
        apgr(pair_curve([dice.random() for _ in weak], weak, strong, quantiles=10))
        for _ in range(20)
    ]
    assert mean(found) == pytest.approx(0.5, abs=0.02)


def test_apgr_hardly_depends_on_the_number_of_thresholds() -> None:
    dice = random.Random(2)
    weak = [float(dice.random() < 0.6) for _ in range(2000)]
    gains = [1 - w + dice.random() for w in weak]
    few, many = (apgr(pair_curve(gains, weak, [1.0] * 2000, quantiles=q)) for q in (10, 1000))
    assert few == pytest.approx(many, abs=0.02)


def test_equal_models_have_no_gap_to_recover() -> None:
    assert apgr(pair_curve([1.0, 2.0], [1.0, 0.0], [0.0, 1.0])) == 0.5


def test_the_hull_leaves_out_what_a_mix_of_others_beats() -> None:
    points = [Point(1, 0.2), Point(2, 0.4), Point(3, 0.8), Point(4, 0.7), Point(1, 0.1)]
    assert upper_hull(points) == [Point(1, 0.2), Point(3, 0.8)]
    assert quality_at(upper_hull(points), 2.0) == pytest.approx(0.5)
    assert quality_at(upper_hull(points), 9.0) == 0.8
    assert quality_at(upper_hull(points), 0.5) == 0.2


def test_aiq_is_the_mean_height_of_the_hull() -> None:
    # A triangle up to cost 2, level up to 4: (2 · 0.5 + 2 · 1) / 4.
    assert aiq([Point(0, 0.0), Point(2, 1.0)], 0.0, 4.0) == pytest.approx(0.75)
    assert aiq([Point(2, 0.6)], 2.0, 2.0) == 0.6


def test_a_router_of_single_models_is_the_zero_router() -> None:
    singles = [Point(1, 0.4), Point(3, 0.7), Point(9, 0.8)]
    router, zero = aiq_pair(singles, singles)
    assert router - zero == 0
    better, zero = aiq_pair([*singles, Point(2, 0.8)], singles)
    assert better > zero
    worse, zero = aiq_pair([Point(9, 0.5)], singles)
    assert worse < zero


def test_intervals_are_repeatable_and_cover() -> None:
    values = [float(i % 10) for i in range(500)]

    def figures(indices: object) -> tuple[float, ...]:
        assert isinstance(indices, list)
        return (mean([values[i] for i in indices]), 1.0)

    first, constant = bootstrap(figures, 500, random.Random(7))
    assert [first, constant] == bootstrap(figures, 500, random.Random(7))
    assert first.low < 4.5 < first.high
    # Standard deviation 2.87, so 1.96 · 2.87 / √500 = 0.25 on each side.
    assert first.high - first.low == pytest.approx(0.5, abs=0.1)
    assert constant == Interval(1.0, 1.0)


def test_reliability_holds_promises_against_scores() -> None:
    found = reliability([(0.95, 1.0), (0.95, 0.0), (0.15, 0.0), (1.0, 1.0)])
    assert found.brier == pytest.approx((0.0025 + 0.9025 + 0.0225) / 4)
    assert [(b.count, b.observed) for b in found.bins] == [(1, 0.0), (3, pytest.approx(2 / 3))]
    assert found.error == pytest.approx((0.15 + 3 * abs(2.9 / 3 - 2 / 3)) / 4)


def test_percentiles_are_values_that_occurred() -> None:
    assert percentile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert percentile([3.0, 1.0, 2.0], 0.99) == 3.0
    assert percentile([], 0.5) == 0.0
