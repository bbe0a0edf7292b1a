from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from rightmodel.core.errors import FileRefusedError
from rightmodel.manifest.catalog import FilePolicy
from rightmodel.surfaces.mcp.files import read_files

if TYPE_CHECKING:
    from pathlib import Path


def test_only_regular_files_under_the_roots_that_hold_no_secrets_are_read(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / ".ssh").mkdir(parents=True)
    (root / "notes.md").write_text("hello")
    (root / "shot.txt").write_bytes(b"\x89PNG\r\n\x1a\n....")
    (root / "posing.txt").write_bytes(b"MZ\x00\x01\xff")
    (root / "big.txt").write_text("x" * 2000)
    (root / ".env.local").write_text("KEY=1")
    (root / ".ssh" / "known").write_text("x")
    (root / "innocent.txt").symlink_to(root / ".env.local")
    (tmp_path / "outside.txt").write_text("x")
    (root / "out.txt").symlink_to(tmp_path / "outside.txt")
    os.mkfifo(root / "pipe")
    policy = FilePolicy((str(root),), 1000)
    text, image = read_files(["notes.md", "shot.txt"], policy)
    assert (text.data, text.modality, image.modality) == (b"hello", "text", "image")
    refused = {
        "posing.txt": "neither UTF-8",
        "big.txt": "limit of 1000",
        ".env.local": "secrets",
        ".ssh/known": "secret",
        "innocent.txt": "secrets",
        "out.txt": "outside",
        "../outside.txt": "outside",
        "pipe": "regular",
        "missing": "no such file",
        ".": "regular",
    }
    for name, why in refused.items():
        with pytest.raises(FileRefusedError, match=why):
            read_files([name], policy)
