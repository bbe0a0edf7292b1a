"""A local server with one seat: who does not get it in time is served elsewhere."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from hardening.bench import HEAD, Home, Provider, chat, model, provider, result

if TYPE_CHECKING:
    from pathlib import Path

    from hardening.bench import Pieces, Request


def test_calls_that_wait_too_long_for_a_place_go_elsewhere(tmp_path: Path) -> None:
    free = threading.Event()

    def one_at_a_time(_: Request) -> Pieces:
        return [*([] if free.is_set() else [free]), chat("from here")]

    with Provider(one_at_a_time) as near, Provider(lambda _: chat("far")) as far:
        head = HEAD.replace("deadline_s = 20", "deadline_s = 9")
        manifest = head + provider("near", near.port, "max_concurrency = 1")
        manifest += provider("far", far.port)
        manifest += model("near/m", "{ input = 0, output = 0 }")
        manifest += model("far/m", "{ input = 50, output = 100 }")
        with Home(tmp_path / "m", manifest).session() as session:
            calls = [session.begin(prompt=f"hello {number}") for number in range(6)]
            answers = [result(call) for call in calls[1:]]
            assert {answer.text for answer in answers} == {"far"}
            free.set()
            assert not result(calls[0]).failed
