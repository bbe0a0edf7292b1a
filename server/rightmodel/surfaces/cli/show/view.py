"""How a show is printed: finished lines above; on a terminal, below them what runs now."""

from __future__ import annotations

import sys
import textwrap
import time
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from rightmodel.surfaces.cli.console import console
from rightmodel.surfaces.cli.show.calls import HEALTHY, OUTAGE, Call, notes

if TYPE_CHECKING:
    from rightmodel.simulator.outage import Outage
    from rightmodel.simulator.samples import Sample

PIPE_WIDTH: Final = 112
ROWS_ABOVE: Final = 14
"""Lines of a terminal that the list of what is to come leaves free."""
SPINNER: Final = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
LABEL: Final = 12
"""Width of the labels beside a paragraph."""
MOST_WIDE: Final = 100
STYLES: Final = {"simulated": "bold yellow", "real": "bold green", "saved": "bold green"}


class Column(NamedTuple):
    """One column of the table."""

    title: str
    wide: int
    """Width where there is room for all columns."""
    narrow: int
    """Width elsewhere; 0: left out there."""
    value: Callable[[Call, bool], str]
    """The cell of a call; the flag: whether the table is wide."""
    left: bool = False
    style: str = ""
    drop: int = 0
    """The highest is dropped first where even narrow columns do not fit; 0: never."""


class Layout:
    """The columns that fit a width."""

    def __init__(self, columns: Sequence[Column], width: int) -> None:
        self.wide = sum(c.wide + 1 for c in columns) <= width
        shown = [(c, c.wide if self.wide else c.narrow) for c in columns]
        shown = [(c, size) for c, size in shown if size]
        while sum(size + 1 for _, size in shown) > width:
            least = max((c.drop for c, _ in shown), default=0)
            if not least:
                break
            shown = [(c, size) for c, size in shown if c.drop != least]
        self.shown = shown

    def cells(self, call: Call) -> list[tuple[str, str]]:
        """(text, style) of each cell, padded or cut."""
        return [(_fit(c, size, c.value(call, self.wide)), c.style) for c, size in self.shown]

    def head(self) -> str:
        """The titles."""
        return " ".join(_fit(c, size, c.title) for c, size in self.shown)

    def waiting(self, number: int, label: str) -> str:
        """The line of a call that has not begun."""
        values = {"#": str(number), "subtask": label}
        return " ".join(_fit(c, size, values.get(c.title, "")) for c, size in self.shown)


def _fit(column: Column, size: int, text: str) -> str:
    text = text if len(text) <= size else text[: size - 1] + "~"
    return text.ljust(size) if column.left else text.rjust(size)


