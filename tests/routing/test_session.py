"""Staying with a model or switching within an agent's session, and what caches do to the money."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightmodel.core.call import Usage
from rightmodel.core.decision import Assessment, Requirements, SessionView, WarmPrefix
from rightmodel.core.task import ChatRequest, Message, Task, Turn, WireFormat
from rightmodel.manifest.catalog import Catalog, Model, by_id
from rightmodel.manifest.price import Price
from rightmodel.routing.decide import decide
from rightmodel.routing.router import Router
from rightmodel.routing.scoring import Question
from rightmodel.routing.session import (
    RETURNS,
    Horizon,
    horizon,
)
from routing.sessions import (
    CATALOG,
    NOW,
    SMALL,
    STRONG,
    in_session,
    model,
    prefix,
    stated,
)

if TYPE_CHECKING:
    from rightmodel.core.decision import Decision
    from rightmodel.core.task import TurnKind


def asked(view: SessionView, difficulty: float, prompt: int, **values: Any) -> Question:
    at, models = values.pop("at", NOW + 5), CATALOG.models
    ahead = horizon(view, "ask", prompt, at, models)
    needed = Requirements(prompt, 400)
    return Question(stated(difficulty), needed, "balanced", horizon=ahead, **values)


def decided(view: SessionView, difficulty: float, prompt: int, **values: Any) -> Decision:
    return decide(CATALOG, asked(view, difficulty, prompt, **values))


# -- the formula ----------------------------------------------------------------------------------


def added_up(turn: Horizon, model: Model, share: float) -> float:
    """The prompts of every turn of the horizon, priced one by one."""
    read = float(model.price.cache_read or 0)
    write = float(model.price.cache_write or 0)
    warm, total = turn.cached(model), 0.0
    for number in range(int(turn.further) + 1):
        size = turn.prompt + number * turn.growth
        total += warm * read + (size - warm) * write
        warm = share * size
    return total / (1 + turn.further)


@given(
    prompt=st.integers(1_100, 400_000),
    further=st.integers(0, 40),
    growth=st.floats(0, 20_000),
    warm=st.floats(0, 1),
    share=st.floats(0.1, 1),
)
def test_the_mean_cost_is_that_of_all_turns_added_up(
    prompt: int, further: int, growth: float, warm: float, share: float
) -> None:
    held = WarmPrefix(int(prompt * warm), share, NOW, 300.0, "strong")
    view = SessionView(turns=5, growth=growth, at=NOW, warm={"strong": held})
    turn = Horizon(view, prompt, further, NOW + 1)
    expected = added_up(turn, STRONG, share)
    assert turn.mean_prompt_usd(STRONG, STRONG.price)[0] == pytest.approx(expected)


def test_without_further_turns_and_caches_a_turn_costs_what_a_single_task_costs() -> None:
    plain = model("plain", 7.0, Price(Decimal("0.000001"), Decimal("0.000005")))
    catalog = Catalog(models=by_id([plain]), providers={})
    needed = Requirements(5_000, 400)
    single = decide(catalog, Question(stated(5.0), needed, "balanced"))
    turn = horizon(SessionView(further_turns=0.0), "ask", 5_000, NOW)
    in_turn = decide(catalog, Question(stated(5.0), needed, "balanced", horizon=turn))
    assert in_turn.candidates[0].cost_usd == single.candidates[0].cost_usd
    assert in_turn.candidates[0].total_usd == pytest.approx(single.candidates[0].total_usd)


# -- staying or switching, with both figures ------------------------------------------------------

WARM_STRONG = in_session("strong", 100_000)
WARM_SMALL = in_session("small", 100_000)
BOTH_WARM = in_session("strong", 100_000, warm={n: prefix(99_000, n) for n in ("strong", "small")})


@pytest.mark.parametrize(
    ("view", "difficulty", "prompt", "values", "chosen", "figures"),
    [
        # Warm on the strong model: the small one would have to read 100,000 tokens anew.
        (WARM_STRONG, 5.0, 101_000, {}, "strong", "stays with strong"),
        # The same before a cache: the small model is worth it for easy work.
        (SessionView(), 2.0, 20_000, {}, "small", "begins with small"),
        # Warm on the small one, an easy turn: it stays.
        (WARM_SMALL, 3.0, 101_000, {}, "small", "stays with small"),
        # A harder ask makes the switch worth its price.
        (WARM_SMALL, 8.0, 101_000, {}, "strong", "switches from small to strong"),
        # Both warm: back to the small one costs next to nothing.
        (BOTH_WARM, 2.0, 101_000, {}, "small", "switches from strong to small"),
        # Long after the cache's life the session is as free as at its beginning.
        (WARM_STRONG, 2.0, 101_000, {"at": NOW + 301}, "small", "switches from strong to small"),
        # The same where the conversation was compacted.
        (WARM_STRONG, 2.0, 20_000, {}, "small", "switches from strong to small"),
        # A dead provider.
        (
            WARM_SMALL,
            3.0,
            101_000,
            {"unavailable": {"small": "is cooling down"}},
            "strong",
            "switches from small (is cooling down) to strong",
        ),
    ],
)
def test_a_session_stays_where_it_is_warm_unless_the_switch_is_worth_its_price(
    view: SessionView,
    difficulty: float,
    prompt: int,
    values: dict[str, Any],
    chosen: str,
    figures: str,
) -> None:
    decision = decided(view, difficulty, prompt, **values)
    assert decision.candidates[0].model == chosen
    assert figures in decision.reason


@pytest.mark.parametrize(
    ("view", "difficulty", "reason"),
    [
        (
            WARM_STRONG,
            5.0,
            (
                "stays with strong: $0.1142 a turn over 4 turns ($0.067 + 1.8% risk × $2.6225) "
                "against $0.3907 for switching to small"
            ),
        ),
        (
            WARM_SMALL,
            8.0,
            (
                "switches from small to strong: $0.9232 a turn over 4 turns ($0.2179 + 27% risk × "
                "$2.6225) against $1.9306 for staying"
            ),
        ),
    ],
)
def test_the_reason_names_the_figures_of_staying_and_of_switching(
    view: SessionView, difficulty: float, reason: str
) -> None:
    assert decided(view, difficulty, 101_000).reason == reason


def test_more_turns_ahead_make_a_switch_to_a_cheaper_model_worth_its_price() -> None:
    few, many = replace(WARM_STRONG, further_turns=1.0), replace(WARM_STRONG, further_turns=30.0)
    assert decided(few, 2.0, 101_000).candidates[0].model == "strong"
    assert decided(many, 2.0, 101_000).candidates[0].model == "small"


def test_leaving_a_warm_cache_costs_what_coming_back_to_it_may_cost() -> None:
    stayed = horizon(WARM_STRONG, "ask", 101_000, NOW + 5, CATALOG.models)
    late = horizon(WARM_STRONG, "ask", 101_000, NOW + 301, CATALOG.models)
    unknown = horizon(WARM_STRONG, "ask", 101_000, NOW + 5)
    costs = [one.mean_prompt_usd(SMALL, SMALL.price)[0] for one in (stayed, late, unknown)]
    assert costs[0] - costs[1] == pytest.approx(RETURNS * 100_000 * (6.25 - 0.5) / 1e6 / 4)
    assert costs[1] == costs[2]


def test_a_window_that_the_prompt_outgrew_is_named_in_the_reason() -> None:
    narrow = model("narrow", 7.0, SMALL.price, context=100_000)
    catalog = Catalog(models=by_id([STRONG, narrow]), providers={}, baseline="strong")
    view = in_session("narrow", 99_000)
    reason = decide(catalog, asked(view, 3.0, 101_000)).reason
    assert reason.startswith("switches from narrow (about 116149 prompt and 400 answer tokens")


def test_the_expected_cost_of_the_call_is_that_of_this_turn_alone() -> None:
    stay, switch = decided(WARM_STRONG, 5.0, 101_000).candidates
    assert stay.cost_usd == Decimal("0.05") + Decimal("0.00625") + Decimal("0.01")
    assert switch.cost_usd == Decimal("0.12625") + Decimal("0.002")


def test_a_wrong_turn_costs_a_multiple_of_what_the_baseline_takes_to_do_it_again_warm() -> None:
    on_strong, on_small = decided(WARM_STRONG, 5.0, 101_000), decided(WARM_SMALL, 5.0, 101_000)
    assert on_strong.loss_usd == pytest.approx(on_small.loss_usd)
    assert on_strong.loss_usd == pytest.approx(4 * 10 * (0.22225 / 4 + 0.01))


def test_a_single_task_is_decided_as_if_there_were_no_sessions() -> None:
    for candidate in decide(
        CATALOG, Question(stated(5.0), Requirements(1000, 500), "cheap")
    ).candidates:
        cost = CATALOG.models[candidate.model].price.cost(Usage(1000, 500))
        assert cost is not None
        assert candidate.cost_usd == cost
        loss = 2.0 * float(1000 * 0.000005 + 500 * 0.000025)
        assert candidate.total_usd == pytest.approx(float(cost) + (1 - candidate.p_success) * loss)


# -- what a router makes of it --------------------------------------------------------------------


def turn_task(kind: TurnKind, view: SessionView | None, stall: str = "", **said: Any) -> Task:
    request = ChatRequest("auto", (Message.of("user", "word " * 20_000),))
    turn = Turn(request, WireFormat.OPENAI_CHAT, b"{}", {}, kind=kind, stall=stall, session="k")
    return Task("Say hello.", turn=turn, session=view, **said)


def routed(task: Task) -> Decision:
    def assess(*_: object) -> Assessment:
        return Assessment((("general", 1.0),), 2.0, "learned", 0.9, 0.6)

    catalog = replace(CATALOG, slopes={})
    return asyncio.run(
        Router(catalog, lambda _: "", clock=lambda: NOW + 5, assess=assess).route(task)
    )


def test_a_turn_that_returns_results_of_tools_keeps_the_assessment_of_the_ask() -> None:
    kept = Assessment((("code", 1.0),), 8.0, "learned", 0.9, 0.6)
    view = in_session("small", 20_000, assessment=kept)
    assert routed(turn_task("tool_result", view)).assessment == kept
    assert routed(turn_task("ask", view)).assessment.difficulty == 2.0
    assert routed(turn_task("tool_result", None)).assessment.difficulty == 2.0


def test_a_stall_counts_as_one_step_harder_and_the_reason_says_why() -> None:
    view = in_session("small", 20_000)
    calm, stalled = (
        routed(turn_task("ask", view)),
        routed(turn_task("ask", view, "bash failed 3 times")),
    )
    assert stalled.level == pytest.approx(calm.level + 2.0)
    assert stalled.reason.endswith("; one step harder: bash failed 3 times")
    assert stalled.assessment.difficulty == calm.assessment.difficulty
    assert "harder" not in calm.reason


def test_a_difficulty_that_the_user_states_is_not_raised_by_a_stall() -> None:
    view = in_session("small", 20_000)
    decision = routed(turn_task("ask", view, "bash failed 3 times", difficulty="easy"))
    assert decision.level == 2.0
    assert "harder" not in decision.reason


def test_a_turn_outside_of_any_session_is_decided_like_a_task() -> None:
    loose = routed(turn_task("ask", None))
    assert loose.reason.startswith("least expected total cost")
    usage = Usage(loose.requirements.input_tokens, loose.requirements.output_tokens)
    for candidate in loose.candidates:
        assert candidate.cost_usd == CATALOG.models[candidate.model].price.cost(usage)


def test_a_housekeeping_turn_is_decided_for_itself_alone() -> None:
    decision = routed(turn_task("title", in_session("strong", 90_000)))
    assert decision.candidates[0].model == "small"
    assert decision.tier == "cheap"
    assert "for this turn" in decision.reason


def test_a_heartbeat_with_the_whole_conversation_stays_where_that_is_cached() -> None:
    decision = routed(turn_task("heartbeat", in_session("strong", 20_000)))
    assert decision.candidates[0].model == "strong"


def test_the_user_s_word_wins_over_what_a_kind_of_turn_is_worth() -> None:
    assert routed(turn_task("title", in_session("strong", 90_000), tier="best")).tier == "best"
