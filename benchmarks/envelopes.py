"""Right skill and unchanged model inside agents' envelopes and beside polite sentences.

    python benchmarks/envelopes.py FILE.jsonl

FILE: labelled tasks as `skills.py` reads them. Each is wrapped in ten ways; the wordings are of
this file alone, the training's are others. Models: the shipped manifests of five providers.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from skills import Item, read

from rightmodel.core.task import Task
from rightmodel.execution.engine import make_router
from rightmodel.manifest.load import load_catalog

if TYPE_CHECKING:
    from rightmodel.core.decision import Decision

MANIFEST = """version = 1
include = ["anthropic", "openai", "google", "deepseek", "groq"]
baseline = "anthropic/claude-opus-4-8"
[routing]
assess = "learned"
"""
Wrap = Callable[[str], str]


def _json(**fields: object) -> str:
    return json.dumps(fields, ensure_ascii=False)


ENVELOPES: dict[str, tuple[Wrap, ...]] = {
    "sub-agent header": (
        lambda p: (
            "# Subagent Context\n\nYou are a **subagent** spawned by the main agent for a specific"
            " task.\n\n## Your Role\n- You were created to handle the task below.\n- Complete it."
            " That's your entire purpose.\n- You are NOT the main agent.\n\n## Rules\n1. Stay"
            " focused\n2. Your final message will be reported automatically\n3. Don't initiate\n\n"
            f"Task: {p}"
        ),
        lambda p: (
            "[Subagent] depth=1 requester=agent:main\nThe following was delegated to you. Work"
            f" alone and answer once.\n\n{p}"
        ),
    ),
    "role line": (
        lambda p: f"You are an award-winning specialist with deep knowledge of your trade.\n\n{p}",
        lambda p: f"You're the most reliable member of our staff. {p}",
    ),
    "act as": (
        lambda p: f"Act as a thoughtful domain expert. {p}",
        lambda p: f"Act like a veteran of this field.\n{p}",
    ),
    "parent's note": (
        lambda p: (
            f"{p}\n\n(Message from the coordinating agent: results will be combined with other work"
            " streams. Return just the deliverable.)"
        ),
        lambda p: f"The orchestrator adds: the client reads this tomorrow morning.\n\n{p}",
    ),
    "tags": (
        lambda p: (
            f"<context>Step 2 of a larger plan.</context>\n<task>{p}</task>\n<output>Text</output>"
        ),
        lambda p: f"Please process the block.\n<user_request>\n{p}\n</user_request>",
    ),
    "goal, constraints, output": (
        lambda p: f"Goal: {p}\nConstraints: stay concise, do not invent facts\nOutput: plain text",
        lambda p: f"**Objective:** {p}\n**Constraints:** one pass only\n**Output:** final text",
    ),
    "headings": (
        lambda p: (
            f"## Background\nThis came up in our weekly planning.\n\n## Task\n{p}\n\n"
            "## Deliverable\nOne reply, ready to use."
        ),
        lambda p: f"# Request\n{p}\n\n# Notes\nNothing else is known.",
    ),
    "JSON object": (
        lambda p: _json(id="st-19", role="worker", task=p, constraints=["be accurate"]),
        lambda p: "```json\n" + _json(instructions=p, reply_in="text", urgency="low") + "\n```",
    ),
    "polite sentence in front": (
        lambda p: f"I trust this message finds you well. {p}",
        lambda p: f"It would be lovely if you could lend me a hand here. {p}",
        lambda p: f"Ich wäre dir sehr dankbar für deine Hilfe. {p}",
        lambda p: f"Te agradecería mucho tu ayuda con esto. {p}",
        lambda p: f"Ce serait vraiment gentil de m'aider. {p}",
    ),
    "polite sentence behind": (
        lambda p: f"{p}\nI'm truly grateful for any assistance.",
        lambda p: f"{p} You've saved my day more than once.",
        lambda p: f"{p}\nDafür wäre ich dir sehr verbunden.",
        lambda p: f"{p}\nDe verdad, te lo agradezco.",
        lambda p: f"{p}\n辛苦你了。",
    ),
}


async def decisions(prompts: list[str]) -> list[Decision]:
    """What is decided for each prompt."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rightmodel.toml"
        path.write_text(MANIFEST, encoding="utf-8")
        router = make_router(load_catalog(path, has_key=lambda _: True), None)
    return [await router.route(Task(prompt)) for prompt in prompts]


def report(items: list[Item]) -> None:
    """A row for each envelope: accuracy, the same skill, the same model."""
    bare = asyncio.run(decisions([item.prompt for item in items]))
    right = statistics.fmean(
        d.assessment.skill in i.right for d, i in zip(bare, items, strict=True)
    )
    print(f"{len(items)} tasks, bare: accuracy {right:.3f}")
    print(f"{'envelope':<28} accuracy  same skill  same model")
    for name, ways in ENVELOPES.items():
        rng = random.Random(11)
        wrapped = asyncio.run(decisions([rng.choice(ways)(item.prompt) for item in items]))
        rows = list(zip(wrapped, bare, items, strict=True))
        right = statistics.fmean(w.assessment.skill in i.right for w, _, i in rows)
        skill = statistics.fmean(w.assessment.skill == b.assessment.skill for w, b, _ in rows)
        model = statistics.fmean(w.candidates[0].model == b.candidates[0].model for w, b, _ in rows)
        print(f"{name:<28} {right:.3f}     {skill:.3f}       {model:.3f}")


def main() -> None:
    """Parse the command line and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    report(read(parser.parse_args().file.read_text(encoding="utf-8").splitlines()))


if __name__ == "__main__":
    main()
