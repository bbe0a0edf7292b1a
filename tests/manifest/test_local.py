"""Models of local servers: what a server lists is validated, and is free unless priced."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rightmodel.manifest.load import load_catalog

if TYPE_CHECKING:
    from pathlib import Path


def connected(**served: list[str]) -> dict[str, str]:
    catalog = load_catalog(None, has_key=lambda p: not p.needs_key, local_models=served)
    return {m.id: m.endpoints[0].name for m in catalog.models.values()}


def test_a_local_model_that_no_manifest_lists_is_connected_and_free() -> None:
    catalog = load_catalog(
        None, has_key=lambda p: not p.needs_key, local_models={"lmstudio": ["my-finetune-8b"]}
    )
    model = catalog.models["lmstudio/my-finetune-8b"]
    assert model.price.input == model.price.output == 0
    assert catalog.origins["lmstudio/my-finetune-8b.name"] == "the running lmstudio"


@pytest.mark.parametrize(
    ("wire", "model_id"),
    [
        ("my model, v2.gguf", "llamacpp/my-model--v2.gguf"),
        ("/models/Qwen.gguf", "llamacpp//models/Qwen.gguf"),
        ("Größe-7b", "llamacpp/Größe-7b"),
        ("a\tb", None),
        ("", None),
        ("x" * 300, None),
    ],
)
def test_names_that_servers_give_are_made_ids_or_left_out(wire: str, model_id: str | None) -> None:
    assert connected(llamacpp=[wire]) == ({model_id: wire} if model_id else {})


def test_a_shipped_entry_completes_what_the_server_lists() -> None:
    catalog = load_catalog(
        None, has_key=lambda p: not p.needs_key, local_models={"ollama": ["gpt-oss:20b"]}
    )
    model = catalog.models["ollama/gpt-oss:20b"]
    assert "reasoning" in model.features
    assert model.context == 32768


def manifest(tmp_path: Path, url: str, more: str = "") -> Path:
    path = tmp_path / "m.toml"
    path.write_text(
        f'version = 1\n[providers.mine]\nprotocol = "openai-chat"\nbase_url = "{url}"\n'
        f'[[models]]\nid = "mine/one"\n{more}\n'
    )
    return path


def test_an_own_model_without_cost_is_free_on_loopback_alone(tmp_path: Path) -> None:
    def load(url: str, more: str = "") -> bool:
        path = manifest(tmp_path, url, more)
        return load_catalog(path, has_key=lambda _: True).models["mine/one"].price.known

    assert load("http://127.0.0.1:9/v1")
    assert not load("https://llm.example.com/v1")
    assert not load("http://127.0.0.1:9/v1", "cost = { input = 1 }")
    path = manifest(tmp_path, "http://127.0.0.1:9/v1")
    assert load_catalog(path, has_key=lambda _: True).find("mine/other").price.known