class View:
    """Prints a show. In a pipe, only finished lines."""

    def __init__(
        self,
        columns: Sequence[Column],
        samples: Sequence[Sample] = (),
        status: Callable[[Sequence[Call], Collection[str]], Text] | None = None,
        screen: Console | None = None,
    ) -> None:
        """`status`: the last line on a terminal, from the calls so far and the providers down."""
        self._columns = columns
        self._samples = samples
        self._screen = screen or console(PIPE_WIDTH, colour=sys.stdout.isatty())
        self._terminal = self._screen.is_terminal and not self._screen.is_dumb_terminal
        self._running: tuple[int, Sample] | None = None
        self._began = 0.0
        self._event = ""
        self._status = status
        self._calls: list[Call] = []
        self._down: Collection[str] = ()
        self._live = Live(
            console=self._screen, get_renderable=self.region, refresh_per_second=12, transient=True
        )

    def __enter__(self) -> Self:
        if self._terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def open(self, title: str, paragraphs: Sequence[tuple[str, str]]) -> None:
        """Before the first call."""
        self._print(Text(title, style="bold"))
        self.paragraphs(paragraphs)
        self._print(Text())
        self._print(Text(Layout(self._columns, self._screen.width).head(), style="bold underline"))

    def close(self, paragraphs: Sequence[tuple[str, str]]) -> None:
        """After the last call."""
        self._live.stop()
        self._print(Text())
        self.paragraphs(paragraphs)

    def begin(self, number: int, sample: Sample) -> None:
        """A subtask is handed over."""
        self._running, self._began, self._event = (number, sample), time.monotonic(), ""

    def progress(self, text: str) -> None:
        """An event of the running call."""
        self._event = text

    def turn(self, phase: str, outage: Outage) -> None:
        """Another phase begins."""
        down = phase == OUTAGE
        self._down = outage.providers if down else ()
        words = {HEALTHY: "healthy", OUTAGE: f"outage: {outage}"}
        text = words.get(phase, "healed: the faults are gone, cooldowns run on")
        plain, rich = ("!!", "✖ ") if down else ("==", "● ")
        mark = rich if self._terminal else plain
        for line in textwrap.wrap(
            f"{mark} {text}", self._screen.width - 1, subsequent_indent="   "
        ):
            self._print(Text(line, style="bold red" if down else "bold green"))

    def call(self, call: Call) -> None:
        """The line of a finished call, and what happened on the way."""
        self._running = None
        self._calls.append(call)
        if self._terminal:
            self._live.refresh()  # removes the line of the running call
        layout = Layout(self._columns, self._screen.width)
        line = Text(" ").join(
            Text(cell, style="red" if call.error else style) for cell, style in layout.cells(call)
        )
        line.rstrip()
        self._print(line)
        style = "red" if call.error else "yellow" if len(call.tries) > 1 else "dim"
        for note in notes(call):
            self.note(note, style=style)

    def text(self, line: str, *, style: str = "") -> None:
        """One line."""
        self._print(Text(line, style=style))

    def note(self, note: str, *, style: str = "dim") -> None:
        """What happened on the way, below the line that it belongs to."""
        wrapper = textwrap.TextWrapper(
            self._screen.width - 1,
            initial_indent="   └ " if self._terminal else "   - ",
            subsequent_indent="     ",
        )
        for part in wrapper.wrap(note):
            self._print(Text(part, style=style))

    def quote(self, title: str, text: str) -> None:
        """A text word for word."""
        self._print(Text(title, style="red"))
        for line in text.splitlines():
            for part in textwrap.wrap(
                line, self._screen.width - 5, break_long_words=False, break_on_hyphens=False
            ):
                self._print(Text(f"  | {part}"))

    def paragraphs(self, paragraphs: Sequence[tuple[str, str]]) -> None:
        """Labels with text beside them."""
        width = max(20, min(self._screen.width, MOST_WIDE) - LABEL - 1)
        for label, text in paragraphs:
            style = STYLES.get(label, "bold")
            for number, line in enumerate(textwrap.wrap(text, width)):
                beside = ("" if number else label).ljust(LABEL)
                self._print(Text.assemble((beside, style), " ", line))

    def _print(self, text: Text) -> None:
        self._screen.print(text, no_wrap=True, overflow="ellipsis")

    def region(self) -> Group:
        """What changes: the running call, what is to come, the status."""
        lines = [self._running_line(*self._running)] if self._running else []
        layout = Layout(self._columns, self._screen.width)
        room = max(2, self._screen.height - ROWS_ABOVE)
        coming = list(enumerate(self._samples, 1))[len(self._calls) + len(lines) :]
        lines += [Text(layout.waiting(n, s.label), style="dim") for n, s in coming[:room]]
        if self._status:
            lines += [Text(), self._status(self._calls, self._down)]
        return Group(*lines)

    def _running_line(self, number: int, sample: Sample) -> Text:
        layout = Layout(self._columns, self._screen.width)
        now = time.monotonic()
        return Text.assemble(
            layout.waiting(number, sample.label).rstrip(),
            (f" {SPINNER[int(now * 12) % len(SPINNER)]} ", "cyan"),
            (f"{self._event or 'handed over'}  {now - self._began:.1f}s", "dim"),
            no_wrap=True,
            overflow="ellipsis",
        )
