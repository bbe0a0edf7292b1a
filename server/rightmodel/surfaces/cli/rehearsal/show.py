"""A rehearsal as people see it: a line for each call, what happened below it, the sum last."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Final

import click

from rightmodel.core.fault import Fault
from rightmodel.core.format import listed
from rightmodel.surfaces.cli.demo.layout import dollars, paragraph
from rightmodel.surfaces.cli.demo.outcome import SMALLEST, short
from rightmodel.surfaces.cli.rehearsal.outcome import is_dull
from rightmodel.surfaces.cli.rehearsal.run import EVERY_S, HEALED, HEALTHY, OUTAGE
from rightmodel.surfaces.cli.terminal import echo, styled

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rightmodel.surfaces.cli.rehearsal.outcome import Totals
    from rightmodel.surfaces.cli.rehearsal.run import Call, Try
    from rightmodel.surfaces.cli.rehearsal.trouble import Trouble

WIDE: Final = 110
_WIDE: Final = {
    "#": 3, "subtask": 20, "first choice": 29, "answered by": 29, "tries": 5, "lost": 6, "cost": 9,
}  # fmt: skip
_NARROW: Final = {
    "#": 3, "subtask": 17, "first choice": 17, "answered by": 17, "tries": 5, "lost": 6, "cost": 8,
}  # fmt: skip
_LEFT: Final = ("subtask", "first choice", "answered by")
_LABELS: Final = {"simulated": "yellow", "real": "green", "advice": "cyan"}
NAME: Final = 29
"""Of the longest fault's name."""
AS_CHOSEN: Final = "as chosen"


class View:
    """Writes lines as they come. `width`: of the terminal; colours are click's affair."""

    def __init__(self, width: int) -> None:
        self._columns = _WIDE if width >= WIDE else _NARROW
        self._width = max(width, 80)
        self._phase = ""

    def open(self, trouble: Trouble, manifest: str, calls: int, notes: Sequence[str]) -> None:
        """Before the first call."""
        click.secho(f"rightmodel rehearse: {calls} calls, the middle third in an outage", bold=True)
        told = {
            "manifest": manifest,
            "outage": str(trouble),
            "simulated": (
                "providers (twins of yours on loopback): answers, their lengths, speeds, faults "
                f"and the clock. One call after the other, every {EVERY_S:.0f} s; waiting is "
                "skipped. Your keys are not used, nothing leaves this machine, nothing is billed."
            ),
            "real": "your manifest with its prices, rules and limits; routing (no judge is asked), "
            "fall-over, the wire protocols and the providers' own error bodies.",
        }
        self._paragraphs(told)
        for note in notes:
            self._paragraphs({"note": note})
        echo()
        click.secho(self._line({title: title for title in self._columns}), bold=True)

    def call(self, call: Call, trouble: Trouble) -> None:
        """One call: its line, and what happened on the way."""
        if call.phase != self._phase:
            self._turn(call, trouble)
        click.secho(self._line(self._values(call)), fg="red" if call.error else None)
        if is_dull(call):
            return
        for note in notes(call):
            for line in textwrap.wrap(
                note, self._width - 1, initial_indent="      - ", subsequent_indent="        "
            ):
                click.secho(line, fg="yellow" if call.model else "red")

    def close(self, sums: Totals, advice: Sequence[str]) -> None:
        """After the last one."""
        echo()
        self._paragraphs(_closing(sums))
        for reached in sums.reached:
            word = "calls" if len(reached.calls) > 1 else "call"
            numbers = listed([str(n) for n in reached.calls], most=8)
            click.secho(f"what the agent reads, code {reached.code} ({word} {numbers}):", fg="red")
            for line in reached.text.splitlines():
                echo(textwrap.fill(line, self._width - 1, initial_indent="  | ",
                                         subsequent_indent="  | ", break_long_words=False,
                                         break_on_hyphens=False))  # fmt: skip
        for line in advice or ("nothing: no weak point came up with these tasks and this fault.",):
            self._paragraphs({"advice": line})
        self._paragraphs(
            {
                "simulated": "everything the providers did. How good real answers are, how long "
                "and how fast, is not shown here; prices are your manifest's."
            }
        )

    def _turn(self, call: Call, trouble: Trouble) -> None:
        self._phase = call.phase
        told = {
            HEALTHY: ("== healthy", "green"),
            OUTAGE: (f"!! outage: {trouble}", "red"),
            HEALED: ("== healed: the faults are gone, cooldowns run on", "green"),
        }
        text, colour = told[call.phase]
        for line in textwrap.wrap(text, self._width - 1, subsequent_indent="   "):
            click.secho(line, fg=colour, bold=True)

    def _line(self, values: Mapping[str, str]) -> str:
        cells = []
        for title, width in self._columns.items():
            text = values.get(title, "")
            cut = text if len(text) <= width else text[: width - 1] + "~"
            cells.append(cut.ljust(width) if title in _LEFT else cut.rjust(width))
        return " ".join(cells).rstrip()

    def _values(self, call: Call) -> dict[str, str]:
        named = short if self._columns is _NARROW else str
        model = "no answer" if call.error else named(call.model)
        return {
            "#": str(call.number),
            "subtask": call.sample.label,
            "first choice": named(call.first) or "none",
            "answered by": AS_CHOSEN if call.model and call.model == call.first else model,
            "tries": str(len(call.tries)),
            "lost": f"{call.lost_s:.1f}s" if call.lost_s >= 0.05 else "",  # noqa: PLR2004
            "cost": "unknown" if call.cost_usd is None else dollars(call.cost_usd),
        }

    def _paragraphs(self, told: Mapping[str, str]) -> None:
        for label, text in told.items():
            for beside, line in paragraph(label, text, self._width):
                echo(styled(beside, fg=_LABELS.get(label), bold=True), " ", line)


