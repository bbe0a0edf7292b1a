"""Models of local servers: what a server lists is validated, and is free unless priced."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from engines import catalog_from
from rightmodel.core.task import Task
from rightmodel.execution.engine import make_router
from rightmodel.manifest.load import load_catalog
from rightmodel.manifest.local_servers import Served, ServedModel, addresses, local_servers

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rightmodel.manifest.catalog import Catalog


def load(**served: Sequence[ServedModel | str]) -> Catalog:
    """What is connected without a manifest when local servers list these models."""
    listed = {
        name: Served(tuple(m if isinstance(m, ServedModel) else ServedModel(m) for m in models))
        for name, models in served.items()
    }
    return load_catalog(None, has_key=lambda p: not p.needs_key, served=listed)


def test_a_local_model_that_no_manifest_lists_is_connected_and_free() -> None:
    catalog = load(lmstudio=["my-finetune-8b"])
    model = catalog.models["lmstudio/my-finetune-8b"]
    assert model.price.input == model.price.output == 0
    assert catalog.origins["lmstudio/my-finetune-8b.name"] == "the running lmstudio"
    assert catalog.notes == ()


@pytest.mark.parametrize(
    ("wire", "model_id"),
    [
        ("my model, v2.gguf", "llamacpp/my-model--v2"),
        ("/models/Qwen3-8B-Q4_K_M.gguf", "llamacpp/Qwen3-8B-Q4_K_M"),
        ("~/models/big-00001-of-00003.gguf", "llamacpp/big"),
        ("./models/my model.gguf", "llamacpp/my-model"),
        ("C:\\models\\Qwen.gguf", "llamacpp/Qwen"),
        ("/srv/models/Meta-Llama-3/", "llamacpp/Meta-Llama-3"),
        ("unsloth/Qwen3-GGUF:Q4_K_M", "llamacpp/unsloth/Qwen3-GGUF:Q4_K_M"),
        ("/", "llamacpp//"),
        ("Größe-7b", "llamacpp/Größe-7b"),
        ("a\tb", None),
        ("", None),
        ("x" * 300, None),
    ],
)
def test_names_that_servers_give_are_made_ids_or_left_out(wire: str, model_id: str | None) -> None:
    models = load(llamacpp=[wire]).models
    assert {m.id: m.endpoints[0].name for m in models.values()} == (
        {model_id: wire} if model_id else {}
    )


def test_two_files_of_one_name_have_two_ids_and_each_is_found_by_its_path() -> None:
    paths = ["/a/tiny.gguf", "/b/tiny.gguf"]
    catalog = load(llamacpp=[ServedModel(path, context=900) for path in paths])
    assert [*catalog.models] == ["llamacpp/tiny", "llamacpp/b/tiny"]
    for path, model in zip(paths, catalog.models.values(), strict=True):
        assert model.endpoints[0].name == path
        assert catalog.find(f"llamacpp/{path}") is catalog.find(path) is model


def test_a_shipped_entry_completes_what_the_server_lists() -> None:
    model = load(ollama=["gpt-oss:20b"]).models["ollama/gpt-oss:20b"]
    assert "reasoning" in model.features
    assert model.context == 32768


def test_what_the_running_server_lists_wins_over_the_shipped_entry() -> None:
    served = ServedModel("gpt-oss:20b", context=8192, features=("json_schema",), image=True)
    catalog = load(ollama=[served])
    model = catalog.models["ollama/gpt-oss:20b"]
    assert model.context == 8192
    assert {"reasoning", "json_schema"} <= model.features
    assert "image" in model.modalities
    assert catalog.origins["ollama/gpt-oss:20b.limits.context"] == "the running ollama"


def test_models_in_memory_are_known_where_the_server_says_so() -> None:
    catalog = load(
        lmstudio=[ServedModel("a", loaded=True), ServedModel("b", loaded=False)], vllm=["c"]
    )
    assert catalog.loaded == {"lmstudio": {"a"}}


def included(tmp_path: Path, text: str, *served: str) -> Catalog:
    models = {"llamacpp": Served(tuple(map(ServedModel, served)))} if served else {}
    return catalog_from(tmp_path, f"version = 1\n{text}", served=models)


def test_an_included_local_provider_connects_what_is_running(tmp_path: Path) -> None:
    assert [*included(tmp_path, 'include = ["llamacpp"]', "qwen.gguf").models] == ["llamacpp/qwen"]
    catalog = included(tmp_path, 'include = ["llamacpp"]')
    assert not catalog.models
    assert "no server answers at http://127.0.0.1:8080/v1" in catalog.notes[0]
    assert 'id = "llamacpp/NAME"' in catalog.notes[0]


def test_an_own_server_without_models_in_the_manifest_connects_what_it_lists(
    tmp_path: Path,
) -> None:
    path = tmp_path / "m.toml"
    url = "http://127.0.0.1:9000/v1"
    provider = f'[providers.mine]\nprotocol = "openai-chat"\nbase_url = "{url}"\n'
    path.write_text(f'version = 1\ninclude = ["anthropic"]\n{provider}')
    assert local_servers(path, {}) == {"mine": url}
    served = {"mine": Served((ServedModel("qwen"),))}
    assert "mine/qwen" in load_catalog(path, has_key=lambda _: True, served=served).models
    note = load_catalog(path, has_key=lambda _: True).notes[0]
    assert note.startswith(f"mine: no server answers at {url}")
    path.write_text(f'version = 1\n{provider}[[models]]\nid = "mine/other"\n')
    assert local_servers(path, {}) == {}


def test_a_manifest_that_names_no_models_asks_all_local_servers(tmp_path: Path) -> None:
    path = tmp_path / "m.toml"
    path.write_text("version = 1\n[budget]\nper_day_usd = 5\n")
    assert set(local_servers(path, {})) == {"ollama", "lmstudio", "llamacpp", "vllm"}


def test_a_listed_model_that_the_server_does_not_have_is_absent(tmp_path: Path) -> None:
    text = '[[models]]\nid = "llamacpp/here"\n[[models]]\nid = "llamacpp/elsewhere"\n'
    absent = included(tmp_path, text, "here").absent
    assert absent == {"llamacpp/elsewhere": "llamacpp does not have elsewhere: pull or load it"}


def test_servers_are_asked_where_the_manifest_or_the_environment_says(tmp_path: Path) -> None:
    path = tmp_path / "m.toml"
    urls = {"ollama": "http://127.0.0.1:9/v1"}
    assert local_servers(None, urls)["ollama"] == urls["ollama"]
    assert set(local_servers(None, {})) == {"ollama", "lmstudio", "llamacpp", "vllm"}
    path.write_text('version = 1\ninclude = ["openai"]\n[[models]]\nid = "ollama/x"\n')
    assert local_servers(path, urls) == urls
    path.write_text(
        'version = 1\ninclude = ["ollama"]\n[providers.ollama]\nbase_url = "http://[::1]:7/v1"\n'
    )
    assert local_servers(path, urls) == {"ollama": "http://[::1]:7/v1"}
    catalog = load_catalog(path, has_key=lambda _: True, urls=urls)
    assert catalog.providers["ollama"].base_url == "http://[::1]:7/v1"


@pytest.mark.parametrize(
    ("variable", "value", "url"),
    [
        ("OLLAMA_HOST", "127.0.0.1:9999", "http://127.0.0.1:9999/v1"),
        ("OLLAMA_HOST", "0.0.0.0", "http://127.0.0.1:11434/v1"),
        ("OLLAMA_HOST", "http://0.0.0.0:9999/", "http://127.0.0.1:9999/v1"),
        ("OLLAMA_HOST", ":9999", "http://127.0.0.1:9999/v1"),
        ("OLLAMA_HOST", "[::1]", "http://[::1]:11434/v1"),
        ("OLLAMA_HOST", "[::]:9999", "http://127.0.0.1:9999/v1"),
        ("OLLAMA_HOST", "localhost", "http://localhost:11434/v1"),
        ("OLLAMA_BASE_URL", "http://localhost:11435/v1", "http://localhost:11435/v1"),
        ("LLAMA_ARG_PORT", "9000", "http://127.0.0.1:9000/v1"),
        ("LM_STUDIO_API_BASE", "http://localhost:4321", "http://localhost:4321/v1"),
        ("VLLM_API_BASE", "http://127.0.0.1:8001/v1", "http://127.0.0.1:8001/v1"),
    ],
)
def test_the_environment_names_a_local_servers_address(variable: str, value: str, url: str) -> None:
    found = addresses({variable: value})
    assert [*found.urls.values()] == [url]
    assert found.notes == ()


@pytest.mark.parametrize(
    "value",
    ["gpu-box:11434", "https://ollama.example.com", "127.0.0.1.example.com", "a b", "http://u:p@x"],
)
def test_an_address_elsewhere_is_not_followed_and_that_is_noted(value: str) -> None:
    found = addresses({"OLLAMA_HOST": value})
    assert found.urls == {}
    assert "OLLAMA_HOST is not followed" in found.notes[0]


def manifest(tmp_path: Path, url: str, more: str = "") -> Path:
    path = tmp_path / "m.toml"
    path.write_text(
        f'version = 1\n[providers.mine]\nprotocol = "openai-chat"\nbase_url = "{url}"\n'
        f'[[models]]\nid = "mine/one"\n{more}\n'
    )
    return path


def test_an_own_model_without_cost_is_free_on_loopback_alone(tmp_path: Path) -> None:
    def priced(url: str, more: str = "") -> bool:
        path = manifest(tmp_path, url, more)
        return load_catalog(path, has_key=lambda _: True).models["mine/one"].price.known

    assert priced("http://127.0.0.1:9/v1")
    assert not priced("https://llm.example.com/v1")
    assert not priced("http://127.0.0.1:9/v1", "cost = { input = 1 }")
    path = manifest(tmp_path, "http://127.0.0.1:9/v1")
    assert load_catalog(path, has_key=lambda _: True).find("mine/other").price.known


def test_an_own_model_without_cost_fits_any_budget(tmp_path: Path) -> None:
    path = manifest(tmp_path, "http://127.0.0.1:9/v1", "[budget]\nper_call_usd = 0.0000001\n")
    router = make_router(load_catalog(path, has_key=lambda _: True), None)
    decision = asyncio.run(router.route(Task("Say hello", max_cost_usd=Decimal("0.0000001"))))
    assert [candidate.model for candidate in decision.candidates] == ["mine/one"]
