"""A simulated provider from the command line."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import httpx2
import pytest

from rightmodel.simulator.__main__ import main, parsed, serve
from simulator.raw import body_of


def test_the_faults_that_fit_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--protocol", "gemini", "--list"]) == 0
    listed = capsys.readouterr().out.split()
    assert "retry_info" in listed
    assert "insufficient_quota" not in listed


def test_an_unknown_fault_is_reported_with_the_nearest_name(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--fault", "overlooded"])
    assert ended.value.code == 2
    assert "Nearest: overloaded" in capsys.readouterr().err


def test_a_dialect_of_another_protocol_is_refused_with_those_that_fit(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--protocol", "openai-responses", "--dialect", "openai"])
    assert ended.value.code == 2
    text = capsys.readouterr().err
    assert "--dialect openai does not speak openai-responses" in text
    assert text.endswith("dialects that do: openai-responses\n")


async def test_it_serves_prints_its_address_and_sums_up() -> None:
    said: list[str] = []
    started = asyncio.Event()

    def echo(text: str) -> None:
        said.append(text)
        started.set()

    faults = ["--fault", "overloaded", "--fault", "status_500"]
    options = parsed(["--model", "m", "--key", "k", "--share", "0.5", *faults])
    task = asyncio.ensure_future(serve(options, echo))
    await started.wait()
    url = said[0].split("\n")[0].removeprefix("base_url = ")
    async with httpx2.AsyncClient(headers={"authorization": "Bearer k"}) as client:
        body = body_of("openai-chat")
        sent = [await client.post(f"{url}/chat/completions", json=body) for _ in range(20)]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert ({response.status_code for response in sent}) == {200, 500, 503}
    assert "models = m" in said[0]
    assert {line.split()[1] for line in said[-1].splitlines()} == {
        "answered",
        "overloaded",
        "status_500",
    }


def test_its_address_is_written_to_a_pipe_at_once() -> None:
    command = [sys.executable, "-m", "rightmodel.simulator", "--model", "m"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        process.terminate()
    assert first.startswith("base_url = http://127.0.0.1:")
