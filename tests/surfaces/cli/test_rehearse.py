"""`rightmodel rehearse`: the user's own manifest against simulated copies of its providers."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result

from engines import catalog_from
from rightmodel.core.task import WireFormat
from rightmodel.manifest.catalog import Provider
from rightmodel.routing.router import count_tokens
from rightmodel.simulator import Behaviour, SimulatedProvider, clock
from rightmodel.simulator.fault import CATALOGUE, GROUPS
from rightmodel.simulator.samples import PICTURE, SAMPLES
from rightmodel.simulator.simulation import Answers, dialect_of, simulate
from rightmodel.surfaces.cli import cli
from rightmodel.surfaces.cli.show.calls import HEALED, HEALTHY, OUTAGE
from rightmodel.surfaces.cli.show.run import phases_of

if TYPE_CHECKING:
    from collections.abc import Callable

DOCS = Path(__file__).parents[3] / "docs" / "rehearsing.md"
BUILT_IN = (*SAMPLES, PICTURE)
SECRET = "sk-the-users-own-key"
MANIFEST = """
version = 1
[providers.openai]
headers = { "x-team" = "sk-secret-in-a-header" }
[providers.mine]
protocol = "openai-chat"
base_url = "https://models.example.com/v1"
key_env = "MINE_KEY"
[[models]]
id = "openai/gpt-6-luna"
cost = { input = 1, output = 2 }
input = ["text", "image"]
skills = { general = 9 }
[[models]]
id = "mine/large"
cost = { input = 40, output = 80 }
limits = { context = 100000, output = 20000 }
skills = { general = 9 }
"""
TASKS = (
    '{"prompt": "Explain how tides come about", "id": "hello", "skill": "general"}\n'
    '{"prompt": "Sum up: a, b", "skill": "general", "difficulty": "easy"}\n'
)


LOCAL_SERVERS = {1234, 8000, 8080, 11434}
"""Ports of local model servers, which may run on the machine of whoever runs the tests."""


@pytest.fixture(autouse=True)
def loopback_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        assert address[0] == "127.0.0.1"
        if address[1] in LOCAL_SERVERS:
            raise ConnectionRefusedError
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)


@pytest.fixture
def rehearse(tmp_path: Path) -> Callable[..., Result]:
    def run(*arguments: str, manifest: str = MANIFEST, tasks: str = TASKS) -> Result:
        (tmp_path / "m.toml").write_text(manifest)
        (tmp_path / "t.jsonl").write_text(tasks)
        source = [str(tmp_path / "t.jsonl")] if tasks else []
        return CliRunner().invoke(
            cli, ["rehearse", *source, "--manifest", str(tmp_path / "m.toml"), *arguments]
        )

    return run


def parsed(result: Result) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    *calls, last = map(json.loads, result.stdout.splitlines())
    return calls, last["summary"]


def test_an_outage_is_survived_and_the_first_choice_comes_back(
    rehearse: Callable[..., Result],
) -> None:
    result = rehearse("--json", "--on", "openai", "--calls", "12")
    calls, summary = parsed(result)
    assert result.exit_code == 0
    assert [c["phase"] for c in calls] == [HEALTHY] * 4 + [OUTAGE] * 4 + [HEALED] * 4
    assert {c["first"] for c in calls} == {"openai/gpt-6-luna"}
    assert {c["model"] for c in calls[:4] + calls[-1:]} == {"openai/gpt-6-luna"}
    assert {c["model"] for c in calls[4:8]} == {"mine/large"}
    failed, answered = calls[4]["attempts"]
    assert (failed["fault"], failed["read_as"], failed["status"]) == ("overloaded",) * 2 + (503,)
    assert (answered["fault"], answered["read_as"]) == (None, None)
    assert calls[4]["lost_s"] == 0.3
    assert summary["answered"] == summary["answered_without_outage"] == 12
    assert summary["faults_met"]["overloaded"] >= 1
    assert summary["faults_that_reached_the_agent"] == {}
    assert Decimal(summary["extra_usd"]) > 0
    assert summary["extra_usd"] == str(
        Decimal(summary["cost_usd"]) - Decimal(summary["without_outage_usd"])
    )
    assert [a for a in summary["advice"] if "only openai can read images" in a]


def test_what_reaches_the_agent_is_shown_verbatim_with_the_real_address(
    rehearse: Callable[..., Result],
) -> None:
    alone = (
        MANIFEST.split("[providers.mine]", maxsplit=1)[0] + '[[models]]\nid = "openai/gpt-6-luna"\n'
    )
    result = rehearse("--json", "--fault", "refused", "--calls", "3", manifest=alone)
    calls, summary = parsed(result)
    assert result.exit_code == 1
    assert [bool(c["model"]) for c in calls] == [True, False, True]
    (error,) = summary["errors"]
    assert error["text"] == calls[1]["error"]
    assert "no connection to https://api.openai.com/v1" in error["text"]
    assert error["text"].splitlines()[-1].startswith("[code=connection_failed retryable=yes")
    assert calls[1]["attempts"][0]["fault"] == "refused"
    assert "127.0.0.1" not in result.output
    assert any("Connect a second provider" in line for line in summary["advice"])


def test_the_same_seed_gives_the_same_figures(rehearse: Callable[..., Result]) -> None:
    given = ("--json", "--fault", "stall", "--fault", "overloaded", "--share", "0.5")
    first, again, other = (
        rehearse(*given, "--calls", "9", "--seed", seed).stdout for seed in ("1", "1", "2")
    )
    assert first == again
    assert first != other


def test_a_stall_costs_simulated_time_alone_and_is_reported(
    rehearse: Callable[..., Result],
) -> None:
    began = time.monotonic()
    result = rehearse("--json", "--fault", "stall", "--on", "openai", "--calls", "6")
    calls, summary = parsed(result)
    assert time.monotonic() - began < 5
    assert calls[2]["attempts"][0]["read_as"] == "timeout"
    assert calls[2]["lost_s"] > 10
    assert any("lower deadline_s" in line for line in summary["advice"])


def test_attempts_spent_on_unavailable_endpoints_are_reported(
    rehearse: Callable[..., Result],
) -> None:
    more = MANIFEST + "[routing]\nmax_attempts = 1\n"
    result = rehearse("--json", "--on", "openai", "--calls", "3", manifest=more)
    _, summary = parsed(result)
    assert result.exit_code == 1
    assert any("with mine next in line: raise max_attempts" in a for a in summary["advice"])


@pytest.mark.parametrize("name", ["stale_connection", "no_done_line", "rate_limit_ms", "redirect"])
def test_other_faults_are_named_by_the_calls_that_met_them(
    rehearse: Callable[..., Result], name: str
) -> None:
    result = rehearse("--json", "--fault", name, "--on", "openai/gpt-6-luna", "--calls", "3")
    calls, summary = parsed(result)
    assert result.exit_code == 0
    assert name in calls[1]["faults"]
    assert summary["outage"]["at"] == ["openai (gpt-6-luna)"]


def test_a_fault_that_no_request_triggers_is_reported(rehearse: Callable[..., Result]) -> None:
    _, summary = parsed(rehearse("--json", "--fault", "schema_mismatch", "--calls", "3"))
    assert any("no request met schema_mismatch" in line for line in summary["advice"])


def test_without_any_key_the_shipped_providers_are_rehearsed_within_seconds(
    rehearse: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    began = time.monotonic()
    result = rehearse("--json", "--on", "openai", manifest="version = 1\n", tasks="")
    calls, _ = parsed(result)
    assert time.monotonic() - began < 15
    assert len(calls) == 3 * len(BUILT_IN)
    assert {c["task"] for c in calls} == {sample.label for sample in BUILT_IN}


async def test_neither_keys_nor_headers_nor_addresses_of_the_user_are_used(tmp_path: Path) -> None:
    catalog = catalog_from(tmp_path, MANIFEST)

    answers = Answers(BUILT_IN, count_tokens)
    async with simulate(catalog, answers, seed=0, clock=time.monotonic) as set_up:
        for model in set_up.catalog.models.values():
            for endpoint in model.endpoints:
                provider = endpoint.provider
                assert provider.base_url.startswith("http://127.0.0.1:")
                assert provider.headers == {}
                assert (
                    set_up.settings.key(provider) == f"sk-rehearsal-of-{provider.key_env.lower()}"
                )
        assert set_up.catalog.models["mine/large"].price == catalog.models["mine/large"].price
        assert set_up.catalog.routing == catalog.routing


@pytest.mark.parametrize(
    ("name", "url", "dialect"),
    [
        ("groq", "https://api.groq.com/openai/v1", "groq"),
        ("mine", "https://openrouter.ai/api/v1", "openrouter"),
        ("box", "http://192.168.0.2:11434/v1", "ollama"),
        ("mine", "https://models.example.com/v1", "openai"),
    ],
)
def test_a_twin_sends_the_error_bodies_of_its_provider(name: str, url: str, dialect: str) -> None:
    assert dialect_of(Provider(name, WireFormat.OPENAI_CHAT, url)) == dialect


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--fault", "overlod"), "unknown fault 'overlod'. Nearest: overloaded"),
        (("--on", "opnai"), "unknown provider or model 'opnai'. Nearest: openai"),
        (("--fault", "block_reason"), "cannot happen at any connected provider"),
        (("--fault", "moderated", "--on", "mine"), "cannot happen at mine"),
    ],
)
def test_a_wrong_name_is_reported_with_valid_ones(
    rehearse: Callable[..., Result], arguments: tuple[str, ...], told: str
) -> None:
    result = rehearse(*arguments, "--calls", "3")
    assert told in str(result.exception)


def test_a_line_that_cannot_be_read_is_named(rehearse: Callable[..., Result]) -> None:
    result = rehearse(tasks='{"prompt": "a"}\n\n{"prompt": "b", "tier": "bset"}\n')
    assert "t.jsonl, line 3: unknown tier 'bset'" in str(result.exception)
    assert "no tasks" in str(rehearse(tasks="\n").exception)
    assert "prompt is empty" in str(rehearse(tasks="{}").exception)


def test_the_list_names_every_fault_and_where_it_can_happen(
    rehearse: Callable[..., Result],
) -> None:
    rows = [json.loads(line) for line in rehearse("--list", "--json").stdout.splitlines()]
    assert {row["fault"] for row in rows} == set(CATALOGUE)
    where = {row["fault"]: row["at"] for row in rows}
    assert where["retry_info"] == []
    assert set(where["overloaded"]) == {"openai", "mine"}
    shown = rehearse("--list").stdout.splitlines()
    assert max(map(len, shown)) <= 80
    assert {line.split()[0] for line in shown} >= set(CATALOGUE)


@pytest.mark.parametrize("width", [60, 80, 112])
def test_what_is_shown_fits_and_states_first_and_last_what_is_simulated(
    rehearse: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setattr("rightmodel.surfaces.cli.show.view.PIPE_WIDTH", width)
    alone = MANIFEST.split('[[models]]\nid = "mine', maxsplit=1)[0]
    for manifest in (MANIFEST, alone):
        result = rehearse("--on", "openai", "--calls", "6", manifest=manifest)
        lines = result.stdout.splitlines()
        assert max(map(len, lines)) <= width
        assert result.stdout.replace("\n", "").isprintable()
        assert any(line.startswith("simulated ") for line in lines[:6])
        assert any(line.startswith("simulated ") for line in lines[-3:])
        assert "!! outage: overloaded at openai (every request)" in lines
        assert (
            "no key for mine: rehearsed as if there were one" in result.stdout or manifest is alone
        )
        assert SECRET not in result.output
    assert "what the agent reads, code overloaded" in result.stdout


def test_phases_are_thirds() -> None:
    assert phases_of(5) == [HEALTHY, OUTAGE, OUTAGE, OUTAGE, HEALED]


def test_the_clock_jumps_over_waiting_and_waits_for_the_network() -> None:
    async def run() -> tuple[float, float]:
        loop = asyncio.get_running_loop()
        models = {"m": Behaviour(first_token_s=100.0, tokens_per_s=0.5)}
        async with SimulatedProvider("openai-chat", models=models, clock=loop.time) as provider:
            reader, writer = await asyncio.open_connection("127.0.0.1", provider.port)
            body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}]})
            writer.write(
                f"POST /v1/chat/completions HTTP/1.1\r\nconnection: close\r\n"
                f"content-length: {len(body)}\r\n\r\n{body}".encode()
            )
            async with asyncio.timeout(200):
                answer = await reader.read()
            answered = loop.time()
            assert b"simulated answer" in answer
            writer.close()
            await asyncio.sleep(3600)
            return answered, loop.time()

    began = time.monotonic()
    answered, end = clock.run(run())
    assert time.monotonic() - began < 2
    assert 100 < answered < 200
    assert end == pytest.approx(answered + 3600)


# --- docs/rehearsing.md ---


def test_the_example_in_the_docs_runs(tmp_path: Path) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", example],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert (done.returncode, done.stdout) == (0, "survived\n"), done.stderr


def test_the_docs_name_every_fault_in_its_group() -> None:
    text = DOCS.read_text(encoding="utf-8")
    listed = re.findall(r"^\*\*([^*]+)\*\*:\n((?:`.*\n)+)", text, re.MULTILINE)
    found = {title: tuple(re.findall(r"`(\w+)`", names)) for title, names in listed}
    assert found == {g.title: tuple(one.name for one in g.faults) for g in GROUPS}
    assert {name for names in found.values() for name in names} == set(CATALOGUE)
