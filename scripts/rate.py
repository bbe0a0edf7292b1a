"""Rate the shipped models on the 0-10 scale from published results, and write the ratings.

    python scripts/rate.py            print the ratings
    python scripts/rate.py --write    write the `skills` lines of manifests/*.toml
    python scripts/rate.py --check    exit 1 when a `skills` line is out of date
    python scripts/rate.py --fit      suggest difficulty and slope for every benchmark

The method, step by step (the numbers are in manifests/ratings/):

1. A result becomes a rating by the logistic item response model. A model rated r gets a share
   p = 1 / (1 + exp(-slope * (r - difficulty))) of a benchmark right, so

       r = difficulty + logit(p) / slope

   `difficulty` is the rating that gets half of it right; `slope` is the scale constant of the
   benchmark (how sharply it separates models). p is the score without what guessing gives,
   (score - chance) / (1 - chance), kept within 0.01 and 0.99. A rank k of n counts as
   p = 1 - k / (n + 1). A score in points (a published composite) is linear in r already:
   r = difficulty + (score - centre) * slope.
2. The prior level of a model is that of its tier, plus `per_year` for every year between the
   reference date and its release.
3. Its general level g is the weighted mean of the prior and of all its results, each result
   taken back from its skill to the general level by step 4.
4. Skills saturate differently: the rating expected in a skill is pivot + slope * (g - pivot).
   An easy skill has a slope under 1, so cheap models come closer to the top in it.
5. A skill's rating is the mean of what is expected and of the results that inform that skill,
   weighted by `expected_weight` and by the benchmark's weight for the skill (shrinkage: without
   a result, the expected rating stands). What a maker reports, and a rank that rests on one or
   two tests, counts less.
6. On a ladder of siblings no stronger model rates below a weaker one, unless a result that
   both have says so: ratings that break the order are pooled (isotonic regression).
"""

from __future__ import annotations

import argparse
import csv
import math
import re
import statistics
import sys
import tomllib
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import datetime as dt

MANIFESTS = Path(__file__).resolve().parent.parent / "manifests"
RATINGS = MANIFESTS / "ratings"
LOWEST, HIGHEST = 0.5, 9.8


@dataclass(frozen=True)
class Benchmark:
    """What a benchmark measures, and where it sits on the scale."""

    kind: str
    difficulty: float
    slope: float
    chance: float
    centre: float
    skills: dict[str, float]

    @property
    def main(self) -> str:
        """The skill that it informs most."""
        return max(self.skills, key=lambda name: self.skills[name])

    def share(self, score: float, unit: str) -> float:
        """The score as a share of right answers without guessing; see step 1."""
        if self.kind == "rank":
            return 1 - score / (int(unit.rpartition("/")[2]) + 1)
        part = score / 100 if self.kind == "percent" else score
        return (part - self.chance) / (1 - self.chance)

    def measure(self, score: float, unit: str) -> float:
        """The score on a scale that is linear in the rating."""
        if self.kind == "points":
            return score - self.centre
        p = min(max(self.share(score, unit), 0.01), 0.99)
        return math.log(p / (1 - p))

    def rating(self, score: float, unit: str) -> float:
        """The rating that the score stands for; see step 1."""
        measure = self.measure(score, unit)
        step = measure * self.slope if self.kind == "points" else measure / self.slope
        return self.difficulty + step


@dataclass(frozen=True)
class Result:
    """One row of results.csv."""

    model: str
    benchmark: str
    score: float
    unit: str
    weight: float


@dataclass
class Model:
    """Weights that may be served under several ids."""

    name: str
    ids: list[str]
    prior: float
    results: list[Result] = field(default_factory=list)
    ratings: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Method:
    """Everything that priors.toml and benchmarks.toml say."""

    skills: dict[str, tuple[float, float]]
    prior_weight: float
    expected_weight: float
    ladders: list[list[str]]
    benchmarks: dict[str, Benchmark]


