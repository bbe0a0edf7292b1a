"""How a command ends that runs until it is stopped."""

from __future__ import annotations

import asyncio
import contextlib
import signal


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
