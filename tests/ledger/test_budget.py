from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from ledger.rows import DAY, NOON, attempt
from rightmodel.core.errors import BudgetError
from rightmodel.ledger.budget import Limit, Limits, limit_states, warning
from rightmodel.ledger.call_rows import seconds_left, settled
from rightmodel.ledger.records import AttemptRecord, HoldRequest, Origin, Owner, Settled
from rightmodel.ledger.reservations import (
    alive,
    charge_interrupted,
    reserve,
    this_process,
    write,
)
from rightmodel.ledger.sqlite import SqliteStore
from rightmodel.ledger.sums import Key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rightmodel.ledger.records import Hold

OWNER = this_process()
PER_DAY = Limit("per_day_usd", Decimal("1.00"))
GONE = Owner(OWNER.machine, 2**22 + 1, "1")


@pytest.fixture
def store() -> Iterator[SqliteStore]:
    made = SqliteStore(None)
    yield made
    made.close()


def ask(
    worst: str | None = "0.40",
    model: str = "p/m",
    skill: str = "code",
    *,
    others: tuple[tuple[str, Decimal | None], ...] = (),
    **more: object,
) -> HoldRequest:
    request = HoldRequest(
        model, skill, None if worst is None else Decimal(worst), others=lambda: others
    )
    return request._replace(**more)  # type: ignore[arg-type]


def take(
    store: SqliteStore,
    limits: Limits,
    asked: HoldRequest,
    *,
    now: float = NOON,
    owner: Owner = OWNER,
) -> Hold:
    with store.transaction():
        hold, _ = reserve(store, limits, asked, now=now, owner=owner)
        return hold


def spend(store: SqliteStore, usd: str | None, hold: Hold | None = None, **more: Any) -> None:
    with store.transaction():
        store.add(settled(attempt(usd, **more), hold))
        assert hold is None or store.drop_hold(hold.id)


def refusal(
    store: SqliteStore,
    limits: Limits,
    asked: HoldRequest,
    *,
    now: float = NOON,
    owner: Owner = OWNER,
) -> BudgetError:
    with pytest.raises(BudgetError) as caught:
        take(store, limits, asked, now=now, owner=owner)
    return caught.value


def test_the_worst_case_fits_to_the_last_cent_and_not_beyond(store: SqliteStore) -> None:
    limits = Limits(limits=(PER_DAY,))
    take(store, limits, ask("0.40"))
    take(store, limits, ask("0.60"))
    error = refusal(store, limits, ask("0.000001"))
    assert error.limit == "per_day_usd"
    assert error.left_usd == 0
    assert error.held_usd == Decimal("1.00")
    assert error.retryable
    assert error.retry_after_s == 5.0


def test_settling_frees_what_was_not_used(store: SqliteStore) -> None:
    limits = Limits(limits=(PER_DAY,))
    hold = take(store, limits, ask("1.00"))
    spend(store, "0.05", hold)
    take(store, limits, ask("0.95"))


def test_an_unknown_cost_is_charged_with_all_that_was_reserved(store: SqliteStore) -> None:
    limits = Limits(limits=(PER_DAY,))
    spend(store, None, take(store, limits, ask("0.70")))
    assert refusal(store, limits, ask("0.40")).left_usd == Decimal("0.30")


def test_a_refusal_says_what_is_left_when_it_resets_and_what_would_fit(store: SqliteStore) -> None:
    limits = Limits(limits=(PER_DAY, Limit("models.b", Decimal("0.05"), model="b")))
    spend(store, "0.80")
    others = (("a", Decimal("0.30")), ("b", Decimal("0.10")), ("c", Decimal("0.10")), ("d", None))
    error = refusal(store, limits, ask("0.40", others=others, fits=lambda usd: int(usd * 1000)))
    assert error.cheaper == ("c",)
    assert error.resets_s == 12 * 3600
    assert error.retry_after_s == 12 * 3600
    assert str(error) == (
        "budget per_day_usd ($1.00): p/m may cost up to $0.40, $0.20 is left; it resets in 12 h "
        "(UTC); c would fit; p/m would fit with a max_output_tokens of at most 200"
    )
    too_long = refusal(store, limits, ask("0.40", fits=lambda _: 0))
    assert str(too_long).endswith("its prompt alone may cost more")


def test_a_model_that_costs_nothing_goes_on_when_all_is_spent(store: SqliteStore) -> None:
    limits = Limits(limits=(PER_DAY,))
    spend(store, "1.20")
    take(store, limits, ask("0", "ollama/m", "code"))
    assert refusal(store, limits, ask("0.10", others=(("ollama/m", Decimal(0)),))).cheaper == (
        "ollama/m",
    )


