"""A missing manifest or env file is an error of the call, not of the server's start."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rightmodel.core.errors import ManifestError
from rightmodel.execution.engine import App
from rightmodel.manifest.settings import read_settings

if TYPE_CHECKING:
    from pathlib import Path

MANIFEST = """
version = 1
[providers.p]
protocol = "openai-chat"
base_url = "http://127.0.0.1:1/v1"
[[models]]
id = "p/m"
"""


async def test_a_missing_manifest_is_an_error_of_the_call_until_the_file_is_there(
    tmp_path: Path,
) -> None:
    file = tmp_path / "m.toml"
    state = {"RIGHTMODEL_STATE_DIR": str(tmp_path)}
    app = App(read_settings(manifest=str(file), environment=state))
    with pytest.raises(ManifestError, match=r"m\.toml: no such file"):
        await app.engine()
    file.write_text(MANIFEST)
    assert [*(await app.engine()).catalog.models] == ["p/m"]
    await app.close()


async def test_an_env_file_that_cannot_be_read_is_an_error_of_the_call(tmp_path: Path) -> None:
    app = App(read_settings(env_file=str(tmp_path / "none.env"), environment={}))
    with pytest.raises(ManifestError, match=r"none\.env: the env file cannot be read"):
        await app.engine()
