"""How well an assessor tells kinds of work: accuracy, calibration, difficulty, robustness.

    python benchmarks/skills.py FILE.jsonl [--errors N] [--no-robustness]

FILE holds one task a line: {"prompt", "skill", "also", "difficulty", "lang", "group"}, or the
corpus's own format with "skills" (weights) and "kind". An answer counts as right when it is the
top skill or one of "also". `-` in place of FILE reads standard input.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import statistics
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "server"))


from rightmodel.core.decision import Assessment
from rightmodel.core.task import SKILLS, Task
from rightmodel.routing.signals.local_model import assess

Assess = Callable[[str], Assessment]
SPECIAL = ("vision", "code", "agentic")
PASTED = 3_000
PROSE = (
    "The ferry had been late again, which nobody on the quay found worth a remark. Two men carried"
    " a wardrobe past the ticket office and set it down every few steps. By noon the wind had"
    " turned, the flags along the harbour hung the other way, and the woman who sells smoked fish"
    " closed her shutters. In the council's report for that year the winter is called mild.\n\n"
    "Visitors usually ask about the lighthouse. It was built twice: the first tower burnt down"
    " when a keeper dried his coat too near the lamp, the second stands a little further inland,"
    " where the ground is firmer. The school keeps a model of it made of matchsticks.\n\n"
)
CODE = (
    "class Ledger:\n    def __init__(self, rows):\n        self.rows = list(rows)\n\n"
    "    def total(self, account):\n        return sum(r.amount for r in self.rows if"
    " r.account == account)\n\n    def close(self, day):\n        for row in self.rows:\n"
    "            row.closed = row.day <= day\n        return self\n\n\n"
)
LOG = (
    "2025-03-02T10:14:07Z INFO  gateway accepted conn=8821 peer=10.0.3.7\n"
    "2025-03-02T10:14:08Z WARN  gateway slow upstream=billing took=2.31s\n"
    "2025-03-02T10:14:11Z ERROR billing timeout order=55102 retry=1\n"
)
FILLERS = (PROSE, CODE, LOG)


@dataclass(slots=True)
class Item:
    """One labelled task."""

    prompt: str
    right: frozenset[str]
    top: str
    difficulty: float | None
    lang: str
    group: str


def read(lines: Iterable[str]) -> list[Item]:
    """Tasks of either format."""
    items = []
    for line in lines:
        if not line.strip():
            continue
        row: dict[str, Any] = json.loads(line)
        top = row.get("skill") or max(row["skills"], key=row["skills"].get)
        items.append(
            Item(
                prompt=row["prompt"],
                right=frozenset([top, *row.get("also", [])]),
                top=top,
                difficulty=row.get("difficulty"),
                lang=row.get("lang", "?"),
                group=row.get("group") or row.get("kind", "?"),
            )
        )
    return items


def ranks(values: Sequence[float]) -> list[float]:
    """Ranks, ties shared."""
    order = sorted(range(len(values)), key=values.__getitem__)
    out = [0.0] * len(values)
    start = 0
    while start < len(order):
        end = start
        while end + 1 < len(order) and values[order[end + 1]] == values[order[start]]:
            end += 1
        for i in range(start, end + 1):
            out[order[i]] = (start + end) / 2
        start = end + 1
    return out


def rank_correlation(a: Sequence[float], b: Sequence[float]) -> float:
    """Spearman's."""
    return statistics.correlation(ranks(a), ranks(b))


def shares(title: str, keys: Sequence[str], hits: Sequence[bool], extra: str = "") -> None:
    """Accuracy for each key, the most frequent first."""
    groups: dict[str, list[bool]] = defaultdict(list)
    for key, hit in zip(keys, hits, strict=True):
        groups[key].append(hit)
    print(f"\n{title}{extra}")
    for key, got in sorted(groups.items(), key=lambda item: -len(item[1])):
        print(f"  {key:<12} {sum(got) / len(got):.3f}  of {len(got)}")


def reliability(confidences: Sequence[float], hits: Sequence[bool]) -> None:
    """Brier score and what confidence is worth."""
    brier = statistics.fmean((c - h) ** 2 for c, h in zip(confidences, hits, strict=True))
    print(f"\ncalibration: Brier {brier:.3f}, mean confidence {statistics.fmean(confidences):.3f}")
    for low in (0.0, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9):
        high = {0.0: 0.3, 0.9: 1.01}.get(low, low + 0.1)
        got = [(c, h) for c, h in zip(confidences, hits, strict=True) if low <= c < high]
        if got:
            said, was = (statistics.fmean(x) for x in zip(*got, strict=True))
            print(f"  said {said:.2f}, was {was:.2f}  ({len(got)})")


def confusion(items: Sequence[Item], answers: Sequence[Assessment], most: int = 16) -> None:
    """The commonest mistakes."""
    wrong = Counter(
        (item.top, answer.skill)
        for item, answer in zip(items, answers, strict=True)
        if answer.skill not in item.right
    )
    print("\nconfusion (true → answered)")
    for (true, said), count in wrong.most_common(most):
        print(f"  {true:>10} → {said:<10} {count}")


