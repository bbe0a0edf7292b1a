"""What is measured on must not have been trained on."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
HELD_OUT = ROOT / "benchmarks" / "data"
TRAINING = ROOT / "training"
CHOICES = re.compile(r"\{([^{}]*\|[^{}]*)\}")
SENTENCES = re.compile(r"(?:\{[^}]*\}|[^{.!?。：:])+[.!?。：:]*")
NAMES = {"background", "your role", "hintergrund", "contexto", "contexte"}
"""Headings that everybody writes so."""
SHORT = 6


def plain(text: str) -> str:
    return re.sub(r"[\W_]+", " ", text.lower()).strip()


def prompts(path: Path) -> set[str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return {plain(json.loads(line).get("prompt", "")) for line in lines} - {""}


def wordings(text: str) -> Iterator[str]:
    for piece in re.split(r"\{task\}|\\n|(?<=[.!?。：:])\s|。", text):
        if len(plain(piece)) > SHORT:
            yield plain(piece)


def drawn(text: str) -> Iterator[str]:
    """Every way in which `{one|other}` can be drawn."""
    parts = CHOICES.split(text)
    choices = [part.split("|") if i % 2 else [part] for i, part in enumerate(parts)]
    return ("".join(chosen) for chosen in itertools.product(*choices))


def records(path: Path) -> list[list[str]]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line.split("|", 2) for line in lines if line.strip() and not line.startswith("#")]


def test_no_held_out_prompt_is_in_the_corpus() -> None:
    held = {p for path in HELD_OUT.glob("*-heldout.jsonl") for p in prompts(path)}
    corpus = {p for path in (TRAINING / "corpus").glob("*.jsonl") for p in prompts(path)}
    assert len(held) > 900
    assert held & corpus == set()


def test_no_wording_of_the_envelopes_measured_is_one_of_the_training() -> None:
    measured = {
        wording for _, _, text in records(HELD_OUT / "envelopes.txt") for wording in wordings(text)
    }
    trained = {
        wording
        for _, _, line in records(TRAINING / "wrappings.txt")
        for sentence in SENTENCES.findall(line.replace("\\n", ". "))
        for text in drawn(sentence)
        for wording in wordings(text)
    }
    assert len(measured) > 150
    assert measured & trained <= NAMES
