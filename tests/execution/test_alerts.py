"""Alerts: who hears of a spent budget, in which shape, how often, and who does not wait for it."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from engines import engine_from
from loopback import loopback, openai_answer
from rightmodel.core.errors import BudgetError
from rightmodel.core.task import Task
from rightmodel.execution import alerts as alerts_module
from rightmodel.execution.alerts import Alerts
from rightmodel.ledger.budget import Alert, Limit, LimitState, Mark

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from rightmodel.execution.engine import Engine

NOON = 1_795_176_000.0  # 2026-11-20
LIMIT = Limit("clients.alice.per_day_usd", Decimal("5.00"), client="alice")
ALERT = Alert(
    Mark(LIMIT, "2026-11-20", is_wall=False),
    LimitState(LIMIT, Decimal("4.10"), Decimal(0), Decimal("0.90"), 3600.0),
    "budget clients.alice.per_day_usd: 82% of $5 spent, resets in 1 h",
)
TEXT = f"rightmodel: {ALERT.text}"
SECRET = "T0/B1/s3cret-hook"
MANIFEST = """
version = 1
[routing]
assess = "rules"
[budget]
per_day_usd = {limit}
warn_at = 0.5
[alerts]
{alerts}
[providers.p]
protocol = "openai-chat"
base_url = "http://127.0.0.1:{port}/v1"
[[models]]
id = "p/m"
cost = {{ input = 1000, output = 100 }}
limits = {{ context = 100000, output = 1000 }}
"""


@dataclass
class Receiver:
    """A webhook's receiver. `statuses`: of its responses, the last one goes on; 0 never answers."""

    statuses: list[int] = field(default_factory=lambda: [200])
    url: str = ""
    got: list[dict[str, Any]] = field(default_factory=list)
    came: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
        self.got.append(json.loads(await reader.readexactly(length)))
        self.came.set()
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        if status:
            writer.write(f"HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n".encode())
            await writer.drain()
        else:
            await reader.read()
        writer.close()

    async def has(self, count: int) -> None:
        """Wait until so many alerts came."""
        while len(self.got) < count:
            self.came.clear()
            await self.came.wait()


@asynccontextmanager
async def receiver(*statuses: int) -> AsyncIterator[Receiver]:
    made = Receiver(list(statuses) or [200])
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/{SECRET}"
    try:
        yield made
    finally:
        server.close()


async def no_pause(_: float) -> None:
    await asyncio.sleep(0)


def sender(url: str = "", shape: str = "json", command: tuple[str, ...] = ()) -> Alerts:
    return Alerts(url, shape, command, host="box", clock=lambda: NOON, sleep=no_pause)


async def sent(url: str, shape: str = "json") -> None:
    alerts = sender(url, shape)
    alerts.tell(ALERT)
    await alerts.close()


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (
            "json",
            {
                "event": "budget_warning",
                "budget": "clients.alice.per_day_usd",
                "client": "alice",
                "period": "2026-11-20",
                "limit_usd": "5.00",
                "spent_usd": "4.10",
                "spent_share": 0.82,
                "resets_at": "2026-11-20T13:00:00+00:00",
                "host": "box",
                "text": TEXT,
            },
        ),
        ("slack", {"text": TEXT}),
        ("discord", {"content": TEXT, "allowed_mentions": {"parse": []}}),
    ],
)
async def test_a_webhook_gets_the_shape_that_its_receiver_takes(
    shape: str, message: dict[str, Any]
) -> None:
    async with receiver() as hook:
        await sent(hook.url, shape)
        assert hook.got == [message]


async def test_slack_reads_no_markup_out_of_a_models_name() -> None:
    async with receiver() as hook:
        alerts = sender(hook.url, "slack")
        alerts.tell(ALERT._replace(text="budget models.<!channel>&co"))
        await alerts.close()
        assert hook.got == [{"text": "rightmodel: budget models.&lt;!channel&gt;&amp;co"}]


async def test_a_receiver_that_fails_is_asked_again_and_the_log_names_its_host_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)
    async with receiver(500, 503, 204) as hook:
        await sent(hook.url)
        assert len(hook.got) == 3
    async with receiver(404) as hook:
        await sent(hook.url)
        assert len(hook.got) == 4
    assert "an alert did not reach the webhook at 127.0.0.1: status 404" in caplog.text
    assert "s3cret" not in caplog.text