def notes(call: Call) -> Iterator[str]:
    """What happened on the way to an answer, or to none."""
    for one in call.tries:
        if one.read is not None:
            yield _failed(one)
        elif one.met:
            yield f"{one.provider} met {one.met}, and the answer came all the same"
    last = call.tries[-1] if call.tries else None
    if last and not last.read and last.waited_s >= 0.05:  # noqa: PLR2004
        yield f"waited {last.waited_s:.1f} s before {short(last.model)} was asked"
    if call.error and not call.tries:
        yield call.error.splitlines()[0]
    if call.model and call.model != call.first and not any(t.read for t in call.tries):
        yield f"first choice {short(call.first)} is cooling down: went elsewhere at once"


def _failed(one: Try) -> str:
    waited = f"waited {one.waited_s:.1f} s; " if one.waited_s >= 0.05 else ""  # noqa: PLR2004
    status = f", status {one.status}" if one.status else ""
    read = one.read.value if one.read else ""
    met = one.met or "a fault"
    where = f"{short(one.model)} at {one.provider}"
    took = f", after {one.time_s:.1f} s" if one.read is Fault.TIMEOUT or one.time_s >= 1 else ""
    return f"{waited}{where}: {met}, read as {read}{status}{took}"


def _closing(sums: Totals) -> dict[str, str]:
    told = {
        "answered": f"{sums.answered} of {sums.calls}; {sums.answered_in_outage} of "
        f"{sums.in_outage} during the outage",
    }
    if sums.elsewhere:
        ways = [f"{short(f)} -> {short(a)} ({n})" for f, a, n in sums.elsewhere]
        told["fell over"] = listed(ways, most=6)
    told["faults"] = "; ".join(_fault_told(name, sums) for name in sums.met)
    told["lost"] = (
        f"{sums.lost_s:.1f} s over {sums.slowed} calls, at most {sums.worst_s:.1f} s in one"
        if sums.slowed
        else "no time"
    )
    told["cost"] = _cost(sums)
    return told


def _fault_told(name: str, sums: Totals) -> str:
    met, fatal = sums.met[name], sums.fatal[name]
    if not met:
        return f"{name}: met by no call"
    end = f"{fatal} without an answer in the end" if fatal else "none reached the agent"
    return f"{name}: met by {met} call{'s' if met > 1 else ''}, {end}"


def _cost(sums: Totals) -> str:
    if sums.cost_usd is None or sums.extra_usd is None or sums.healthy_usd is None:
        return "unknown: a model has no price, or told no usage"
    extra, healthy = sums.extra_usd, sums.healthy_usd
    cost = dollars(sums.cost_usd)
    if sums.answered < sums.calls:
        cost += " for the calls with an answer in both"
    if abs(extra) < SMALLEST:
        return f"{cost}, as much as the same calls without an outage"
    share = f" ({100 * extra / healthy:+.0f} %)" if healthy else ""
    word = "more" if extra >= 0 else "less"
    return f"{cost}, {dollars(abs(extra))} {word} than the same calls without an outage{share}"


def listing(groups: Mapping[str, Sequence[tuple[str, str, str]]]) -> Iterator[str]:
    """Names of faults by group: (name, where it can happen, how it is to be read)."""
    for title, rows in groups.items():
        yield title
        for name, where, read in rows:
            yield from textwrap.wrap(
                f"  {name:{NAME}} {where}; {read}", 80, subsequent_indent=" " * (NAME + 3)
            )
