"""`rightmodel check`: what it finds, what it announces and what it leaves in the ledger."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from click.testing import CliRunner

from rightmodel.manifest.settings import read_settings
from rightmodel.simulator import Behaviour, SimulatedProvider, fault
from rightmodel.surfaces.cli import check as check_command
from rightmodel.surfaces.cli import cli, waiting

if TYPE_CHECKING:
    from pathlib import Path

    import pytest
    from click.testing import Result

    from rightmodel.surfaces.cli.terminal import Styled

MANIFEST = """
version = 1
[providers.alpha]
protocol = "openai-chat"
base_url = "{alpha}"
key_env = "ALPHA_KEY"
[providers.beta]
protocol = "anthropic-messages"
base_url = "{beta}"
key_env = "BETA_KEY"
[providers.gamma]
protocol = "gemini"
base_url = "{gamma}"
key_env = "GAMMA_KEY"
"""
MODELS = ("alpha/a1", "alpha/a2", "alpha/gone", "beta/b1", "beta/b2", "gamma/g1", "gamma/g2")
ONE = """
version = 1
[providers.alpha]
protocol = "openai-chat"
base_url = "{url}"
key_env = "ALPHA_KEY"
[[models]]
id = "alpha/a1"
cost = {{ input = 10, output = 20 }}
"""


def invoke(tmp_path: Path, command: str, *arguments: str, key: str = "sk-alpha-1") -> Result:
    environment = {"RIGHTMODEL_STATE_DIR": str(tmp_path / "state"), "ALPHA_KEY": key}
    arguments = (command, "--manifest", str(tmp_path / "m.toml"), *arguments)
    return CliRunner().invoke(cli, arguments, env=environment)


def check(tmp_path: Path, *arguments: str, key: str = "sk-alpha-1") -> Result:
    return invoke(tmp_path, "check", *arguments, key=key)


def checked_against(tmp_path: Path, provider: SimulatedProvider, more: str = "") -> Result:
    """`check` of one model of a running provider."""

    async def run() -> Result:
        async with provider:
            (tmp_path / "m.toml").write_text(ONE.format(url=provider.base_url) + more)
            return await asyncio.to_thread(check, tmp_path)

    return asyncio.run(run())


def simulated(**models: Behaviour) -> SimulatedProvider:
    return SimulatedProvider("openai-chat", key="sk-alpha-1", models=models)


async def test_each_model_is_shown_with_what_to_do_about_what_does_not_work(tmp_path: Path) -> None:
    two = {"b1": Behaviour(), "b2": Behaviour()}
    async with (
        simulated(a1=Behaviour(), a2=Behaviour()) as alpha,
        SimulatedProvider("anthropic-messages", key="sk-beta-1", models=two) as beta,
        SimulatedProvider(
            "gemini", key="sk-gamma-1", models={"g1": Behaviour(), "g2": Behaviour()}
        ) as gamma,
    ):
        beta.fail("b2", fault.overloaded())
        text = MANIFEST.format(alpha=alpha.base_url, beta=beta.base_url, gamma=gamma.base_url)
        text += "".join(f'[[models]]\nid = "{model}"\n' for model in MODELS)
        (tmp_path / "m.toml").write_text(text)
        (tmp_path / "keys.env").write_text(
            "ALPHA_KEY=sk-alpha-1\nBETA_KEY=sk-beta-1\nGAMMA_KEY=sk-wrong-one\n"
        )
        keys = str(tmp_path / "keys.env")
        result = await asyncio.to_thread(check, tmp_path, "--env-file", keys)
    out = result.output
    lines = {
        name: line
        for line in out.replace("\n     → ", " → ").splitlines()
        for name in line[5:].partition(": ")[0].split(", ")
        if "/" in line
    }
    assert result.exit_code == 0
    marks = ["ok  "] * 3 + ["FAIL", "    "] * 3
    assert [line[:4] for line in out.splitlines()[-10:-1]] == marks
    for model in ("alpha/a1", "alpha/a2", "beta/b1"):
        assert lines[model].startswith("ok")
    assert "check its name in the manifest" in lines["alpha/gone"]
    assert "try again later" in lines["beta/b2"]
    for model in ("gamma/g1", "gamma/g2"):
        assert "check GAMMA_KEY" in lines[model]
    assert "sk-" not in out
    assert "3 of 7 endpoints answered" in out


async def test_a_model_that_is_slow_is_named_while_it_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = asyncio.Event()
    lines: list[str] = []

    async def until_told(_: float) -> None:
        await told.wait()

    def echo(line: Styled, *, err: bool) -> None:
        assert err
        lines.append(line.text)
        told.set()

    monkeypatch.setattr(waiting, "echo", echo)
    monkeypatch.setattr(check_command, "REMIND_S", 0.01)
    models = {"a1": Behaviour(first_token_s=1.0)}
    async with SimulatedProvider("openai-chat", models=models, sleep=until_told) as provider:
        (tmp_path / "m.toml").write_text(ONE.format(url=provider.base_url))
        settings = read_settings(
            manifest=str(tmp_path / "m.toml"),
            environment={"RIGHTMODEL_STATE_DIR": str(tmp_path), "ALPHA_KEY": "k"},
        )
        checked = await check_command.check_once(settings, no_call=False)
    assert checked.works == 1
    assert set(lines) == {"waiting for alpha/a1; the most is 30 s"}


async def test_what_has_failed_is_shown_while_others_are_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = asyncio.Event()
    lines: list[str] = []
    monkeypatch.setattr(check_command, "REMIND_S", 0.01)

    def echo(*parts: Styled | str, err: bool = False) -> None:
        text = "".join(p if isinstance(p, str) else p.text for p in parts)
        lines.append(text)
        if text.startswith("FAIL"):
            failed.set()

    async def until_failed(_: float) -> None:
        await failed.wait()

    monkeypatch.setattr(check_command, "echo", echo)
    models = {"a1": Behaviour(first_token_s=1.0), "a2": Behaviour()}
    async with SimulatedProvider("openai-chat", models=models, sleep=until_failed) as provider:
        provider.fail("a2", fault.overloaded())
        text = ONE.format(url=provider.base_url) + '[[models]]\nid = "alpha/a2"\n'
        (tmp_path / "m.toml").write_text(text)
        settings = read_settings(
            manifest=str(tmp_path / "m.toml"),
            environment={"RIGHTMODEL_STATE_DIR": str(tmp_path), "ALPHA_KEY": "k"},
        )
        await check_command.check_once(settings, no_call=False)
    *_, fail, advice, ok, end = lines
    assert fail.startswith("FAIL alpha/a2")
    assert "try again later" in advice
    assert ok.startswith("ok   alpha/a1")
    assert end == "1 of 2 endpoints answered"


def test_the_calls_price_is_announced_and_recorded(tmp_path: Path) -> None:
    result = checked_against(tmp_path, simulated(a1=Behaviour()))
    first, second = result.output.splitlines()[1:3]
    assert first == "cost of 1 call: less than $0.01 (estimate)"
    assert second.startswith("ok   alpha/a1")
    usage = json.loads(invoke(tmp_path, "usage", "--json").output)
    assert float(usage["today"]["spent_usd"]) > 0


def test_a_failed_call_is_recorded_too(tmp_path: Path) -> None:
    provider = simulated(a1=Behaviour())
    provider.fail("a1", fault.overloaded())
    assert checked_against(tmp_path, provider).exit_code == 1
    text = invoke(tmp_path, "usage", "--json").output
    assert "overloaded" in text


def test_a_budget_without_room_is_not_exceeded(tmp_path: Path) -> None:
    provider = simulated(a1=Behaviour())
    result = checked_against(tmp_path, provider, "[budget]\nper_day_usd = 0.0001\n")
    assert "FAIL alpha/a1" in result.output
    assert "per_day_usd" in result.output or "budget" in result.output
    assert provider.requests == []


async def test_a_server_that_wants_a_key_is_not_said_to_reject_one(tmp_path: Path) -> None:
    async with simulated(a1=Behaviour()) as provider:
        (tmp_path / "m.toml").write_text(ONE.format(url=provider.base_url))
        out = (await asyncio.to_thread(check, tmp_path, key="")).output
    assert "the server wants a key: no key for alpha: ALPHA_KEY is empty" in out


def test_a_missing_key_has_its_own_code(tmp_path: Path) -> None:
    (tmp_path / "m.toml").write_text(ONE.format(url="https://models.example.com/v1"))
    result = check(tmp_path, "--json", key="")
    found = json.loads(result.stdout)
    assert (found["code"], found["ok"]) == ("no_key", False)
    assert found["message"].startswith("no key for alpha: ALPHA_KEY is empty")


def test_an_unreachable_ledger_is_noticed_without_a_call(tmp_path: Path) -> None:
    ledger = '[ledger]\nurl = "postgresql://me:secret-word@127.0.0.1:1/x"\n'
    (tmp_path / "m.toml").write_text(ONE.format(url="https://models.example.com/v1") + ledger)
    result = check(tmp_path, "--no-call")
    assert result.exit_code == 1
    assert "FAIL ledger: " in result.output
    assert "secret-word" not in result.output
    assert "1 of 1 endpoints could be called" in result.output


def test_plain_http_in_a_private_network_is_shown(tmp_path: Path) -> None:
    text = ONE.format(url="http://192.168.1.5:8000/v1")
    (tmp_path / "m.toml").write_text(text.replace("key_env", "allow_http = true\nkey_env"))
    out = check(tmp_path, "--no-call").output
    assert "note: alpha: plain http to http://192.168.1.5:8000/v1" in out


def test_an_answer_cannot_drive_the_terminal(tmp_path: Path) -> None:
    answers = "\x1b[2Jready\x07\x1b]0;title\x07"
    out = checked_against(tmp_path, simulated(a1=Behaviour(answers=answers))).output
    assert "\x1b" not in out
    assert "\x07" not in out
    assert "ready" in out


async def test_a_model_that_its_local_server_does_not_list_is_not_called(tmp_path: Path) -> None:
    async with SimulatedProvider("openai-chat", models={"here": Behaviour()}) as provider:
        (tmp_path / "m.toml").write_text(
            f'version = 1\n[providers.ollama]\nbase_url = "{provider.base_url}"\n'
            '[[models]]\nid = "ollama/here"\n[[models]]\nid = "ollama/elsewhere"\n'
        )
        result = await asyncio.to_thread(check, tmp_path)
    assert "FAIL ollama/elsewhere: ollama does not have elsewhere: pull or load it" in result.output
    assert "1 of 2 endpoints answered" in result.output
    assert len([r for r in provider.requests if r.method == "POST"]) == 1


def test_an_error_that_every_model_of_a_provider_has_is_shown_in_full_once(tmp_path: Path) -> None:
    models = "".join(f'[[models]]\nid = "alpha/{name}"\n' for name in ("a1", "a2", "a3"))
    (tmp_path / "m.toml").write_text(
        'version = 1\n[providers.alpha]\nprotocol = "openai-chat"\n'
        f'base_url = "http://127.0.0.1:1/v1"\n{models}'
    )
    *_, failed, advice, count = check(tmp_path).output.splitlines()
    names, _, why = failed.removeprefix("FAIL ").partition(": ")
    assert sorted(names.split(", ")) == ["alpha/a1", "alpha/a2", "alpha/a3"]
    assert "127.0.0.1:1" in why
    assert advice.startswith("     → check base_url")
    assert count == "0 of 3 endpoints answered"


def test_without_calls_models_are_listed_in_the_manifests_order(tmp_path: Path) -> None:
    names = [f"alpha/m{number}" for number in range(9)]
    models = "".join(f'[[models]]\nid = "{name}"\n' for name in names)
    (tmp_path / "m.toml").write_text(
        'version = 1\n[providers.alpha]\nprotocol = "openai-chat"\n'
        f'base_url = "http://127.0.0.1:1/v1"\n{models}'
    )
    output = check(tmp_path, "--no-call").output
    assert [line.split()[1] for line in output.splitlines()[1:-1]] == [f"{n}:" for n in names]