def load_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file."""
    with path.open("rb") as file:
        return tomllib.load(file)


def load_benchmarks() -> dict[str, Benchmark]:
    """Read benchmarks.toml."""
    tables = load_toml(RATINGS / "benchmarks.toml")
    return {
        name: Benchmark(
            table["kind"],
            table["difficulty"],
            table["slope"],
            table.get("chance", 0.0),
            table.get("centre", 0.0),
            table["skills"],
        )
        for name, table in tables.items()
    }


def load_models(priors: dict[str, Any]) -> dict[str, Model]:
    """Every model of priors.toml with its prior level; see step 2."""
    tiers, reference = priors["tiers"], priors["reference"]
    models: dict[str, Model] = {}
    for name, table in priors["models"].items():
        released: dt.date = table["released"]
        years = (released - reference).days / 365.25
        level = tiers[table["tier"]] + priors["per_year"] * years
        models[name] = Model(name, table["ids"], min(max(level, LOWEST), 9.2))
    return models


def load_results(
    models: dict[str, Model], benchmarks: dict[str, Benchmark], trust: dict[str, float]
) -> None:
    """Hand every row of results.csv to its model, with the weight that its kind of source has."""
    with (RATINGS / "results.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["benchmark"] not in benchmarks:
                sys.exit(f"results.csv: unknown benchmark {row['benchmark']}")
            if row["model"] not in models:
                sys.exit(f"results.csv: unknown model {row['model']}")
            weight = trust[row["by"]]
            models[row["model"]].results.append(
                Result(row["model"], row["benchmark"], float(row["score"]), row["unit"], weight)
            )


def load() -> tuple[Method, dict[str, Model]]:
    """Read the whole of manifests/ratings/."""
    priors, benchmarks = load_toml(RATINGS / "priors.toml"), load_benchmarks()
    models = load_models(priors)
    trust = {
        "independent": 1.0,
        "maker": priors["maker_weight"],
        "thin": priors["thin_weight"],
    }
    load_results(models, benchmarks, trust)
    method = Method(
        {name: (table["pivot"], table["slope"]) for name, table in priors["skills"].items()},
        priors["prior_weight"],
        priors["expected_weight"],
        priors["ladders"],
        benchmarks,
    )
    unknown = {name for ladder in method.ladders for name in ladder} - set(models)
    if unknown:
        sys.exit(f"priors.toml: unknown models in ladders: {sorted(unknown)}")
    return method, models


def expected(method: Method, skill: str, level: float) -> float:
    """What a model of this general level is expected to reach in the skill; see step 4."""
    pivot, slope = method.skills[skill]
    return pivot + slope * (level - pivot)


def general_level(method: Method, model: Model) -> float:
    """Weighted mean of the prior and of all results; see step 3."""
    total, weights = model.prior * method.prior_weight, method.prior_weight
    for result in model.results:
        benchmark = method.benchmarks[result.benchmark]
        pivot, slope = method.skills[benchmark.main]
        level = pivot + (benchmark.rating(result.score, result.unit) - pivot) / slope
        weight = result.weight * benchmark.skills[benchmark.main]
        total, weights = total + weight * level, weights + weight
    return total / weights


def rate(method: Method, model: Model) -> None:
    """Rate one model in every skill; see step 5."""
    level = general_level(method, model)
    for skill in method.skills:
        total = expected(method, skill, level) * method.expected_weight
        weights = method.expected_weight
        for result in model.results:
            benchmark = method.benchmarks[result.benchmark]
            weight = result.weight * benchmark.skills.get(skill, 0.0)
            total += weight * benchmark.rating(result.score, result.unit)
            weights += weight
        model.ratings[skill] = level if skill == "general" else total / weights


def says_so(method: Method, weaker: Model, stronger: Model, skill: str) -> bool:
    """Whether a result that both have puts the stronger sibling below the weaker one."""
    scores: dict[str, dict[str, float]] = defaultdict(dict)
    for result in [*weaker.results, *stronger.results]:
        benchmark = method.benchmarks[result.benchmark]
        if benchmark.skills.get(skill) or skill == "general":
            scores[result.benchmark][result.model] = benchmark.rating(result.score, result.unit)
    both = [pair for pair in scores.values() if len(pair) == 2]
    return sum(pair[stronger.name] - pair[weaker.name] for pair in both) < 0 if both else False


def pool(values: list[float], weights: list[float]) -> list[float]:
    """Isotonic regression: the nearest sequence that never falls."""
    blocks: list[tuple[float, float, int]] = []
    for value, weight in zip(values, weights, strict=True):
        blocks.append((value, weight, 1))
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (v1, w1, n1), (v2, w2, n2) = blocks[-2:]
            blocks[-2:] = [((v1 * w1 + v2 * w2) / (w1 + w2), w1 + w2, n1 + n2)]
    return [value for value, _, count in blocks for _ in range(count)]


def order_siblings(method: Method, models: dict[str, Model]) -> None:
    """Pool ratings that break the order of a ladder; see step 6."""
    for ladder in method.ladders:
        siblings = [models[name] for name in ladder]
        for skill in method.skills:
            start = 0
            for end in range(1, len(siblings) + 1):
                if end < len(siblings) and not says_so(
                    method, siblings[end - 1], siblings[end], skill
                ):
                    continue
                part = siblings[start:end]
                weights = [method.expected_weight + len(model.results) for model in part]
                pooled = pool([model.ratings[skill] for model in part], weights)
                for model, value in zip(part, pooled, strict=True):
                    model.ratings[skill] = value
                start = end


def rate_all() -> dict[str, Model]:
    """All models by manifest id, rated."""
    method, models = load()
    for model in models.values():
        rate(method, model)
    for _ in range(3):
        order_siblings(method, models)
    return {id_: model for model in models.values() for id_ in model.ids}


def skills_line(model: Model, *, vision: bool) -> str:
    """The line of the manifest, `general` first, with where it comes from."""
    parts = []
    for skill, value in model.ratings.items():
        if skill != "vision" or vision:
            parts.append(f"{skill} = {min(max(value, LOWEST), HIGHEST):.1f}")
    count = len(model.results)
    origin = f"results({count})" if count else "estimated"
    return f"skills = {{ {', '.join(parts)} }}  # rated: {origin}"


def rewrite(text: str, rated: dict[str, Model], name: str) -> str:
    """The manifest with the `skills` line of every model replaced."""
    blocks = re.split(r"(?m)^(?=\[\[models\]\]$)", text)
    for number, block in enumerate(blocks[1:], start=1):
        found = re.search(r'(?m)^id = "([^"]+)"$', block)
        inputs = re.search(r"(?m)^input = \[(.*)\]$", block)
        if not found or found[1] not in rated:
            sys.exit(f"{name}: {found[1] if found else 'a model without id'} is not in priors.toml")
        line = skills_line(rated[found[1]], vision=bool(inputs and '"image"' in inputs[1]))
        blocks[number], count = re.subn(r"(?m)^skills = .*$", lambda _, new=line: new, block)
        if count != 1:
            sys.exit(f"{name}: {found[1]} needs exactly one line that starts with `skills = `")
    return "".join(blocks)


def fit(method: Method, models: dict[str, Model]) -> None:
    """Print, for every benchmark, the line through its results against the general levels.

    Least squares of the expected skill rating on the measured score:
    rating = difficulty + measure / slope (`points`: measure * slope).
    """
    points: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for model in models.values():
        for result in model.results:
            benchmark = method.benchmarks[result.benchmark]
            level = expected(method, benchmark.main, general_level(method, model))
            points[result.benchmark].append((benchmark.measure(result.score, result.unit), level))
    for name, pairs in sorted(points.items()):
        measures, levels = zip(*pairs, strict=True)
        if len(set(measures)) > 1:
            gain, difficulty = statistics.linear_regression(measures, levels)
        else:
            gain, difficulty = 0.0, statistics.fmean(levels)
        slope = gain if method.benchmarks[name].kind == "points" else (1 / gain if gain else 0.0)
        used = method.benchmarks[name]
        print(
            f"{name:28} n={len(pairs):3} difficulty {difficulty:5.2f} "
            f"({used.difficulty}) slope {slope:5.2f} ({used.slope})"
        )


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="write the skills lines")
    parser.add_argument("--check", action="store_true", help="exit 1 when a line is out of date")
    parser.add_argument("--fit", action="store_true", help="suggest benchmark parameters")
    options = parser.parse_args()
    if options.fit:
        fit(*load())
        return 0
    rated, stale = rate_all(), []
    for path in sorted(MANIFESTS.glob("*.toml")):
        old = path.read_text(encoding="utf-8")
        new = rewrite(old, rated, path.name)
        if old != new:
            stale.append(path.name)
            if options.write:
                path.write_text(new, encoding="utf-8")
        if not (options.write or options.check):
            for found in re.finditer(r"(?m)^(?:id|skills) = .*$", new):
                print(found[0])
    if options.check and stale:
        print("out of date, run `python scripts/rate.py --write`: " + ", ".join(stale))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
