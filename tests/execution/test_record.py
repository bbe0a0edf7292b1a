"""What calls leave in a real ledger file, read back by the ledger's own store."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.trace import INVALID_SPAN_CONTEXT, NonRecordingSpan

from loopback import failure, loopback, openai_answer
from rightmodel.core.errors import BudgetError, ExhaustedError, NoCandidateError
from rightmodel.core.fault import Fault
from rightmodel.core.task import ChatRequest, Message, Task, Turn, WireFormat
from rightmodel.execution.engine import build
from rightmodel.execution.recorder import Recorder
from rightmodel.execution.records import Unrecorded
from rightmodel.ledger.paths import ledger_file
from rightmodel.ledger.records import Origin
from rightmodel.ledger.reservations import this_origin
from rightmodel.ledger.sqlite import SqliteStore
from rightmodel.manifest.load import load_catalog
from rightmodel.manifest.settings import Settings
from rightmodel.simulator import Behaviour, SimulatedProvider

if TYPE_CHECKING:
    from pathlib import Path

    from rightmodel.core.call import Answer
    from rightmodel.execution.engine import Engine
    from rightmodel.ledger.records import Hold, HoldRequest

MANIFEST = """
version = 1
baseline = "p/dear"
[routing]
assess = "rules"
{extra}
[providers.p]
protocol = "openai-chat"
base_url = "{url}"
[[models]]
id = "p/cheap"
cost = {{ input = 1, output = 2, cache_read = 0.5 }}
limits = {{ context = 100000, output = 1000 }}
skills = {{ general = 8, classify = 8 }}
[[models]]
id = "p/dear"
cost = {{ input = 10, output = 20 }}
limits = {{ context = 100000, output = 1000 }}
skills = {{ general = 9 }}
"""
DOWN = failure(503, {"error": {"message": "down"}})
CHEAP_USD = (60 * Decimal(1) + 40 * Decimal("0.5") + 20 * Decimal(2)) / 1_000_000
Script = dict[str, list[tuple[int, str, bytes]]]
Work = Callable[["Engine"], Awaitable[Any]]


def settings(tmp_path: Path) -> Settings:
    return Settings(tmp_path / "m.toml", {"RIGHTMODEL_STATE_DIR": str(tmp_path / "state")})


def store(tmp_path: Path) -> SqliteStore:
    return SqliteStore(ledger_file(settings(tmp_path).environment))


async def worked(tmp_path: Path, url: str, extra: str, work: Work) -> Any:
    made = settings(tmp_path)
    assert made.manifest
    made.manifest.write_text(MANIFEST.format(url=url, extra=extra))
    engine = build(made, load_catalog(made.manifest, has_key=lambda _: True))
    try:
        return await work(engine)
    finally:
        await engine.close()


def run(tmp_path: Path, script: Script, work: Work, extra: str = "") -> Any:
    async def inner() -> Any:
        async with loopback(script) as server:
            return await worked(tmp_path, f"http://127.0.0.1:{server.port}/v1", extra, work)

    return asyncio.run(inner())


def completing(task: Task) -> Work:
    async def work(engine: Engine) -> Answer:
        return await engine.executor.complete(task, deadline_s=3.0, ref="r7")

    return work


def test_every_attempt_and_the_call_are_in_the_ledger(tmp_path: Path) -> None:
    script = {"cheap": [DOWN], "dear": [openai_answer("yes")]}
    answer = run(tmp_path, script, completing(Task("hi")))
    (call,) = store(tmp_path).calls("2000-01-01", "2999-01-01")
    first, second = store(tmp_path).attempts("2000-01-01", "2999-01-01")
    assert (call.ref, call.model, call.outcome) == ("r7", "p/dear", "answered")
    assert call.cost_usd == answer.receipt.cost_usd
    assert call.saved_usd == answer.receipt.saved_usd
    assert (first.model, first.fault, first.status) == ("p/cheap", "overloaded", 503)
    assert (second.input, second.cached, second.output) == (100, 40, 20)
    assert (second.cost_kind, first.call, second.call) == ("computed", call.id, call.id)
    assert [first.number, second.number] == [1, 2]


def test_a_call_without_an_answer_is_a_loss_against_the_baseline(tmp_path: Path) -> None:
    wrong = openai_answer("no json")
    task = Task("hi", schema={"type": "object"})
    with pytest.raises(ExhaustedError):
        run(tmp_path, {"cheap": [wrong], "dear": [wrong]}, completing(task))
    (call,) = store(tmp_path).calls("2000-01-01", "2999-01-01")
    assert (call.outcome, call.model) == ("all_attempts_failed", "")
    assert call.cost_usd
    assert call.saved_usd == -call.cost_usd
    assert store(tmp_path).outcomes() == []  # perhaps the schema is at fault


def test_a_failed_check_is_a_bad_outcome_where_another_model_passed(tmp_path: Path) -> None:
    script = {"cheap": [openai_answer("no json")], "dear": [openai_answer("{}")]}
    run(tmp_path, script, completing(Task("hi", schema={"type": "object"})))
    found = [(o.model, o.good, o.kind) for o in store(tmp_path).outcomes()]
    assert found == [("p/cheap", 0.0, "check"), ("p/dear", 1.0, "check")]


def test_a_model_without_room_in_the_budget_is_passed_over(tmp_path: Path) -> None:
    task = Task("hi", model="p/dear,p/cheap")
    extra = "[budget]\nper_day_usd = 0.01"  # 1,000 output tokens of p/dear may cost 0.02
    script = {"cheap": [openai_answer("yes")], "dear": [openai_answer("dear")]}
    answer = run(tmp_path, script, completing(task), extra)
    assert answer.receipt.model == "p/cheap"
    assert [a.model for a in answer.receipt.attempts] == ["p/cheap"]
    assert "over_budget=p/dear" in answer.receipt.flags
    assert store(tmp_path).holds() == []


def test_a_budget_that_fits_nothing_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    script = {"cheap": [openai_answer("yes")], "dear": [openai_answer("yes")]}
    with pytest.raises(BudgetError, match=r"per_day_usd \(\$0.001\).*it resets in") as caught:
        run(tmp_path, script, completing(Task("hi")), "[budget]\nper_day_usd = 0.001")
    assert caught.value.left_usd == Decimal("0.001")
    (call,) = store(tmp_path).calls("2000-01-01", "2999-01-01")
    assert call.outcome == "budget_exhausted"
    assert list(store(tmp_path).attempts("2000-01-01", "2999-01-01")) == []


def test_the_receipt_warns_before_the_wall(tmp_path: Path) -> None:
    async def work(engine: Engine) -> Answer:
        for _ in range(8):
            answer = await engine.executor.complete(Task("hi"), deadline_s=3.0)
        return answer

    extra = "[budget]\nper_day_usd = 0.0031\nwarn_at = 0.3"
    answer = run(tmp_path, {"cheap": [openai_answer("yes")]}, work, extra)
    assert answer.receipt.flags[0].startswith("budget per_day_usd: 31% of $0.0031 spent, resets in")
    rows = store(tmp_path).attempts("2000-01-01", "2999-01-01")
    assert sum(a.charged_usd or 0 for a in rows) == 8 * CHEAP_USD


def test_a_budget_per_call_is_a_ceiling_for_every_call(tmp_path: Path) -> None:
    script = {"cheap": [openai_answer("yes")], "dear": [openai_answer("yes")]}
    with pytest.raises(NoCandidateError, match=r"over the ceiling of \$0.000001"):
        run(tmp_path, script, completing(Task("hi")), "[budget]\nper_call_usd = 0.000001")


@pytest.mark.parametrize("key", ["give_up_s", "deadline_s"])
def test_a_reservation_lasts_longer_than_any_call(tmp_path: Path, key: str) -> None:
    asks: list[HoldRequest] = []

    async def work(engine: Engine) -> None:
        records: Any = engine.executor._recorder.records
        reserve = records.reserve

        async def recording(ask: HoldRequest) -> Any:
            asks.append(ask)
            return await reserve(ask)

        records.reserve = recording
        await engine.executor.complete(Task("hi"), deadline_s=5.0)

    async def inner() -> None:
        async with loopback({"cheap": [openai_answer("yes")]}) as up:
            extra = f"{key} = 3600\n[budget]\nper_day_usd = 1"
            await worked(tmp_path, f"http://127.0.0.1:{up.port}/v1", extra, work)

    asyncio.run(inner())
    assert [ask.lasts_s > 3600 for ask in asks] == [True]


class Spans:
    """Keeps the attributes of each span by its name."""

    def __init__(self) -> None:
        self.attributes: dict[str, dict[str, Any]] = {}

    @contextmanager
    def start_as_current_span(self, name: str, *_: Any, **__: Any) -> Iterator[Any]:
        kept = self.attributes.setdefault(name, {})

        class Kept(NonRecordingSpan):
            def set_attribute(self, key: str, value: Any) -> None:
                kept[key] = value

        yield Kept(INVALID_SPAN_CONTEXT)


async def test_a_cancelled_attempt_is_recorded_and_its_reservation_settled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spans = Spans()
    monkeypatch.setattr("rightmodel.execution.recorder.tracer", spans)

    asked = asyncio.Event()

    async def held(_: float) -> None:
        asked.set()
        await asyncio.Event().wait()

    slow = Behaviour(first_token_s=30.0, answers="never")
    async with SimulatedProvider(
        "openai-chat", models={"cheap": slow, "dear": slow}, sleep=held
    ) as upstream:

        async def work(engine: Engine) -> None:
            call = asyncio.ensure_future(completing(Task("hi"))(engine))
            await asyncio.wait_for(asked.wait(), 5)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call

        await worked(tmp_path, upstream.base_url, "[budget]\nper_day_usd = 1", work)
    (attempt,) = store(tmp_path).attempts("2000-01-01", "2999-01-01")
    (call,) = store(tmp_path).calls("2000-01-01", "2999-01-01")
    assert (attempt.fault, call.outcome) == ("cancelled", "cancelled")
    assert store(tmp_path).holds() == []
    assert [span["error.type"] for span in spans.attributes.values()] == ["cancelled"] * 2


@pytest.mark.parametrize("budget", ["", "[budget]\nper_day_usd = 1"])
async def test_a_running_attempt_is_on_record_so_that_a_killed_server_forgets_no_money(
    tmp_path: Path, budget: str
) -> None:
    held: list[Hold] = []

    asked = asyncio.Event()

    async def hanging(_: float) -> None:
        asked.set()
        await asyncio.Event().wait()

    slow = Behaviour(first_token_s=30.0, answers="never")
    async with SimulatedProvider(
        "openai-chat", models={"cheap": slow, "dear": slow}, sleep=hanging
    ) as upstream:

        async def work(engine: Engine) -> None:
            task = Task("hi", client="alice")
            call = asyncio.ensure_future(completing(task)(engine))
            await asyncio.wait_for(asked.wait(), 5)
            records: Any = engine.executor._recorder.records
            await records.flush()
            held.extend(store(tmp_path).holds())
            call.cancel()
            await asyncio.wait({call})

        await worked(tmp_path, upstream.base_url, budget, work)
    (hold,) = held
    assert (hold.number, hold.model, hold.provider, hold.client) == (1, "p/cheap", "p", "alice")
    assert (hold.kind, bool(hold.host)) == ("subtask", True)
    assert hold.usd > 0
    (attempt,) = store(tmp_path).attempts("2000-01-01", "2999-01-01")
    assert (attempt.call, attempt.number) == (hold.call, 1)  # where an estimate would be corrected
    assert store(tmp_path).holds() == []


def test_a_row_names_client_session_kind_host_and_user(tmp_path: Path) -> None:
    manifest = tmp_path / "m.toml"
    manifest.write_text(MANIFEST.format(url="http://127.0.0.1:9/v1", extra=""))
    catalog = load_catalog(manifest, has_key=lambda _: True)
    here = this_origin({"USER": "alice_w"})
    recorder = Recorder(catalog, Unrecorded(), lambda: 0.0, here)
    request = ChatRequest("auto", (Message.of("user", "hi"),))
    turn = Turn(request, WireFormat.OPENAI_CHAT, b"", {}, {}, kind="title", session="5e55")
    origins = [recorder.origin(Task("hi", client="alice", turn=turn)), recorder.origin(Task("hi"))]
    assert here.host
    assert this_origin({}).user_name  # a service has none of these variables
    assert origins == [
        Origin("alice", "5e55", "title", here.host, "alice_w"),
        Origin("mcp", "", "subtask", here.host, "alice_w"),
    ]


def test_a_judges_call_is_recorded_and_counts_against_the_budget(tmp_path: Path) -> None:
    verdict = openai_answer(json.dumps({"skill": "code", "difficulty": 3}))
    script = {"cheap": [verdict, openai_answer("yes")], "dear": [openai_answer("yes")]}
    extra = 'judge = "p/cheap"\n[budget]\nper_day_usd = 1\n[[rules]]\nassess = "judge"'
    answer = run(tmp_path, script, completing(Task("qwerty")), extra)
    assert answer.receipt.decision.judge == "p/cheap"
    rows = list(store(tmp_path).attempts("2000-01-01", "2999-01-01"))
    assert [(a.role, a.skill) for a in rows] == [("judge", "classify"), ("answer", "code")]
    assert rows[0].charged_usd == CHEAP_USD
    assert answer.receipt.cost_usd == sum(a.cost_usd or 0 for a in rows)


async def test_a_late_judge_costs_its_prompt_in_the_receipt_as_in_the_ledger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rightmodel.routing.signals.judge.DEADLINE_S", 0.2)

    async def held(_: float) -> None:
        await asyncio.Event().wait()

    late = Behaviour(first_token_s=30.0)
    prompt = Behaviour("yes")
    async with SimulatedProvider(
        "openai-chat", models={"cheap": late, "dear": prompt}, sleep=held
    ) as upstream:
        extra = 'judge = "p/cheap"\n[[rules]]\nassess = "judge"'
        task = Task("qwerty", model="p/dear")
        found: Answer = await worked(tmp_path, upstream.base_url, extra, completing(task))
        answer = found
    judged, answered = store(tmp_path).attempts("2000-01-01", "2999-01-01")
    assert (judged.role, judged.fault) == ("judge", "timeout")
    assert judged.cost_usd == answer.receipt.decision.judge_usd
    assert judged.cost_usd
    assert answered.cost_usd is not None
    assert answer.receipt.cost_usd == judged.cost_usd + answered.cost_usd


def test_no_prompt_and_no_answer_is_kept_unless_the_manifest_allows(tmp_path: Path) -> None:
    script = {"cheap": [openai_answer("blue-answer")]}
    for allowed in (False, True):
        extra = f"[privacy]\nstore_text = {str(allowed).lower()}"
        run(tmp_path, script, completing(Task("green-prompt")), extra)
        store(tmp_path).close()
        kept = b"".join(p.read_bytes() for p in (tmp_path / "state").iterdir())
        assert (b"green-prompt" in kept) is allowed
        assert (b"blue-answer" in kept) is allowed


def test_a_ledger_that_cannot_be_written_does_not_cost_the_answer(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where the directory should be")
    answer = run(tmp_path, {"cheap": [openai_answer("yes")]}, completing(Task("hi")))
    assert answer.text == "yes"
    assert "ledger=" in " ".join(answer.receipt.flags)


def test_a_failed_attempt_says_which_fault(tmp_path: Path) -> None:
    script = {"cheap": [DOWN], "dear": [DOWN]}
    with pytest.raises(ExhaustedError):
        run(tmp_path, script, completing(Task("hi")))
    faults = {a.fault for a in store(tmp_path).attempts("2000-01-01", "2999-01-01")}
    assert faults == {Fault.OVERLOADED.value}


@pytest.mark.parametrize(
    "spoil",
    [
        "UPDATE attempts SET charged_usd = 'garbage'",
        "UPDATE attempts SET charged_usd = 'NaN', time_s = 'soon'",
        "INSERT INTO outcomes VALUES (9, 1, 0.0, 'p/cheap', '{', 'hard', 1.0, 'reported', '', '')",
        "INSERT INTO cooldowns VALUES ('x', 9e9, 'a fault of tomorrow')",
    ],
)
def test_an_invalid_cell_does_not_end_serving(tmp_path: Path, spoil: str) -> None:
    script = {"cheap": [openai_answer("yes")]}
    extra = "[budget]\nper_day_usd = 1"
    run(tmp_path, script, completing(Task("hi")), extra)
    with closing(sqlite3.connect(ledger_file(settings(tmp_path).environment))) as db, db:
        db.execute(spoil)
    answer = run(tmp_path, script, completing(Task("hi")), extra)
    assert answer.text == "yes"
