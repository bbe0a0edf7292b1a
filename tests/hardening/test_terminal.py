"""Control sequences of a model, a server or a name never reach the terminal."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from hardening.bench import GUARD_S, HEAD, Home, Provider, chat, chunk, http, model, provider, sse

if TYPE_CHECKING:
    from pathlib import Path

EVIL = "\x1b[31mred\x1b]52;c;ZXZpbA==\x07\x1b[2J\x9b31mred\u202egnp\x08\x7f"
OWN = re.compile(r"\x1b\[[0-9;]*m")
"""Our own styles."""
RAW = ("\x1b", "\x07", "\x9b", "\u202e", "\x08", "\x7f")


REPLIES = {
    "answer": chat(f"a{EVIL}b"),
    "name": sse({**chunk({"content": "ab"}, "stop"), "model": f"m{EVIL}"}),
    "error": http({"error": {"message": f"no {EVIL}", "code": EVIL}}, 400),
}


@pytest.mark.parametrize(
    "command",
    [("ask", "--model", "a/answer", "hi"), ("ask", "--model", "a/error", "hi"),
     ("ask", "--json", "--model", "a/name", "hi"), ("check",)],
    ids=" ".join,
)  # fmt: skip
def test_what_is_printed_on_a_terminal_is_text(tmp_path: Path, command: tuple[str, ...]) -> None:
    with Provider(lambda request: REPLIES[str(request.body["model"])]) as upstream:
        models = "".join(model(f"a/{name}") for name in REPLIES)
        home = Home(tmp_path / "m", HEAD + provider("a", upstream.port) + models)
        shown = on_a_terminal(home, *command)
    assert "a/" in shown
    assert [raw for raw in RAW if raw in shown] == []


def on_a_terminal(home: Home, *command: str) -> str:
    """What a command writes on a terminal, without the colours of our own."""
    screen, terminal = os.openpty()
    try:
        process = subprocess.Popen(
            home.command(*command),
            cwd=home.work,
            env={**home.environment, "TERM": "xterm", "NO_COLOR": "1"},
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
        )
        os.close(terminal)
        shown = b""
        with contextlib.suppress(OSError):  # how Linux says that nobody writes any more
            while piece := os.read(screen, 65_536):
                shown += piece
        process.wait(GUARD_S)
    finally:
        os.close(screen)
    assert b"\x1b[31mred" not in shown
    return OWN.sub("", shown.decode())
