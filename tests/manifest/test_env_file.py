"""`--env-file` reads what python-dotenv reads, warns of odd lines and never repeats them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from rightmodel.core.errors import ManifestError
from rightmodel.manifest.settings import read_settings
from rightmodel.manifest.text_file import EnvFile, read_env_file

if TYPE_CHECKING:
    from pathlib import Path

KEY = "sk-test-12345678"


def read(tmp_path: Path, data: str | bytes) -> EnvFile:
    file = tmp_path / "keys.env"
    file.write_bytes(data.encode() if isinstance(data, str) else data)
    file.chmod(0o600)
    return read_env_file(file, {"HOME_KEY": "from-the-environment"})


@pytest.mark.parametrize(
    "line",
    [
        f"A_KEY={KEY}",
        f"A_KEY = {KEY}",
        f'A_KEY="{KEY}" # mine',
        f"A_KEY='{KEY}'   # mine",
        f"A_KEY={KEY}  # mine",
        f"export A_KEY={KEY}",
        f"export\tA_KEY={KEY}",
        f"  A_KEY={KEY}  ",
        f"'A_KEY'={KEY}",
        f"# comment\n\nA_KEY={KEY}",
        f"A_KEY={KEY}\r",
        f"\ufeffA_KEY={KEY}",
        f'OTHER="one\ntwo"\nA_KEY={KEY}',
    ],
)
def test_the_dialects_forms_give_the_same_value(tmp_path: Path, line: str) -> None:
    values, notes = read(tmp_path, line + "\n")
    assert values["A_KEY"] == KEY
    assert notes == ()


@pytest.mark.parametrize(
    ("line", "number"),
    [
        ("my.app.name=x", 1),
        ("export B_KEY", 1),
        (f"\n\n{KEY}", 3),
        (f"B_KEY: {KEY}", 1),
        (f"set B_KEY={KEY}", 1),
        (f'B_KEY="{KEY}', 1),
        (f"={KEY}", 1),
    ],
)
def test_an_odd_line_is_a_warning_that_does_not_repeat_it(
    tmp_path: Path, line: str, number: int
) -> None:
    values, notes = read(tmp_path, f"{line}\nA_KEY={KEY}\n")
    assert values == {"A_KEY": KEY}
    assert len(notes) == 1
    assert f"line {number}:" in notes[0]
    assert KEY not in notes[0]


def test_references_are_expanded_and_unknown_ones_kept(tmp_path: Path) -> None:
    text = "A=one\nB=${A}-${HOME_KEY}\nC=${NONE:-two}\nD=${NONE}\n"
    assert read(tmp_path, text).values == {
        "A": "one",
        "B": "one-from-the-environment",
        "C": "two",
        "D": "${NONE}",
    }


def test_utf_16_as_powershell_writes_it_is_read(tmp_path: Path) -> None:
    assert read(tmp_path, f"A_KEY={KEY}\r\n".encode("utf-16")).values == {"A_KEY": KEY}


def test_a_file_that_is_no_text_or_is_missing_is_an_error_without_its_content(
    tmp_path: Path,
) -> None:
    with pytest.raises(ManifestError, match="not UTF-8 text") as caught:
        read(tmp_path, b"A_KEY=" + KEY.encode() + b"\xff")
    assert KEY not in str(caught.value)
    with pytest.raises(ManifestError, match="No such file"):
        read_env_file(tmp_path / "missing.env", {})


@pytest.mark.skipif(os.name == "nt", reason="POSIX modes")
def test_a_file_that_everyone_can_read_is_a_warning(tmp_path: Path) -> None:
    file = tmp_path / "keys.env"
    file.write_text(f"A_KEY={KEY}\n")
    file.chmod(0o644)
    (note,) = read_env_file(file, {}).notes
    assert "chmod 600" in note


def test_settings_take_the_files_values_over_the_environments_and_never_raise(
    tmp_path: Path,
) -> None:
    file = tmp_path / "keys.env"
    file.write_text("A_KEY=new\n")
    settings = read_settings(env_file=str(file), environment={"A_KEY": "old", "B": "kept"})
    assert settings.environment == {"A_KEY": "new", "B": "kept"}
    missing = read_settings(env_file=str(tmp_path / "none"), environment={})
    assert "cannot be read" in str(missing.error)


def test_keys_of_the_users_own_file_fill_what_the_environment_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("A_KEY", "mine")
    monkeypatch.setenv("EMPTY_KEY", "")
    usual = tmp_path / "rightmodel/keys.env"
    usual.parent.mkdir()
    usual.write_text("A_KEY=kept\nB_KEY=kept\nEMPTY_KEY=kept\n")
    environment = read_settings().environment
    assert [environment[name] for name in ("A_KEY", "B_KEY", "EMPTY_KEY")] == [
        "mine",
        "kept",
        "kept",
    ]
    assert "B_KEY" not in read_settings(environment={"XDG_CONFIG_HOME": str(tmp_path)}).environment
    named = tmp_path / "named.env"
    named.write_text("A_KEY=named\n")
    environment = read_settings(env_file=str(named)).environment
    assert environment["A_KEY"] == "named"
    assert "B_KEY" not in environment
