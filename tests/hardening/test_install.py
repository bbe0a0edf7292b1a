"""`check` notices what would go wrong, before a call is paid for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hardening.bench import HEAD, Home, Provider, chat, model, provider

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    "ledger",
    ["", '[ledger]\nurl = "postgresql://nobody@127.0.0.1:1/none"\n'],
    ids=["a file in place of the folder", "no database"],
)
def test_a_ledger_that_cannot_be_reached_is_noticed_without_a_call(
    tmp_path: Path, ledger: str
) -> None:
    with Provider(lambda _: chat("fine")) as upstream:
        manifest = HEAD + ledger + provider("a", upstream.port) + model("a/m")
        home = Home(tmp_path / "m", manifest)
        if not ledger:
            (home.root / "state").write_text("no folder")
        done = home.run("check", "--no-call")
        assert done.returncode == 1
        assert "ledger" in done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        assert not upstream.requests


def test_calls_go_on_without_a_ledger_and_say_so(tmp_path: Path) -> None:
    with Provider(lambda _: chat("fine")) as upstream:
        home = Home(tmp_path / "m", HEAD + provider("a", upstream.port) + model("a/m"))
        (home.root / "state").write_text("no folder")
        with home.session() as session:
            session.call(prompt="hello")
            assert "ledger=" in session.call(prompt="hello").line
