"""What a session remembers, and what the usage of its turns teaches about caches."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from rightmodel.core.call import Usage
from rightmodel.core.decision import SessionView
from rightmodel.routing.session import (
    HOUSEKEEPING,
    UNPROMISED,
    Served,
    advanced,
    horizon,
    with_warm_cache,
)
from routing.sessions import (
    AUTOMATIC,
    MARKED,
    NOW,
    STRONG,
    in_session,
    stated,
)

if TYPE_CHECKING:
    from rightmodel.core.task import TurnKind
    from rightmodel.manifest.catalog import Cache


def served(usage: Usage | None, prompt: int, **values: Any) -> Served:
    known = {"model": "m", "provider": "p", "cache": MARKED, "kind": "ask", "at": NOW}
    assessed = {"assessment": stated(5.0)}
    return Served(usage=usage, prompt=prompt, **{**known, **assessed, **values})


def after(*turns: Served) -> SessionView:
    view = SessionView()
    for turn in turns:
        view = advanced(view, turn)
    return view


def test_a_session_remembers_its_model_its_growth_and_the_length_of_answers() -> None:
    view = after(
        served(Usage(10_000, 300), 10_000),
        served(Usage(12_000, 500, reasoning=100), 12_000, model="n", at=NOW + 9),
        served(Usage(13_000, 200), 13_000, at=NOW + 20),
    )
    assert (view.model, view.turns, view.at, view.last_tokens) == ("m", 3, NOW + 20, 13_000)
    assert view.growth == pytest.approx(1_500)
    assert view.output_tokens == pytest.approx(300)
    assert set(view.warm) == {"m", "n"}


@pytest.mark.parametrize(
    ("cache", "usage", "expected"),
    [
        (MARKED, Usage(10_000, 9, cache_read=8_000, cache_write=1_500), (9_500, 1.0)),
        # Nothing was marked: nothing is cached, and nothing will be.
        (MARKED, Usage(10_000, 9), (0, 0.0)),
        (AUTOMATIC, Usage(10_000, 9), (10_000, UNPROMISED)),
        # The provider reports what it wrote.
        (AUTOMATIC, Usage(10_000, 9, cache_write=9_000), (9_000, UNPROMISED)),
        (AUTOMATIC, None, (10_000, UNPROMISED)),
        # Too short to be cached.
        (AUTOMATIC, Usage(900, 9), (0, UNPROMISED)),
    ],
)
def test_what_is_warm_follows_from_the_usage(
    cache: Cache, usage: Usage | None, expected: tuple[int, float]
) -> None:
    prompt = usage.input if usage else 10_000
    held = after(served(usage, prompt, cache=cache)).warm["m"]
    assert (held.tokens, held.share) == expected


def test_a_cache_that_gives_nothing_back_is_trusted_less_and_less() -> None:
    miss = served(Usage(10_000, 9), 10_000, cache=AUTOMATIC)
    shares = [after(*[miss] * n).warm["m"].share for n in (1, 2, 3)]
    assert shares == pytest.approx([0.9, 0.9 * 8 / 9, 0.9 * 8 / 10])
    hit = served(Usage(10_000, 9, cache_read=10_000), 10_000, cache=AUTOMATIC)
    assert after(miss, miss, hit).warm["m"].share == pytest.approx((0.9 * 8 + 1) / 10)


def test_what_other_sessions_showed_of_a_cache_is_expected_of_it_here() -> None:
    first = served(Usage(10_000, 9), 10_000, cache=AUTOMATIC)
    assert advanced(SessionView(shares={"p": 0.3}), first).warm["m"].share == 0.3
    assert advanced(SessionView(shares={"q": 0.3}), first).warm["m"].share == UNPROMISED


def test_a_marked_cache_that_gives_back_less_is_believed_at_once() -> None:
    first = served(Usage(10_000, 9, cache_write=10_000), 10_000)
    short = served(Usage(10_000, 9, cache_read=4_000, cache_write=6_000), 10_000)
    assert after(first, short).warm["m"].share == pytest.approx(0.4)


def test_a_miss_after_the_cache_s_life_teaches_nothing() -> None:
    first = served(Usage(10_000, 9), 10_000, cache=AUTOMATIC)
    late = served(Usage(10_000, 9), 10_000, cache=AUTOMATIC, at=NOW + 601)
    assert after(first, late).warm["m"].share == UNPROMISED


def test_a_prefix_with_the_long_life_keeps_it_while_it_is_read() -> None:
    wrote = served(Usage(10_000, 9, cache_write=10_000, cache_write_1h=10_000), 10_000)
    read = served(Usage(10_000, 9, cache_read=10_000), 10_000)
    short = served(Usage(10_000, 9, cache_read=9_000, cache_write=1_000), 10_000)
    assert after(wrote).warm["m"].life_s == 3600
    assert after(wrote, read).warm["m"].life_s == 3600
    assert after(wrote, read, short).warm["m"].life_s == 300


def test_a_compacted_conversation_leaves_every_cache_cold() -> None:
    full = Usage(50_000, 9, cache_write=50_000)
    small = Usage(8_000, 9, cache_write=8_000)
    view = after(served(full, 50_000), served(full, 51_000, model="n"), served(small, 8_000))
    assert view.warm["n"].tokens == 0
    assert view.warm["m"].tokens == 8_000
    assert view.growth == pytest.approx(1_000)


@pytest.mark.parametrize("kind", sorted(HOUSEKEEPING))
def test_housekeeping_neither_pins_nor_evicts(kind: TurnKind) -> None:
    view = after(served(Usage(10_000, 300, cache_write=10_000), 10_000))
    elsewhere = served(Usage(500, 20), 500, model="cheap", kind=kind, at=NOW + 60)
    assert advanced(view, elsewhere) == view
    beat = served(Usage(10_100, 5, cache_read=10_000), 10_100, kind=kind, at=NOW + 200)
    renewed = advanced(view, beat)
    assert renewed == replace(view, warm={"m": view.warm["m"]._replace(at=NOW + 200)})


def test_the_baseline_of_a_turn_is_billed_as_if_it_had_served_the_session() -> None:
    view = in_session("small", 90_000)
    turn = horizon(view, "ask", 100_000, NOW + 20)
    usage = with_warm_cache(Usage(110_000, 500), STRONG, turn)
    assert usage == Usage(110_000, 500, cache_read=99_000, cache_write=11_000)
    late = horizon(view, "ask", 100_000, NOW + 301)
    assert with_warm_cache(Usage(110_000, 500), STRONG, late).cache_read == 0
    first = horizon(SessionView(), "ask", 100_000, NOW)
    assert with_warm_cache(Usage(100_000, 500), STRONG, first).cache_write == 100_000
