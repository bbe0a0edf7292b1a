"""A call that another server of the team runs, as far as the shared ledger tells."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from ledger.rows import call
from rightmodel.core.errors import TaskError
from rightmodel.execution.engine import make_ledger
from rightmodel.execution.shared_calls import MARGIN_S, SharedCalls
from rightmodel.manifest.load import load_catalog
from rightmodel.manifest.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

GIVE_UP_S = 60.0


def with_shared(
    folder: Path, work: Callable[[SharedCalls, Any, list[float]], Awaitable[None]]
) -> None:
    """`work` gets the calls, the ledger below them, and the clock that it may set."""
    path = folder / "m.toml"
    path.write_text("version = 1\n")
    settings = Settings(path, {"RIGHTMODEL_STATE_DIR": str(folder)})
    clock = [1_000_000.0]

    async def run() -> None:
        ledger = make_ledger(settings, load_catalog(path, has_key=lambda _: True))
        try:
            await work(SharedCalls(ledger, lambda: clock[0], GIVE_UP_S), ledger, clock)
        finally:
            await ledger.close()

    asyncio.run(run())


def test_only_the_client_whose_call_it_is_learns_that_it_runs(tmp_path: Path) -> None:
    async def work(shared: SharedCalls, _: Any, clock: list[float]) -> None:
        await shared.announce("ref1", "alice")
        assert await shared.runs("ref1", "alice")
        assert not await shared.runs("ref1", "bob")
        assert not await shared.runs("ref2", "alice")
        clock[0] += GIVE_UP_S + MARGIN_S
        assert not await shared.runs("ref1", "alice")

    with_shared(tmp_path, work)


def test_a_call_that_failed_at_its_server_says_how(tmp_path: Path) -> None:
    async def work(shared: SharedCalls, ledger: Any, _: list[float]) -> None:
        await shared.announce("ref1", "alice")
        await ledger.record(call(ref="ref1", model="", outcome="all_attempts_failed"))
        with pytest.raises(TaskError, match="ended with all_attempts_failed"):
            await shared.answer("ref1", "alice")

    with_shared(tmp_path, work)


def test_an_answer_without_its_text_names_the_key_that_shares_it(tmp_path: Path) -> None:
    async def work(shared: SharedCalls, ledger: Any, _: list[float]) -> None:
        await shared.announce("ref1", "alice")
        await ledger.record(call(ref="ref1"))
        with pytest.raises(TaskError, match="store_text = true"):
            await shared.answer("ref1", "alice")

    with_shared(tmp_path, work)


def test_a_call_whose_server_is_gone_ends(tmp_path: Path) -> None:
    async def work(shared: SharedCalls, _: Any, clock: list[float]) -> None:
        await shared.announce("ref1", "alice")
        clock[0] += GIVE_UP_S + MARGIN_S
        with pytest.raises(TaskError, match="has ended"):
            await shared.answer("ref1", "alice")

    with_shared(tmp_path, work)
