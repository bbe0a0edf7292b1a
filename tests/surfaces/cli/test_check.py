"""`rightmodel check` against three simulated providers with seven models, keys from an env file."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

from rightmodel.simulator import Behaviour, SimulatedProvider, fault

if TYPE_CHECKING:
    from pathlib import Path

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


def test_each_model_is_told_with_what_to_do_about_what_does_not_work(tmp_path: Path) -> None:
    async def run() -> tuple[str, int | None]:
        two = {"b1": Behaviour(), "b2": Behaviour()}
        async with (
            SimulatedProvider(
                "openai-chat", key="sk-alpha-1", models={"a1": Behaviour(), "a2": Behaviour()}
            ) as alpha,
            SimulatedProvider("anthropic-messages", key="sk-beta-1", models=two) as beta,
            SimulatedProvider(
                "gemini", key="sk-gamma-1", models={"g1": Behaviour(), "g2": Behaviour()}
            ) as gamma,
        ):
            beta.fail("b2", fault.overloaded())
            text = MANIFEST.format(alpha=alpha.base_url, beta=beta.base_url, gamma=gamma.base_url)
            text += "".join(f'[[models]]\nid = "{model}"\n' for model in MODELS)
            (tmp_path / "rightmodel.toml").write_text(text)
            (tmp_path / "keys.env").write_text(
                "ALPHA_KEY=sk-alpha-1\nBETA_KEY=sk-beta-1\nGAMMA_KEY=sk-wrong-one\n"
            )
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "rightmodel", "check", "--env-file", "keys.env",
                cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
            )  # fmt: skip
            out, _ = await process.communicate()
            return out.decode(), process.returncode

    out, code = asyncio.run(run())
    lines = {line.split()[1].rstrip(":"): line for line in out.splitlines() if "/" in line}
    assert code == 0
    for model in ("alpha/a1", "alpha/a2", "beta/b1"):
        assert lines[model].startswith("ok")
    assert "check the model's name" in lines["alpha/gone"]
    assert "try again later" in lines["beta/b2"]
    for model in ("gamma/g1", "gamma/g2"):
        assert "check the key" in lines[model]
    assert "sk-" not in out
    assert "3 of 7 endpoints answered" in out
