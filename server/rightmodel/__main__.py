"""`rightmodel` and `python -m rightmodel`."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType


def main() -> None:
    """Run the command line; `serve` starts without it, for agents do not wait."""
    try:
        if sys.argv[1:2] == ["serve"]:
            from rightmodel.surfaces.mcp.options import parse_serve

            options = parse_serve(sys.argv[1:])
            if options is not None:
                from rightmodel.surfaces.serve import start

                start(options)
                return
        _close_when_terminated()
        from rightmodel.surfaces.cli import main as command_line

        command_line()
    except KeyboardInterrupt:  # while modules are imported
        print("rightmodel: stopped", file=sys.stderr)  # noqa: T201 - nothing else is loaded
        sys.exit(128 + signal.SIGINT)


def _close_when_terminated() -> None:
    """SIGTERM and SIGHUP end a command as Ctrl-C does: requests are ended and recorded."""
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _terminated)


def _terminated(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)


if __name__ == "__main__":
    main()