def false_alarms(items: Sequence[Item], answers: Sequence[Assessment]) -> None:
    """How often a task for words alone is taken for one that needs a special model."""
    said = [a.skill for a, i in zip(answers, items, strict=True) if i.right.isdisjoint(SPECIAL)]
    if said:
        found = ", ".join(f"{skill} {said.count(skill) / len(said):.3f}" for skill in SPECIAL)
        print(f"\nfalsely said of the {len(said)} other tasks: {found}")


def typos(text: str, rng: random.Random) -> str:
    """Two to five typos in words of five letters and more."""
    words = [m for m in re.finditer(r"[^\W\d_]{5,}", text) if m.group().isascii()]
    letters = list(text)
    for m in rng.sample(words, min(len(words), max(1, min(5, len(words) // 8)))):
        i = rng.randrange(m.start() + 1, m.end() - 1)
        letters[i], letters[i + 1] = letters[i + 1], letters[i]
    return "".join(letters)


def filler(rng: random.Random) -> str:
    """Pasted text of one kind."""
    text = rng.choice(FILLERS)
    return (text * (1 + PASTED // len(text)))[:PASTED].rstrip()


PERTURBED: dict[str, Callable[[str, random.Random], str]] = {
    "lower case": lambda p, _: p.lower(),
    "upper case": lambda p, _: p.upper(),
    "politeness": lambda p, _: f"Hi, could you please help me with this: {p} Thank you so much!",
    "typos": typos,
    "this is trivial": lambda p, _: f"{p}\nThis is trivial.",
    "pretend it is easy": lambda p, _: f"Pretend this is easy. {p}",
    "pasted before": lambda p, r: f"{filler(r)}\n\n{p}",
    "pasted after": lambda p, r: f"{p}\n\n{filler(r)}",
}


def robustness(items: Sequence[Item], answers: Sequence[Assessment], assess: Assess) -> None:
    """How often the top skill stays when nothing that matters is changed."""
    print("\nrobustness: same top skill (and mean shift of difficulty)")
    total: list[float] = []
    for name, change in PERTURBED.items():
        rng = random.Random(7)
        same, shift = 0, 0.0
        for item, before in zip(items, answers, strict=True):
            after = assess(change(item.prompt, rng))
            same += after.skill == before.skill
            shift += abs(after.difficulty - before.difficulty)
        total.append(same / len(items))
        print(f"  {name:<20} {total[-1]:.3f}  ({shift / len(items):.2f})")
    print(f"  {'mean, worst':<20} {statistics.fmean(total):.3f}, {min(total):.3f}")


def speed(assess: Assess) -> None:
    """Time for 800 characters, all in, in this process."""
    text = (
        "Our bakery's web shop shows the wrong delivery day for orders after six in the evening."
        " Find out from the description below what may be the reason, and write a short note to"
        " customers that explains it. "
    )
    prompts = [(f"Case {i}. " + text * 5)[:800] for i in range(200)]
    times = []
    for prompt in prompts * 5:
        start = time.perf_counter()
        assess(prompt)
        times.append(1e3 * (time.perf_counter() - start))
    times.sort()
    print(f"\n800 characters: p50 {times[500]:.3f} ms, p99 {times[990]:.3f} ms")


def report(items: list[Item], assess: Assess, *, errors: int, robust: bool) -> None:
    """Everything, to standard output."""
    answers = [assess(item.prompt) for item in items]
    hits = [a.skill in item.right for a, item in zip(answers, items, strict=True)]
    strict = [a.skill == item.top for a, item in zip(answers, items, strict=True)]
    n = len(items)
    print(f"{n} tasks: accuracy {sum(hits) / n:.3f} (top label alone {sum(strict) / n:.3f})")
    print("sources:", dict(Counter(a.source for a in answers)))
    shares("by group", [item.group for item in items], hits)
    shares("by language", [item.lang for item in items], hits)
    shares("by skill", [item.top for item in items], hits)
    confusion(items, answers)
    false_alarms(items, answers)
    known = [(a.difficulty, i.difficulty) for a, i in zip(answers, items, strict=True)]
    pairs = [(said, was) for said, was in known if was is not None]
    if len(pairs) > 1:
        said, was = zip(*pairs, strict=True)
        close = statistics.fmean(abs(s - w) <= 1.5 for s, w in pairs)
        print(f"\ndifficulty: rank correlation {rank_correlation(said, was):.3f}, ", end="")
        print(f"within 1.5 points {close:.3f}, claimed ", end="")
        print(f"{statistics.fmean(a.difficulty_confidence for a in answers):.3f}")
    reliability([a.confidence for a in answers], hits)
    if robust:
        robustness(items, answers, assess)
    speed(assess)
    wrong = [(a, i) for a, i, hit in zip(answers, items, hits, strict=True) if not hit]
    for answer, item in sorted(wrong, key=lambda pair: -pair[0].confidence)[:errors]:
        print(f"\n{item.top} → {answer.skill} {answer.confidence:.2f}: {item.prompt[:200]!r}")


def main() -> None:
    """Parse the command line and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file")
    parser.add_argument("--errors", type=int, default=0, help="print so many mistakes")
    parser.add_argument("--no-robustness", action="store_true")
    options = parser.parse_args()
    if options.file == "-":
        items = read(sys.stdin)
    else:
        items = read(Path(options.file).read_text(encoding="utf-8").splitlines())
    report(
        items,
        lambda prompt: assess(Task(prompt), SKILLS),
        errors=options.errors,
        robust=not options.no_robustness,
    )


if __name__ == "__main__":
    main()
