"""Paths and signals of Windows and macOS, with the platform faked."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rightmodel.integrations.clients import CLIENTS
from rightmodel.ledger.paths import state_dir
from rightmodel.manifest.settings import config_dir
from rightmodel.surfaces.cli import _open_streams
from rightmodel.surfaces.cli.config import file_of, own_command
from rightmodel.surfaces.mcp import shutdown

if TYPE_CHECKING:
    from collections.abc import Mapping

WINDOWS = {"APPDATA": "/u/ann/AppData/Roaming", "LOCALAPPDATA": "/u/ann/AppData/Local"}
MAC = "~/Library/Application Support"
FOLDERS: dict[str, tuple[Mapping[str, str], str, str]] = {
    "win32": (WINDOWS, "/u/ann/AppData/Roaming/rightmodel", "/u/ann/AppData/Local/rightmodel"),
    "darwin": (
        {"XDG_CONFIG_HOME": "/not/there"},
        "~/Library/Application Support/rightmodel",
        "~/Library/Application Support/rightmodel",
    ),
    "linux": ({}, "~/.config/rightmodel", "~/.local/state/rightmodel"),
}


@pytest.mark.parametrize("platform", FOLDERS)
def test_configuration_and_state_are_where_the_platform_keeps_them(
    platform: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    env, config, state = FOLDERS[platform]
    assert config_dir(env) == Path(config).expanduser()
    assert state_dir(env) == Path(state).expanduser()


@pytest.mark.parametrize(
    ("platform", "client", "file"),
    [
        ("win32", "claude-desktop", "/u/ann/AppData/Roaming/Claude/claude_desktop_config.json"),
        ("win32", "zed", "/u/ann/AppData/Roaming/Zed/settings.json"),
        ("win32", "goose", "/u/ann/AppData/Roaming/Block/goose/config/config.yaml"),
        ("win32", "vscode", "/u/ann/AppData/Roaming/Code/User/mcp.json"),
        ("win32", "openclaw", "~/.openclaw/openclaw.json"),
        (
            "darwin",
            "claude-desktop",
            "~/Library/Application Support/Claude/claude_desktop_config.json",
        ),
        ("darwin", "zed", "~/.config/zed/settings.json"),
        ("darwin", "vscode", f"{MAC}/Code/User/mcp.json"),
    ],
)
def test_each_agents_file_is_the_platforms(
    platform: str, client: str, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    assert file_of(CLIENTS[client], "user", FOLDERS[platform][0]) == Path(file).expanduser()


def test_windows_starts_the_exe_beside_the_interpreter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python.exe"))
    assert own_command() == (str(tmp_path / "python.exe"), "-m", "rightmodel")
    (tmp_path / "rightmodel.exe").touch()
    assert own_command() == (str(tmp_path / "rightmodel.exe"),)


def test_on_windows_signals_close_in_order_without_the_loops_handlers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    handlers: dict[int, Any] = {}
    codes: list[int] = []
    closed: list[bool] = []

    async def close() -> None:
        closed.append(True)

    async def run() -> None:
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()

        def refuse(*_: object) -> None:
            raise NotImplementedError

        def end(code: int) -> None:
            codes.append(code)
            ended.set()

        monkeypatch.setattr(loop, "add_signal_handler", refuse)
        monkeypatch.setattr(signal, "signal", handlers.__setitem__)
        monkeypatch.setattr(signal, "SIGBREAK", 21, raising=False)
        monkeypatch.setattr(os, "_exit", end)
        shutdown.end_on_signals(close)
        handlers[21](21, None)
        await asyncio.wait_for(ended.wait(), 5)

    asyncio.run(run())
    assert set(handlers) == {signal.SIGINT, signal.SIGTERM, 21}
    assert closed == [True]
    assert codes == [128 + 21]


@pytest.mark.parametrize(
    ("platform", "encoding", "written"),
    [
        ("linux", "ascii", b"3 ? 4"),
        ("linux", "utf-8", "3 × 4".encode()),
        ("win32", "cp437", "3 × 4".encode()),
    ],
)
def test_what_the_output_cannot_encode_is_no_error(
    platform: str, encoding: str, written: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.delenv("PYTHONIOENCODING", raising=False)
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding))
    _open_streams()
    sys.stdout.write("3 × 4")
    sys.stdout.flush()
    assert raw.getvalue() == written
