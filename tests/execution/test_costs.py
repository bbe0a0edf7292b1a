"""What attempts are reckoned to have cost, and calls to have saved, whatever upstreams say."""

from __future__ import annotations

import asyncio
import contextlib
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from engines import engine_from
from loopback import failure, loopback, openai_answer
from rightmodel.core.call import Usage
from rightmodel.core.errors import BudgetError, ClosedError, ExhaustedError, ProviderError
from rightmodel.core.fault import Fault
from rightmodel.core.task import Task
from rightmodel.execution import executor, next_step
from rightmodel.execution.schema_checker import SchemaChecker
from rightmodel.ledger.paths import ledger_file
from rightmodel.ledger.sqlite import SqliteStore
from rightmodel.routing.scoring import billable_tokens
from rightmodel.simulator import Behaviour, SimulatedProvider

if TYPE_CHECKING:
    from pathlib import Path

    from rightmodel.core.call import Answer
    from rightmodel.execution.engine import Engine
    from rightmodel.ledger.records import AttemptRecord

MANIFEST = """
version = 1
baseline = "p/dear"
[routing]
assess = "rules"
max_attempts = 1
[providers.p]
protocol = "openai-chat"
base_url = "{url}"
[[models]]
id = "p/cheap"
cost = {{ input = 1, output = 2 }}
limits = {{ context = 100000, output = 1000 }}
skills = {{ general = 8 }}
[[models]]
id = "p/dear"
cost = {{ input = 10, output = 20 }}
limits = {{ context = 100000, output = 1000 }}
skills = {{ general = 9 }}
"""
M = Decimal(1_000_000)
HUGE = {"prompt_tokens": 900_000_000, "completion_tokens": 900_000_000, "cost": 0}
Script = dict[str, list[tuple[int, str, bytes]]]


def engine_of(folder: Path, url: str, more: str = "") -> Engine:
    return engine_from(folder, MANIFEST.format(url=url) + more)


def attempts(folder: Path) -> list[AttemptRecord]:
    place = ledger_file({"RIGHTMODEL_STATE_DIR": str(folder / "state")})
    return list(SqliteStore(place).attempts("2000-01-01", "2999-01-01"))


def complete(folder: Path, script: Script, task: Task, more: str = "") -> tuple[Answer, list[Any]]:
    """The answer, and the bodies that were sent."""

    async def run() -> tuple[Answer, list[Any]]:
        async with loopback(script) as server:
            engine = engine_of(folder, f"http://127.0.0.1:{server.port}/v1", more)
            try:
                return await engine.executor.complete(task, deadline_s=5), server.bodies
            finally:
                await engine.close()

    return asyncio.run(run())


def whole(message: dict[str, Any], usage: dict[str, Any]) -> tuple[int, str, bytes]:
    choice = {"message": message, "finish_reason": "stop"}
    return failure(200, {"choices": [choice], "usage": usage})


def takes_no(parameter: str) -> tuple[int, str, bytes]:
    said = f"Unsupported parameter: '{parameter}' is not supported with this model."
    error = {"message": said, "param": parameter, "code": "unsupported_parameter"}
    return failure(400, {"error": {**error, "type": "invalid_request_error"}})


UNCAPPED = [takes_no("max_tokens"), takes_no("max_completion_tokens"), openai_answer("yes")]


@pytest.mark.parametrize(
    ("more", "task"),
    [
        ("[budget]\nper_day_usd = 5\n", Task("hi", model="p/cheap")),
        ("[budget]\nper_call_usd = 5\n", Task("hi", model="p/cheap")),
        ("", Task("hi", model="p/cheap", max_cost_usd=Decimal(5))),
    ],
    ids=["budget", "ceiling of the manifest", "ceiling of the call"],
)
def test_where_money_is_limited_no_answer_without_a_limit_is_asked_for(
    tmp_path: Path, more: str, task: Task
) -> None:
    with pytest.raises(ExhaustedError, match="takes no limit on output tokens") as caught:
        complete(tmp_path, {"cheap": list(UNCAPPED)}, task, more)
    assert [a.fault for a in caught.value.attempts] == [Fault.PARAMETER]
    assert [a.cost_usd for a in caught.value.attempts] == [0]


