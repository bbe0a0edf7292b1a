"""Lines of the table: one way to lay them out, for terminals and for pipes."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rightmodel.surfaces.cli.demo.cast import BASELINE, SUBTASKS
from rightmodel.surfaces.cli.demo.outcome import SMALLEST, short

if TYPE_CHECKING:
    from collections.abc import Iterator
    from decimal import Decimal

    from rightmodel.surfaces.cli.demo.outcome import Outcome, Totals

WIDE: Final = 110
"""From this width on a line has the provider's name and the baseline's price."""
_WIDE: Final = {
    "#": 2,
    "subtask": 20,
    "kind": 9,
    "answered by": 27,
    "tries": 5,
    "cost": 9,
    "baseline": 9,
    "saved": 9,
    "time": 4,
}
_NARROW: Final = {
    "#": 2,
    "subtask": 20,
    "kind": 9,
    "answered by": 17,
    "try": 3,
    "cost": 8,
    "saved": 9,
    "time": 4,
}
_LEFT: Final = ("subtask", "kind", "answered by")
LABEL: Final = 12
"""Width of the labels beside a paragraph."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Columns, by title, with their widths."""

    columns: dict[str, int]
    width: int
    wide: bool

    def line(self, values: dict[str, str]) -> Iterator[tuple[str, str]]:
        """Every cell of a line with its column, padded or cut to its width."""
        for title, width in self.columns.items():
            text = values.get(title, "")
            cut = text if len(text) <= width else text[: width - 1] + "~"
            yield title, cut.ljust(width) if title in _LEFT else cut.rjust(width)

    def text(self, values: dict[str, str]) -> str:
        """The line without any colour."""
        return " ".join(cell for _, cell in self.line(values)).rstrip()


def layout(width: int) -> Layout:
    """The columns that fit into a width; the subtask has what the others leave."""
    wide = width >= WIDE
    columns = dict(_WIDE if wide else _NARROW)
    room = width - (sum(columns.values()) + len(columns))
    longest = max(len(task.label) for task in SUBTASKS)
    columns["subtask"] = max(8, min(longest, columns["subtask"] + room))
    return Layout(columns, width, wide)


def values(outcome: Outcome, form: Layout) -> dict[str, str]:
    """What stands in the line of an outcome, by column."""
    head = {"#": str(outcome.number), "subtask": outcome.task.label}
    if outcome.error:
        return head | {"answered by": "no answer"}
    tries = str(outcome.attempts)
    return head | {
        "kind": outcome.skill,
        "answered by": outcome.model if form.wide else short(outcome.model),
        "tries": tries,
        "try": tries,
        "cost": dollars(outcome.cost),
        "baseline": dollars(outcome.baseline),
        "saved": dollars(outcome.saved),
        "time": f"{outcome.time_s:.1f}s",
    }


def titles(form: Layout) -> dict[str, str]:
    """The head line."""
    return {title: title for title in form.columns}


def dollars(amount: Decimal) -> str:
    """Five decimals, the same in lines and sums."""
    sign = "-" if amount < 0 else ""
    return f"{sign}${abs(amount).quantize(SMALLEST)}"


def paragraph(label: str, text: str, width: int) -> list[tuple[str, str]]:
    """A label with text beside it, wrapped: pairs of (label or blanks, text)."""
    lines = textwrap.wrap(text, max(20, min(width, 100) - LABEL - 1))
    return [((label if n == 0 else "").ljust(LABEL), line) for n, line in enumerate(lines)]


def below(outcome: Outcome, form: Layout, mark: str) -> list[str]:
    """What is told below the line of an outcome, notes or the error, behind a mark."""
    wrapper = textwrap.TextWrapper(
        form.width - 1, initial_indent=f"   {mark} ", subsequent_indent="     "
    )
    told = (*outcome.notes, *outcome.error.splitlines())
    return [line for text in told for line in wrapper.wrap(text)]


def opening(checked: str) -> dict[str, str]:
    """What is said before the play: what is real and what is not. `checked`: date of the prices."""
    simulated = (
        "four providers on loopback: their answers, speeds (faster than life) and faults. "
        "No key, no network, nothing is billed."
    )
    real = (
        f"list prices and ratings of the shipped manifests (checked {checked}), the wire "
        "protocols, an MCP client and the server over stdio, routing and fall-over."
    )
    baseline = f"{BASELINE}: the model that the agent itself is said to run on."
    return {"simulated": simulated, "real": real, "baseline": baseline}


def closing(sums: Totals) -> dict[str, str]:
    """What it came to."""
    outage = f", {sums.in_outage} of them during the outage" if sums.in_outage else ""
    baseline = f"{short(BASELINE)}, same prompts and answers, its thinking not counted"
    simulated = (
        "the answers and how long they are, the speeds and the faults; the prices are real list "
        "prices. How good the answers of real models are is not shown here."
    )
    return {
        "answered": (
            f"{sums.answered} of {sums.of}{outage}; "
            f"{sums.fell_over} fell over, {sums.escalated} escalated"
        ),
        "cost": f"{dollars(sums.cost)}, failed attempts included",
        "baseline": f"{dollars(sums.baseline)} ({baseline})",
        "saved": f"{dollars(sums.saved)} ({sums.share:.1f} %)",
        "simulated": simulated,
    }
