"""From routed prompts to the report: every figure that `eval` prints. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from rightmodel.evaluation import baselines, metrics
from rightmodel.evaluation.samples import Cell, Samples

if TYPE_CHECKING:
    import random

    from rightmodel.evaluation.metrics import Interval, Point
    from rightmodel.evaluation.replay import Routed

STEPS: Final = tuple(10 ** (k / 8) for k in range(-20, 29))
"""Failure costs of the curve, as multiples of what always using the best model costs a prompt."""
NO_ANSWER: Final = Cell(0.0, 0.0)
"""What counts where the router finds no candidate: nothing paid, nothing answered."""
A_PAIR: Final = 2


@dataclass(frozen=True, slots=True)
class Entry:
    """One policy. `cost_usd`: mean for a prompt. `saving`, `kept`: against the reference.

    `model`: of a single-model baseline. `intervals`: 95 %, by the name of the figure.
    """

    name: str
    quality: float
    cost_usd: float
    saving: float | None
    kept: float | None
    model: str = ""
    intervals: Mapping[str, Interval] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Step:
    """One point of the router's curve."""

    failure_cost_usd: float
    cost_usd: float
    quality: float


@dataclass(frozen=True, slots=True)
class Aiq:
    """AIQ of the router's curve and of the zero router, and the difference."""

    router: float
    zero: float
    above: float
    interval: Interval


@dataclass(frozen=True, slots=True)
class Pair:
    """The figures of a pair of models. CPT at 50 and at 80 % of the way from weak to strong."""

    weak: str
    strong: str
    apgr: float
    apgr_interval: Interval
    cpt50: float
    cpt80: float
    apgr_length: float


@dataclass(frozen=True, slots=True)
class Report:
    """All that was measured. `reference`: the model that savings are counted against."""

    prompts: int
    models: tuple[str, ...]
    tier: str
    reference: str
    router: Entry
    tiers: tuple[Entry, ...]
    baselines: tuple[Entry, ...]
    curve: tuple[Step, ...]
    singles: Mapping[str, Point]
    aiq: Aiq
    mix: Mapping[str, float]
    unrouted: int
    reliability: Mapping[str, metrics.Reliability]
    pair: Pair | None
    decision_ms: Mapping[str, float]
    notes: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Plain data; intervals as [low, high]."""
        plain = asdict(self)
        plain["singles"] = {
            m: {"quality": p.quality, "cost_usd": p.cost} for m, p in self.singles.items()
        }
        plain["tiers"] = {entry.pop("name"): entry for entry in plain["tiers"]}
        plain["baselines"] = {entry.pop("name"): entry for entry in plain["baselines"]}
        return plain


def make_report(
    samples: Samples,
    routed: Mapping[str, Sequence[Routed]],
    *,
    tier: str,
    chance: random.Random,
    reference: str = "",
    default_tier: str = "balanced",
) -> Report:
    """Compute every figure.

    `routed`: by tier, "" as the manifest has it; `tier`: which of them is in focus. `reference`:
    the model that savings are counted against, "" for the best. `default_tier`: the manifest's.
    """
    singles = baselines.single_models(samples)
    reference = reference or baselines.best_of(singles)
    base = [s.cells[reference] for s in samples.rows]
    main = routed[tier]
    router = _routed_entry("router", main, base, chance)
    curve = _curve(main, singles[reference].cost)
    mix = Counter(r.model for r in main if r.model is not None)
    return Report(
        prompts=len(samples.rows),
        models=tuple(dict.fromkeys(m for s in samples.rows for m in s.cells)),
        tier=tier or default_tier,
        reference=reference,
        router=router,
        tiers=tuple(_routed_entry(t, rows, base, chance) for t, rows in routed.items() if t),
        baselines=_baselines(samples, singles, router, singles[reference]),
        curve=tuple(step for step, _ in curve),
        singles=singles,
        aiq=_aiq(samples, [cells for _, cells in curve], chance),
        mix={m: n / len(main) for m, n in mix.most_common()},
        unrouted=sum(r.model is None for r in main),
        reliability=reliability_of(main),
        pair=_pair(samples, main, singles, chance),
        decision_ms={
            name: 1000 * metrics.percentile([r.time_s for r in main], share)
            for name, share in (("p50", 0.5), ("p99", 0.99))
        },
        notes=samples.notes,
    )


def cells_of(routed: Sequence[Routed], loss_usd: float | None = None) -> list[Cell]:
    """What the router's choices came to; `loss_usd`: as if a wrong answer cost that much."""
    found = []
    for r in routed:
        model = r.model if loss_usd is None else r.at(loss_usd)
        found.append(NO_ANSWER if model is None else r.sample.cells[model])
    return found


def _column(cells: Sequence[Cell]) -> metrics.Column:
    return metrics.Column([c.cost_usd for c in cells], [c.score for c in cells])


def _entry(name: str, point: Point, reference: Point, model: str = "") -> Entry:
    saving, kept = _against(point, reference)
    return Entry(name, point.quality, point.cost, saving, kept, model)


def _against(point: Point, reference: Point) -> tuple[float | None, float | None]:
    saving = 1 - point.cost / reference.cost if reference.cost else None
    return saving, point.quality / reference.quality if reference.quality else None


