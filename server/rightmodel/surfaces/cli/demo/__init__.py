"""`rightmodel demo`: the whole thing with no key and no network."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from typing import TYPE_CHECKING, Final

import click

from rightmodel.ledger.ledger import LINGER_S
from rightmodel.surfaces.cli.console import console
from rightmodel.surfaces.cli.demo.cast import CAST
from rightmodel.surfaces.cli.demo.play import Play
from rightmodel.surfaces.cli.demo.show import LiveView, PlainView
from rightmodel.surfaces.cli.demo.stage import stage
from rightmodel.surfaces.cli.terminal import echo

if TYPE_CHECKING:
    from rightmodel.surfaces.cli.demo.outcome import Outcome

LOG_LINES: Final = 30
"""How much of the server's log is shown when an answer is missing."""


@click.command("demo")
@click.option("--usage", is_flag=True, help="Then show `rightmodel usage` of the demo's ledger.")
def command(*, usage: bool) -> None:
    """Show routing, fall-over and the saving with simulated providers: no key, no network.

    Ends with 0 when every subtask got its answer.
    """
    try:
        outcomes = asyncio.run(_perform(usage=usage))
    except BaseExceptionGroup as group:
        raise _first(group) from group
    except asyncio.CancelledError:
        raise click.Abort from None
    sys.exit(any(o.error for o in outcomes))


async def _perform(*, usage: bool) -> list[Outcome]:
    _end_on_request()
    view = _view()
    async with stage(CAST) as set_up:
        checked = min(model.checked for model in set_up.catalog.models.values())
        with view:
            view.open(checked, set_up.providers)
            outcomes = await Play(set_up, view).perform()
            view.close(outcomes)
        if usage:
            await asyncio.sleep(LINGER_S * 4)  # the last records are on their way
            echo(f"\n$ rightmodel usage\n{await set_up.usage()}")
        if any(o.error for o in outcomes):
            echo(set_up.logged(LOG_LINES), err=True)
    return outcomes


def _view() -> LiveView | PlainView:
    if not sys.stdout.isatty():
        return PlainView()
    screen = console()
    if screen.is_dumb_terminal or not screen.is_terminal:
        return PlainView(screen.width)
    return LiveView(screen)


def _end_on_request() -> None:
    """A termination is taken like Ctrl-C: nothing is left behind."""
    task = asyncio.current_task()
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if task is not None and number is not None:
            with contextlib.suppress(NotImplementedError):  # Windows
                asyncio.get_running_loop().add_signal_handler(number, task.cancel)


def _first(error: BaseException) -> BaseException:
    """The first error that is no group of others."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
