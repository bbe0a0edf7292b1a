"""Pools of models with prices out of outcome tables, and the split of their prompts."""

from __future__ import annotations

import hashlib
import json
import math
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rightmodel.manifest.load import load_catalog

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rightmodel.evaluation.table import Row
    from rightmodel.manifest.catalog import Catalog

    Skills = Mapping[str, float]

TRAINED, FIT, CHOOSE = 50, 50, 70
SPLITS = 8
"""Ways to deal out the prompts that are measured on: figures are means over them."""
HEAD = """version = 1
[providers.sim]
protocol = "openai-chat"
base_url = "http://127.0.0.1:9/v1"
"""
MODEL = """[[models]]
id = {id}
provider = "sim"
cost = {{ input = {input:.6f}, output = {output:.6f} }}
limits = {{ context = 1000000, output = 100000 }}
"""


def part_of(row: Row, split: int = 0) -> str:
    """Trained, fit, choose or report: by the prompt, so that a prompt is never in two of them.

    On "trained" the local model's exam head was fitted, so that its difficulties are better there
    than at run time: nothing else is done with it.
    """
    if _percent(row.prompt) < TRAINED:
        return "trained"
    number = _percent(f"{split}:{row.prompt}")
    return "fit" if number < FIT else "choose" if number < CHOOSE else "report"


def _percent(text: str) -> int:
    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) % 100


@dataclass(frozen=True)
class Pool:
    """Models, and the rows of one table that they are measured on."""

    name: str
    rows: list[Row]
    prices: dict[str, tuple[float, float]]

    def part(self, name: str, benchmark: str = "", split: int = 0) -> list[Row]:
        """The rows of a part, of one benchmark if named."""
        rows = (r for r in self.rows if benchmark in {"", r.benchmark})
        return [r for r in rows if part_of(r, split) == name]

    def guess(self) -> dict[str, dict[str, float]]:
        """Ratings guessed from price: a price ten times as high is worth 1.5 points."""
        return {m: {"general": guessed(*price)} for m, price in self.prices.items()}

    def catalog(self, skills: Mapping[str, Skills], baseline: str = "") -> Catalog:
        """A manifest with these ratings, loaded as any other; a model without is rated by price."""
        tables = [
            MODEL.format(
                id=json.dumps(m),
                input=price[0],
                output=price[1],
            )
            + _skills(skills.get(m, {}))
            for m, price in self.prices.items()
        ]
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "pool.toml")
            head = (
                HEAD.replace("\n", f"\nbaseline = {json.dumps(baseline)}\n", 1)
                if baseline
                else HEAD
            )
            file.write_text(head + "".join(tables), encoding="utf-8")
            return load_catalog(file, has_key=lambda _: True)


def _skills(ratings: Skills) -> str:
    inner = ", ".join(f"{k} = {v:.2f}" for k, v in ratings.items())
    return f"skills = {{ {inner} }}\n" if inner else ""


def guessed(price_in: float, price_out: float) -> float:
    """A rating from USD per million tokens, input counted threefold."""
    blended = max((3 * price_in + price_out) / 4, 0.01)
    return min(9.5, max(1.0, 6 + 1.5 * math.log10(blended)))


def price_of(rows: Iterable[Row], model: str) -> tuple[float, float] | None:
    """USD per million tokens, by least squares from tokens and costs; `None` if not all known."""
    a = b = c = x = y = 0.0
    for row in rows:
        o = row.outcomes.get(model)
        if o is None or o.cost_usd is None or o.input_tokens is None or o.output_tokens is None:
            return None
        i, n, cost = o.input_tokens / 1e6, o.output_tokens / 1e6, o.cost_usd
        a, b, c, x, y = a + i * i, b + i * n, c + n * n, x + i * cost, y + n * cost
    det = a * c - b * b
    return max(0.0, (x * c - y * b) / det), max(0.0, (a * y - b * x) / det)


def make_pools(rows: list[Row]) -> list[Pool]:
    """The models that are priced on every prompt, dealt out by a hash: A and B share none."""
    names = dict.fromkeys(m for row in rows for m in row.outcomes)
    priced = {m: price for m in names if (price := price_of(rows, m)) is not None}

    def draw(salt: str) -> list[str]:
        return sorted(priced, key=lambda m: hashlib.sha256(f"{salt}:{m}".encode()).hexdigest())

    half = (len(priced) + 1) // 2
    drawn = {"A": draw("A")[:half], "B": draw("A")[half:], "C": draw("C")[: half + 1]}
    return [Pool(name, rows, {m: priced[m] for m in models}) for name, models in drawn.items()]