async def test_a_receiver_that_is_not_there_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    await sent(f"http://127.0.0.1:1/{SECRET}")
    assert "an alert did not reach the webhook at 127.0.0.1: ConnectError" in caplog.text
    assert "s3cret" not in caplog.text


async def test_a_receiver_that_never_answers_holds_closing_up_for_a_moment_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(alerts_module, "CLOSE_S", 0.05)

    async with receiver(0) as hook, asyncio.timeout(5):
        alerts = sender(hook.url)
        alerts.tell(ALERT)
        await hook.came.wait()
        await alerts.close()


async def test_a_program_reads_the_alert_on_its_standard_input(tmp_path: Path) -> None:
    file = tmp_path / "alert.json"
    copy = f"import sys; open({str(file)!r}, 'w').write(sys.stdin.read())"

    alerts = sender(command=(sys.executable, "-c", copy))
    alerts.tell(ALERT)
    await alerts.close()
    assert json.loads(file.read_text())["text"] == TEXT


async def test_a_program_that_is_not_there_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    alerts = sender(command=("/no/such/program",))
    alerts.tell(ALERT)
    await alerts.close()
    assert "an alert did not reach /no/such/program: No such file" in caplog.text


# -- over real calls and a real ledger -------------------------------------------------------------


def engine_of(folder: Path, port: int, hook: str, *, limit: str, alerts: str) -> Engine:
    return engine_from(folder, MANIFEST.format(port=port, limit=limit, alerts=alerts), HOOK=hook)


async def ask(engine: Engine, times: int) -> int:
    """How many of the calls were answered."""
    answered = 0
    for number in range(times):
        try:
            await engine.executor.complete(Task(f"hi {number}"), deadline_s=30)
        except BudgetError:
            continue
        answered += 1
        records: Any = engine.executor._recorder.records
        await records.flush()
    return answered


async def test_each_threshold_of_a_budget_is_told_once_in_all_servers(tmp_path: Path) -> None:
    replies = {"m": [openai_answer("a")] * 100}
    async with loopback(replies) as up, receiver() as hook:
        engines = [
            engine_of(tmp_path, up.port, hook.url, limit="0.5", alerts='webhook_env = "HOOK"')
            for _ in range(3)
        ]
        answered = sum(await asyncio.gather(*(ask(engine, 10) for engine in engines)))
        assert 2 <= answered < 30
        await hook.has(2)
        for engine in engines:
            await engine.close()
        events = sorted(message["event"] for message in hook.got)
        assert events == ["budget_exhausted", "budget_warning"]
        (wall,) = [m for m in hook.got if m["event"] == "budget_exhausted"]
        assert "p/m may cost up to" in wall["text"]
        again = engine_of(tmp_path, up.port, hook.url, limit="0.5", alerts='webhook_env = "HOOK"')
        assert await ask(again, 2) == 0
        await again.close()
        assert len(hook.got) == 2
        higher = engine_of(tmp_path, up.port, hook.url, limit="0.6", alerts='webhook_env = "HOOK"')
        await ask(higher, 1)
        await hook.has(3)
        await higher.close()
        assert len(hook.got) == 3  # another limit is another threshold


async def test_a_receiver_that_hangs_holds_no_call_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerts_module, "CLOSE_S", 0.05)

    async with loopback({"m": [openai_answer("a")] * 50}) as up, receiver(0) as hook:
        engine = engine_of(tmp_path, up.port, hook.url, limit="0.5", alerts='webhook_env = "HOOK"')
        async with asyncio.timeout(10):
            assert await ask(engine, 10) >= 2
            await hook.came.wait()
            await engine.close()


async def test_without_a_receiver_the_receipt_says_it(tmp_path: Path) -> None:
    async with loopback({"m": [openai_answer("a")] * 50}) as up:
        engine = engine_of(tmp_path, up.port, "", limit="0.5", alerts="")
        flags: list[str] = []
        for _ in range(3):
            answer = await engine.executor.complete(Task("hi"), deadline_s=5)
            flags += answer.receipt.flags
            records: Any = engine.executor._recorder.records
            await records.flush()
        await engine.close()
        assert any("budget per_day_usd: " in flag for flag in tuple(flags))
