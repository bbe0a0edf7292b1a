"""What a command is waiting for, said again and again, so that a long wait is no silence."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from rightmodel.surfaces.cli.terminal import echo, styled

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


REMIND_S: Final = 10.0
"""Seconds of silence."""


@asynccontextmanager
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
