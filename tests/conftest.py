"""What holds for every test: nothing is written into the home of the person who runs it."""

from __future__ import annotations

import asyncio
import gc
import inspect
import itertools
import os
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

# `quick` for every day, `thorough` in `make check`: `HYPOTHESIS_PROFILE` names one.
settings.register_profile("quick", max_examples=60, deadline=None)
settings.register_profile("thorough", max_examples=300, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


# A local server that the person runs is no part of a test: nothing listens on port 1.
NO_LOCAL_SERVERS = {
    "OLLAMA_HOST": "127.0.0.1:1",
    "LLAMA_ARG_PORT": "1",
    "LM_STUDIO_API_BASE": "http://127.0.0.1:1/v1",
    "VLLM_API_BASE": "http://127.0.0.1:1/v1",
}


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out what `-m "not e2e"` would deselect: reading those files takes seconds."""
    return (collection_path.name == "e2e" and config.option.markexpr == "not e2e") or None


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect garbage once, and never again what lives until the end: half of collection's time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run an `async def test_…` in a loop of its own, which ends before pytest's limit of time.

    Its argument `loop` is the loop's factory.
    """
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    limit = pyfuncitem.get_closest_marker("timeout")
    names = inspect.signature(pyfuncitem.obj).parameters
    test = pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names})
    loop: Any = pyfuncitem.funcargs.get("loop")
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(asyncio.wait_for(test, 0.9 * (limit.args[0] if limit else 60)))
    return True


@pytest.fixture(scope="session")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Paths of homes. `mktemp` for each test would read a directory of thousands each time."""
    folder = tmp_path_factory.mktemp("homes")
    return (folder / str(number) for number in itertools.count())


@pytest.fixture(autouse=True)
def home(request: pytest.FixtureRequest, homes: Iterator[Path]) -> Iterator[None]:
    """A home of its own, without the keys and local servers of the person who runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        if not request.node.get_closest_marker("e2e"):  # real agents need the real one
            path = next(homes)
            path.mkdir()
            patch.setenv("HOME", str(path))
            keys = (name for name in os.environ if name.endswith("_API_KEY"))
            for name in ("XDG_STATE_HOME", "RIGHTMODEL_STATE_DIR", "SSL_CERT_FILE", *keys):
                patch.delenv(name, raising=False)
            # Each HTTP client of a test would parse the certificates of all authorities: 15 ms.
            patch.setenv("SSL_CERT_DIR", str(path))
            for name, address in NO_LOCAL_SERVERS.items():
                patch.setenv(name, address)
        yield
