"""A simulated provider from the command line: `python -m rightmodel.simulator --help`."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from random import Random

from rightmodel.core.errors import UnknownNameError
from rightmodel.core.task import WireFormat
from rightmodel.simulator import Behaviour, SimulatedProvider, fault
from rightmodel.simulator.dialects import DIALECTS

EXAMPLE = """example, in which a fifth of all calls is refused or stalls:
  python -m rightmodel.simulator --port 9100 --model m --share 0.2 --fault overloaded --fault stall
"""


def parsed(argv: Sequence[str]) -> argparse.Namespace:
    """The options, faults among them; options that do not fit end the program."""
    parser = argparse.ArgumentParser(
        prog="python -m rightmodel.simulator",
        description="Run a simulated provider on loopback until interrupted.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--protocol", choices=[str(p) for p in WireFormat], default="openai-chat")
    add("--dialect", choices=sorted(DIALECTS), default="", help="whose error bodies are sent")
    add("--key", default="", help="the one that is taken; any and none without")
    add("--model", action="append", default=[], help="name of a model; may be repeated")
    add("--port", type=int, default=0, help="any free one by default")
    add("--tokens-per-s", type=float, default=0.0, help="at once by default")
    add("--fault", action="append", default=[], help="name of a fault; may be repeated")
    add("--share", type=float, default=1.0, help="of the calls that have a fault, 0 to 1")
    add("--seed", type=int, default=0, help="of the faults that are drawn")
    add("--list", action="store_true", help="list the faults that fit, and end")
    options = parser.parse_args(argv)
    fitting = [d.name for d in DIALECTS.values() if d.protocol == options.protocol]
    if options.dialect and options.dialect not in fitting:
        parser.error(
            f"--dialect {options.dialect} does not speak {options.protocol}; "
            f"dialects that do: {', '.join(sorted(fitting))}"
        )
    try:
        options.fault = [fault.find(name) for name in options.fault]
    except UnknownNameError as error:
        parser.error(str(error))
    return options


async def serve(options: argparse.Namespace, say: Callable[[str], object]) -> None:
    """Run until cancelled; says where, and at the end what came."""
    behaviour = Behaviour(tokens_per_s=options.tokens_per_s)
    async with SimulatedProvider(
        options.protocol,
        key=options.key,
        models=dict.fromkeys(options.model or ["simulated"], behaviour),
        dialect=options.dialect,
        random=Random(options.seed),  # noqa: S311 - a simulation, reproducible
        port=options.port,
    ) as provider:
        if options.fault:
            provider.fail_all(fault.chance(options.share, fault.one_of(*options.fault)))
        say(f"base_url = {provider.base_url}\nmodels = {', '.join(provider.models)}\n")
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            came = Counter(request.fault or "answered" for request in provider.requests)
            say("".join(f"{count:6} {name}\n" for name, count in came.most_common()))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; the exit code."""
    options = parsed(sys.argv[1:] if argv is None else argv)
    if options.list:
        found = fault.faults(options.protocol, options.dialect)
        sys.stdout.write("".join(f"{one.name}\n" for one in found))
        return 0
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(options, _say))
    return 0


def _say(text: str) -> None:
    """At once: a program that reads a pipe or a file waits for the address."""
    sys.stdout.write(text)
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
