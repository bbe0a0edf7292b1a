"""`[clients]`, `[gateway]` and `[alerts]`: what they mean, and what is wrong with them."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from engines import catalog_from
from rightmodel.core.errors import ManifestError
from rightmodel.manifest.catalog import Alerts, Client, Gateway
from rightmodel.manifest.clients import client_notes, tokens, webhook_of
from rightmodel.manifest.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from rightmodel.manifest.catalog import Catalog

MODELS = """
version = 1
include = ["openai"]
[[models]]
id = "mine/coder"
aliases = ["coder"]
[providers.mine]
protocol = "openai-chat"
base_url = "http://127.0.0.1:9/v1"
"""
TWO = '[clients.alice]\ntoken_env = "A"\n[clients.bob]\ntoken_env = "B"\n'
LONG, OTHER = "a-token-of-alice-", "a-token-of-bob---"


def load(tmp_path: Path, text: str) -> Catalog:
    return catalog_from(tmp_path, MODELS + text)


def test_a_client_has_what_its_table_says(tmp_path: Path) -> None:
    text = """[clients.alice]
        token_env = "ALICE_TOKEN"
        per_call_usd = 0.2
        per_day_usd = 5
        per_month_usd = 60.0
        tier = "cheap"
        models = ["openai/*", "coder"]
        surfaces = ["v1"]
        """
    alice = Client(
        "alice",
        "ALICE_TOKEN",
        per_call_usd=Decimal("0.2"),
        per_day_usd=Decimal(5),
        per_month_usd=Decimal("60.0"),
        tier="cheap",
        models=("openai/*", "mine/coder"),
        surfaces=("v1",),
    )
    assert load(tmp_path, text).clients == {"alice": alice}


def test_a_client_may_use_every_model_and_surface_unless_its_table_says_otherwise(
    tmp_path: Path,
) -> None:
    catalog = load(tmp_path, TWO)
    assert catalog.clients["bob"] == Client("bob", "B")
    assert all(catalog.clients["bob"].may_use(model) for model in catalog.models)
    assert catalog.gateway == Gateway(("auto",), {})
    assert catalog.alerts == Alerts("", "json", ())


def test_a_client_may_use_the_models_of_its_ids_aliases_and_patterns_alone(tmp_path: Path) -> None:
    text = '[clients.a]\ntoken_env = "A"\nmodels = ["openai/gpt-5.5", "coder", "groq/*"]'
    client = load(tmp_path, text).clients["a"]
    may = {m: client.may_use(m) for m in ("openai/gpt-5.5", "mine/coder", "groq/new", "openai/x")}
    assert may == {"openai/gpt-5.5": True, "mine/coder": True, "groq/new": True, "openai/x": False}


@pytest.mark.parametrize(
    ("text", "key", "hint"),
    [
        ("[clients.a]", "clients.a.token_env", "is missing"),
        ('[clients.a]\ntoken_env = "A"\nbudget = 1', "clients.a.budget", "known here: token_env"),
        ('[clients.a]\ntoken_env = "A"\nsurfaces = ["web"]', "clients.a.surfaces", "'mcp'"),
        ('[clients.a]\ntoken_env = "A"\ntier = "good"', "clients.a.tier", "'cheap'"),
        ('[clients.cli]\ntoken_env = "A"', "clients.cli", "a name of rightmodel's own"),
        ('[clients."a b"]\ntoken_env = "A"', "clients.a b", "64 letters, digits"),
        ('[gateway.map]\nmini = "opneai/gpt-5.5"', 'gateway.map."mini"', "openai/gpt-5.5"),
        ('[gateway.map]\nmini = "auto:cheep"', 'gateway.map."mini"', "auto:cheap"),
        ('[alerts]\nformat = "teams"', "alerts.format", "'slack'"),
        ('[alerts]\nwebhook = "x"', "alerts.webhook", "'webhook_env'"),
    ],
)
def test_a_mistake_names_its_key_and_what_would_be_right(
    tmp_path: Path, text: str, key: str, hint: str
) -> None:
    with pytest.raises(ManifestError) as caught:
        load(tmp_path, text)
    assert caught.value.key.startswith(key)
    assert hint in str(caught.value)


def test_a_token_in_place_of_its_variable_is_explained_and_not_repeated(tmp_path: Path) -> None:
    token = "tok-4f9a8b7c6d5e4f3a2b1c0d9e"
    with pytest.raises(ManifestError, match="the name of an environment variable") as caught:
        load(tmp_path, f'[clients.a]\ntoken_env = "{token}"')
    assert token not in str(caught.value)


def test_a_pattern_without_a_model_is_noted(tmp_path: Path) -> None:
    text = '[clients.a]\ntoken_env = "A"\nmodels = ["openai/*", "opneai/*"]'
    assert "client a: models 'opneai/*' matches no connected model" in load(tmp_path, text).notes


@pytest.mark.parametrize(
    ("environment", "admitted", "note"),
    [
        ({"A": LONG, "B": OTHER}, {"alice", "bob"}, ""),
        ({"A": LONG}, {"alice"}, "client bob cannot log in: B is not set"),
        ({"A": LONG, "B": "${B}"}, {"alice"}, "client bob cannot log in: B still reads '${B}'"),
        ({"A": LONG, "B": "short"}, {"alice"}, "B has fewer than 16 characters"),
        ({"A": LONG, "B": LONG}, set(), "its token is that of client alice, too"),
    ],
)
def test_a_token_that_is_unset_short_or_shared_admits_nobody_and_check_says_so(
    tmp_path: Path, environment: dict[str, str], admitted: set[str], note: str
) -> None:
    catalog, settings = load(tmp_path, TWO), Settings(None, environment)
    assert {client.name for client in tokens(settings, catalog).values()} == admitted
    notes = list(client_notes(settings, catalog))
    assert len(notes) == bool(note)
    assert note in "".join(notes)


@pytest.mark.parametrize(
    ("environment", "note"),
    [
        ({"HOOK": "https://hooks.example.com/T0/B1/secret"}, ""),
        ({}, "alerts are not sent: HOOK is not set"),
        ({"HOOK": "https://hooks.example.com/T0?code=1"}, ""),
        ({"HOOK": "http://127.0.0.1:9/hook"}, ""),
        ({"HOOK": "hooks.example.com/x"}, "the URL in HOOK must start with https://"),
        ({"HOOK": "http://hooks.example.com/x"}, "must start with https:// outside your own"),
        ({"HOOK": "https://[example/x"}, "has no valid host"),
    ],
)
def test_a_webhook_that_cannot_be_called_is_noted_without_its_address(
    tmp_path: Path, environment: dict[str, str], note: str
) -> None:
    catalog = load(tmp_path, '[alerts]\nwebhook_env = "HOOK"')
    settings = Settings(None, environment)
    notes = "".join(client_notes(settings, catalog))
    assert webhook_of(settings, catalog) == ("" if note else environment["HOOK"])
    assert note in notes
    assert bool(note) == bool(notes)
    assert "example" not in notes


def test_tokens_and_the_webhook_are_masked_in_all_output(tmp_path: Path) -> None:
    catalog = load(tmp_path, TWO + '[alerts]\nwebhook_env = "HOOK"')
    hook = "https://hooks.example.com/T0/B1/secret"
    secrets = Settings(None, {"A": LONG, "B": OTHER, "HOOK": hook}).secrets(catalog)
    assert {LONG, OTHER, hook} <= set(secrets)