def test_a_model_that_is_said_to_cost_nothing_and_was_billed_stops_with_the_others(
    store: SqliteStore,
) -> None:
    limits = Limits(limits=(PER_DAY,))
    spend(store, "1.20", model="free/m")
    assert refusal(store, limits, ask("0", "free/m", "code")).limit == "per_day_usd"
    free = (("free/m", Decimal(0)), ("ollama/m", Decimal(0)))
    assert refusal(store, limits, ask("0.10", others=free)).cheaper == ("ollama/m",)


def test_a_free_model_that_was_billed_earlier_in_the_month_stops_for_the_month(
    store: SqliteStore,
) -> None:
    limits = Limits(limits=(Limit("per_month_usd", Decimal("1.00"), "month"),))
    spend(store, "1.20", model="free/m", at=NOON - 86_400)
    assert refusal(store, limits, ask("0", "free/m", "code")).limit == "per_month_usd"
    take(store, limits, ask("0", "ollama/m", "code"))
    per_day = Limits(limits=(PER_DAY,))
    take(store, per_day, ask("0", "free/m", "code"))
    spend(store, "1.00")
    assert refusal(store, per_day, ask("0", "free/m", "code")).limit == "per_day_usd"
    take(store, per_day, ask("0", "ollama/m", "code"))


def test_models_and_skills_have_budgets_of_their_own(store: SqliteStore) -> None:
    limits = Limits(
        limits=(
            Limit("models.big", Decimal("0.50"), model="big"),
            Limit("skills.math", Decimal("0.30"), period="month", skill="math"),
        )
    )
    spend(store, "0.20", model="big", skill="math")
    assert refusal(store, limits, ask("0.31", "big", "code")).limit == "models.big"
    assert refusal(store, limits, ask("0.11", "small", "math")).limit == "skills.math"
    take(store, limits, ask("0.30", "big", "code"))
    take(store, limits, ask("0.10", "small", "math"))
    take(store, limits, ask("90", "small", "code"))


def test_of_several_tight_limits_the_longest_is_reported(store: SqliteStore) -> None:
    limits = Limits(limits=(PER_DAY, Limit("per_month_usd", Decimal("1.00"), period="month")))
    spend(store, "1.00")
    error = refusal(store, limits, ask())
    assert error.limit == "per_month_usd"
    assert error.resets_s == 10.5 * 86_400


def test_a_model_without_a_price_is_refused_under_a_budget(store: SqliteStore) -> None:
    limits = Limits(limits=(PER_DAY,))
    error = refusal(store, limits, ask(None, others=(("c", Decimal("0.10")),)))
    assert "no known price" in str(error)
    assert error.cheaper == ("c",)
    take(store, Limits(limits=(Limit("models.b", Decimal(1), model="b"),)), ask(None))


def test_days_and_months_end_at_midnight_utc(store: SqliteStore) -> None:
    limits = Limits(limits=(PER_DAY, Limit("per_month_usd", Decimal("1.50"), period="month")))
    spend(store, "1.00")
    midnight = NOON + 12 * 3600
    refusal(store, limits, ask("0.40"), now=midnight - 0.001)
    take(store, limits, ask("0.40"), now=midnight)
    assert refusal(store, limits, ask("0.40"), now=midnight).limit == "per_month_usd"
    take(store, limits, ask("0.90"), now=NOON + 11 * 86_400)


def test_what_was_reserved_before_midnight_is_charged_to_that_day(store: SqliteStore) -> None:
    limits = Limits(limits=(PER_DAY,))
    midnight = NOON + 12 * 3600
    late = take(store, limits, ask("1.00"), now=midnight - 1)
    take(store, limits, ask("1.00"), now=midnight + 1)
    spend(store, "0.90", late, at=midnight + 2)
    (standing,) = limit_states([PER_DAY], store.charged, store.holds(), now=NOON)
    assert standing.spent_usd == Decimal("0.90")
    refusal(store, limits, ask("0.10"), now=midnight + 3)


def test_what_many_reserve_adds_up_by_what_limits_cover(store: SqliteStore) -> None:
    limits = (PER_DAY, replace(PER_DAY, model="p/a"), replace(PER_DAY, skill="math"))
    asked = [
        ask(f"0.0{n}", model, skill)
        for n, model, skill in [(1, "p/a", "code"), (2, "p/a", "math"), (4, "p/b", "math")]
    ]
    made = [take(store, Limits(), request) for request in asked * 3]
    spend(store, "0.01", made.pop(0))

    with store.transaction():
        found = limit_states(limits, store.charged, store.reserved(), now=NOON)
        assert found == limit_states(limits, store.charged, store.holds(), now=NOON)
        assert [str(state.held_usd) for state in found] == ["0.20", "0.08", "0.18"]
        assert all(store.drop_hold(hold.id) for hold in made)
        assert store.reserved() == []


