"""Shows the play: live in a terminal, line by line elsewhere."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Final, Self

from rich.console import Group
from rich.live import Live
from rich.text import Text

from rightmodel.surfaces.cli.demo.cast import SUBTASKS
from rightmodel.surfaces.cli.demo.layout import (
    below,
    closing,
    dollars,
    layout,
    opening,
    paragraph,
    titles,
    values,
)
from rightmodel.surfaces.cli.demo.outcome import totals
from rightmodel.surfaces.cli.terminal import echo

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import TracebackType

    from rich.console import Console

    from rightmodel.surfaces.cli.demo.cast import Subtask
    from rightmodel.surfaces.cli.demo.outcome import Outcome

PIPE_WIDTH: Final = 112
ABOVE: Final = 14
"""Lines of a terminal that what is to come leaves to what was said."""
SPINNER: Final = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
TITLE: Final = "rightmodel demo: an agent hands over {} subtasks"
LABELS: Final = {"simulated": "bold yellow", "real": "bold green", "saved": "bold green"}
CELLS: Final = {"#": "dim", "kind": "cyan", "saved": "green", "baseline": "dim", "time": "dim"}


class PlainView:
    """Lines without any control character."""

    def __init__(self, width: int = PIPE_WIDTH) -> None:
        self._form = layout(width)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to undo."""

    def open(self, checked: str, _providers: Iterable[str]) -> None:
        """Before the play."""
        echo(TITLE.format(len(SUBTASKS)))
        self._paragraphs(opening(checked))
        echo("\n" + self._form.text(titles(self._form)))

    def begin(self, number: int, task: Subtask) -> None:
        """Nothing is said before there is an answer."""

    def progress(self, text: str) -> None:
        """Nor in between."""

    def finish(self, done: Outcome) -> None:
        """One line, and one for each note."""
        echo(self._form.text(values(done, self._form)))
        for note in below(done, self._form, "-"):
            echo(note)

    def event(self, provider: str, text: str, *, down: bool) -> None:
        """A line between two rulers."""
        echo(f"{'!!' if down else '=='} {provider} {text}")

    def close(self, outcomes: list[Outcome]) -> None:
        """After the play."""
        echo()
        self._paragraphs(closing(totals(outcomes)))

    def _paragraphs(self, told: Mapping[str, str]) -> None:
        for label, text in told.items():
            for beside, line in paragraph(label, text, self._form.width):
                echo(f"{beside} {line}")


class LiveView:
    """Finished lines stay above; below them what runs, what is to come, and how all stand."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._outcomes: list[Outcome] = []
        self._health: dict[str, bool] = {}
        self._running: tuple[int, Subtask] | None = None
        self._begun = 0.0
        self._said = ""
        self._live = Live(
            console=console, get_renderable=self.region, refresh_per_second=12, transient=True
        )

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.__exit__(kind, error, trace)

    def open(self, checked: str, providers: Iterable[str]) -> None:
        """Before the play."""
        self._health = dict.fromkeys(providers, True)
        self._print(Text(TITLE.format(len(SUBTASKS)), style="bold"))
        self._paragraphs(opening(checked))
        form = layout(self._console.width)
        self._print(Text())
        self._print(Text(form.text(titles(form)), style="bold underline"))

    def begin(self, number: int, task: Subtask) -> None:
        """The line that turns."""
        self._running, self._begun, self._said = (number, task), time.monotonic(), ""

    def progress(self, text: str) -> None:
        """What the server says of the running call, without provider and seconds."""
        self._said = re.sub(r"( at \S+)? \(\d+ s\)$", "", text)

    def finish(self, done: Outcome) -> None:
        """The line moves up."""
        self._running = None
        self._outcomes.append(done)
        self._live.refresh()  # else the running line would be seen twice
        form = layout(self._console.width)
        line = Text()
        for title, cell in form.line(values(done, form)):
            style = CELLS.get(title, "")
            if title in {"try", "tries"} and done.attempts > 1:
                style = "bold yellow"
            line.append(cell, "red" if done.error else style).append(" ")
        self._print(line)
        for note in below(done, form, "└"):
            self._print(Text(note, style="yellow" if done.attempts > 1 else "dim"))

    def event(self, provider: str, text: str, *, down: bool) -> None:
        """A line of its own, and the provider's lamp."""
        self._health[provider] = not down
        mark, style = ("✖", "bold red") if down else ("●", "bold green")
        self._print(Text(f"{mark}  {provider} {text}", style=style))

    def close(self, outcomes: list[Outcome]) -> None:
        """After the play."""
        self._live.stop()
        self._print(Text())
        self._paragraphs(closing(totals(outcomes)))

    def _paragraphs(self, told: Mapping[str, str]) -> None:
        for label, text in told.items():
            for beside, line in paragraph(label, text, self._console.width):
                self._print(Text.assemble((beside, LABELS.get(label, "bold")), " ", line))

    def _print(self, text: Text) -> None:
        self._console.print(text, no_wrap=True, overflow="ellipsis", highlight=False)

    def region(self) -> Group:
        """What changes: drawn anew twelve times a second."""
        lines = [self._running_line()] if self._running else []
        begun = len(self._outcomes) + len(lines)
        room = max(2, self._console.height - ABOVE)
        form = layout(self._console.width)
        for number, task in list(enumerate(SUBTASKS, 1))[begun:][:room]:
            waiting = {"#": str(number), "subtask": task.label}
            lines.append(Text(form.text(waiting), style="dim"))
        lamps = Text(no_wrap=True, overflow="ellipsis")
        for name, well in self._health.items():
            lamps.append("● " if well else "✖ ", "green" if well else "bold red").append(
                f"{name}  "
            )
        sums = totals(self._outcomes)
        if sums.baseline:
            lamps.append(f"saved {dollars(sums.saved)} ({sums.share:.0f} %)", "green")
        return Group(*lines, Text(), lamps)

    def _running_line(self) -> Text:
        if self._running is None:
            return Text()
        number, task = self._running
        form = layout(self._console.width)
        width = form.columns["subtask"]
        now = time.monotonic()
        return Text.assemble(
            (f"{number:2} ", "dim"),
            task.label[:width].ljust(width),
            (f" {SPINNER[int(now * 12) % len(SPINNER)]} ", "cyan"),
            (f"{self._said or 'handed over'}  {now - self._begun:.1f}s", "dim"),
            no_wrap=True,
            overflow="ellipsis",
        )
