"""`scripts/prices.py` rewrites prices of a shipped manifest and nothing else."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

import prices

if TYPE_CHECKING:
    from pathlib import Path

TODAY = dt.date(2026, 11, 29)

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


def refresh(tmp_path: Path, cost: dict[str, Any], day: str) -> tuple[str, Any]:
    file, data = tmp_path / "up.toml", tmp_path / "models.json"
    file.write_text(SHIPPED)
    models = {"m": {"cost": cost}}
    data.write_text(json.dumps({"snapshot": day, "providers": {"up": {"models": models}}}))
    source = prices.ModelsDev(data, TODAY)
    text, updates = prices.refreshed(file, [source], (), doubtful=False)
    return text, updates


def test_a_refresh_changes_prices_and_leaves_the_rest(tmp_path: Path) -> None:
    tier = {"tier": {"size": 128_000}, "input": 3, "output": 15.5}
    cost = {"input": 1.5, "output": 10, "tiers": [tier], "reasoning": 1}
    text, (update,) = refresh(tmp_path, cost, "2026-09-01")
    new = "cost = { input = 1.5, output = 10, cache_read = 0.2 }  # old\n"
    when = "cost_when = [{ input_above = 128000, input = 3, output = 15.5 }]\n"
    first, _, rest = SHIPPED.partition("cost = ")
    rest = rest.partition("\n]\n")[2]
    rest = rest.replace("2026-07-02", "2026-09-01", 2)
    assert text == first + new + when + rest
    assert next(prices.summary([update])) == "up/m"


def test_a_list_that_is_older_changes_nothing(tmp_path: Path) -> None:
    assert refresh(tmp_path, {"input": 9, "output": 9}, "2026-07-01") == (SHIPPED, [])


def test_what_is_doubtful_is_shown_and_not_written(tmp_path: Path) -> None:
    for usd in (0, 0.9, 4.1):
        text, updates = refresh(tmp_path, {"input": usd, "output": 10}, "2026-09-01")
        assert text == SHIPPED
        assert next(prices.summary(updates)) == "? up/m"
