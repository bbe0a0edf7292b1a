"""Where a test's ledger is, and that what it opened is closed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ledger.harness import LEFT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    while LEFT:
        LEFT.pop().close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state" / "ledger.sqlite3"
