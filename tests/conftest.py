"""What holds for every test: nothing is written into the home of the person who runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def home(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """A home of its own, for the ledger of servers that are told no other place."""
    with pytest.MonkeyPatch.context() as patch:
        if not request.node.get_closest_marker("e2e"):  # real agents need the real one
            patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
            for name in ("XDG_STATE_HOME", "RIGHTMODEL_STATE_DIR"):
                patch.delenv(name, raising=False)
        yield
