from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

MANIFEST = 'version = 1\nbaseline = "anthropic/claude-opus-4-8"\ninclude = ["deepseek", "openai"]\n'


def run(tmp_path: Path, *arguments: str, code: int = 0) -> str:
    (tmp_path / "rightmodel.toml").write_text(MANIFEST)
    done = subprocess.run(
        [sys.executable, "-m", "rightmodel", *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


def test_a_batch_gives_one_line_for_each_in_order_and_reports_invalid_lines(tmp_path: Path) -> None:
    rows = ['{"id": 1, "prompt": "Translate this into German: hello"}', "nonsense", '{"id": 3}']
    (tmp_path / "batch.jsonl").write_text("\n".join(rows))
    lines = run(tmp_path, "choose", "--batch", "batch.jsonl", "--json", "--ranked").splitlines()
    first, broken, empty = map(json.loads, lines)
    assert first["skill"] == {"translate": 1}
    assert first["ranked"][0]["model"] == first["model"]
    assert "error" in broken
    assert empty["id"] == 3
    assert empty["error"].startswith("prompt is empty")


def test_check_names_the_variable_of_a_missing_key(tmp_path: Path) -> None:
    (tmp_path / "keys.env").write_text("OPENAI_API_KEY=${OPENAI_API_KEY}\nDEEPSEEK_API_KEY=sk-x\n")
    out = run(tmp_path, "check", "--no-call", "--env-file", "keys.env")
    assert "OPENAI_API_KEY still reads '${OPENAI_API_KEY}'" in out
    assert "ok   deepseek/" in out


def test_models_shows_where_each_value_comes_from(tmp_path: Path) -> None:
    assert "shipped openai.toml" in run(tmp_path, "models", "openai/gpt-5.5", "--origins")
    assert json.loads(run(tmp_path, "models", "--json"))
    assert "Nearest" in run(tmp_path, "models", "openai-gpt-5.5", code=2)


def test_choose_says_how_many_candidates_it_does_not_show(tmp_path: Path) -> None:
    (tmp_path / "keys.env").write_text("OPENAI_API_KEY=sk-x\n")
    command = ("choose", "hello", "--env-file", "keys.env")
    said = run(tmp_path, *command)
    more = re.search(r"and (\d+) more: --limit (\d+) shows them all", said)
    assert more is not None
    assert int(more[2]) == int(more[1]) + 3
    assert "shows them all" not in run(tmp_path, *command, "--limit", more[2])


def test_errors_are_one_line(tmp_path: Path) -> None:
    out = run(tmp_path, "choose", "hello", "--manifest", "missing.toml", code=1)
    assert (
        out == "rightmodel: missing.toml: no such file: correct --manifest or RIGHTMODEL_MANIFEST\n"
    )
    assert run(tmp_path, "serve", "--http", "0.0.0.0:8765", code=2).count("\n") == 1


def test_a_shipped_model_that_is_not_connected_is_named_with_what_connects_it(
    tmp_path: Path,
) -> None:
    out = run(tmp_path, "models", "claude-opus-4-8", code=2)
    hint = "anthropic/claude-opus-4-8 is shipped but not connected: set ANTHROPIC_API_KEY"
    assert hint in out
    assert "not connected: start its server" in run(tmp_path, "models", "qwen3:8b", code=2)
    assert "is shipped" not in run(tmp_path, "models", "gpt-5.5-prp", code=2)


def test_an_unknown_command_is_a_wrong_command_line(tmp_path: Path) -> None:
    out = run(tmp_path, "asks", "hello", code=2)
    assert out.startswith("rightmodel: unknown command 'asks'. Nearest: ask.")


def test_check_says_that_exclude_leaves_no_model(tmp_path: Path) -> None:
    (tmp_path / "none.toml").write_text('version = 1\ninclude = ["openai"]\nexclude = ["*"]\n')
    out = run(tmp_path, "check", "--no-call", "--manifest", "none.toml", code=1)
    assert "note: exclude leaves no model" in out


def test_a_kind_of_turn_that_does_not_exist_is_not_a_call_that_does_not(tmp_path: Path) -> None:
    assert "unknown kind 'aks'. Nearest: ask" in run(tmp_path, "log", "--kind", "aks", code=2)


def test_settings_of_no_agent_are_not_written_in_silence(tmp_path: Path) -> None:
    out = run(tmp_path, "config", "--model", "--write", code=2)
    assert "name the agent: rightmodel config CLIENT" in out
