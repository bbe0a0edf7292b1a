"""The example that the documentation shows is a manifest that loads."""

from __future__ import annotations

import re
from pathlib import Path

from rightmodel.manifest.load import load_catalog

DOCS = Path(__file__).parents[2] / "docs"


def test_the_example_in_the_docs_loads_and_says_what_it_seems_to(tmp_path: Path) -> None:
    found = re.search(r"```toml\n(.*?)```", (DOCS / "manifest.md").read_text(), re.DOTALL)
    assert found
    (tmp_path / "m.toml").write_text(found[1])
    catalog = load_catalog(tmp_path / "m.toml", has_key=lambda _: True)
    assert catalog.models["mine/coder"].skills["code"] == 7.5
    assert [e.provider.name for e in catalog.models["llama-70b"].endpoints] == ["groq", "together"]
    assert [rule.name for rule in catalog.rules] == ["secrets stay here", "rule 2"]
    assert set(catalog.budget.models) == {"anthropic/claude-opus-5-5"}
