"""Rich output: tables and live regions. Imported only by commands that draw them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from rightmodel.core.format import visible

if TYPE_CHECKING:
    from collections.abc import Iterable


class _SafeConsole(Console):
    """Shows control characters of a text as escapes; Rich's own control segments pass."""

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(visible(segment.text), segment.style)


def console(pipe_width: int = 150) -> Console:
    """The console for standard output. `pipe_width`: columns when it is not a terminal."""
    made = _SafeConsole(markup=False, highlight=False, emoji=False)
    if not made.is_terminal:
        made.width = pipe_width
    return made
