"""What the manifest says holds for turns: names of models, tiers, budgets, rules of trust."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from rightmodel.core.errors import UnknownNameError
from rightmodel.core.task import WireFormat
from rightmodel.manifest.catalog import Catalog, Client, Endpoint, Gateway, Model, Provider
from rightmodel.simulator import Behaviour, SimulatedProvider
from rightmodel.surfaces.http.errors import HttpError
from rightmodel.surfaces.http.names import Choice, choice_of
from surfaces.http.gateway import KEY, gateway, manifest
from surfaces.http.test_access import ALICE, ENV, bearer
from surfaces.http.test_turns import BODIES

if TYPE_CHECKING:
    from pathlib import Path

PROVIDER = Provider("p", WireFormat.OPENAI_CHAT, "http://127.0.0.1:9/v1")
CATALOG = Catalog(
    models={"p/m": Model("p/m", (Endpoint(PROVIDER, "m"),), aliases=("mine",))},
    providers={"p": PROVIDER},
    aliases={"mine": "p/m"},
    gateway=Gateway(("auto", "claude-*"), {"claude-haiku-*": "auto:cheap", "gpt-*": "p/m"}),
)
TIERED = Client("alice", "ALICE", tier="best", models=("p/m",))


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("auto", Choice("", "")),
        ("", Choice("", "")),
        (" rightmodel/auto ", Choice("", "")),
        ("auto:best", Choice("", "best")),
        ("claude-opus-4-8", Choice("", "")),
        ("claude-haiku-4-5", Choice("", "cheap")),
        ("gpt-5", Choice("p/m", "")),
        ("mine", Choice("mine", "")),
        ("p/new", Choice("p/new", "")),
        ("p/m,p/new", Choice("p/m,p/new", "")),
    ],
)
def test_a_name_means_a_route_a_tier_or_a_model(name: str, meant: Choice) -> None:
    assert choice_of(name, CATALOG, None) == meant


def test_a_clients_tier_is_that_of_names_that_state_none() -> None:
    assert choice_of("auto", CATALOG, TIERED) == Choice("", "best")
    assert choice_of("auto:cheap", CATALOG, TIERED) == Choice("", "cheap")
    assert choice_of("claude-opus-4-8", CATALOG, TIERED) == Choice("", "best")


def test_an_unknown_name_and_one_that_the_client_may_not_use_say_what_is_right() -> None:
    with pytest.raises(HttpError, match=r"auto:cheap.*\[gateway\] route") as unknown:
        choice_of("llama", CATALOG, None)
    assert isinstance(unknown.value.__cause__, UnknownNameError)
    with pytest.raises(HttpError, match=r"alice may not use p/new.*are p/m") as forbidden:
        choice_of("p/new", CATALOG, TIERED)
    assert (unknown.value.status, forbidden.value.status) == (404, 403)


@pytest.mark.parametrize("dialect", BODIES)
async def test_a_clients_budget_holds_for_its_turns(tmp_path: Path, dialect: str) -> None:
    clients = '[clients.alice]\ntoken_env = "ALICE"\nper_day_usd = 0.0000001\n'

    async with (
        SimulatedProvider("openai-chat", key=KEY, models={"m": Behaviour()}) as up,
        gateway(tmp_path, manifest({"p": up}, models=clients), env=ENV) as gw,
    ):
        path, body = BODIES[dialect]
        answer = await gw.http.post(path, json=body, headers=bearer(ALICE))
        assert answer.status_code == 402
        assert answer.headers["x-should-retry"] == "false"
        assert "per_day_usd" in answer.json()["error"]["message"]
        assert up.requests == []


@pytest.mark.parametrize("model", ["auto", "p/m"])
async def test_a_rule_that_requires_local_holds_for_turns(tmp_path: Path, model: str) -> None:
    rule = (
        '[[rules]]\nname = "stays"\nwhen = { contains = ["secret plan"] }\n'
        'require = { trust = "local" }\n'
    )

    async with (
        SimulatedProvider("openai-chat", key=KEY, models={"m": Behaviour()}) as up,
        gateway(tmp_path, manifest({"p": up}, models=rule)) as gw,
    ):
        for dialect in BODIES:
            path, body = BODIES[dialect]
            told: Any = {"input": "the secret plan"}
            if dialect != "openai-responses":
                told = {"messages": [{"role": "user", "content": "the secret plan"}]}
            answer = await gw.post(path, {**body, **told, "model": model})
            assert answer.status_code == 400
            assert "requires trust local" in answer.json()["error"]["message"]
        assert up.requests == []