def test_a_warning_comes_before_the_wall(store: SqliteStore) -> None:
    spend(store, "0.79")
    found = limit_states([PER_DAY], store.charged, (), now=NOON)
    assert found[0].share < 0.8
    assert "80%" in warning(found[0].after(Decimal("0.01")))
    spend(store, "0.01")
    found = limit_states([PER_DAY], store.charged, (), now=NOON)
    assert warning(found[0]) == "budget per_day_usd: 80% of $1.00 spent, resets in 12 h"


def test_a_budget_of_nothing_refuses_everything_that_costs(store: SqliteStore) -> None:
    limits = Limits(limits=(Limit("per_day_usd", Decimal(0)),))
    take(store, limits, ask("0"))
    refusal(store, limits, ask("0.000001"))


def charged(store: SqliteStore) -> list[AttemptRecord]:
    return [row for row in store.attempts(DAY, DAY) if row.cost_kind == "estimated"]


def test_the_reservation_of_a_dead_process_is_charged_and_marked(store: SqliteStore) -> None:
    limits = Limits(limits=(PER_DAY,))
    asked = ask("0.70", call=77, number=2, provider="p", name="m-1", origin=Origin("alice"))
    take(store, limits, asked, owner=GONE)
    error = refusal(store, limits, ask("0.40"))
    assert (error.left_usd, error.held_usd) == (Decimal("0.30"), Decimal(0))
    assert error.retry_after_s == 12 * 3600  # nothing is released within seconds
    with store.transaction():
        assert charge_interrupted(store, now=NOON) == 1
        assert charge_interrupted(store, now=NOON) == 0
    assert store.holds() == []
    (row,) = charged(store)
    assert (row.cost_usd, row.charged_usd) == (Decimal("0.70"), Decimal("0.70"))
    assert (row.call, row.number, row.provider, row.name, row.client, row.fault) == (
        77, 2, "p", "m-1", "alice", "interrupted",
    )  # fmt: skip
    take(store, limits, ask("0.30"))


def test_the_reservation_of_a_dead_judge_call_is_a_judges_attempt(store: SqliteStore) -> None:
    take(store, Limits(limits=(PER_DAY,)), ask("0.10", call=78), owner=GONE)
    with store.transaction():
        charge_interrupted(store, now=NOON)
    assert [(row.role, row.number) for row in charged(store)] == [("judge", 0)]


def test_an_attempt_that_was_charged_as_dead_and_ends_all_the_same_corrects_the_estimate(
    store: SqliteStore,
) -> None:
    hold = take(store, Limits(limits=(PER_DAY,)), ask("0.70", call=77, number=1), owner=GONE)
    with store.transaction():
        charge_interrupted(store, now=NOON)
    late = attempt("0.20", call=77, number=1)
    for _ in range(2):
        with store.transaction():
            write(store, [Settled(hold.id, hold.usd), settled(late, hold)])
        assert store.charged(Key(DAY)) == Decimal("0.20")
        kinds = [row.cost_kind for row in store.attempts(DAY, DAY)]
        assert kinds == ["estimated", "corrected"]


def test_a_reused_process_id_is_another_process(store: SqliteStore) -> None:
    take(store, Limits(limits=(PER_DAY,)), ask("1.00"), owner=OWNER._replace(started="12"))
    with store.transaction():
        assert charge_interrupted(store, now=NOON) == 1


def test_a_process_on_another_machine_counts_as_dead_once_its_reservation_expired(
    store: SqliteStore,
) -> None:
    limits = Limits(limits=(PER_DAY,))
    elsewhere = GONE._replace(machine="another kernel")
    assert alive(elsewhere) is None
    take(store, limits, ask("1.00", lasts_s=600.0), owner=elsewhere)
    for after, count in ((599, 0), (601, 1)):
        with store.transaction():
            assert charge_interrupted(store, now=NOON + after) == count
    assert [row.cost_usd for row in charged(store)] == [Decimal("1.00")]


@pytest.mark.parametrize("jump", [-40 * 86_400.0, -3600.0, 3600.0, 40 * 86_400.0, 1e12, -1e12])
def test_no_jump_of_the_clock_releases_what_a_living_process_holds(
    store: SqliteStore, jump: float
) -> None:
    limits = Limits(limits=(PER_DAY,))
    hold = take(store, limits, ask("1.00", lasts_s=1.0))
    with store.transaction():
        assert charge_interrupted(store, now=NOON + jump) == 0
    assert store.holds() == [hold]
    refusal(store, limits, ask("0.01"), now=NOON + 2)
    spend(store, "1.00", hold, at=NOON + jump)
    refusal(store, limits, ask("0.01"), now=NOON)
    assert seconds_left(NOON + jump, "month") >= 0
    assert seconds_left(NOON + jump, "day") >= 0


def test_this_process_lives() -> None:
    assert alive(OWNER) is True
    assert alive(GONE) is False
