from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines import catalog_from
from rightmodel.core.call import Usage
from rightmodel.core.errors import ManifestError
from rightmodel.manifest.build import build_price

if TYPE_CHECKING:
    from pathlib import Path

    from rightmodel.manifest.catalog import Model

BASE = {"input": Decimal(2), "output": Decimal(10), "cache_read": Decimal("0.2")}
TIER = {"input_above": 200_000, "input": Decimal(4), "cache_read": Decimal("0.4")}
PEAK: dict[str, Any] = {
    "utc": ["01:00-04:00", "06:00-10:00"],
    "days": ["mon", "tue", "wed", "thu", "fri"],
    "input": Decimal(6),
}
RISE = {"since": dt.date(2026, 12, 1), "input": Decimal(3), "output": Decimal(15)}


def at(text: str) -> float:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC).timestamp()


def cents(tokens: int, per_million: str) -> Decimal:
    return tokens * Decimal(per_million) / 1_000_000


@pytest.mark.parametrize(
    ("tokens", "paid"), [(1, "2"), (200_000, "2"), (200_001, "4"), (900_000, "4")]
)
def test_a_long_prompt_pays_the_higher_price_for_all_of_it(tokens: int, paid: str) -> None:
    price = build_price(BASE, [TIER])
    assert price.cost(Usage(tokens, 0)) == cents(tokens, paid)
    assert price.rates(tokens).output == BASE["output"] / 1_000_000  # not named: stays


def test_cached_tokens_count_for_the_size_of_a_prompt() -> None:
    used = Usage(200_001, 0, cache_read=200_000)
    assert build_price(BASE, [TIER]).cost(used) == cents(200_000, "0.4") + cents(1, "4")


def test_of_several_sizes_the_last_that_holds_is_paid() -> None:
    sizes = [{"input_above": n, "input": Decimal(usd)} for n, usd in ((10, 3), (100, 4), (1000, 5))]
    price = build_price(BASE, sizes)
    found = [price.cost(Usage(n, 0)) for n in (10, 11, 100, 101, 1001)]
    assert found == [
        cents(n, p) for n, p in ((10, "2"), (11, "3"), (100, "3"), (101, "4"), (1001, "5"))
    ]


@pytest.mark.parametrize(
    ("moment", "paid"),
    [
        ("2026-11-30T00:59:59", "2"),  # a Monday
        ("2026-11-30T01:00:00", "6"),
        ("2026-11-30T03:59:59", "6"),
        ("2026-11-30T04:00:00", "2"),
        ("2026-12-04T09:59:59", "6"),  # Friday
        ("2026-12-05T02:00:00", "2"),  # Saturday
        ("2026-12-06T07:00:00", "2"),
        ("2026-12-07T06:00:00", "6"),
    ],
)
def test_peak_hours_are_those_of_weekdays(moment: str, paid: str) -> None:
    price = build_price(BASE, [PEAK])
    assert price.cost(Usage(1000, 0), at(moment)) == cents(1000, paid)
    assert price.rates(at=at(moment)).input == cents(1, paid)


def test_hours_may_go_over_midnight() -> None:
    price = build_price(BASE, [{"utc": ["22:00-02:00"], "input": Decimal(1)}])
    found = [
        price.rates(at=at(f"2026-11-30T{t}")).input for t in ("21:59", "22:00", "01:59", "02:00")
    ]
    assert found == [cents(1, usd) for usd in ("2", "1", "1", "2")]


def test_a_price_begins_on_its_day() -> None:
    price = build_price(BASE, [RISE])
    assert price.cost(Usage(1000, 0), at("2026-11-30T23:59:59")) == cents(1000, "2")
    assert price.cost(Usage(1000, 0), at("2026-12-01T00:00:00")) == cents(1000, "3")


def test_without_a_moment_it_is_the_most_that_it_may_be() -> None:
    price = build_price(BASE, [RISE, PEAK])
    assert price.cost(Usage(1000, 1000)) == cents(1000, "3") + cents(1000, "15")
    assert price.cost(Usage(1000, 0)) == cents(1000, "6")
    assert price.rates().output == cents(1, "15")


