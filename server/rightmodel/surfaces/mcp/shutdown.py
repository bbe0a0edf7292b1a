"""How the process ends: closed in order where there is time, and on time in any case."""

from __future__ import annotations

import asyncio
import logging
import os
import select
import signal
import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Close = Callable[[], Awaitable[None]]

CLOSE_S: Final = 1.2
"""What closing may take once the client is gone."""
END_S: Final = 1.6
"""The process ends this long after the client is gone, in any case."""

logger = logging.getLogger("rightmodel")


def end_soon() -> None:
    """End the process in `END_S`, even if the event loop is stuck."""
    timer = threading.Timer(END_S, os._exit, (0,))
    timer.daemon = True
    timer.start()


def end_at_hang_up(fd: int) -> None:
    """Call `end_soon` when the other end of a pipe closes, even if the event loop is stuck."""
    if not hasattr(select, "poll"):  # Windows
        return
    poll = select.poll()
    poll.register(fd, getattr(select, "POLLRDHUP", 0))

    def wait() -> None:
        poll.poll()
        end_soon()

    threading.Thread(target=wait, name="hang up", daemon=True).start()


async def close_in_time(close: Close) -> None:
    """Close within `CLOSE_S`; what fails is logged."""
    try:
        async with asyncio.timeout(CLOSE_S):
            await close()
    except Exception:
        logger.exception("not everything could be closed")


def end_on_signals(close: Close) -> None:
    """From now on SIGINT and SIGTERM `close` and end the process; a second one ends it at once.

    The process exits without joining threads: the one that reads standard input cannot be woken.
    """
    loop = asyncio.get_running_loop()
    closing: list[asyncio.Task[None]] = []

    async def close_and_exit(code: int) -> None:
        await close_in_time(close)
        os._exit(code)

    def on_signal(number: int) -> None:
        if closing:
            os._exit(128 + number)
        closing.append(loop.create_task(close_and_exit(128 + number)))

    for name in ("SIGINT", "SIGTERM", "SIGBREAK"):
        number = getattr(signal, name, None)
        if number is None:
            continue
        try:
            loop.add_signal_handler(number, on_signal, number)
        except NotImplementedError:  # Windows
            signal.signal(number, lambda got, _: loop.call_soon_threadsafe(on_signal, got))
