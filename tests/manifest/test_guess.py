"""A model of which only the price is known."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from engines import catalog_from
from rightmodel.manifest.build import guess_skills
from rightmodel.manifest.price import Price

if TYPE_CHECKING:
    from pathlib import Path

MANIFEST = """
version = 1
[providers.p]
protocol = "openai-chat"
base_url = "http://127.0.0.1:9/v1"
[[models]]
id = "p/priced"
cost = { input = 2, output = 14 }
[[models]]
id = "p/rated"
cost = { input = 2, output = 14 }
skills = { code = 4 }
[[models]]
id = "p/local"
cost = { input = 0, output = 0 }
[[models]]
id = "p/mystery"
"""


def test_ratings_are_guessed_only_where_there_are_none_and_a_price_is_known(tmp_path: Path) -> None:
    models = catalog_from(tmp_path, MANIFEST).models
    assert models["p/priced"].skills == {"general": 7.84}
    assert models["p/rated"].skills == {"code": 4.0}
    assert models["p/local"].rating("code") == models["p/mystery"].rating("code") == 5.0


@pytest.mark.parametrize(
    ("usd", "rating"), [("0.0001", 3.0), ("1", 7.0), ("10", 8.2), ("900", 9.0)]
)
def test_a_dearer_model_is_guessed_to_be_better_within_bounds(usd: str, rating: float) -> None:
    each = Decimal(usd).scaleb(-6)
    assert guess_skills(Price(each, each)) == {"general": rating}