def test_a_size_that_holds_leaves_no_doubt() -> None:
    price = build_price(BASE, [PEAK, TIER])
    assert price.cost(Usage(200_001, 0)) == cents(200_001, "4")
    assert price.cost(Usage(200_000, 0)) == cents(200_000, "6")


def test_writes_that_live_an_hour_have_their_price() -> None:
    writes = Usage(100, 0, cache_write=100, cache_write_1h=40)
    cost = {**BASE, "cache_write": Decimal("2.5")}
    assert build_price({**cost, "cache_write_1h": Decimal(4)}).cost(writes) == cents(
        60, "2.5"
    ) + cents(40, "4")
    assert build_price(cost).cost(writes) == cents(100, "2.5")
    assert build_price(BASE).cost(writes) == cents(100, "2")


def test_audio_has_its_price() -> None:
    cost = {**BASE, "input_audio": Decimal(7)}
    assert build_price(cost).cost(Usage(100, 0, audio=30)) == cents(70, "2") + cents(30, "7")
    assert build_price(BASE).cost(Usage(100, 0, audio=30)) == cents(100, "2")


@pytest.mark.parametrize("missing", ["input", "output"])
def test_unknown_is_unknown_and_zero_is_zero(missing: str) -> None:
    cost = {k: v for k, v in BASE.items() if k != missing}
    assert build_price(cost).cost(Usage(1, 1)) is None
    assert build_price({**cost, missing: Decimal(0)}).cost(Usage(0, 0)) == 0
    rest = {k: v for k, v in RISE.items() if k != missing}
    assert build_price(cost, [rest]).cost(Usage(1, 1)) is None
    half = build_price(cost, [RISE])  # known from a day on
    assert half.cost(Usage(1, 1)) is None
    assert half.cost(Usage(1, 1), at("2026-12-02")) is not None
    assert not half.rates().known


tokens = st.integers(0, 2_000_000)


@given(
    st.tuples(tokens, tokens, tokens, tokens),
    st.floats(0, 4e9),
    st.permutations([TIER, PEAK, RISE]),
)
def test_no_moment_costs_more_than_none(
    counts: tuple[int, int, int, int], moment: float, when: list[dict[str, Any]]
) -> None:
    plain, output, read, write = counts
    used = Usage(plain + read + write, output, read, write)
    price = build_price(BASE, when)
    known, most = price.cost(used, moment), price.cost(used)
    assert known is not None
    assert most is not None
    assert 0 <= known <= most


def load(tmp_path: Path, text: str) -> Model:
    return next(iter(catalog_from(tmp_path, f"version = 1\n{text}").models.values()))


def test_what_the_user_writes_as_cost_holds_at_every_size(tmp_path: Path) -> None:
    text = '[[models]]\nid = "google/gemini-2.5-pro"\ncost = { input = 1 }\n'
    shipped = load(tmp_path, '[[models]]\nid = "google/gemini-2.5-pro"\n').price
    mine = load(tmp_path, text).price
    assert shipped.rates(200_001).output == mine.rates(200_001).output != shipped.output
    assert mine.rates(200_001).input == cents(1, "1") != shipped.rates(200_001).input
    none = load(tmp_path, text + "cost_when = []\n").price
    assert none.rates(200_001) is none


@pytest.mark.parametrize(
    ("entry", "part"),
    [
        ("{ input = 1 }", "has no condition"),
        ("{ input_above = 5 }", "has no price"),
        ('{ utc = ["1-2"], input = 1 }', "must be hours"),
        ('{ utc = ["24:00-25:00"], input = 1 }', "must be hours"),
        ('{ days = ["monday"], input = 1 }', "mon"),
        ("{ input_above = 5, inptu = 1 }", "input"),
        ("{ input_above = 5, input = -1 }", "greater than or equal to 0"),
    ],
)
def test_an_odd_condition_is_an_error_that_says_where(
    tmp_path: Path, entry: str, part: str
) -> None:
    with pytest.raises(ManifestError, match=part) as raised:
        load(tmp_path, f'[[models]]\nid = "openai/gpt-5.4"\ncost_when = [{entry}]\n')
    assert "cost_when" in str(raised.value)
