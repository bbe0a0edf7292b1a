"""An event loop whose clock jumps to the next thing that is due instead of waiting for it.

An outage of minutes is rehearsed in a second, with speeds, cooldowns and time limits as they are in
life, and every run takes the same simulated time: nothing passes while the processor works.
Everything that a run talks to has to live in the same loop: only then is a silent network the sign
that whatever comes next is a timer.
"""

from __future__ import annotations

import asyncio
import selectors
import socket
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

T = TypeVar("T")

GRACE_S: Final = 0.002
"""Real seconds for what is not in order with the rest, before a jump of the clock: a packet that
another processor's queue holds."""


class _Loopback:
    """A connection of its own over the loopback interface, which delivers in order.

    A byte that arrives here was sent after everything that is on its way to the loop's sockets.
    """

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            self._near = socket.create_connection(server.getsockname())
            self._far, _ = server.accept()
        self._near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def drain(self) -> None:
        """Block until the kernel has delivered what was sent so far."""
        self._near.send(b"\0")
        self._far.recv(1)

    def close(self) -> None:
        self._near.close()
        self._far.close()


class _Selector(selectors.DefaultSelector):
    """Waits no longer than the grace; what it would have waited is added to `skipped`."""

    def __init__(self) -> None:
        super().__init__()
        self.skipped = 0.0
        self.threads = 0
        self._loopback = _Loopback()

    def close(self) -> None:
        self._loopback.close()
        super().close()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if timeout is None or self.threads:
            return super().select(timeout)
        self._loopback.drain()
        ready = super().select(GRACE_S)
        if not ready:
            self.skipped += timeout
        return ready


class SkippingLoop(asyncio.SelectorEventLoop):
    """`time()` is simulated seconds since the loop was made."""

    def __init__(self) -> None:
        self._skipping = _Selector()
        super().__init__(self._skipping)

    async def create_server(self, *arguments: Any, **options: Any) -> asyncio.Server:
        """What is written goes out at once: else the kernel holds small pieces back for 40 ms.

        asyncio sees to it for sockets that name TCP; what a listener made by hand accepts does not,
        but inherits it.
        """
        server = await super().create_server(*arguments, **options)
        for listening in server.sockets:
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return server

    def run_in_executor(  # type: ignore[override]  # a future can be watched
        self, executor: Any, func: Any, *args: Any
    ) -> asyncio.Future[Any]:
        """The clock does not jump while a thread works."""
        future = super().run_in_executor(executor, func, *args)
        self._skipping.threads += 1
        future.add_done_callback(self._returned)
        return future

    def _returned(self, _future: object) -> None:
        self._skipping.threads -= 1

    def time(self) -> float:
        """Simulated seconds."""
        return self._skipping.skipped


def run(main: Coroutine[Any, Any, T]) -> T:
    """As `asyncio.run`, on simulated time."""
    with asyncio.Runner(loop_factory=SkippingLoop) as runner:
        return runner.run(main)
