"""Everything that a caller can get wrong, through the whole surface, no model being asked."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from mcp_types import CallToolResult, TextContent

from engines import Tools, engine_from
from rightmodel.execution.engine import App
from rightmodel.manifest.catalog import Catalog
from rightmodel.manifest.settings import Settings
from rightmodel.simulator import Behaviour, SimulatedProvider
from rightmodel.surfaces.arguments import complete_task

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MANIFEST = """
version = 1
[providers.p]
protocol = "openai-chat"
base_url = "http://127.0.0.1:9/v1"
[[models]]
id = "p/first"
aliases = ["one"]
cost = { input = 1, output = 2 }
limits = { context = 20000 }
[skills.legal_de]
description = "German legal text"
[files]
roots = ["."]
[[rules]]
name = "secrets"
when = { contains = ["password"] }
require = { trust = "trusted" }
"""


def call(folder: Path, tool: str, arguments: dict[str, Any], manifest: str = MANIFEST) -> Any:
    path = folder / "rightmodel.toml"
    path.write_text(manifest)

    async def run() -> CallToolResult:
        app = App(Settings(path, {}))
        try:
            return await Tools(app.engine).call(tool, arguments)
        finally:
            await app.close()

    return asyncio.run(run())


def text_of(result: CallToolResult) -> str:
    (block,) = result.content
    assert isinstance(block, TextContent)
    return block.text


@pytest.mark.parametrize(
    ("tool", "arguments", "teaches"),
    [
        ("complete", {}, "prompt is empty"),
        ("complete", {"prompt": " \n"}, "prompt is empty"),
        ("complete", {"prompt": ["x"]}, "prompt must be a string, not a list"),
        ("complete", {"prompt": "x", "promt": "y"}, "Did you mean 'prompt'"),
        ("complete", {"prompt": "x", "model": "frist"}, "Nearest: p/first"),
        ("complete", {"prompt": "x", "model": "opus"}, "not connected: set ANTHROPIC_API_KEY"),
        ("complete", {"prompt": "x", "model": ","}, "names nothing"),
        ("complete", {"prompt": "x", "skill": "legal"}, "legal_de"),
        ("complete", {"prompt": "x", "tier": "ballanced"}, "balanced"),
        ("complete", {"prompt": "x", "difficulty": "10"}, "easy, medium, hard, expert"),
        ("complete", {"prompt": "x", "schema": "{not json"}, "schema is not JSON"),
        ("complete", {"prompt": "x", "schema": '{"type": "strin"}'}, "not a JSON Schema"),
        ("complete", {"prompt": "x", "schema": "[1]"}, "JSON Schema object"),
        ("complete", {"prompt": "x", "max_cost_usd": "-1"}, "amount in US dollars"),
        ("complete", {"prompt": "x", "max_cost_usd": "nan"}, "amount in US dollars"),
        ("complete", {"prompt": "x", "max_output_tokens": 1.5}, "whole number"),
        ("complete", {"prompt": "x", "files": ["../outside"]}, "not sent"),
        ("complete", {"prompt": "x", "files": [".env"]}, "secrets"),
        ("complete", {"prompt": "x", "files": [1]}, "list of paths"),
        ("complete", {"prompt": "x", "effort": "max"}, "none, low, medium, high"),
        ("complete", {"prompt": "my password"}, "' requires trust trusted"),
        ("complete", {"prompt": "my password", "model": "one"}, "' requires trust trusted"),
        (
            "complete",
            {"prompt": "x", "model": "one", "max_cost_usd": 0.0000001},
            "over the ceiling",
        ),
        ("complete", {"prompt": "word " * 40_000}, "exceed its window of 20000"),
        ("complete", {"prompt": "x", "max_output_tokens": "1e999999"}, "whole number"),
        ("complete", {"prompt": "x", "max_cost_usd": "1e999999"}, "amount in US dollars"),
        ("complete", {"prompt": "x", "schema": '{"not":' * 5000 + "{}" + "}" * 5000}, "schema"),
        ("complete", {"ref": "a\ud83d"}, "in the last line of a result"),
        ("complete", {"ref": "x" * 5_000_000}, "has 5000000 characters"),
        ("complete", {"prompt": "x", "skill": "y" * 5_000_000}, "has 5000000 characters"),
        ("choose_model", {"task": ""}, "task is empty"),
        ("choose_model", {"task": "x", "limit": "many"}, "whole number"),
        ("compleat", {"prompt": "x"}, "Nearest: complete"),
    ],
)
def test_the_error_lists_valid_values(
    tmp_path: Path, tool: str, arguments: dict[str, Any], teaches: str
) -> None:
    (tmp_path / ".env").write_text("KEY=1")
    result = call(tmp_path, tool, arguments)
    assert result.is_error
    assert teaches in text_of(result)
    machine = text_of(result).splitlines()[-1]
    assert machine.startswith("[code=")
    assert "retryable=no" in machine
    assert result.meta["rightmodel/error"]["code"] in machine


@pytest.mark.parametrize(
    "arguments",
    [
        {"task": 42},
        {"task": "x", "max_cost_usd": "0.5"},
        {"task": "x", "limit": "2"},
        {"task": "x", "files": "notes.md"},
        {"task": "x", "files": '["notes.md"]'},
        {"task": "x", "skill": None, "tier": ""},
        {"task": "x", "skill": "LEGAL_DE"},
        {"task": "x", "skill": "null", "tier": "None", "difficulty": "undefined"},
        {"task": "x", "skill": ["code"]},
        {"task": "x", "files": [""]},
        {"task": "x", "files": ["notes.md", None, "null"]},
        {"task": "x", "files": "null"},
        {"task": "x", "files": "[]"},
        {"task": "x", "limit": "null", "max_cost_usd": "none"},
        {"task": "x", "limit": "2.0"},
        {"task": "x", "files": "file://FOLDER/notes.md"},
        {"task": "x", "files": ["file://localhostFOLDER/my%20notes.md"]},
    ],
)
def test_what_is_plainly_meant_is_understood(tmp_path: Path, arguments: dict[str, Any]) -> None:
    (tmp_path / "notes.md").write_text("hello")
    (tmp_path / "my notes.md").write_text("hello")
    text = json.dumps(arguments).replace("FOLDER", str(tmp_path))
    assert not call(tmp_path, "choose_model", json.loads(text)).is_error


@pytest.mark.parametrize(
    ("arguments", "understood"),
    [
        ({"model": ["one", "p/first"]}, {"model": "one,p/first"}),
        ({"model": '["one"]'}, {"model": "one"}),
        ({"model": "null", "system": "null"}, {"model": "", "system": ""}),
        ({"schema": {}}, {"schema": None}),
        ({"schema": "{}"}, {"schema": None}),
        ({"schema": "null"}, {"schema": None}),
        ({"schema": ""}, {"schema": None}),
        ({"schema": {"type": "object"}}, {"schema": {"type": "object"}}),
        ({"schema": json.dumps(json.dumps({"type": "null"}))}, {"schema": {"type": "null"}}),
        ({"schema": {"name": "x", "schema": {"type": "null"}}}, {"schema": {"type": "null"}}),
        (
            {"schema": {"type": "json_schema", "json_schema": {"schema": {"type": "null"}}}},
            {"schema": {"type": "null"}},
        ),
        (
            {"schema": {"type": "object", "schema": {"type": "null"}}},
            {"schema": {"type": "object", "schema": {"type": "null"}}},
        ),
        ({"effort": "None"}, {"effort": "none"}),
        ({"max_output_tokens": "300"}, {"max_output_tokens": 300}),
        ({"max_cost_usd": "$0.05"}, {"max_cost_usd": Decimal("0.05")}),
        ({"prompt": "null"}, {"prompt": "null"}),
        ({"model": "rightmodel/auto"}, {"model": "", "tier": ""}),
        ({"model": "auto:Cheap"}, {"model": "", "tier": "cheap"}),
        ({"model": "auto:cheap", "tier": "best"}, {"model": "", "tier": "best"}),
    ],
)
def test_a_call_of_complete_is_read_as_it_is_meant(
    arguments: dict[str, Any], understood: dict[str, Any]
) -> None:
    task = complete_task({"prompt": "x"} | arguments, Catalog({}, {})).task
    assert task is not None
    assert {name: getattr(task, name) for name in understood} == understood


def test_what_a_ref_alone_does_not_use_is_named() -> None:
    sent = {"prompt": "", "ref": "k3f9", "files": ["a.png"], "tier": "", "effort": "low"}
    assert complete_task(sent, Catalog({}, {})) == (None, "k3f9", ("files", "effort"))


def test_extra_arguments_are_passed_over_with_a_note(tmp_path: Path) -> None:
    extra = {"sessionId": "1", "action": "sendMessage", "chatInput": "hi", "toolCallId": None}
    result = call(tmp_path, "choose_model", {"task": "x"} | extra)
    assert not result.is_error
    assert result.structured_content["ignored_arguments"] == list(extra)


def test_rejections_are_listed_with_their_reasons(tmp_path: Path) -> None:
    result = call(tmp_path, "choose_model", {"task": "my password is x"})
    assert not result.is_error
    shown = result.structured_content
    assert shown["model"] is None
    assert shown["rejected"][0]["model"] == "p/first"


@pytest.mark.parametrize("prices", [[1], range(1, 301)], ids=["one reason", "300 reasons"])
def test_many_rejections_cost_an_agent_few_tokens_unless_it_asks_for_all(
    tmp_path: Path, prices: Sequence[int]
) -> None:
    provider = '[providers.p]\nprotocol = "openai-chat"\nbase_url = "http://127.0.0.1:9/v1"\n'
    manifest = f"version = 1\n{provider}" + "".join(
        f'[[models]]\nid = "p/m{n}"\ncost = {{input = {price}, output = 1}}\n'
        for n, price in enumerate([*prices] * (300 // len(prices)))
    )
    too_dear = {"task": "Name a river", "max_cost_usd": 1e-9}
    shown = call(tmp_path, "choose_model", too_dear, manifest)
    assert len(text_of(shown)) < 1500
    (entry,) = shown.structured_content["rejected"]
    assert entry["model"] == "p/m0, p/m1, p/m2 and 297 more"
    assert "over the ceiling of" in entry["reason"]
    assert shown.structured_content["more_rejected"] == "limit=300 lists all 300 one by one"
    every = call(tmp_path, "choose_model", too_dear | {"limit": 300}, manifest).structured_content
    assert [one["model"] for one in every["rejected"]] == [f"p/m{n}" for n in range(300)]
    assert "more_rejected" not in every
    error = text_of(call(tmp_path, "complete", {"prompt": "x", "max_cost_usd": 1e-9}, manifest))
    assert "call choose_model with limit=300 for the whole list" in error


async def test_a_manifest_that_was_repaired_is_used_at_once(tmp_path: Path) -> None:
    path = tmp_path / "rightmodel.toml"
    path.write_text("version = 1\nmodells = []\n")
    app = App(Settings(path, {}))
    tools = Tools(app.engine)
    broken = await tools.call("choose_model", {"task": "x"})
    path.write_text(MANIFEST)
    repaired = await tools.call("choose_model", {"task": "x"})
    await app.close()
    assert "did you mean 'models'" in text_of(broken)
    assert not repaired.is_error


def test_without_provider_and_key_the_error_names_the_fix(tmp_path: Path) -> None:
    result = call(tmp_path, "complete", {"prompt": "x"}, 'version = 1\ninclude = ["openai"]\n')
    assert "OPENAI_API_KEY is not set" in text_of(result)


async def test_a_call_whose_only_model_refuses_the_key_ends_at_once(tmp_path: Path) -> None:
    models = {"m": Behaviour()}
    async with SimulatedProvider("openai-chat", key="sk-right-one", models=models) as up:
        manifest = (
            'version = 1\n[providers.p]\nprotocol = "openai-chat"\n'
            f'base_url = "{up.base_url}"\n[[models]]\nid = "p/m"\n'
        )
        engine = engine_from(tmp_path, manifest)
        async with asyncio.timeout(20):
            result = await Tools.of(engine).call("complete", {"prompt": "x"})
        await engine.close()
    assert result.is_error
    assert "code=auth_failed" in text_of(result)


def test_the_error_of_a_missing_argument_names_the_unknown_ones(tmp_path: Path) -> None:
    chosen = call(tmp_path, "choose_model", {"prompt": "Translate this"}).content[0].text
    assert chosen.startswith("task is empty.")
    assert "Unknown here: prompt" in chosen
    reported = call(tmp_path, "report_outcome", {"ref": "k3f9", "success": True}).content[0].text
    assert "good must be true or false; it is missing" in reported