def _routed_entry(
    name: str, routed: Sequence[Routed], base: Sequence[Cell], chance: random.Random
) -> Entry:
    chosen, other = _column(cells_of(routed)), _column(base)

    def figures(indices: Sequence[int]) -> tuple[float, ...]:
        point = chosen.point(indices)
        saving, kept = _against(point, other.point(indices))
        return (point.quality, point.cost, saving or 0.0, kept or 0.0)

    names = ("quality", "cost_usd", "saving", "kept")
    intervals = metrics.bootstrap(figures, len(base), chance)
    everything = range(len(base))
    entry = _entry(name, chosen.point(everything), other.point(everything))
    return replace(entry, intervals=dict(zip(names, intervals, strict=True)))


def _baselines(
    samples: Samples, singles: Mapping[str, Point], router: Entry, reference: Point
) -> tuple[Entry, ...]:
    best, cheapest = baselines.best_of(singles), baselines.cheapest_of(singles)
    equal = baselines.cheapest_at(singles, router.quality)
    entries = [
        _entry("always_best", singles[best], reference, best),
        _entry("always_cheapest", singles[cheapest], reference, cheapest),
    ]
    if equal is not None:
        entries.append(_entry("single_at_quality", singles[equal], reference, equal))
    others = {
        "random_mix": baselines.random_mix(singles, router.cost_usd),
        "length_only": baselines.length_only(samples.rows, singles, router.cost_usd),
        "oracle": baselines.oracle(samples.rows),
    }
    return (*entries, *(_entry(name, point, reference) for name, point in others.items()))


def _curve(routed: Sequence[Routed], base: float) -> list[tuple[Step, list[Cell]]]:
    """The router at failure costs from nothing to far beyond what the best model costs."""
    unit = base or 0.001
    curve = []
    for multiple in (0.0, *STEPS):
        loss = float(f"{multiple * unit:.3g}")
        cells = cells_of(routed, loss)
        point = baselines.average(cells)
        curve.append((Step(loss, point.cost, point.quality), cells))
    return curve


def _aiq(samples: Samples, curve: Sequence[Sequence[Cell]], chance: random.Random) -> Aiq:
    # Neighbouring failure costs often lead to the same choices: each is computed once.
    router_columns = [_column(cells) for cells in dict.fromkeys(map(tuple, curve))]
    singles = [_column([s.cells[m] for s in samples.rows]) for m in samples.complete]

    def both(indices: Sequence[int]) -> tuple[float, float]:
        return metrics.aiq_pair(
            [column.point(indices) for column in router_columns],
            [column.point(indices) for column in singles],
        )

    def above(indices: Sequence[int]) -> tuple[float]:
        router, zero = both(indices)
        return (router - zero,)

    router, zero = both(range(len(samples.rows)))
    (interval,) = metrics.bootstrap(above, len(samples.rows), chance)
    return Aiq(router, zero, router - zero, interval)


def reliability_of(routed: Sequence[Routed]) -> dict[str, metrics.Reliability]:
    """`p_success` against the scores, for each model that was a candidate."""
    pairs: dict[str, list[tuple[float, float]]] = {}
    for r in routed:
        for c in r.ranked:
            pairs.setdefault(c.model, []).append((c.p_success, r.sample.cells[c.model].score))
    return {model: metrics.reliability(found) for model, found in sorted(pairs.items())}


def _pair(
    samples: Samples, routed: Sequence[Routed], singles: Mapping[str, Point], chance: random.Random
) -> Pair | None:
    if len(singles) != A_PAIR or any(len(s.cells) != A_PAIR for s in samples.rows):
        return None
    strong = baselines.best_of(singles)
    weak = next(m for m in singles if m != strong)
    needed = needed_of(routed, weak, strong)
    scores = [(r.sample.cells[weak].score, r.sample.cells[strong].score) for r in routed]

    def curve(indices: Sequence[int], by: Sequence[float]) -> list[tuple[float, float]]:
        return metrics.pair_curve(
            [by[i] for i in indices],
            [scores[i][0] for i in indices],
            [scores[i][1] for i in indices],
        )

    everything = range(len(scores))
    whole = curve(everything, needed)
    lengths = [float(len(r.sample.prompt)) for r in routed]
    (interval,) = metrics.bootstrap(
        lambda indices: (metrics.apgr(curve(indices, needed)),), len(scores), chance
    )
    return Pair(
        weak=weak,
        strong=strong,
        apgr=metrics.apgr(whole),
        apgr_interval=interval,
        cpt50=metrics.cpt(whole, 0.5),
        cpt80=metrics.cpt(whole, 0.8),
        apgr_length=metrics.apgr(curve(everything, lengths)),
    )


def needed_of(routed: Sequence[Routed], weak: str, strong: str) -> list[float]:
    """How much the strong model is needed: what it adds to the chance of a good answer.

    A model that was rejected has no chance.
    """
    needed = []
    for r in routed:
        chances = {c.model: c.p_success for c in r.ranked}
        needed.append(chances.get(strong, 0.0) - chances.get(weak, 0.0))
    return needed
