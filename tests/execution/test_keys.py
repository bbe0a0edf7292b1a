"""A key without credit is detected once, not by every server again."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from rightmodel.core.task import Task
from rightmodel.execution import learning
from rightmodel.execution.engine import build
from rightmodel.ledger.paths import FILE
from rightmodel.manifest.load import load_catalog
from rightmodel.manifest.settings import ProviderKeys, Settings
from rightmodel.simulator import Behaviour, SimulatedProvider, fault

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import pytest

    from rightmodel.core.call import Answer

MANIFEST = """
version = 1
[routing]
assess = "rules"
learn = false
[providers.poor]
protocol = "openai-chat"
base_url = "{poor}"
key_env = "POOR_KEY"
[providers.rich]
protocol = "openai-chat"
base_url = "{rich}"
key_env = "RICH_KEY"
[[models]]
id = "poor/m"
cost = {{ input = 1, output = 2 }}
skills = {{ general = 8 }}
[[models]]
id = "rich/m"
cost = {{ input = 2, output = 4 }}
skills = {{ general = 8 }}
"""


def tried(answer: Answer) -> list[str]:
    return [attempt.model for attempt in answer.receipt.attempts]


class Servers:
    """Servers on one ledger, started one after the other."""

    def __init__(self, folder: Path, poor: SimulatedProvider, rich: SimulatedProvider) -> None:
        self.folder = folder
        path = folder / "m.toml"
        path.write_text(MANIFEST.format(poor=poor.base_url, rich=rich.base_url))
        self.catalog = load_catalog(path, has_key=lambda _: True)

    async def ask(self, *, key: str = "sk-poor-0001", model: str = "") -> Answer:
        """One call to a server that starts for it."""
        keys = {"POOR_KEY": key, "RICH_KEY": "sk-rich-0001"}
        state = {"RIGHTMODEL_STATE_DIR": str(self.folder / "state")}
        engine = build(Settings(self.folder / "m.toml", keys | state), self.catalog)
        try:
            return await engine.executor.complete(Task("hi", model=model), deadline_s=5.0)
        finally:
            await engine.close()


def run(
    tmp_path: Path,
    faults: Sequence[object],
    steps: Sequence[dict[str, str]],
    between: Callable[[], object] = lambda: None,
) -> list[Answer]:
    async def inner() -> list[Answer]:
        models = {"m": Behaviour()}
        async with (
            SimulatedProvider(models=models) as poor,
            SimulatedProvider(models=models) as rich,
        ):
            poor.script("m", list(faults))  # type: ignore[arg-type]
            servers = Servers(tmp_path, poor, rich)
            answers = []
            for step in steps:
                answers.append(await servers.ask(**step))
                between()
            return answers

    return asyncio.run(asyncio.wait_for(inner(), 30))


def test_the_next_server_does_not_try_a_key_that_is_out_of_order(tmp_path: Path) -> None:
    first, second = run(tmp_path, [fault.status(402)], [{}, {}])
    assert tried(first) == ["poor/m", "rich/m"]
    assert tried(second) == ["rich/m"]


def test_a_fault_that_only_a_newer_server_knows_rests_the_key_all_the_same(tmp_path: Path) -> None:
    def renamed() -> None:
        with closing(sqlite3.connect(tmp_path / "state" / FILE)) as db, db:
            db.execute("UPDATE cooldowns SET fault = 'a_fault_of_tomorrow'")

    _, second = run(tmp_path, [fault.status(402)], [{}, {}], between=renamed)
    assert tried(second) == ["rich/m"]


def test_a_key_that_failed_while_the_clock_was_a_day_ahead_is_tried_again(tmp_path: Path) -> None:
    def ahead() -> None:
        with closing(sqlite3.connect(tmp_path / "state" / FILE)) as db, db:
            db.execute("UPDATE cooldowns SET until = until + 86400")
            db.execute("UPDATE attempts SET at = at + 86400")

    _, second = run(tmp_path, [fault.status(402)], [{}, {}], between=ahead)
    assert tried(second) == ["poor/m"]


def test_another_key_is_tried_at_once(tmp_path: Path) -> None:
    first, second = run(tmp_path, [fault.status(402)], [{}, {"key": "sk-poor-0002"}])
    assert tried(first) == ["poor/m", "rich/m"]
    assert tried(second) == ["poor/m"]


def test_a_key_that_works_again_is_in_order_for_all(tmp_path: Path) -> None:
    steps = [{}, {"model": "poor/m"}, {}]
    _, lone, third = run(tmp_path, [fault.status(402)], steps)
    assert tried(lone) == ["poor/m"]  # the last fit one is never shut out
    assert tried(third) == ["poor/m"]


def test_no_key_is_in_the_ledger(tmp_path: Path) -> None:
    run(tmp_path, [fault.status(401)], [{}, {}])
    kept = b"".join(p.read_bytes() for p in (tmp_path / "state").iterdir())
    assert b"sk-poor" not in kept


FROM_FILE = """
version = 1
[providers.p]
protocol = "openai-chat"
base_url = "{url}"
key_file = "{file}"
[[models]]
id = "p/m"
"""


async def test_a_key_file_that_was_changed_is_read_anew_and_its_key_masked(tmp_path: Path) -> None:
    file, state = tmp_path / "p.key", {"RIGHTMODEL_STATE_DIR": str(tmp_path / "state")}
    file.write_text("sk-first-0001")
    async with SimulatedProvider(key="sk-first-0001", models={"m": Behaviour()}) as up:
        path = tmp_path / "m.toml"
        path.write_text(FROM_FILE.format(url=up.base_url, file=file.as_posix()))
        engine = build(Settings(path, state), load_catalog(path, has_key=lambda _: True))
        try:
            await engine.executor.complete(Task("hi"), deadline_s=5.0)
            up.key = "sk-second-00002"
            file.write_text(up.key)
            up.script("m", [f"The key is {up.key}."])
            answer = await engine.executor.complete(Task("hi"), deadline_s=5.0)
            assert answer.text == "The key is [key removed]."
            file.unlink()
            await engine.executor.complete(Task("hi"), deadline_s=5.0)
        finally:
            await engine.close()


def test_a_key_file_that_is_written_again_and_again_is_masked_once(tmp_path: Path) -> None:
    file, path = tmp_path / "p.key", tmp_path / "m.toml"
    path.write_text(FROM_FILE.format(url="http://127.0.0.1:1/v1", file=file.as_posix()))
    file.write_text("sk-first-0001")
    keys = ProviderKeys(Settings(path, {}), load_catalog(path, has_key=lambda _: True))
    for key in ("sk-first-0001", "sk-second-00002", "sk-second-00002", "sk-first-0001"):
        file.unlink()
        assert keys["p"] in {"sk-first-0001", "sk-second-00002"}
        file.write_text(key)
        assert keys["p"] == key
    assert sorted(keys.secrets) == ["sk-first-0001", "sk-second-00002"]


async def test_a_key_that_was_out_of_order_is_tried_again_once_its_file_has_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learning, "REFRESH_S", 0.0)
    file, state = tmp_path / "poor.key", {"RIGHTMODEL_STATE_DIR": str(tmp_path / "state")}
    file.write_text("sk-expired-0001")
    models = {"m": Behaviour()}
    async with (
        SimulatedProvider(key="sk-renewed-0002", models=models) as poor,
        SimulatedProvider(models=models) as rich,
    ):
        path = tmp_path / "m.toml"
        text = MANIFEST.replace('key_env = "POOR_KEY"', f'key_file = "{file.as_posix()}"')
        path.write_text(text.format(poor=poor.base_url, rich=rich.base_url))
        engine = build(Settings(path, state), load_catalog(path, has_key=lambda _: True))
        met = []
        try:
            for key in ("sk-expired-0001", "sk-expired-0001", "sk-renewed-0002"):
                file.write_text(key)
                met.append(tried(await engine.executor.complete(Task("hi"), deadline_s=5.0)))
        finally:
            await engine.close()
    assert met == [["poor/m", "rich/m"], ["rich/m"], ["poor/m"]]
