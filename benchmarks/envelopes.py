"""Right skill and unchanged model inside agents' envelopes and beside polite sentences.

    python benchmarks/envelopes.py FILE.jsonl

FILE: labelled tasks as `skills.py` reads them. Each is wrapped in ten ways, half of the time in its
own language (`data/envelopes.txt`), else in English; the wordings of the training are others.
Models: the shipped manifests of five providers.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import tempfile
from collections.abc import Callable
from functools import partial
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


TEXTS = Path(__file__).parent / "data" / "envelopes.txt"
OWN_LANGUAGE = 0.5


def _json(**fields: object) -> str:
    return json.dumps(fields, ensure_ascii=False)


def envelopes() -> dict[str, dict[str, list[Wrap]]]:
    """Name → language → ways to wrap a task."""
    found: dict[str, dict[str, list[Wrap]]] = {}
    for line in TEXTS.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            name, lang, text = line.split("|", 2)
            around = text.replace("\\n", "\n")
            wrap = partial(str.replace, around, "{task}")
            found.setdefault(name, {}).setdefault(lang, []).append(wrap)
    found["JSON object"] = {
        "en": [
            lambda p: _json(id="st-19", role="worker", task=p, constraints=["be accurate"]),
            lambda p: "```json\n" + _json(instructions=p, reply_in="text", urgency="low") + "\n```",
        ]
    }
    return found


def wrapped(ways: dict[str, list[Wrap]], item: Item, rng: random.Random) -> str:
    """A task in one of the ways."""
    own = rng.random() < OWN_LANGUAGE
    return rng.choice(ways.get(item.lang if own else "en") or ways["en"])(item.prompt)


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
    for name, ways in envelopes().items():
        rng = random.Random(11)
        inside = asyncio.run(decisions([wrapped(ways, item, rng) for item in items]))
        rows = list(zip(inside, bare, items, strict=True))
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
