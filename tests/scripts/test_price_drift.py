from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from genai_prices.data_snapshot import DataSnapshot
from genai_prices.types import (
    ClauseEquals,
    ConditionalPrice,
    ModelInfo,
    ModelPrice,
    Provider,
    StartDateConstraint,
    Tier,
    TieredPrices,
    TimeOfDateConstraint,
)

from engines import catalog_from
from price_drift import Comparison, compare, main
from price_list import PriceList

if TYPE_CHECKING:
    from pathlib import Path

TODAY = dt.date(2026, 11, 29)
"""A Sunday: hours are tried on the Friday before."""

MANIFEST = """
version = 1
[providers.up]
protocol = "openai-chat"
base_url = "https://api.example.com/v1"
[[models]]
id = "up/m"
checked = 2026-10-01
"""


def flat(usd_in: str, usd_out: str, **more: Decimal | TieredPrices) -> ModelPrice:
    return ModelPrice(input_mtok=Decimal(usd_in), output_mtok=Decimal(usd_out), **more)


def listed(prices: ModelPrice | list[ConditionalPrice]) -> PriceList:
    model = ModelInfo("m", ClauseEquals("m"), prices=prices)
    provider = Provider("up", "Up", r"https://api\.example\.com", models=[model])
    return PriceList(DataSnapshot([provider], from_auto_update=False), TODAY)


def compared(tmp_path: Path, more: str, prices: ModelPrice | list[ConditionalPrice]) -> Comparison:
    catalog = catalog_from(tmp_path, MANIFEST + more)
    return compare(catalog.models.values(), listed(prices), TODAY)


def lines(found: Comparison) -> list[tuple[str, str, str | None]]:
    rows = [c for drift in (*found.drifted, *found.unknown) for c in drift.changes]
    return [(c.key, c.when, None if c.percent is None else str(c.percent)) for c in rows]


def test_what_has_drifted_by_how_much_and_since_when(tmp_path: Path) -> None:
    began = StartDateConstraint(dt.date(2026, 11, 3))
    found = compared(
        tmp_path,
        "cost = { input = 2, output = 10 }",
        [ConditionalPrice(prices=flat("2", "8")), ConditionalPrice(began, prices=flat("1", "10"))],
    )
    (drift,) = found.drifted
    assert (drift.model, drift.provider, drift.checked) == ("up/m", "up", "2026-10-01")
    assert drift.since == dt.date(2026, 11, 3)
    assert lines(found) == [("input", "", "-50.0")]
    assert found.newest == dt.date(2026, 11, 3)
    assert found.as_json()["drifted"][0]["changes"] == [
        {"key": "input", "when": "", "ours": "2", "listed": "1", "percent": -50.0}
    ]


def test_sizes_hours_and_days_to_come_are_compared(tmp_path: Path) -> None:
    tiered = TieredPrices(Decimal(10), [Tier(200_000, Decimal(15))])
    hours = TimeOfDateConstraint(dt.time(1, tzinfo=dt.UTC), dt.time(4, tzinfo=dt.UTC))
    prices = [
        ConditionalPrice(prices=ModelPrice(input_mtok=Decimal(2), output_mtok=tiered)),
        ConditionalPrice(StartDateConstraint(dt.date(2026, 12, 1)), prices=flat("3", "12")),
        ConditionalPrice(hours, prices=flat("4", "20")),
    ]
    base = "cost = { input = 2, output = 10 }\n"
    assert lines(compared(tmp_path, base, prices)) == [
        ("output", "above 200,000 input tokens", "50.0"),
        ("input", "at 01:00 UTC", "100.0"),
        ("output", "at 01:00 UTC", "100.0"),
        ("input", "from 2026-12-01", "50.0"),
        ("output", "from 2026-12-01", "20.0"),
    ]
    same = """cost_when = [
      { input_above = 200000, output = 15 },
      { since = 2026-12-01, input = 3, output = 12 },
      { utc = ["01:00-04:00"], days = ["mon", "tue", "wed", "thu", "fri"], input = 4, output = 20 },
    ]"""
    assert compared(tmp_path, base + same, prices).same == ["up/m"]


def test_unknown_in_either_is_distinguished_from_drift(tmp_path: Path) -> None:
    found = compared(
        tmp_path,
        "cost = { input = 2, output = 10, cache_read = 0.2 }",
        flat("2", "10", cache_write_mtok=Decimal("2.5")),
    )
    assert not found.drifted
    assert lines(found) == [("cache_read", "", None), ("cache_write", "", None)]


def test_a_free_model_that_now_costs_is_a_drift_without_a_percentage(tmp_path: Path) -> None:
    found = compared(tmp_path, "cost = { input = 0, output = 0 }", flat("1", "0"))
    assert [lines(found), len(found.drifted)] == [[("input", "", None)], 1]


def manifest(tmp_path: Path, text: str) -> str:
    (tmp_path / "rightmodel.toml").write_text(f"version = 1\n{text}")
    return str(tmp_path / "rightmodel.toml")


def test_the_command_is_content_with_drift_and_prints_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = manifest(tmp_path, '[[models]]\nid = "openai/gpt-4.1"\ncost = { input = 1.5 }\n')
    main(["--manifest", file])
    text = capsys.readouterr().out
    assert "openai/gpt-4.1 at openai: checked 20" in text
    assert "input          1.5 → " in text
    main(["--manifest", file, "--json"])
    assert json.loads(capsys.readouterr().out)["drifted"][0]["model"] == "openai/gpt-4.1"


def test_the_shipped_manifests_are_compared_without_a_manifest(
    capsys: pytest.CaptureFixture[str],
) -> None:
    main(["--json"])
    found = json.loads(capsys.readouterr().out)
    assert len(found["same"]) + len(found["drifted"]) + len(found["unknown"]) > 50


def test_it_needs_something_to_compare(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="none of the models"):
        main(["--manifest", manifest(tmp_path, 'include = ["ollama"]')])
