"""Without `make e2e` nothing here has what it needs."""

from __future__ import annotations

import pytest

from e2e import install


@pytest.fixture(scope="session", autouse=True)
def everything_is_installed() -> None:
    if missing := install.missing():
        pytest.fail(f"not installed: {', '.join(missing)}. Run: make e2e")
