"""What was spent is on record, whatever ends the process and whatever the upstream reports."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from hardening.bench import (
    GUARD_S,
    HEAD,
    Home,
    Provider,
    Session,
    chat,
    chunk,
    model,
    provider,
    sse,
    usage,
)

if TYPE_CHECKING:
    from pathlib import Path

COST = "{ input = 10, output = 20 }"
DAY = "[budget]\nper_day_usd = 0.05\n"


@pytest.mark.parametrize("begun", [False, True])
def test_a_killed_server_has_spent_what_it_had_reserved(tmp_path: Path, *, begun: bool) -> None:
    """Before the first byte of the answer, and in the middle of it."""
    never = threading.Event()
    begin = sse(chunk({"content": "half of"})) if begun else b""
    with Provider(lambda _: [begin, never]) as upstream:
        manifest = HEAD + DAY + provider("a", upstream.port) + model("a/m", COST)
        home = Home(tmp_path / "m", manifest)
        session = Session(home.popen("serve"))
        session.introduce()
        session.begin(prompt="at length", max_output_tokens=2000)
        assert upstream.arrived.wait(GUARD_S)
        session.kill()
        never.set()
        spent = float(usage(home)["total"]["spent_usd"])
        assert 0.03 < spent < 0.05
        upstream.arrived.clear()
        refused = home.run("ask", "at length again", "--max-output-tokens", "2000")
        assert refused.returncode == 1
        assert "per_day_usd" in refused.stderr
        assert len(upstream.requests) == 1


REPORTS: dict[str, dict[str, object]] = {
    "nothing-billed": {"cost": 0},
    "as-text": {"cost": "not a number"},
    "not-a-number": {"cost": float("nan")},
    "more-than-possible": {"cost": 1e9},
    "negative": {"cost": -5},
    "absurd-counts": {"prompt_tokens": 10**15, "completion_tokens": 10**15},
    "negative-counts": {"prompt_tokens": -3, "completion_tokens": -3},
    "counts-as-text": {"prompt_tokens": "10", "completion_tokens": "5"},
}


def test_no_report_of_an_upstream_makes_calls_free_or_locks_the_month(tmp_path: Path) -> None:
    with Provider(lambda r: chat("fine", **REPORTS[r.case])) as upstream:
        manifest = HEAD + "[budget]\nper_day_usd = 5\n" + provider("a", upstream.port)
        home = Home(tmp_path / "m", manifest + model("a/m", COST))
        with home.session() as session:
            for case in REPORTS:
                assert session.call(prompt=f"case:{case}", max_output_tokens=100).text == "fine"
        total = usage(home)["total"]
        assert 0 < float(total["spent_usd"]) < 0.1
        assert total["calls"] == total["answered"]
