"""Clients of the HTTP server: their models, tiers, ceilings and budgets, and their refs."""

from __future__ import annotations

import asyncio
import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from engines import Tools, engine_from, text_of
from loopback import loopback, openai_answer
from rightmodel.ledger.paths import ledger_file
from rightmodel.ledger.sqlite import SqliteStore

if TYPE_CHECKING:
    from pathlib import Path


MANIFEST = """
version = 1
baseline = "p/dear"
[routing]
assess = "{assess}"
judge = "p/cheap"
[privacy]
store_text = true
[clients.alice]
token_env = "ALICE_TOKEN"
{alice}
[clients.bob]
token_env = "BOB_TOKEN"
[providers.p]
protocol = "openai-chat"
base_url = "http://127.0.0.1:{port}/v1"
[[models]]
id = "p/cheap"
cost = {{ input = 1, output = 2, cache_read = 1 }}
limits = {{ context = 100000, output = 1000 }}
skills = {{ general = 7, classify = 7 }}
[[models]]
id = "p/dear"
cost = {{ input = 10, output = 20, cache_read = 10 }}
limits = {{ context = 100000, output = 1000 }}
skills = {{ general = 9, classify = 8 }}
"""
Call = tuple[str, str, dict[str, Any]]
"""Client, tool and arguments; "{ref}" is the last ref that a result named."""
ASK: dict[str, Any] = {"prompt": "Name a river", "skill": "general", "difficulty": "easy"}


def served(
    folder: Path, *calls: Call, alice: str = "", assess: str = "rules", answer: str = "the Rhine"
) -> list[str]:
    """What each call returns, from servers that end after it: memory, then the ledger."""

    async def run() -> list[str]:
        replies = {name: [openai_answer(answer)] * 20 for name in ("cheap", "dear")}
        async with loopback(replies) as up:
            manifest = MANIFEST.format(port=up.port, alice=alice, assess=assess)
            engine = engine_from(folder, manifest)
            tools = Tools.of(engine)
            said = [
                text_of(await tools.call(tool, arguments, client))
                for client, tool, arguments in calls
            ]
            await engine.close()
            return said

    return asyncio.run(run())


def rejected(text: str) -> dict[str, str]:
    return {entry["model"]: entry["reason"] for entry in json.loads(text)["rejected"]}


CHOOSE = {"task": "Name a river", "difficulty": "easy"}
CHEAP_ONLY = 'models = ["p/cheap"]'


def test_a_model_that_is_not_the_clients_is_rejected_with_that_reason(tmp_path: Path) -> None:
    calls = [(client, "choose_model", CHOOSE) for client in ("alice", "bob", "mcp")]
    alice, bob, agent = served(tmp_path, *calls, alice=CHEAP_ONLY)
    assert rejected(alice) == {"p/dear": "client alice may not use it"}
    assert rejected(bob) == rejected(agent) == {}


@pytest.mark.parametrize("model", ["p/dear", "p/released-today"])
def test_naming_a_model_does_not_make_it_the_clients(tmp_path: Path, model: str) -> None:
    call = ("alice", "complete", ASK | {"model": model})
    (text,) = served(tmp_path, call, alice=CHEAP_ONLY)
    assert "client alice may not use it" in text
    assert "the Rhine" not in text


def test_a_pattern_lets_a_client_use_models_that_no_manifest_lists(tmp_path: Path) -> None:
    call = ("alice", "complete", ASK | {"model": "p/cheap"})
    (text,) = served(tmp_path, call, alice='models = ["p/*"]')
    assert "the Rhine" in text


def test_the_judge_is_one_of_the_clients_models(tmp_path: Path) -> None:
    verdict = json.dumps({"skill": "code", "difficulty": 3})
    hint = {"prompt": "qwerty"}
    for models, judged in ((CHEAP_ONLY, True), ('models = ["p/dear"]', False)):
        folder = tmp_path / str(judged)
        folder.mkdir()
        served(folder, ("alice", "complete", hint), alice=models, assess="judge", answer=verdict)
        store = SqliteStore(ledger_file({"RIGHTMODEL_STATE_DIR": str(folder / "state")}))
        rows = [(row.role, row.client) for row in store.attempts("2000-01-01", "2999-01-01")]
        store.close()
        assert rows == [("judge", "alice")] * judged + [("answer", "alice")]


