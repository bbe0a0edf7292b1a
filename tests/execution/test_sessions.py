"""Sessions of agents: kept in memory, apart by client, bounded, and shared over a database."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from rightmodel.core.call import Attempt, Receipt, Usage
from rightmodel.core.decision import Assessment, Decision, Requirements, SessionView
from rightmodel.core.errors import LedgerError, LedgerFault
from rightmodel.core.task import ChatRequest, Message, Reasoning, Task, Turn, WireFormat
from rightmodel.execution import sessions as module
from rightmodel.execution.attempt import is_author
from rightmodel.execution.records import Unrecorded
from rightmodel.execution.sessions import Sessions, session_hash, view_of
from rightmodel.ledger.reservations import write
from rightmodel.ledger.sqlite import SqliteStore
from rightmodel.manifest.catalog import Cache, Provider
from rightmodel.routing.session import FURTHER_TURNS, MOST_FURTHER_TURNS, further_turns

if TYPE_CHECKING:
    from collections.abc import Callable

    from rightmodel.core.decision import SessionView as View
    from rightmodel.ledger.records import Row
    from rightmodel.ledger.store import Store

PROVIDER = Provider("p", WireFormat.OPENAI_CHAT, "http://127.0.0.1:9/v1", cache=Cache(life_s=600.0))
ASSESSED = Assessment((("code", 0.8), ("general", 0.2)), 6.0, "learned", 0.9, 0.6, 400, "why")


@dataclass
class Clock:
    now: float = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Shared(Unrecorded):
    """A ledger whose rows are written at once."""

    store: Store = field(default_factory=lambda: SqliteStore(None))
    error: LedgerError | None = None

    def note(self, *rows: Row) -> None:
        with self.store.transaction():
            write(self.store, rows)

    async def read(self, question: Callable[[Store], Any]) -> Any:
        if self.error:
            raise self.error
        return question(self.store)


def task_of(key: str, view: View | None = None) -> Task:
    request = ChatRequest("auto", (Message.of("user", "hello"),))
    turn = Turn(request, WireFormat.OPENAI_CHAT, b"{}", {}, session=key)
    return Task("hello", client="alice", turn=turn, session=view)


def receipt_of(model: str = "p/m", tokens: int = 5_000) -> Receipt:
    decision = Decision((), (), ASSESSED, Requirements(tokens, 400), "balanced", 0.0, "why")
    attempt = Attempt(model, "p", "m", usage=Usage(tokens, 200))
    return Receipt(model, decision, (attempt,), 1.0, None)


def viewed(sessions: Sessions, key: str, client: str = "alice") -> View:
    found = asyncio.run(sessions.view(client, key))
    assert found is not None
    return found


def make(clock: Clock | None = None, ledger: Shared | None = None) -> Sessions:
    return Sessions(
        {"p": PROVIDER}, ledger or Unrecorded(), clock or Clock(), is_shared=ledger is not None
    )


def test_a_session_is_known_after_its_first_turn() -> None:
    sessions = make()
    assert viewed(sessions, "k") == SessionView()
    sessions.record(task_of("k"), receipt_of())
    view = viewed(sessions, "k")
    assert (view.model, view.turns, view.last_tokens) == ("p/m", 1, 5_000)
    assert view.assessment == ASSESSED
    assert view.warm["p/m"].life_s == 600.0


def test_a_turn_without_a_key_belongs_to_no_session() -> None:
    sessions = make()
    sessions.record(task_of(""), receipt_of())
    assert asyncio.run(sessions.view("alice", "")) is None


def test_no_client_meets_the_session_of_another() -> None:
    sessions = make()
    sessions.record(task_of("k"), receipt_of())
    assert viewed(sessions, "k", "bob") == SessionView()
    assert session_hash("a", "b\0c") != session_hash("a\0b", "c")


def test_two_turns_of_one_session_at_once_are_both_counted() -> None:
    sessions = make()
    first, second = task_of("k", view=SessionView()), task_of("k", view=SessionView())
    sessions.record(first, receipt_of())
    sessions.record(second, receipt_of("p/n", 6_000))
    view = viewed(sessions, "k")
    assert (view.model, view.turns) == ("p/n", 2)
    assert set(view.warm) == {"p/m", "p/n"}


def test_a_session_that_was_idle_for_a_day_is_over() -> None:
    clock = Clock()
    sessions = make(clock)
    sessions.record(task_of("k"), receipt_of())
    clock.now += module.IDLE_S + 1
    assert viewed(sessions, "k") == SessionView()


def test_the_sessions_used_least_recently_are_forgotten_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MOST", 2)
    clock = Clock()
    sessions = make(clock)
    for key in ("a", "b", "a", "c"):
        clock.now += 1
        sessions.record(task_of(key), receipt_of())
    assert [viewed(sessions, key).turns for key in ("a", "b", "c")] == [2, 0, 1]


def test_another_server_goes_on_with_the_session() -> None:
    ledger, clock = Shared(), Clock()
    here, there = make(clock, ledger), make(clock, ledger)
    here.record(task_of("k"), receipt_of())
    view = viewed(there, "k")
    assert view == viewed(here, "k")
    clock.now += 10
    there.record(task_of("k", view=view), receipt_of("p/n", 6_000))
    assert viewed(here, "k").model == "p/n"
    assert viewed(here, "k").turns == 2
    assert viewed(there, "k", "bob") == SessionView()


def test_without_the_database_a_server_goes_on_with_its_own_memory() -> None:
    ledger = Shared()
    sessions = make(Clock(), ledger)
    sessions.record(task_of("k"), receipt_of())
    ledger.error = LedgerError(LedgerFault.UNREACHABLE, "gone", location="db")
    assert viewed(sessions, "k").turns == 1


def test_a_stored_session_of_another_version_is_skipped() -> None:
    assert view_of('{"assessment": null, "warm": {}, "new": 1}') is None
    assert view_of("nonsense") is None


async def test_stored_sessions_that_are_over_are_dropped() -> None:
    ledger, clock = Shared(), Clock()

    sessions = make(clock, ledger)
    sessions.record(task_of("k"), receipt_of())
    clock.now += module.IDLE_S + 1
    await sessions.view("alice", "other")
    await asyncio.sleep(0)
    assert ledger.store.find_session(session_hash("alice", "k")) is None


async def test_the_ledger_teaches_how_many_turns_follow() -> None:
    class Long(Shared):
        async def read(self, question: Callable[[Store], Any]) -> Any:
            return question(Lengths())  # type: ignore[arg-type]

    class Lengths:
        def turns_by_kind(self, since: str) -> list[tuple[str, str, int]]:
            assert since == "1970-01-01"
            return [("alice", "ask", 20), ("alice", "tool_result", 100), ("alice", "title", 9)]

        def find_session(self, key: str) -> None: ...

    sessions = make(Clock(), Long())
    await sessions.view("alice", "k")
    await asyncio.sleep(0)
    found = [await sessions.view(client, "k") for client in ("alice", "bob")]
    assert [view.further_turns for view in found if view] == [4.0, FURTHER_TURNS]


def test_the_usual_number_of_turns_is_left_step_by_step() -> None:
    assert further_turns({}) == FURTHER_TURNS
    assert further_turns({"ask": 1}) == pytest.approx(60 / 21)
    assert further_turns({"ask": 1_000, "tool_result": 5_000}) == pytest.approx(5, abs=0.05)
    assert further_turns({"ask": 500, "subagent": 500, "tool_result": 5_000}) < 5.0
    assert further_turns({"ask": 10, "tool_result": 9_000}) == MOST_FURTHER_TURNS


def test_what_a_provider_s_cache_gives_back_is_learned_over_all_sessions() -> None:
    sessions = make()
    for key in ("a", "b", "c"):
        for _ in range(10):  # no turn reads anything from the cache
            sessions.record(task_of(key), receipt_of())
    assert viewed(sessions, "new").shares["p"] < 0.3


def with_reasoning(view: View | None) -> Task:
    said = (Message.of("user", "hello"), Message("assistant", (Reasoning("hm", "signed"),)))
    turn = Turn(ChatRequest("auto", said), WireFormat.OPENAI_CHAT, b"{}", {}, session="k")
    return Task("hello", turn=turn, session=view)


@pytest.mark.parametrize(
    ("answered", "pinned", "expected"),
    [
        (("p/m",), (), True),
        (("p/n",), (), False),
        (("p/m", "p/n"), (), False),
        ((), (), False),
        ((), ("p/m",), True),
        (("p/n",), ("p/m",), False),
    ],
)
def test_reasoning_goes_back_to_the_model_that_wrote_it_alone(
    answered: tuple[str, ...], pinned: tuple[str, ...], expected: bool
) -> None:
    sessions = make()
    for model in answered:
        sessions.record(task_of("k"), receipt_of(model))
    needed = Requirements(5_000, 400, pinned=pinned)
    decision = Decision((), (), ASSESSED, needed, "balanced", 0.0, "why")
    assert is_author(with_reasoning(viewed(sessions, "k")), decision, "p/m") is expected
    assert is_author(task_of("k", view=viewed(sessions, "k")), decision, "p/m")
    assert is_author(Task("hello"), decision, "p/m")
