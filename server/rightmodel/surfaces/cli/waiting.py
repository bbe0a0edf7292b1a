"""Commands that run long: how they end when they are stopped, and what they say meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable
from typing import Final

from rightmodel.surfaces.cli.terminal import echo, styled

REMIND_S: Final = 10.0
"""Seconds of silence, after which a command says what it is waiting for."""


def end_on_signals() -> None:
    """SIGTERM and SIGHUP cancel the running task as Ctrl-C does: nothing is left behind."""
    task = asyncio.current_task()
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if task is not None and number is not None:
            with contextlib.suppress(NotImplementedError):  # Windows
                asyncio.get_running_loop().add_signal_handler(number, task.cancel)


def first(error: BaseException) -> BaseException:
    """The first error that is no group of others."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


@contextlib.asynccontextmanager
async def reminder(every_s: float, says: Callable[[], str]) -> AsyncIterator[None]:
    """While the block runs, what `says` returns goes to standard error; "" says nothing."""

    async def remind() -> None:
        while True:
            await asyncio.sleep(every_s)
            if line := says():
                echo(styled(line, dim=True), err=True)

    task = asyncio.create_task(remind())
    try:
        yield
    finally:
        task.cancel()
