from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from engines import catalog_from
from rightmodel.core.task import Task
from rightmodel.execution.engine import make_router

if TYPE_CHECKING:
    from pathlib import Path

MANIFEST = """version = 1
{budget}
[providers.p]
protocol = "openai-chat"
base_url = "https://models.example.com/v1"
key_env = "P_KEY"
[[models]]
id = "p/m"
cost = {{ input = 1, output = 2 }}
[[rules]]
name = "secrets"
when = {{ matches = "secret" }}
require = {{ {require} }}
"""


@pytest.mark.parametrize(
    ("budget", "require", "max_cost", "reason"),
    [
        ("", 'trust = "local"', "", "rule 'secrets' requires trust local; this is any"),
        ("", "max_cost_usd = 1e-7", "0.5", "over the ceiling of $0.0000001 (rule 'secrets')"),
        ("", "max_cost_usd = 1", "1e-7", "over the ceiling of $0.0000001 (max_cost_usd)"),
        (
            "[budget]\nper_call_usd = 1e-7",
            "max_cost_usd = 1",
            "0.5",
            "over the ceiling of $0.0000001 ([budget] per_call_usd)",
        ),
    ],
)
def test_a_rejection_names_the_rule_or_the_key_that_causes_it(
    tmp_path: Path, budget: str, require: str, max_cost: str, reason: str
) -> None:
    catalog = catalog_from(tmp_path, MANIFEST.format(budget=budget, require=require))
    router = make_router(catalog, None)
    task = Task("Tell me a secret", max_cost_usd=Decimal(max_cost) if max_cost else None)
    (rejection,) = asyncio.run(router.route(task)).rejections
    assert rejection.reason.endswith(reason)


def test_a_local_model_that_may_only_not_say_what_it_takes_is_told_how_to_say_so(
    tmp_path: Path,
) -> None:
    local = MANIFEST.replace("https://models.example.com", "http://127.0.0.1:8000")
    for text, ends in ((local, "`features` of the model's entry in the manifest)"), (MANIFEST, "")):
        text = text.replace("key_env", 'trust = "local"\nkey_env' if ends else "key_env")  # noqa: PLW2901
        require = 'features = ["tools"]'
        catalog = catalog_from(tmp_path, text.format(budget="", require=require))
        (rejection,) = asyncio.run(make_router(catalog, None).route(Task("a secret"))).rejections
        assert rejection.reason.startswith("lacks tools")
        assert rejection.reason.endswith(ends or "lacks tools")
