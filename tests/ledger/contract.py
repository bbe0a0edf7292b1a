"""What every store must do: subclass and give `opened` what opens the same ledger again and again.

class TestMyStore(StoreContract):
    @pytest.fixture
    def opened(self, tmp_path): ...
"""

from __future__ import annotations

import threading
from decimal import Decimal
from math import inf
from typing import TYPE_CHECKING, ClassVar

import pytest

from ledger.rows import DAY, NOON, attempt, call, outcome
from rightmodel.core.decision import Candidate, Rejection
from rightmodel.ledger.budget import Limit, Mark
from rightmodel.ledger.records import Choice, Cooldown, Hold, Origin, Session, Texts
from rightmodel.ledger.sums import Key

if TYPE_CHECKING:
    from collections.abc import Callable

    from rightmodel.ledger.store import Store

ORIGIN = Origin("alice", "5e55", "tool_result", "workstation", "alice_w")


class StoreContract:
    schema: ClassVar[str] = ""
    """What stands before a table's name in the store's own SQL."""

    @pytest.fixture
    def opened(self) -> Callable[[], Store]:
        raise NotImplementedError

    @pytest.fixture
    def store(self, opened: Callable[[], Store]) -> Store:
        return opened()

    def test_what_is_written_is_read_again_by_another(
        self, store: Store, opened: Callable[[], Store]
    ) -> None:
        whole = attempt(
            "0.000000001",
            served="m-2026",
            fault="schema_mismatch",
            status=200,
            input=1200,
            cached=1000,
            cache_writes=50,
            output=70,
            reasoning=30,
            cost_kind="billed",
            time_s=2.5,
            first_token_s=0.25,
            expected_output=60,
            **ORIGIN._asdict(),
        )
        bare = attempt(None)
        asked = call(
            cost_usd=Decimal("0.02"),
            baseline="p/big",
            baseline_usd=Decimal("0.01"),
            saved_usd=Decimal("-0.01"),
            judge="p/tiny",
            flags="explored\nserved=m-2026",
            **ORIGIN._asdict(),
        )
        texts = Texts(asked.id, "prompt", "answer", '[["user", "before"]]')
        with store.transaction():
            store.add(asked)
            store.add(whole)
            store.add(bare)
            store.add(texts)
        other = opened()
        assert list(other.calls(DAY, DAY)) == [asked]
        assert list(other.attempts(DAY, DAY)) == [whole, bare]
        assert other.find_call("k3f9") == asked
        assert other.find_call("none") is None
        assert other.find_texts(asked.id) == texts
        assert other.find_texts(1) is None

    def test_a_choice_is_read_as_it_was_made_but_for_digits(
        self, store: Store, opened: Callable[[], Store]
    ) -> None:
        candidates = (
            Candidate("p/m", 0.9125, Decimal("0.00042"), 2.5, 0.00311),
            Candidate("p/new model", 0.5, None, None, inf, 3),
        )
        rejections = (
            Rejection("p/a", "trust", "rule 'x' requires trust local; this is any"),
            Rejection("p/b", "trust", "rule 'x' requires trust local; this is any"),
            Rejection("p/c", "context", "too\tlong"),
        )
        with store.transaction():
            store.add(Choice(7, 0.02, candidates, rejections))
            store.add(Choice(8, 0.0, (), ()))
        other = opened()
        found = other.find_choice(7)
        assert found is not None
        assert (found.loss, tuple(found.candidates)) == (0.02, candidates)
        *same, last = found.rejections
        assert (tuple(same), last.reason) == (rejections[:2], "too long")
        assert other.find_choice(8) == Choice(8, 0.0, (), ())
        assert other.find_choice(9) is None

    def test_calls_are_read_backwards_and_each_with_its_rows(self, store: Store) -> None:
        calls = [call(at=NOON + offset) for offset in (0, 86_400, 60)]
        with store.transaction():
            for row in calls:
                store.add(row)
                store.add(attempt(call=row.id, number=1))
            store.add(attempt(call=calls[0].id, number=2))
            store.add(outcome(call=calls[0].id))
        latest = list(store.latest_calls(DAY, "2026-11-22"))
        assert [row.id for row in latest] == [calls[1].id, calls[2].id, calls[0].id]
        assert [row.number for row in store.attempts_of(calls[0].id)] == [1, 2]
        assert [row.kind for row in store.outcomes_of(calls[0].id)] == ["reported"]
        assert store.outcomes_of(calls[1].id) == []

    def test_half_a_surrogate_pair_costs_no_row(self, store: Store) -> None:
        with store.transaction():
            store.add(attempt(served="m\ud83d"))
        (row,) = store.attempts(DAY, DAY)
        assert row.served.startswith("m")

    def test_days_bound_what_is_read(self, store: Store) -> None:
        rows = [attempt(at=NOON + d * 86_400) for d in (-1, 0, 1)]
        with store.transaction():
            for row in rows:
                store.add(row)
        assert list(store.attempts("2026-11-20", "2026-11-21")) == rows[1:]
        assert store.recent_attempts(2) == rows[1:]

    def test_the_latest_call_of_a_ref_is_found(self, store: Store) -> None:
        first, second = call(at=NOON), call(at=NOON + 60, model="p/other")
        with store.transaction():
            store.add(first)
            store.add(second)
        assert store.find_call("k3f9") == second

    def test_writing_twice_is_writing_once(self, store: Store) -> None:
        row, asked = attempt("0.5"), call()
        for _ in range(2):
            with store.transaction():
                store.add(row)
                store.add(asked)
        assert list(store.attempts(DAY, DAY)) == [row]
        assert list(store.calls(DAY, DAY)) == [asked]
        assert store.charged(Key(DAY)) == Decimal("0.5")

    def test_a_failed_transaction_leaves_nothing(self, store: Store) -> None:
        with store.transaction():
            store.add(attempt("0.1"))

        def fail() -> None:
            with store.transaction():
                store.add(attempt("0.2"))
                assert store.charged(Key(DAY)) == Decimal("0.3")
                raise LookupError

        with pytest.raises(LookupError):
            fail()
        assert store.charged(Key(DAY)) == Decimal("0.1")
        with store.transaction():
            store.add(attempt("0.4"))
        assert store.charged(Key(DAY)) == Decimal("0.5")
        assert len(list(store.attempts(DAY, DAY))) == 2

    def test_a_transaction_joins_the_one_around_it(self, store: Store) -> None:
        def fail() -> None:
            with store.transaction():
                with store.transaction():
                    store.add(attempt())
                raise LookupError

        with pytest.raises(LookupError):
            fail()
        assert list(store.attempts(DAY, DAY)) == []

    def test_sums_are_exact_and_apart_by_period_model_and_skill(
        self, store: Store, opened: Callable[[], Store]
    ) -> None:
        other = opened()
        assert other.charged(Key(DAY)) == 0
        with store.transaction():
            store.add(attempt("0.1", model="a", skill="code"))
            store.add(attempt("0.2", model="a", skill="math"))
            store.add(attempt("1e-18", model="b", skill="code"))
            store.add(attempt(None, model="b", skill="code"))
            store.add(attempt("7", model="a", skill="code", at=NOON - 86_400))
            store.add(attempt("90", model="a", skill="code", at=NOON - 40 * 86_400))
        for reader in (store, other):
            assert reader.charged(Key(DAY)) == Decimal("0.300000000000000001")
            assert reader.charged(Key("2026-11")) == Decimal("7.300000000000000001")
            assert reader.charged(Key(DAY, model="a")) == Decimal("0.3")
            assert reader.charged(Key("2026-11", skill="code")) == Decimal("7.100000000000000001")
            assert reader.charged(Key("2026-10", model="a")) == Decimal(90)
            assert reader.charged(Key("2026-12", model="a")) == 0

    def test_sums_are_apart_by_client(self, store: Store) -> None:
        with store.transaction():
            store.add(attempt("0.1", client="alice"))
            store.add(attempt("0.2", client="bob"))
            store.add(attempt("0.4"))
        assert store.charged(Key(DAY, client="alice")) == Decimal("0.1")
        assert store.charged(Key("2026-11", client="bob")) == Decimal("0.2")
        assert store.charged(Key(DAY)) == Decimal("0.7")

    def test_an_alert_is_the_first_claimants_alone(
        self, store: Store, opened: Callable[[], Store]
    ) -> None:
        mark = Mark(Limit("per_day_usd", Decimal(5)), DAY, is_wall=False)

        def claims(store: Store, mark: Mark) -> bool:
            with store.transaction():
                return store.claim_alert(mark, at=NOON)

        assert claims(store, mark)
        assert not claims(opened(), mark)
        others = (
            mark._replace(is_wall=True),
            mark._replace(period="2026-11-22"),
            mark._replace(limit=Limit("per_day_usd", Decimal(6))),
        )
        assert all(claims(store, other) for other in others)

    def test_sums_follow_what_others_write(self, store: Store, opened: Callable[[], Store]) -> None:
        other = opened()
        for number in range(1, 6):
            with (store if number % 2 else other).transaction():
                (store if number % 2 else other).add(attempt("0.1"))
            assert store.charged(Key(DAY)) == other.charged(Key(DAY)) == Decimal("0.1") * number

    def test_holds_come_and_go(self, store: Store) -> None:
        hold = Hold(7, "here", 1, "2", NOON, DAY, "p/m", "code", Decimal("0.25"))
        with store.transaction():
            store.add(hold)
            store.add(hold._replace(id=8))
            store.add(hold)
        assert sorted(h.id for h in store.holds()) == [7, 8]
        with store.transaction():
            assert store.drop_hold(8)
            assert not store.drop_hold(9)
        assert store.holds() == [hold]

    def test_a_later_report_corrects_the_former(self, store: Store) -> None:
        first = outcome(good=1.0, call=5)
        check = outcome(good=0.0, call=5, kind="check")
        with store.transaction():
            store.add(first)
            store.add(check)
            store.add(check._replace(model="q/n", good=1.0))
        known = store.outcomes()[-1].id
        with store.transaction():
            store.add(first._replace(good=0.0))
        (newer,) = store.outcomes(known)
        assert newer.good == 0.0
        assert [o.kind for o in store.outcomes()] == ["check", "check", "reported"]

    def test_a_transaction_is_alone(self, opened: Callable[[], Store]) -> None:
        # Reads a sum and writes it one higher: without exclusion, increments would be lost.
        def work() -> None:
            store = opened()
            for _ in range(25):
                with store.transaction():
                    seen = store.charged(Key(DAY))
                    store.add(attempt("1", status=int(seen)))

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [row.status for row in opened().attempts(DAY, DAY)] == list(range(100))

    def test_text_that_no_database_takes_does_not_cost_the_row(self, store: Store) -> None:
        with store.transaction():
            store.add(attempt("0.1", served="nul \0 in it", fault="€ ''"))
        assert [row.fault for row in store.attempts(DAY, DAY)] == ["€ ''"]
        assert store.charged(Key(DAY)) == Decimal("0.1")

    def test_reservations_made_and_released_in_one_transaction(self, store: Store) -> None:
        hold = Hold(7, "here", 1, "2", NOON, DAY, "p/m", "code", Decimal("0.25"))
        with store.transaction():
            store.add(hold)
            assert store.holds() == [hold]
            assert store.drop_hold(7)
            assert store.holds() == []
            store.add(hold._replace(usd=Decimal("0.5")))
            store.add(hold._replace(id=8))
        assert sorted((h.id, h.usd) for h in store.holds()) == [
            (7, Decimal("0.5")),
            (8, Decimal("0.25")),
        ]
        with store.transaction():
            assert all(store.drop_hold(h.id) for h in store.holds())
            assert store.holds() == []
        assert store.holds() == []

    def test_two_reports_of_a_call_in_one_transaction_are_the_last_one(self, store: Store) -> None:
        report = outcome(good=1.0, call=5)
        with store.transaction():
            store.add(report)
            store.add(report._replace(good=0.25))
        assert [o.good for o in store.outcomes()] == [0.25]

    def test_the_longest_reported_cooldown_holds(
        self, store: Store, opened: Callable[[], Store]
    ) -> None:
        other = opened()
        first = Cooldown("abc", NOON + 600, "quota_exhausted")
        with store.transaction():
            store.add(first)
            store.add(Cooldown("def", NOON - 1, "auth_failed"))
        with other.transaction():
            other.add(Cooldown("abc", NOON + 5, "auth_failed"))
        assert other.cooldowns(NOON) == [first]
        assert other.cooldowns(NOON + 600) == []
        later = Cooldown("abc", NOON + 900, "auth_failed")
        with other.transaction():
            other.add(later)
        assert store.cooldowns(NOON) == [later]
        with store.transaction():
            store.drop_cooldown("abc")
            store.drop_cooldown("nobody's")
        assert other.cooldowns(NOON) == []

    def test_the_latest_state_of_a_session_is_found_by_every_server(
        self, store: Store, opened: Callable[[], Store]
    ) -> None:
        other = opened()
        with store.transaction():
            store.add(Session("abc", NOON, '{"turns": 1}'))
            store.add(Session("old", NOON - 9, "{}"))
        with other.transaction():
            other.add(Session("abc", NOON + 5, '{"turns": 2}'))
            other.add(Session("abc", NOON + 1, '{"turns": 9}'))
        assert store.find_session("abc") == Session("abc", NOON + 5, '{"turns": 2}')
        with other.transaction():
            other.drop_sessions(NOON)
        assert store.find_session("old") is None
        assert store.find_session("abc") is not None

    def test_turns_of_sessions_are_counted_by_client_and_kind(self, store: Store) -> None:
        with store.transaction():
            for kind in ("ask", "tool_result", "title"):
                store.add(call(client="alice", session="s1", kind=kind))
            store.add(call(client="bob", session="s2", kind="ask"))
            store.add(call())
        assert sorted(store.turns_by_kind(DAY)) == [
            ("alice", "ask", 1),
            ("alice", "title", 1),
            ("alice", "tool_result", 1),
            ("bob", "ask", 1),
        ]
        assert store.turns_by_kind("2999-01-01") == []

    def test_an_invalid_cell_costs_at_most_its_own_row(
        self, store: Store, opened: Callable[[], Store]
    ) -> None:
        hold = Hold(1, "here", 1, "2", NOON, DAY, "p/m", "code", Decimal("0.25"))
        with store.transaction():
            for number in (1, 2):
                store.add(attempt("0.30", number=number))
                store.add(outcome(model=f"p/{number}"))
                store.add(hold._replace(id=number))
        for statement in (
            "attempts SET charged_usd = 'NaN' WHERE number = 1",
            "outcomes SET skills = '{' WHERE model = 'p/1'",
            "holds SET usd = 'NaN' WHERE id = 1",
        ):
            vars(store)["_db"].execute(f"UPDATE {self.schema}{statement}")
        other = opened()
        amounts = [(a.number, a.cost_usd, a.charged_usd) for a in other.attempts(DAY, DAY)]
        assert amounts == [
            (1, Decimal("0.30"), None),
            (2, Decimal("0.30"), Decimal("0.30")),
        ]
        assert [o.model for o in other.outcomes()] == ["p/2"]
        with other.transaction():
            assert [h.id for h in other.holds()] == [2]
            assert other.charged(Key(DAY, "p/m")) == Decimal("0.30")

    def test_closing_twice_is_no_error(self, store: Store) -> None:
        store.close()
        store.close()
