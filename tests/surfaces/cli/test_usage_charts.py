from __future__ import annotations

import json
from decimal import Decimal

import pytest

from rightmodel.core.format import usd
from rightmodel.ledger.reports import UsageRow
from rightmodel.surfaces.mcp.tools import TOOLS
from rightmodel.surfaces.usage_view import charts, sections
from rightmodel.surfaces.usage_view.charts import Bar, BarChart, Column, ColumnChart
from rightmodel.surfaces.usage_view.report import LIST_TOKENS


def row(day: str, spent: str = "1", saved: str | None = "2") -> UsageRow:
    return UsageRow(
        day, spent_usd=Decimal(spent), saved_usd=None if saved is None else Decimal(saved)
    )


@pytest.mark.parametrize(
    ("since", "until", "unit", "count", "first"),
    [
        ("2026-11-01", "2026-11-20", "day", 20, "2026-11-01"),
        ("2026-09-20", "2026-11-20", "day", 62, "2026-09-20"),
        ("2026-09-19", "2026-11-20", "week", 10, "2026-09-14"),
        ("2024-11-20", "2026-11-20", "month", 25, "2024-11"),
        ("1990-01-01", "2026-11-20", "year", 37, "1990"),
        ("0001-01-01", "0001-12-31", "week", 53, "0001-01-01"),
    ],
)
def test_long_spans_have_few_columns(
    since: str, until: str, unit: str, count: int, first: str
) -> None:
    rows = [row(since), row(until)]
    named, columns = charts.columns_of(rows, since, until)
    assert (named, len(columns), columns[0].name) == (unit, count, first)
    assert sum(c.spent for c in columns) == 2
    assert [c.saved for c in columns if c.saved is not None] == [2, 2]


def test_a_long_span_begins_with_the_first_day_on_which_anything_happened() -> None:
    unit, columns = charts.columns_of([row("2026-11-18", saved=None)], "1990-01-01", "2026-11-20")
    assert (unit, columns) == ("day", [Column("2026-11-18", Decimal(1), None)])


@pytest.mark.parametrize("size", ["0", "0.0000001", "3", "99999999"])
def test_columns_stay_on_the_plot(size: str) -> None:
    amount = Decimal(size)
    drawn = charts.draw(
        ColumnChart("x", [Column("a", amount, -amount), Column("b", Decimal(0), None)])
    )
    assert "nan" not in drawn
    assert "inf" not in drawn
    assert "saved −" in drawn or not amount


def test_bars_of_nothing_have_no_length() -> None:
    drawn = charts.draw(BarChart("x", [("a", [Bar(0.0, "$0.00", "spent")])]))
    assert 'style="width:0"' in drawn


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("0", "$0.00"),
        ("0.000001", "<$0.00001"),
        ("-0.000001", "−<$0.00001"),
        ("0.00061", "$0.00061"),
        ("-1.005", "−$1.00"),
        ("1234.5", "$1,234.50"),
        ("123456.7", "$123,457"),
    ],
)
def test_money_has_as_many_digits_as_its_size_needs(amount: str, text: str) -> None:
    assert usd(Decimal(amount)) == text


def test_an_amount_that_is_unknown_is_not_nothing() -> None:
    assert usd(None) == "–"


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0"), (999, "999"), (1500, "1.5k"), (2_000_000, "2.0M")]
)
def test_tokens_are_reported_in_three_digits(count: int, text: str) -> None:
    assert sections.tokens(count) == text


def test_the_list_of_tools_is_as_long_as_estimated() -> None:
    listed = json.dumps({"tools": TOOLS}, separators=(",", ":"))
    assert len(listed.encode()) / 4 == pytest.approx(LIST_TOKENS, rel=0.1)