def test_without_a_ceiling_a_model_that_takes_no_cap_is_called_without_one(tmp_path: Path) -> None:
    answer, bodies = complete(tmp_path, {"cheap": list(UNCAPPED)}, Task("hi", model="p/cheap"))
    assert answer.text == "yes"
    assert not {"max_tokens", "max_completion_tokens"} & set(bodies[-1])


TOOL = {"tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "{}"}}]}


@pytest.mark.parametrize(("named", "retry_after_s"), [("p/cheap", 0.0), ("", 0.0), ("", 40.0)])
async def test_calls_wait_for_room_in_a_budget_that_others_have_reserved(
    named: str, retry_after_s: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is room for the worst case of one of them. What is spent does not come back.

    Of the better model, which comes first where none is named, there never is, or it cools down.
    """
    monkeypatch.setattr(executor, "ROOM_S", 0.01)
    monkeypatch.setattr(next_step, "RECHECK_S", 0.01)
    budget = "[budget]\nper_day_usd = 0.003\n"
    task = Task("Name a river", model=named, tier="best", difficulty="expert")
    async with loopback({"cheap": [openai_answer("the Elbe")]}) as server:
        engine = engine_of(tmp_path, f"http://127.0.0.1:{server.port}/v1", budget)
        if retry_after_s:
            (dear,) = engine.catalog.find("p/dear").endpoints
            engine.health.begin(dear)
            limited = ProviderError(Fault.RATE_LIMITED, "x", retry_after_s=retry_after_s)
            engine.health.fail(dear, limited)
        calls = [engine.executor.complete(task, deadline_s=5.0) for _ in range(12)]
        ended = await asyncio.gather(*calls, return_exceptions=True)
        await engine.close()
    refused = [one for one in ended if isinstance(one, BudgetError)]
    assert [one.passing for one in refused] == [False] * 4
    assert len(server.bodies) == 8


async def test_a_call_that_comes_as_the_server_ends_sends_nothing(tmp_path: Path) -> None:
    async with loopback({"cheap": [openai_answer("the Elbe")]}) as server:
        engine = engine_of(tmp_path, f"http://127.0.0.1:{server.port}/v1")
        await engine.close()
        with pytest.raises(ClosedError):
            await engine.executor.complete(Task("Name a river", model="p/cheap"), deadline_s=5.0)
    assert not server.bodies


@pytest.mark.parametrize("billed", [None, Decimal("0.25")])
def test_a_rejected_answer_costs_what_the_upstream_reports(
    tmp_path: Path, billed: Decimal | None
) -> None:
    usage: dict[str, Any] = {"prompt_tokens": 5_000, "completion_tokens": 1_500}
    if billed is not None:
        usage["cost"] = float(billed)
    with pytest.raises(ExhaustedError):
        complete(tmp_path, {"cheap": [whole(TOOL, usage)]}, Task("hi", model="p/cheap"))
    (row,) = attempts(tmp_path)
    assert (row.fault, row.input, row.output) == ("unfinished_answer", 5_000, 1_500)
    assert row.cost_usd == (billed or (5_000 + 2 * 1_500) / M)
    assert row.cost_kind == ("computed" if billed is None else "billed")


def test_a_saving_is_not_reckoned_from_counts_past_belief(tmp_path: Path) -> None:
    task = Task("hi", model="p/cheap", max_output_tokens=10)
    answer, _ = complete(tmp_path, {"cheap": [whole({"content": "ok"}, HUGE)]}, task)
    receipt = answer.receipt
    prompt = billable_tokens(receipt.decision.requirements.input_tokens)
    assert receipt.attempts[0].usage == Usage(prompt, 10)
    assert receipt.attempts[0].bounded
    assert receipt.saved_usd == ((10 - 1) * prompt + (20 - 2) * 10) / M


@pytest.mark.parametrize("usage", [{"prompt_tokens": 10**30, "completion_tokens": 10**30}])
def test_counts_past_reckoning_lose_neither_answer_nor_record(
    tmp_path: Path, usage: dict[str, int]
) -> None:
    budget = "[budget]\nper_day_usd = 5\n"
    script = {"cheap": [whole({"content": "ok"}, usage)]}
    answer, _ = complete(tmp_path, script, Task("hi", model="p/cheap"), budget)
    assert answer.text == "ok"
    (row,) = attempts(tmp_path)
    assert row.input is not None
    assert row.input < 100
    assert row.cost_usd is not None
    assert row.cost_usd < 5
    assert answer.receipt.attempts[0].bounded


async def test_a_call_that_is_cancelled_before_the_first_token_costs_its_prompt(
    tmp_path: Path,
) -> None:
    async def held(_: float) -> None:
        await asyncio.Event().wait()

    slow = Behaviour(first_token_s=1.0, answers="done")
    async with SimulatedProvider("openai-chat", models={"cheap": slow}, sleep=held) as up:
        engine = engine_of(tmp_path, up.base_url)
        task = Task("word " * 1000, model="p/cheap")
        call = asyncio.create_task(engine.executor.complete(task, deadline_s=20))
        await up.until(lambda: up.in_flight == 1)
        call.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await call
        tokens = (await engine.router.route(task)).requirements.input_tokens
        await engine.close()
    (row,) = attempts(tmp_path)
    assert (row.fault, row.cost_usd) == ("cancelled", tokens / M)


async def test_a_call_that_is_cancelled_during_the_check_costs_what_was_billed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = asyncio.Event()

    async def check(*_: object) -> str:
        began.set()
        await asyncio.Event().wait()
        return ""

    monkeypatch.setattr(SchemaChecker, "valid_json", check)
    usage = {"prompt_tokens": 9, "completion_tokens": 1, "cost": 0.2}
    async with loopback({"cheap": [whole({"content": "{}"}, usage)]}) as server:
        engine = engine_of(tmp_path, f"http://127.0.0.1:{server.port}/v1")
        task = Task("hi", model="p/cheap", schema={"type": "object"})
        call = asyncio.create_task(engine.executor.complete(task, deadline_s=20))
        await began.wait()
        call.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await call
        await engine.close()
    (row,) = attempts(tmp_path)
    assert (row.fault, row.input, row.cost_usd) == ("cancelled", 9, Decimal("0.2"))


@pytest.mark.parametrize("status", [408, 503, 504])
def test_an_error_in_place_of_an_answer_costs_nothing(tmp_path: Path, status: int) -> None:
    script = {"cheap": [failure(status, {"error": {"message": "no"}})]}
    with pytest.raises(ExhaustedError):
        complete(tmp_path, script, Task("hi", model="p/cheap"))
    assert [row.cost_usd for row in attempts(tmp_path)] == [0]


async def test_a_connection_that_is_refused_costs_nothing(tmp_path: Path) -> None:
    engine = engine_of(tmp_path, "http://127.0.0.1:9/v1")
    with pytest.raises(ExhaustedError):
        await engine.executor.complete(Task("hi", model="p/cheap"), deadline_s=2)
    await engine.close()
    assert [row.cost_usd for row in attempts(tmp_path)] == [0]


def test_a_bill_below_nothing_refills_no_budget(tmp_path: Path) -> None:
    refund = {"is_byok": True, "cost_details": {"upstream_inference_cost": -1000}}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "cost": 0.2, **refund}
    complete(tmp_path, {"cheap": [whole({"content": "ok"}, usage)]}, Task("hi", model="p/cheap"))
    assert [row.cost_usd for row in attempts(tmp_path)] == [Decimal("0.2")]
