from __future__ import annotations

import datetime as dt
import importlib.util
import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

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

from rightmodel.manifest.load import load_catalog
from rightmodel.surfaces.cli.models_prices import Comparison, compare
from rightmodel.surfaces.cli.price_list import PriceList

if TYPE_CHECKING:
    from types import ModuleType

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
    file = tmp_path / "rightmodel.toml"
    file.write_text(MANIFEST + more)
    catalog = load_catalog(file, has_key=lambda _: True)
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


def test_unknown_in_either_is_told_apart_from_drift(tmp_path: Path) -> None:
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


def run(tmp_path: Path, manifest: str, *arguments: str, start: str = "") -> tuple[int, str]:
    (tmp_path / "rightmodel.toml").write_text(f"version = 1\n{manifest}")
    code = f"{start}\nfrom rightmodel.surfaces.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "models", "--prices", *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    return done.returncode, done.stdout + done.stderr


def test_the_command_is_content_with_drift_and_prints_json(tmp_path: Path) -> None:
    mine = '[[models]]\nid = "openai/gpt-4.1"\ncost = { input = 1.5 }\n'
    code, text = run(tmp_path, mine)
    assert code == 0
    assert "openai/gpt-4.1 at openai: checked 20" in text
    assert "input          1.5 → " in text
    code, text = run(tmp_path, mine, "--json")
    assert code == 0
    assert json.loads(text)["drifted"][0]["model"] == "openai/gpt-4.1"


def test_it_needs_something_to_compare(tmp_path: Path) -> None:
    code, text = run(tmp_path, 'include = ["ollama"]')
    assert (code, text.count("\n")) == (1, 1)
    assert "none of the models" in text
    hidden = "import sys; sys.modules['genai_prices'] = None"
    code, text = run(tmp_path, 'include = ["openai"]', start=hidden)
    assert (code, text.count("\n")) == (1, 1)
    assert "pip install '.[prices]'" in text


@pytest.fixture(name="script")
def _script() -> ModuleType:
    file = Path(__file__).parents[3] / "scripts" / "prices.py"
    spec = importlib.util.spec_from_file_location("prices_script", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


SHIPPED = """# A comment.
version = 1

[providers.up]
base_url = "https://api.example.com/v1"

[[models]]
# price: odd.
id = "up/m"
cost = { input = 2, output = 10, cache_read = 0.2 }  # old
cost_when = [
  { utc = ["01:00-04:00"], days = ["mon"], input = 5 },
]
limits = { context = 5 }
source = "https://a; https://models.dev (2026-07-02)"
checked = 2026-07-02

[[models]]
id = "up/other"  # stays
cost = { input = 1, output = 1 }
checked = 2026-07-02
"""


def refresh(script: ModuleType, tmp_path: Path, cost: dict[str, Any], day: str) -> tuple[str, Any]:
    file, data = tmp_path / "up.toml", tmp_path / "models.json"
    file.write_text(SHIPPED)
    models = {"m": {"cost": cost}}
    data.write_text(json.dumps({"snapshot": day, "providers": {"up": {"models": models}}}))
    source = script.ModelsDev(data, TODAY)
    text, updates = script.refreshed(file, [source], (), doubtful=False)
    return text, updates


def test_a_refresh_changes_prices_and_leaves_the_rest(script: ModuleType, tmp_path: Path) -> None:
    tier = {"tier": {"size": 128_000}, "input": 3, "output": 15.5}
    cost = {"input": 1.5, "output": 10, "tiers": [tier], "reasoning": 1}
    text, (update,) = refresh(script, tmp_path, cost, "2026-09-01")
    new = "cost = { input = 1.5, output = 10, cache_read = 0.2 }  # old\n"
    when = "cost_when = [{ input_above = 128000, input = 3, output = 15.5 }]\n"
    first, _, rest = SHIPPED.partition("cost = ")
    rest = rest.partition("\n]\n")[2]
    rest = rest.replace("2026-07-02", "2026-09-01", 2)
    assert text == first + new + when + rest
    assert next(script.summary([update])) == "up/m"


def test_a_list_that_is_older_changes_nothing(script: ModuleType, tmp_path: Path) -> None:
    assert refresh(script, tmp_path, {"input": 9, "output": 9}, "2026-07-01") == (SHIPPED, [])


def test_what_is_doubtful_is_shown_and_not_written(script: ModuleType, tmp_path: Path) -> None:
    for usd in (0, 0.9, 4.1):
        text, updates = refresh(script, tmp_path, {"input": usd, "output": 10}, "2026-09-01")
        assert text == SHIPPED
        assert next(script.summary(updates)) == "? up/m"
