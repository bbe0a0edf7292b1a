"""What holds for every test: nothing is written into the home of the person who runs it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from collections.abc import Iterator

# `quick` for every day, `thorough` in `make check`: `HYPOTHESIS_PROFILE` names one.
settings.register_profile("quick", max_examples=60, deadline=None)
settings.register_profile("thorough", max_examples=300, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


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