def test_a_clients_tier_is_that_of_its_calls_that_state_none(tmp_path: Path) -> None:
    ask = {"task": "Name a river", "difficulty": "expert"}
    calls = [
        ("alice", "choose_model", ask),
        ("alice", "choose_model", ask | {"tier": "best"}),
        ("bob", "choose_model", ask),
    ]
    found = served(tmp_path, *calls, alice='tier = "cheap"')
    assert [json.loads(text)["tier"] for text in found] == ["cheap", "best", "balanced"]


def test_a_clients_ceiling_over_a_call_is_named_where_it_is_in_the_way(tmp_path: Path) -> None:
    calls = [(client, "choose_model", CHOOSE) for client in ("alice", "bob")]
    alice, bob = served(tmp_path, *calls, alice="per_call_usd = 0.002")
    assert "[clients.alice] per_call_usd" in rejected(alice)["p/dear"]
    assert rejected(bob) == {}


def test_a_clients_budget_is_its_own_and_leaves_the_models_that_still_fit(tmp_path: Path) -> None:
    calls = [
        ("alice", "complete", ASK | {"model": "p/dear"}),
        ("bob", "complete", ASK | {"model": "p/dear"}),
        ("alice", "complete", ASK),
    ]
    refused, bob, alice = served(tmp_path, *calls, alice="per_day_usd = 0.01")
    assert "budget clients.alice.per_day_usd ($0.01): p/dear may cost up to" in refused
    assert "code=budget_exhausted" in refused
    found = re.search(r"p/dear would fit with a max_output_tokens of at most (\d+)", refused)
    assert found
    smaller = ASK | {"model": "p/dear", "max_output_tokens": int(found[1])}
    (tmp_path / "new").mkdir()
    (fits,) = served(tmp_path / "new", ("alice", "complete", smaller), alice="per_day_usd = 0.01")
    assert "the Rhine" in fits
    assert "the Rhine" in bob
    assert "model=p/cheap" in alice


def test_what_a_client_spent_counts_in_the_next_server(tmp_path: Path) -> None:
    budget = "per_month_usd = 0.0022"  # of which a call may cost 0.0021 and costs 0.00014
    texts = [served(tmp_path, ("alice", "complete", ASK), alice=budget)[0] for _ in range(3)]
    assert all("the Rhine" in text for text in texts[:2])
    assert "clients.alice.per_month_usd" in texts[-1]
    assert "code=budget_exhausted" in texts[-1]


def test_a_client_gets_no_file_of_the_servers_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "notes.md").write_text("Rhine")
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    call = ("complete", ASK | {"files": ["notes.md"]})
    alice, agent = served(tmp_path, ("alice", *call), ("mcp", *call))
    assert "no folder is allowed to remote clients" in alice
    assert "the Rhine" in agent


@pytest.mark.parametrize(
    ("tool", "more"),
    [
        ("complete", {}),
        ("complete", {"prompt": "and a longer one?"}),
        ("report_outcome", {"good": True}),
    ],
)
@pytest.mark.parametrize("restarts", [False, True])
def test_a_ref_is_unknown_to_every_other_client(
    tmp_path: Path, tool: str, more: dict[str, Any], *, restarts: bool
) -> None:
    ask = ("alice", "complete", ASK)
    use = (tool, {"ref": "{ref}", **more})
    if restarts:  # what alice's server kept is in the ledger only
        (first,) = served(tmp_path, ask)
        found = re.search(r"\[ref=(\w+)", first)
        assert found
        use = (tool, {"ref": found[1], **more})
        bob, agent, alice = served(tmp_path, *((who, *use) for who in ("bob", "mcp", "alice")))
    else:
        _, bob, agent, alice = served(tmp_path, ask, *((w, *use) for w in ("bob", "mcp", "alice")))
    for text in (bob, agent):
        assert "is gone" in text or "names no answered call" in text
        assert "Rhine" not in text
    assert "is gone" not in alice
    assert "names no answered call" not in alice
