"""Learning from outcomes, simulated: how soon wrong ratings are put right, how far lies can push.

    python benchmarks/ledger_learning.py [--seeds 20] [--json]

Eight models, five skills; true ratings rise with price, with spread of their own by skill. The
manifest has them *shuffled* among the models, skill by skill. A task (skill, difficulty 1-9) goes
to the model of least expected total cost, price + (1 - p) x loss, by the ratings as they are
believed; an outcome is drawn from the truth, and a share of calls is reported. Regret: the expected
total cost of the choice, by the truth, over that of the best choice. *Never learns* keeps the
manifest. Also: what learning costs where the manifest is right, and what false reports do.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rightmodel.core.decision import success as chance_of
from rightmodel.ledger.ratings import Ratings
from rightmodel.ledger.records import OutcomeRecord
from rightmodel.routing.router import MOST_REGRET

if TYPE_CHECKING:
    from collections.abc import Sequence

MODELS: Final = tuple(f"m{i}" for i in range(8))
SKILLS: Final = ("code", "math", "writing", "extract", "research")
PRICE: Final = {model: 0.0002 * 2.2**i for i, model in enumerate(MODELS)}
LOSS: Final = 0.25
OUTCOMES: Final = 4000
WINDOW: Final = 100
MINUTE: Final = 60.0

Table = "Mapping[tuple[str, str], float]"


@dataclass(frozen=True)
class World:
    """True ratings, and what the manifest says."""

    truth: dict[tuple[str, str], float]
    manifest: dict[tuple[str, str], float]


def world(chance: random.Random, *, shuffled: bool) -> World:
    """One draw."""
    truth = {
        (model, skill): min(9.8, max(1.0, 3.0 + 0.8 * i + chance.gauss(0.0, 0.8)))
        for i, model in enumerate(MODELS)
        for skill in SKILLS
    }
    if not shuffled:
        return World(truth, dict(truth))
    manifest: dict[tuple[str, str], float] = {}
    for skill in SKILLS:
        order = chance.sample(MODELS, len(MODELS))
        manifest |= {(m, skill): truth[o, skill] for m, o in zip(MODELS, order, strict=True)}
    return World(truth, manifest)


def total(model: str, rating: float, difficulty: float) -> float:
    """Expected total cost of giving the task to the model."""
    return PRICE[model] + (1.0 - chance_of(rating, difficulty)) * LOSS


def regrets(seed: int, *, shuffled: bool, learns: bool, explore: float) -> list[float]:
    """Regret of each of `OUTCOMES` reported calls."""
    chance = random.Random(seed)
    made = world(chance, shuffled=shuffled)
    ratings = Ratings(lambda model, skill: made.manifest[model, skill])
    found = []
    for number in range(OUTCOMES):
        now = number * MINUTE
        skill, difficulty = chance.choice(SKILLS), chance.uniform(1.0, 9.0)
        believed = {m: ratings.rating(m, skill, now=now) for m in MODELS}
        chosen = min(MODELS, key=lambda m: total(m, believed[m], difficulty))
        if chance.random() < explore:
            most = MOST_REGRET * total(chosen, believed[chosen], difficulty)
            near = [m for m in MODELS if total(m, believed[m], difficulty) <= most]
            chosen = chance.choice([m for m in near if m != chosen] or [chosen])
        real = {m: total(m, made.truth[m, skill], difficulty) for m in MODELS}
        found.append(real[chosen] - min(real.values()))
        good = chance.random() < chance_of(made.truth[chosen, skill], difficulty)
        if learns:
            outcome = OutcomeRecord(
                number, now, chosen, ((skill, 1.0),), difficulty, float(good), task=str(number)
            )
            ratings.learn([outcome], now=now)
    return found


def curve(seeds: int, *, shuffled: bool, learns: bool, explore: float = 0.0) -> list[float]:
    """Mean regret in windows of `WINDOW` outcomes."""
    runs = [regrets(s, shuffled=shuffled, learns=learns, explore=explore) for s in range(seeds)]
    return [
        statistics.mean(statistics.mean(run[at : at + WINDOW]) for run in runs)
        for at in range(0, OUTCOMES, WINDOW)
    ]


def halved_after(learned: Sequence[float], fixed: float) -> int | None:
    """Outcomes until regret is below half of the fixed table's, and stays there."""
    for place in range(len(learned)):
        if max(learned[place:]) <= fixed / 2:
            return place * WINDOW
    return None


def pushed(false_reports: int, honest_for_each: int, *, same_task: bool = False) -> float:
    """How far false "bad" reports push a model rated 8 (truly, too), points. Mean of 20 seeds."""
    ends = []
    for seed in range(20):
        chance = random.Random(seed)
        ratings = Ratings(lambda *_: 8.0)
        number = 0
        for _ in range(false_reports):
            lies = [(4.0, 0.0, "same" if same_task else f"lie{number}")]
            honest = []
            for k in range(honest_for_each):
                difficulty = chance.uniform(4.0, 9.0)
                good = float(chance.random() < chance_of(8.0, difficulty))
                honest.append((difficulty, good, f"h{number}.{k}"))
            for difficulty, good, task in (*lies, *honest):
                number += 1
                row = OutcomeRecord(
                    number, number * MINUTE, "m", (("code", 1.0),), difficulty, good, task=task
                )
                ratings.learn([row], now=number * MINUTE)
        ends.append(ratings.rating("m", "code", now=number * MINUTE) - 8.0)
    return statistics.mean(ends)


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    seeds = options.seeds
    curves = {
        "never learns": curve(seeds, shuffled=True, learns=False),
        "learns": curve(seeds, shuffled=True, learns=True),
        "learns, 5 % explore": curve(seeds, shuffled=True, learns=True, explore=0.05),
        "learns, manifest right": curve(seeds, shuffled=False, learns=True),
    }
    fixed = statistics.mean(curves["never learns"])
    halved = {name: halved_after(values, fixed) for name, values in curves.items()}
    lies = {
        "1 false report": pushed(1, 0),
        "3 false reports": pushed(3, 0),
        "10 false reports": pushed(10, 0),
        "100 false reports": pushed(100, 0),
        "1,000 false reports": pushed(1000, 0),
        "1,000 about one task": pushed(1000, 0, same_task=True),
        "200 among 1,800 honest ones": pushed(200, 9),
        "200 among 600 honest ones": pushed(200, 3),
    }
    if options.json:
        print(json.dumps({"curves": curves, "halved_after": halved, "pushed": lies}, indent=2))
        return
    heads = f"{'first 100':>11}{'400-500':>9}{'last 500':>10}{'halved after':>14}"
    print(f"{'regret for a task, USD':26}{heads}")
    for name, values in curves.items():
        last = statistics.mean(values[-5:])
        print(f"{name:26}{values[0]:>11.4f}{values[4]:>9.4f}{last:>10.4f}{halved[name] or '-':>14}")
    print("\na model rated 8.0, truly 8.0, is moved by")
    for name, points in lies.items():
        print(f"  {name:30}{points:>+6.2f}")


if __name__ == "__main__":
    main()
