"""`rightmodel` and `python -m rightmodel`."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType


def main() -> None:
    """Run the command line; `serve` starts without it, for agents do not wait."""
    signals: list[int] = []
    try:
        if sys.argv[1:2] == ["serve"]:
            from rightmodel.surfaces.mcp.options import parse_serve

            options = parse_serve(sys.argv[1:])
            if options is not None:
                from rightmodel.surfaces.serve import start

                start(options)
                return
        _take_as_interrupts(signals)
        from rightmodel.surfaces.cli import main as command_line

        command_line()
    except KeyboardInterrupt:  # while modules are imported
        print("rightmodel: stopped", file=sys.stderr)  # noqa: T201 - nothing else is loaded
        sys.exit(128 + (signals or [signal.SIGINT])[0])
    except SystemExit as ended:
        if signals and ended.code == 128 + signal.SIGINT:
            sys.exit(128 + signals[0])
        raise


def _take_as_interrupts(signals: list[int]) -> None:
    """SIGTERM and SIGHUP end a command as Ctrl-C does: requests are ended and recorded.

    `signals`: gets those that came. Where Ctrl-C is ignored, as behind `nohup`, nothing changes.
    """

    def interrupt(number: int, _frame: FrameType | None) -> None:
        signals.append(number)
        signal.raise_signal(signal.SIGINT)

    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        return
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, interrupt)


if __name__ == "__main__":
    main()
