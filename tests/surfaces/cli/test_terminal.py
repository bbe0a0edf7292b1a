from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table

from rightmodel.core.format import visible
from rightmodel.surfaces.cli import console as rich_console
from rightmodel.surfaces.cli.terminal import echo, styled
from rightmodel.surfaces.log import log_formatter

if TYPE_CHECKING:
    from pathlib import Path

HOSTILE = (
    "\x1b]0;owned\x07 \x1b[2J\x1b[31mred \x1b]52;c;cm0gLXJm\x07 \x9b31m \x90q\x9c \u202egnp \r over"
)
DRIVING = "\x1b\x07\x08\x9b\x90\x9c\u202e\r\x7f"


def harmless(text: str) -> bool:
    return not any(mark in text for mark in DRIVING)


def test_control_characters_are_shown_and_plain_text_is_untouched() -> None:
    assert harmless(visible(HOSTILE))
    assert visible("\x1b[2J") == r"\u001b[2J"
    plain = "Grüße\n\t你好 👩‍👩‍👧 \u200eעברית\u200f"
    assert visible(plain) == plain
    assert visible("one\r\ntwo") == "one\ntwo"


@given(st.text())
def test_json_keeps_its_meaning_and_any_text_can_be_encoded(text: str) -> None:
    shown = visible(json.dumps({"answer": text}, ensure_ascii=False))
    shown.encode()
    assert harmless(shown)
    assert json.loads(shown) == {"answer": text}


def test_a_line_keeps_its_own_colours_and_escapes_foreign_ones(
    capsys: pytest.CaptureFixture[str],
) -> None:
    echo(styled(HOSTILE, fg="green"), " ", HOSTILE)
    echo(HOSTILE, err=True)
    out, err = capsys.readouterr()
    assert harmless(out)
    assert harmless(err)


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_no_colours_where_the_user_or_the_terminal_has_none(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stdout", coloured := Terminal())
    echo(styled("ok", fg="green", bold=True))
    monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.stdout", plain := Terminal())
    echo(styled("ok", fg="green", bold=True))
    assert coloured.getvalue() != plain.getvalue() == "ok\n"


def test_tables_escape_cells_and_keep_rich_colours() -> None:
    out = io.StringIO()
    screen = rich_console.console()
    screen.file = out
    table = Table(HOSTILE)
    table.add_row(HOSTILE)
    screen.print(table)
    screen.print(HOSTILE, style="dim")
    assert harmless(out.getvalue())
    assert r"\u001b[31mred" in out.getvalue()


def test_names_in_brackets_or_colons_are_no_markup() -> None:
    out = io.StringIO()
    screen = rich_console.console()
    screen.file = out
    screen.print("a[bold]b :smile:")
    assert out.getvalue() == "a[bold]b :smile:\n"


def test_log_lines_are_escaped() -> None:
    record = logging.LogRecord("rightmodel", logging.WARNING, "", 0, HOSTILE, None, None)
    assert harmless(log_formatter().format(record))


def test_a_commands_log_lines_have_no_date() -> None:
    record = logging.LogRecord("rightmodel", logging.WARNING, "", 0, "look out", None, None)
    assert log_formatter(dated=False).format(record) == "WARNING: look out"


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo terminals")
@pytest.mark.parametrize("arguments", [["check", "--no-call"], ["models"], ["choose", "hello"]])
def test_no_name_of_a_manifest_drives_a_real_terminal(tmp_path: Path, arguments: list[str]) -> None:
    (tmp_path / "rightmodel.toml").write_text(
        'version = 1\n[providers.a]\nprotocol = "openai-chat"\nbase_url = "http://127.0.0.1:9/v1"\n'
        '[[models]]\nid = "a/\\u001b[31mred\\u009b2J"\ndescription = "\\u001b]0;owned\\u0007"\n'
    )
    shown = on_a_terminal(tmp_path, *arguments)
    assert b"red" in shown
    assert b"\x1b[31mred" not in shown
    assert b"\x1b]0" not in shown
    assert "\x9b".encode() not in shown


def on_a_terminal(folder: Path, *arguments: str) -> bytes:
    main, inner = os.openpty()
    done = subprocess.Popen(
        [sys.executable, "-m", "rightmodel", *arguments],
        cwd=folder,
        env=os.environ | {"TERM": "xterm"},
        stdin=subprocess.DEVNULL,
        stdout=inner,
        stderr=inner,
    )
    os.close(inner)
    out = b""
    while True:
        try:
            part = os.read(main, 65536)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        out += part
    os.close(main)
    done.wait(30)
    return out


@pytest.mark.parametrize("width", [200, 60, 40])
def test_columns_that_do_not_fit_are_dropped_from_the_right_and_named(width: int) -> None:
    screen = rich_console.console()
    screen.file, screen.width = io.StringIO(), width
    made = rich_console.table("model", "price", "context", "best at", "reads")
    made.add_row("openai/gpt-6-luna", "0.15", "400k", "summarize 8, extract 8", "image pdf text")
    rich_console.print_table(screen, made)
    lines = screen.file.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    assert lines[1].startswith("openai/gpt-6-luna")
    if width == 200:
        assert len(lines) == 2
    else:
        assert len(lines) == 3
        assert lines[2].startswith(f"not shown at {width} columns: ")
        assert lines[2].endswith("reads")
