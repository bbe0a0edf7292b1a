"""The corpus: labelled subtasks, contexts to paste around them, and the split."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path

from rightmodel.core.task import SKILLS

HERE = Path(__file__).resolve().parent
CORPUS = HERE / "corpus"
PLACE = {skill: i for i, skill in enumerate(SKILLS)}
FOLDS = 10


@dataclass(slots=True)
class Row:
    """One labelled subtask. `weight`: how much it counts in training. `base`: hash of the base."""

    prompt: str
    skills: dict[str, float]
    difficulty: float
    out: float
    lang: str
    kind: str
    base: int
    weight: float = 1.0
    name: str = ""
    file: str = ""
    also: list[str] = field(default_factory=list)

    @property
    def top(self) -> str:
        """The heaviest skill."""
        return max(self.skills, key=lambda skill: self.skills[skill])


def base_hash(prompt: str) -> int:
    """By which a base and everything made from it stays on one side of a split."""
    return int.from_bytes(hashlib.sha256(prompt.encode()).digest()[:4], "big")


def files() -> list[Path]:
    """The labelled files, without the contexts."""
    return sorted(p for p in CORPUS.glob("*.jsonl") if p.name != "contexts.jsonl")


def load() -> list[Row]:
    """Every labelled row, with the corrections applied."""
    rows = []
    for path in files():
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.strip():
                it = json.loads(line)
                rows.append(
                    Row(
                        prompt=it["prompt"],
                        skills=it["skills"],
                        difficulty=float(it["difficulty"]),
                        out=float(it["out"]),
                        lang=it["lang"],
                        kind=it["kind"],
                        base=base_hash(it["prompt"]),
                        name=it.get("id", ""),
                        file=path.stem,
                        also=it.get("also", []),
                    )
                )
    return rows


def contexts() -> dict[str, list[str]]:
    """Language → texts to paste before or after a request; "" → all of them."""
    found: dict[str, list[str]] = {"": []}
    for line in (CORPUS / "contexts.jsonl").read_text(encoding="utf-8").splitlines():
        if line.strip():
            it = json.loads(line)
            found[""].append(it["text"])
            found.setdefault(it["lang"], []).append(it["text"])
    return found


def concepts() -> dict[str, list[str]]:
    """Concept → its words in many languages: `stem*`, `two_words`."""
    found: dict[str, list[str]] = {}
    for line in (HERE / "concepts.txt").read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            name, *words = line.split()
            found.setdefault(name, []).extend(words)
    return found


def distractors() -> dict[str, list[tuple[str, str]]]:
    """Language → skill and a sentence that names it without asking for it."""
    found: dict[str, list[tuple[str, str]]] = {}
    for line in (HERE / "distractors.txt").read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            lang, skill, text = line.split("|", 2)
            found.setdefault(lang, []).append((skill, text))
    return found


def corpus_hash() -> str:
    """Of every byte that training reads from the corpus."""
    digest = hashlib.sha256()
    for path in [
        *files(),
        CORPUS / "contexts.jsonl",
        HERE / "wrappings.txt",
        HERE / "concepts.txt",
        HERE / "distractors.txt",
    ]:
        digest.update(path.read_bytes())
    return digest.hexdigest()
