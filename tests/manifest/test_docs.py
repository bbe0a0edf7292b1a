"""docs/manifest.md: its examples load, its recipe does what it says, and no key is missing."""

from __future__ import annotations

import asyncio
import re
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, Final

from engines import catalog_from
from rightmodel.core.task import Task
from rightmodel.execution.engine import make_router
from rightmodel.manifest import catalog as meaning
from rightmodel.manifest import schema
from rightmodel.manifest.local_servers import Served, ServedModel
from rightmodel.manifest.quirks import Quirks

TEXT = (Path(__file__).parents[2] / "docs" / "manifest.md").read_text()
RECIPE, EVERYTHING = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)
DEFAULTS: Final[Mapping[str, tuple[type, ...]]] = {
    "`[routing]`": (meaning.Routing,),
    "`[budget]`": (meaning.Budget,),
    "`[clients.NAME]`": (meaning.Client,),
    "`[gateway]`": (meaning.Gateway,),
    "`[alerts]`": (meaning.Alerts,),
    "`[files]`, `[privacy]`, `[ledger]`": (meaning.FilePolicy, meaning.Catalog),
    "`[providers.NAME]`": (meaning.Provider, Quirks),
    "`[[models]]`": (meaning.Model,),
}
EASY = (
    "Translate into German: Good morning, how are you?",
    "Summarize in one sentence: The cat sat on the mat and slept all day.",
    "Extract the email addresses: write to bob@example.com or to alice@example.org",
    "Is this review positive or negative? I love this phone.",
    "Write a commit message for a typo fix in the README.",
    "What is the capital of France?",
)
HARD = (
    "Design a lock-free queue in C++ with hazard pointers, and prove that it is linearizable.",
    "Prove that every bounded harmonic function on R^n is constant; generalize to manifolds.",
    "Find the race condition in a distributed transaction coordinator with two leaders.",
)


def test_the_example_of_all_keys_loads_with_the_documented_meaning(tmp_path: Path) -> None:
    catalog = catalog_from(tmp_path, EVERYTHING)
    assert catalog.notes == ()
    assert catalog.models["mine/coder"].skills["code"] == 7.5
    assert [e.provider.name for e in catalog.models["llama-70b"].endpoints] == ["groq", "together"]
    assert [rule.name for rule in catalog.rules] == ["secrets stay here", "rule 2"]
    assert set(catalog.budget.models) == {"anthropic/claude-opus-5-5"}
    assert catalog.clients["alice"].models == ("openai/*", "mine/coder")
    assert catalog.gateway.map == {"claude-haiku-*": "auto:cheap"}
    assert catalog.providers["gpu_box"].key_file == str(tmp_path / "gpu-box.key")


def test_the_recipe_keeps_easy_work_local_and_sends_hard_work_to_claude(tmp_path: Path) -> None:
    running = {"ollama": Served((ServedModel("my-own-finetune:8b"),))}
    catalog = catalog_from(tmp_path, RECIPE, served=running)
    router = make_router(catalog, None)

    async def first(prompt: str) -> str:
        return (await router.route(Task(prompt))).candidates[0].model

    assert {asyncio.run(first(prompt)) for prompt in EASY} == {"ollama/my-own-finetune:8b"}
    assert {asyncio.run(first(prompt)).partition("/")[0] for prompt in HARD} == {"anthropic"}


def test_every_key_is_documented_and_shown() -> None:
    tables = [
        t for t in vars(schema).values() if isinstance(t, type) and issubclass(t, schema.Table)
    ]
    keys = {key for table in tables for key in table.model_fields}
    reference = TEXT.partition("## Top level")[2]
    undocumented = {key for key in keys if not re.search(rf"[`.\[]{key}[`.\]]", reference)}
    assert undocumented - {"models", "skills", "providers", "rules", "when"} == set()


def defaults(*classes: type) -> dict[str, Any]:
    """What the code takes where a key is missing, as TOML's own types."""
    found: dict[str, Any] = {}
    for field in (field for made in classes for field in fields(made)):
        value: Any = field.default
        if field.default_factory is not MISSING:
            value = field.default_factory()
        is_list = isinstance(value, tuple | frozenset)
        found[field.name] = list(value) if is_list else getattr(value, "name", value)
    return found


def test_the_documented_defaults_are_those_of_the_code() -> None:
    compared = 0
    for title, classes in DEFAULTS.items():
        real = defaults(*classes)
        table = TEXT.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
        for row in re.findall(r"^\| `(?:\w+\.)?(\w+)` \| `([^|]+)` \|", table, re.MULTILINE):
            key, text = row
            if re.fullmatch(r"[a-z_]+(-[a-z]+)?", text) and text not in {"true", "false"}:
                text = f"'{text}'"  # a word has no quotes there
            stated = tomllib.loads(f"x = {text}")["x"]
            if key == "cache":
                assert defaults(meaning.Cache) == defaults(meaning.Cache) | stated
            elif key != "cost_when":  # part of the price
                assert real[{"input": "modalities"}.get(key, key)] == stated, (title, key)
            compared += 1
    assert compared >= 28
    model = defaults(meaning.Model)
    assert f"context {model['context']}, output {model['output_limit']}" in TEXT
    slopes = {skill: s.slope for skill, s in meaning.DEFAULT_SLOPES.items()}
    others = {slope for skill, slope in slopes.items() if skill != "math"}
    assert f"Default: {slopes['math']} for `math`, {others.pop()} for all others" in TEXT
    assert not others
