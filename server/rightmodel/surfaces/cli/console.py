"""Rich output: tables and live regions. Imported only by commands that draw them."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.measure import Measurement
from rich.segment import Segment
from rich.table import Table

from rightmodel.core.format import visible


class _SafeConsole(Console):
    """Shows control characters of a text as escapes; Rich's own control segments pass."""

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(visible(segment.text), segment.style)


def console(pipe_width: int = 150, *, colour: bool | None = None) -> Console:
    """The console for standard output.

    `pipe_width`: columns when it is not a terminal. `colour`: False prints plain lines whatever the
    environment asks for.
    """
    terminal = False if colour is False else None
    made = _SafeConsole(markup=False, highlight=False, emoji=False, force_terminal=terminal)
    if not made.is_terminal:
        made.width = pipe_width
    return made


def table(*headings: str) -> Table:
    """A table without lines: names to the left, figures to the right."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    for number, heading in enumerate(headings):
        made.add_column(heading, justify="right" if number else "left", overflow="fold")
    return made


def print_table(screen: Console, made: Table, *, least: int = 2) -> None:
    """Print the table; columns that do not fit are dropped from the right and named below.

    `least`: how many columns stay in any case.
    """
    dropped: list[str] = []
    while len(made.columns) > least and _width(screen, made) > screen.width:
        dropped.insert(0, str(made.columns.pop().header))
    screen.print(made)
    if dropped:
        screen.print(f"not shown at {screen.width} columns: {', '.join(dropped)}", style="dim")


def _width(screen: Console, made: Table) -> int:
    options = screen.options.update(width=10_000)
    return Measurement.get(screen, options, made).maximum
