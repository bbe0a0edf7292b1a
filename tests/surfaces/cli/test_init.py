"""`rightmodel init`: what it finds, asks and writes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from rightmodel.core.errors import RightmodelError
from rightmodel.manifest.load import load_catalog
from rightmodel.simulator import Behaviour, SimulatedProvider, fault
from rightmodel.surfaces.cli import cli
from surfaces.cli.init_command import KEY, Machine, new_machine, openclaw

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result


OPUS, SONNET = "anthropic/claude-opus-5-5", "anthropic/claude-sonnet-5-5"
HAIKU_4, GPT = "anthropic/claude-haiku-4-5", "openai/gpt-5.5"
OPENCLAW = '{"agents": {"defaults": {"model": {"primary": "NAME"}}}}'
OPENCLAW_ALIASES = OPENCLAW.replace(
    "}}}}", '}, "models": {"anthropic/claude-haiku-4-5": {"alias": "main"}, "a/b": {}, "c/d": 1}}}}'
)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return new_machine(tmp_path, monkeypatch)


def test_the_answers_become_a_commented_manifest(machine: Machine) -> None:
    done = machine.init(answers="anthropic/claude-opus-4-8\n7.50\ny\n")
    assert done.exit_code == 0, done.output
    assert machine.written()["baseline"] == "anthropic/claude-opus-4-8"
    assert machine.written()["budget"] == {"per_day_usd": 7.5}
    assert machine.manifest.read_text().count("\n# ") >= 8
    catalog = load_catalog(machine.manifest, has_key=lambda p: p.name == "anthropic")
    assert set(catalog.providers) == {"anthropic"}
    assert "endpoints could be called" in done.output
    assert "Try it:  rightmodel ask" in done.output


def test_yes_asks_nothing_and_claims_no_baseline_that_nobody_named(machine: Machine) -> None:
    done = machine.init("--yes")
    assert done.exit_code == 0, done.output
    assert "Which model" not in done.output
    assert "Write" not in done.output
    assert "baseline" not in machine.written()
    assert machine.written()["budget"] == {"per_day_usd": 5}
    assert '# baseline = "anthropic/' in machine.manifest.read_text()


@pytest.mark.parametrize(
    ("file", "text", "baseline"),
    [
        (".openclaw/openclaw.json", '{agents: {defaults: {model: "anthropic/claude-opus-5"}}}', ""),
        (".codex/config.toml", 'model = "gpt-6.1-sol"', "openai/gpt-6.1-sol"),
        (".config/opencode/opencode.json", '{"model": "openai/gpt-6.1-sol"}', "openai/gpt-6.1-sol"),
        (".gemini/settings.json", '{"model": {"name": "no-such-model"}}', None),
        (".codex/config.toml", "model = ", None),
        (".codex/config.toml", 'model = "gpt-5.5-2026"', None),
        (".codex/config.toml", "profile = { a = 1 }\nmodel = 3", None),
        (
            ".codex/config.toml",
            'profile = "p"\nmodel = "gpt-5.5"\n[profiles.p]\nmodel = "gpt-6-luna"',
            "openai/gpt-6-luna",
        ),
        (".claude/settings.json", '{"model": "opus"}', OPUS),
        (".claude/settings.json", '{"model": "opus[1m]"}', OPUS),
        (".claude/settings.json", '{"model": "best"}', OPUS),
        (".claude/settings.json", '{"model": "sonnet"}', SONNET),
        (".claude/settings.json", '{"model": "opusplan"}', SONNET),
        (".claude/settings.json", '{"model": "haiku"}', "anthropic/claude-haiku-5-5"),
        (".claude/settings.json", '{"model": "claude-opus-4-8"}', "anthropic/claude-opus-4-8"),
        (".claude/settings.json", '{"model": "default"}', None),
        (".claude/settings.json", '{"model": "haiku", "env": {"ANTHROPIC_MODEL": "opus"}}', OPUS),
        (".claude/settings.json", '{"model": "opus", "env": {"ANTHROPIC_MODEL": "auto"}}', OPUS),
        (
            ".claude/settings.json",
            '{"model": "us.anthropic.claude-haiku-4-5-20251001-v1:0"}',
            "anthropic/claude-haiku-4-5",
        ),
        (".claude/settings.json", '{"model": "claude-haiku-4-5@20251001"}', HAIKU_4),
        (".openclaw/openclaw.json", OPENCLAW.replace("NAME", "opus"), OPUS),
        (".openclaw/openclaw.json", OPENCLAW.replace("NAME", "openai-codex/gpt-5.5"), GPT),
        (
            ".openclaw/openclaw.json",
            OPENCLAW.replace("NAME", "github-copilot/claude-haiku-4.5"),
            HAIKU_4,
        ),
        (".openclaw/openclaw.json", OPENCLAW.replace("NAME", "acme/no-such-model"), None),
        (".openclaw/openclaw.json", OPENCLAW_ALIASES.replace("NAME", "main"), HAIKU_4),
        (".openclaw/openclaw.json", OPENCLAW_ALIASES.replace("NAME", "opus"), OPUS),
        (".config/opencode/opencode.json", '{"model": "anthropic/claude-haiku-4-5"}', HAIKU_4),
        (".gemini/settings.json", '{"model": {"name": "flash"}}', "google/gemini-3.8-flash"),
        (".gemini/settings.json", '{"model": "gemini-2.5-pro"}', "google/gemini-2.5-pro"),
        (".gemini/settings.json", '{"model": {"name": "auto"}}', None),
    ],
)
def test_the_baseline_comes_from_the_agents_own_settings(
    machine: Machine, file: str, text: str, baseline: str | None
) -> None:
    machine.put(file, text)
    said = machine.init("--yes").output
    expected = "anthropic/claude-opus-5" if baseline == "" else baseline
    assert machine.written().get("baseline") == expected
    assert (f"({expected})" in said) == (expected is not None)


def test_a_model_of_an_agent_that_no_manifest_has_is_named(machine: Machine) -> None:
    machine.put(".codex/config.toml", 'model = "gpt-5.5-mine"')
    said = machine.init("--yes").output
    assert "runs on:      Codex CLI: gpt-5.5-mine (in no manifest, so no baseline)" in said


def test_an_empty_name_of_a_model_is_none(machine: Machine) -> None:
    machine.put(".claude/settings.json", '{"env": {"ANTHROPIC_MODEL": ""}}')
    assert "runs on:      Claude Code" not in machine.init("--yes").output


def test_the_manifest_and_the_keys_may_be_elsewhere(machine: Machine) -> None:
    openclaw(machine)
    machine.env["ANTHROPIC_API_KEY"] = ""
    keys = machine.put("work/mine.env", f"ANTHROPIC_API_KEY={KEY}\n")
    done = machine.init("--yes", "--manifest", "mine.toml", "--env-file", str(keys))
    assert done.exit_code == 0, done.output
    assert not machine.manifest.exists()
    manifest = machine.home / "work/mine.toml"
    assert "version = 1" in manifest.read_text()
    assert str(manifest) in (machine.home / ".openclaw/openclaw.json").read_text()
    assert machine.keys.read_text() == f"ANTHROPIC_API_KEY={KEY}\n"


@pytest.mark.parametrize("name", ["opus", "claude-opus-5.5", "anthropic/claude-opus-5-5"])
def test_a_baseline_may_be_given_by_any_of_its_names(machine: Machine, name: str) -> None:
    assert machine.init("--yes", "--baseline", name).exit_code == 0
    assert machine.written()["baseline"] == OPUS


def test_a_wrong_answer_is_explained_and_asked_again(machine: Machine) -> None:
    done = machine.init(answers="claude-opus-9\nnone\nmuch\nnone\ny\n")
    assert done.exit_code == 0, done.output
    assert "unknown model 'claude-opus-9'. Nearest: anthropic/claude-opus-" in done.output
    assert "'much' is not an amount: write USD such as 5, or none" in done.output
    assert "per_day_usd" not in machine.written()["budget"]


def test_a_wrong_option_is_an_error_before_anything_is_written(machine: Machine) -> None:
    before = machine.tree()
    for option in (
        ["--baseline", "opus-9"],
        ["--per-day-usd", "-1"],
        ["--local-first"],
        ["--agent", "open-claw"],
    ):
        done = machine.init("--yes", *option)
        assert isinstance(done.exception, RightmodelError), option
    assert machine.tree() == before


def test_nothing_is_written_without_consent(machine: Machine) -> None:
    openclaw(machine)
    before = machine.tree()
    done = machine.init(answers="\n\nn\n")
    assert "Write 4 files?" in done.output
    assert '+baseline = "anthropic/claude-opus-4-8"' in done.output
    assert machine.tree() == before


def test_without_keys_and_local_models_it_says_what_to_do(machine: Machine) -> None:
    machine.env["ANTHROPIC_API_KEY"] = ""
    done = machine.init("--yes")
    assert isinstance(done.exception, RightmodelError)
    assert "ANTHROPIC_API_KEY" in str(done.exception)
    assert "start a local server (Ollama" in str(done.exception)
    assert "then run `rightmodel init` again" in str(done.exception)
    assert not machine.manifest.exists()


def with_ollama(machine: Machine, *arguments: str, answers: str = "") -> Result:
    async def run() -> Result:
        server = SimulatedProvider("openai-chat", models={"qwen3:4b": Behaviour()})
        async with server:
            machine.env["OLLAMA_HOST"] = server.base_url
            return await asyncio.to_thread(machine.init, *arguments, answers=answers)

    return asyncio.run(run())


def test_a_local_model_keeps_secrets_and_easy_work_on_the_machine(machine: Machine) -> None:
    done = with_ollama(machine, answers="none\nnone\ny\ny\n")
    assert done.exit_code == 0, done.output
    assert "local models: qwen3:4b (ollama)" in done.output
    secrets, easy = machine.written()["rules"]
    assert secrets["require"] == {"trust": "local"}
    assert easy["use"] == ["ollama/*"]


def test_a_local_model_alone_is_enough(machine: Machine) -> None:
    machine.env["ANTHROPIC_API_KEY"] = ""
    openclaw(machine)
    done = with_ollama(machine, "--yes")
    assert done.exit_code == 0, done.output
    assert [rule["name"] for rule in machine.written()["rules"]] == ["secrets stay here"]
    assert not machine.keys.exists()
    assert "1 of 1 endpoints could be called" in done.output


async def test_it_checks_by_calling_unless_told_not_to(machine: Machine) -> None:
    machine.env["ANTHROPIC_API_KEY"] = ""

    server = SimulatedProvider("openai-chat", models={"qwen3:4b": Behaviour()})
    async with server:
        env = machine.env | {"OLLAMA_HOST": server.base_url}
        done = await asyncio.to_thread(lambda: CliRunner().invoke(cli, ["init", "--yes"], env=env))
    assert done.exit_code == 0, done.output
    assert "1 of 1 endpoints answered" in done.output


@pytest.mark.parametrize("arguments", [[], ["--remove"]])
def test_without_a_terminal_the_error_names_the_option(
    machine: Machine, arguments: list[str]
) -> None:
    machine.init("--yes")
    openclaw(machine)
    done = machine.init(*arguments)
    assert isinstance(done.exception, RightmodelError)
    assert "--yes" in str(done.exception)
    assert done.output.endswith("\n")


def test_enter_takes_no_baseline_where_there_are_only_local_models(machine: Machine) -> None:
    machine.env["ANTHROPIC_API_KEY"] = ""
    done = with_ollama(machine, answers="\n\ny\n")
    assert done.exit_code == 0, done.output
    assert "(or none) [none]" in done.output
    assert "baseline" not in machine.written()


@pytest.mark.parametrize(
    ("failing", "code", "said"),
    [
        (["a", "b"], 1, "No model works yet. Correct what the lines with FAIL name"),
        (["a"], 0, "Calls go to the models that answered; correct what the lines with FAIL"),
        ([], 0, "Try it:"),
    ],
)
async def test_what_comes_next_depends_on_how_many_models_answer(
    machine: Machine, failing: list[str], code: int, said: str
) -> None:
    machine.env["ANTHROPIC_API_KEY"] = ""

    models = {"a": Behaviour(), "b": Behaviour()}
    async with SimulatedProvider("openai-chat", models=models) as server:
        for name in failing:
            server.fail(name, fault.wrong_key())
        env = machine.env | {"OLLAMA_HOST": server.base_url}
        done = await asyncio.to_thread(lambda: CliRunner().invoke(cli, ["init", "--yes"], env=env))
    assert done.exit_code == code, done.output
    assert said in done.output
    assert ("Try it:" in done.output) is (code == 0)
    assert ("Calls go to the models" in done.output) is (len(failing) == 1)
