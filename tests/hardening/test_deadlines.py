"""A deadline holds while an upstream stalls, and a client that leaves is noticed."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from hardening.bench import HEAD, Home, Provider, Session, chat, chunk, model, provider, sse

if TYPE_CHECKING:
    from pathlib import Path

    from hardening.bench import Pieces

DEADLINE_S = 10.0
NEVER = threading.Event()
BEGUN = sse(chunk({"content": "half "}))
KEEP_ALIVE: Pieces = [BEGUN, *[b": waiting\n\n"] * 5, NEVER]


@pytest.mark.parametrize("stall", [[NEVER], KEEP_ALIVE], ids=["silent", "comments"])
def test_the_next_model_answers_before_the_deadline(tmp_path: Path, stall: Pieces) -> None:
    head = HEAD.replace("deadline_s = 20", f"deadline_s = {DEADLINE_S}")
    with Provider(lambda _: stall) as slow, Provider(lambda _: chat("in time")) as good:
        manifest = head + provider("slow", slow.port) + provider("good", good.port)
        manifest += model("slow/m") + model("good/m", "{ input = 50, output = 100 }")
        with Home(tmp_path / "m", manifest).session() as session:
            assert session.call(prompt="hello").text == "in time"  # later, it would be pending


def test_a_client_that_leaves_under_load_takes_the_server_along(tmp_path: Path) -> None:
    with Provider(lambda _: [BEGUN, NEVER]) as slow:
        home = Home(tmp_path / "m", HEAD + provider("slow", slow.port) + model("slow/m"))
        session = Session(home.popen("serve"))
        try:
            session.introduce()
            for number in range(20):
                session.begin(prompt=f"at length {number}")
            assert slow.arrived.wait(10)
            assert session.process.stdin is not None
            session.process.stdin.close()
            began = time.monotonic()
            session.process.wait(10)
            assert time.monotonic() - began < 6  # 2 s, and a loaded machine
        finally:
            session.kill()


@pytest.mark.parametrize("text", ["", "version = 1\n[routing\n", "version = 1\ntypo = 2\n"])
def test_with_a_manifest_that_cannot_be_read_the_server_tells_why(
    tmp_path: Path, text: str
) -> None:
    home = Home(tmp_path / "m", "version = 1\n")
    path = home.root / "manifest.toml"
    path.write_text(text) if text else path.unlink()
    with home.session() as session:
        found = session.call(prompt="hello")
        assert found.failed
        assert "manifest.toml" in found.text
