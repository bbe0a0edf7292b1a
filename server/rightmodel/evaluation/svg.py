"""Quality against cost as one self-contained SVG or HTML file, readable in light and dark. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from itertools import pairwise
from math import ceil, floor, log10
from typing import TYPE_CHECKING, Final

from rightmodel.evaluation.metrics import Point, quality_at, upper_hull

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rightmodel.evaluation.report import Report

WIDTH: Final = 900
HEIGHT: Final = 560
LEFT: Final = 64
RIGHT: Final = 650
TOP: Final = 56
BOTTOM: Final = 500
STYLE: Final = """
.page { fill: #fff; } .plot { color: #1f2328; font: 12px system-ui, sans-serif; }
.plot text { fill: currentColor; } .title { font-size: 15px; font-weight: 600; }
.muted { fill: #656d76 !important; } .grid { stroke: #d8dee4; }
.single { fill: #8c959f; } .zero { stroke: #8c959f; stroke-dasharray: 4 4; fill: none; }
.curve { stroke: #0969da; stroke-width: 2.5; fill: none; } .router { fill: #0969da; }
.baseline { fill: #bc4c00; } .oracle { fill: #1a7f37; }
@media (prefers-color-scheme: dark) {
  .page { fill: #0d1117; } .plot { color: #e6edf3; } .muted { fill: #9198a1 !important; }
  .grid { stroke: #30363d; } .single { fill: #768390; } .zero { stroke: #768390; }
  .curve { stroke: #58a6ff; } .router { fill: #58a6ff; } .baseline { fill: #f0883e; }
  .oracle { fill: #3fb950; }
}
"""
NAMES: Final = {
    "always_best": "always the best model",
    "always_cheapest": "always the cheapest",
    "single_at_quality": "best single model at that quality",
    "random_mix": "random mix of the same cost",
    "length_only": "by length, same cost",
    "oracle": "oracle",
}


@dataclass(frozen=True, slots=True)
class _Axes:
    """Where a point lies on the page. Costs are drawn as logarithms when `logarithmic`."""

    low: float
    high: float
    bottom: float
    top: float
    logarithmic: bool

    def x(self, cost: float) -> float:
        at, low, high = cost, self.low, self.high
        if self.logarithmic:
            at, low, high = log10(max(cost, low)), log10(low), log10(high)
        return LEFT + (RIGHT - LEFT) * (at - low) / (high - low)

    def y(self, quality: float) -> float:
        return BOTTOM - (BOTTOM - TOP) * (quality - self.bottom) / (self.top - self.bottom)


def plot(report: Report) -> str:
    """The SVG: single models, their random mixes, the router's curve and tiers, baselines."""
    axes = _axes(report)
    body = "\n".join([*_frame(axes, report), *_lines(axes, report), *_marks(axes, report)])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="plot" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'role="img" aria-label="Quality against cost">\n<style>{STYLE}</style>\n'
        f'<rect class="page" width="{WIDTH}" height="{HEIGHT}"/>\n'
        f"{body}\n</svg>\n"
    )


def page(report: Report) -> str:
    """The same as an HTML page."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="color-scheme" content="light dark"><title>rightmodel eval</title>'
        "<style>body { margin: 0 } svg { display: block; max-width: 1100px; margin: auto }"
        "@media (prefers-color-scheme: dark) { body { background: #0d1117 } }</style></head>\n"
        f"<body>\n{plot(report)}</body></html>\n"
    )


def _axes(report: Report) -> _Axes:
    points = [*report.singles.values(), *(Point(s.cost_usd, s.quality) for s in report.curve)]
    points += [Point(e.cost_usd, e.quality) for e in (*report.baselines, *report.tiers)]
    costs, qualities = [p.cost for p in points], [p.quality for p in points]
    low, high = min(costs), max(costs)
    logarithmic = low > 0 and high / low > 5  # noqa: PLR2004 - less reads better linear
    if logarithmic:
        low, high = low / 1.2, high * 1.2
    else:
        low, high = 0.0, (high or 1.0) * 1.05
    bottom = max(0.0, floor(min(qualities) * 20 - 0.2) / 20)
    top = min(1.0, ceil(max(qualities) * 20 + 0.2) / 20)
    return _Axes(low, high, bottom, max(top, bottom + 0.05), logarithmic)


def _text(x: float, y: float, text: str, *, kind: str = "", anchor: str = "start") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{named}>{escape(text)}</text>'


def _frame(axes: _Axes, report: Report) -> list[str]:
    prompts = f"{report.prompts:,} prompts, {len(report.models)} models, tier {report.tier}"
    parts = [
        _text(LEFT, 24, "Quality against cost", kind="title"),
        _text(LEFT, 42, prompts, kind="muted"),
    ]
    for cost in _cost_ticks(axes):
        x = axes.x(cost)
        parts.append(f'<path class="grid" d="M{x:.1f} {TOP}V{BOTTOM}"/>')
        parts.append(_text(x, BOTTOM + 18, _usd(cost), kind="muted", anchor="middle"))
    steps = (axes.top - axes.bottom) * 20
    every = 2 if steps > 10 else 1  # noqa: PLR2004 - more lines than ten are clutter
    for k in range(round(axes.bottom * 20), round(axes.top * 20) + 1, every):
        y = axes.y(k / 20)
        parts.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{RIGHT}"/>')
        parts.append(_text(LEFT - 8, y + 4, f"{k / 20:.2f}", kind="muted", anchor="end"))
    scale = ", logarithmic" if axes.logarithmic else ""
    middle = (LEFT + RIGHT) / 2
    parts.append(_text(middle, BOTTOM + 40, f"mean cost of a prompt, USD{scale}", anchor="middle"))
    return parts


def _cost_ticks(axes: _Axes) -> list[float]:
    if not axes.logarithmic:
        return [axes.high / 1.05 * k / 4 for k in range(5)]
    decades = range(floor(log10(axes.low)), ceil(log10(axes.high)) + 1)
    wide = log10(axes.high / axes.low) > 2.5  # noqa: PLR2004 - room for one label a decade
    ticks = [m * 10.0**d for d in decades for m in ((1,) if wide else (1, 2, 5))]
    return [t for t in ticks if axes.low <= t <= axes.high]


def _lines(axes: _Axes, report: Report) -> list[str]:
    hull = upper_hull(report.singles.values())
    # Straight between two models in cost is bent on a logarithmic axis: drawn in small steps.
    costs = [a.cost + (b.cost - a.cost) * k / 20 for a, b in pairwise(hull) for k in range(21)]
    zero = [Point(cost, quality_at(hull, cost)) for cost in costs or [hull[0].cost]]
    curve = sorted({Point(s.cost_usd, s.quality) for s in report.curve})
    return [_path(axes, zero, "zero"), _path(axes, curve, "curve")]


def _path(axes: _Axes, points: Sequence[Point], kind: str) -> str:
    places = "L".join(f"{axes.x(p.cost):.1f} {axes.y(p.quality):.1f}" for p in points)
    return f'<path class="{kind}" d="M{places}"/>'


def _marks(axes: _Axes, report: Report) -> list[str]:
    singles = [
        _dot(axes, point, "single", 3.5, f"{model}: {_figures(point)}")
        for model, point in report.singles.items()
    ]
    parts: list[str] = []
    letters: list[tuple[float, float, str]] = []
    legend = [
        ("curve", "", "router, by failure cost"),
        ("zero", "", "random mixes of single models"),
    ]
    lettered = [
        *((e.quality, e.cost_usd, f"router, tier {e.name}", "router") for e in report.tiers),
        *((e.quality, e.cost_usd, _name(e.name, e.model), _kind(e.name)) for e in report.baselines),
    ]
    for number, (quality, cost, name, kind) in enumerate(lettered):
        letter = chr(ord("A") + number)
        point = Point(cost, quality)
        parts.append(_dot(axes, point, kind, 6, f"{name}: {_figures(point)}"))
        _add_letter(letters, axes.x(cost), axes.y(quality) - 9, letter)
        legend.append((kind, letter, f"{name}: {quality:.3f} at {_usd(cost)}"))
    legend.append(("single", "", "a single model"))
    parts.reverse()  # the router's own marks lie on top
    texts = [_text(x, y, text, anchor="middle") for x, y, text in letters]
    return [*singles, *parts, *texts, *_legend(legend)]


def _add_letter(letters: list[tuple[float, float, str]], x: float, y: float, letter: str) -> None:
    """Marks that lie on one another share a label."""
    for number, (left, top, text) in enumerate(letters):
        if abs(left - x) < 18 and abs(top - y) < 13:  # noqa: PLR2004 - the size of a label
            letters[number] = (left, top, f"{text} {letter}")
            return
    letters.append((x, y, letter))


def _usd(cost: float) -> str:
    """Two significant digits, never in exponent form."""
    digits = max(2, 1 - floor(log10(cost))) if cost else 0
    return f"${cost:.{digits}f}"


def _name(name: str, model: str) -> str:
    shown = NAMES.get(name, name)
    return f"{shown} ({model})" if model else shown


def _kind(name: str) -> str:
    return "oracle" if name == "oracle" else "baseline"


def _figures(point: Point) -> str:
    return f"quality {point.quality:.3f}, ${point.cost:.6f} a prompt"


def _dot(axes: _Axes, point: Point, kind: str, radius: float, title: str) -> str:
    place = f'cx="{axes.x(point.cost):.1f}" cy="{axes.y(point.quality):.1f}" r="{radius}"'
    return f'<circle class="{kind}" {place}><title>{escape(title)}</title></circle>'


def _legend(entries: Iterable[tuple[str, str, str]]) -> Iterable[str]:
    x, y = RIGHT + 24, TOP + 8.0
    for kind, letter, text in entries:
        if kind in {"curve", "zero"}:
            yield f'<path class="{kind}" d="M{x} {y - 4}h16"/>'
        else:
            yield f'<circle class="{kind}" cx="{x + 4}" cy="{y - 4}" r="5"/>'
        for line in _wrapped(f"{letter}  {text}" if letter else text):
            yield _text(x + 24, y, line)
            y += 15
        y += 7


def _wrapped(text: str, width: int = 32) -> list[str]:
    lines = [""]
    for word in text.split(" "):
        if lines[-1] and len(lines[-1]) + len(word) >= width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}" if lines[-1] else word
    return lines
