"""Easy work stays on the own machine, and costs nothing there."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from hardening.bench import HEAD, Home, Provider, chat, model, provider

EASY = ("Say hello", "What is 2 + 2?", "Translate 'dog' into French", "Fix the typo: teh cat")
HARD = "Prove that there are infinitely many primes congruent to 3 modulo 4"


@pytest.mark.parametrize("budget", ["", "[budget]\nper_day_usd = 0.000001\n"])
def test_an_own_model_without_a_price_is_free_on_this_machine(tmp_path: Path, budget: str) -> None:
    with Provider(lambda _: chat("from here")) as near:
        manifest = HEAD + budget + provider("near", near.port) + model("near/m", "")
        home = Home(tmp_path / "m", manifest)
        done = home.run("ask", "--json", "--max-cost-usd", "0.000001", "hello")
        assert float(json.loads(done.stdout)["receipt"]["cost_usd"]) == 0


def test_easy_work_is_local_and_hard_work_is_not(tmp_path: Path) -> None:
    """As the recipe of the manual says, pasted as it is but for the addresses."""
    with Provider(lambda _: chat("from here")) as near, Provider(lambda _: chat("far")) as far:
        manifest = 'version = 1\n[routing]\nassess = "learned"\ntier = "cheap"\n'
        manifest += provider("near", near.port, 'trust = "local"') + provider("far", far.port)
        manifest += model("near/m", "", 5) + model("far/m", "{ input = 5, output = 25 }", 9)
        with Home(tmp_path / "m", manifest).session() as session:
            for prompt in EASY:
                assert session.call(prompt=prompt, difficulty="easy").text == "from here", prompt
            assert session.call(prompt=HARD, difficulty="expert", tier="best").text == "far"


def test_the_manual_has_such_a_recipe() -> None:
    manual = (Path(__file__).parents[2] / "docs" / "manifest.md").read_text()
    assert re.search(r"(?i)local", manual)
