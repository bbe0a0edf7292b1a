"""The options of `rightmodel serve`, readable without the command line's library."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

LEAST_DEADLINE_S: Final = 1
MOST_DEADLINE_S: Final = 3600


class ServeOptions(NamedTuple):
    """What `serve` was asked for.

    `manifest`, `env_file`: files, "" for none. `http`: an address, "" for standard input and
    output. `token_env`: the variable that holds the token. `deadline`: seconds, `None` for the
    manifest's. `warm_up`: load everything once the client is idle, before its first call.
    """

    manifest: str = ""
    env_file: str = ""
    http: str = ""
    token_env: str = ""
    deadline: float | None = None
    warm_up: bool = False


def parse_serve(arguments: Sequence[str]) -> ServeOptions | None:
    """The options of a command line that is a plain `serve`.

    `None` for any other: what is wrong with it, or how it helps, is the command line's to say.
    """
    if not arguments or arguments[0] != "serve":
        return None
    values: dict[str, str] = {}
    warm_up = False
    rest = iter(arguments[1:])
    for argument in rest:
        if argument in {"--warm-up", "--no-warm-up"}:
            warm_up = argument == "--warm-up"
            continue
        name, equals, value = argument.partition("=")
        field = name.removeprefix("--").replace("-", "_")
        if not name.startswith("--") or "_" in name or field not in ServeOptions._fields[:-1]:
            return None
        given = value if equals else next(rest, None)
        if given is None:
            return None
        values[field] = given
    deadline = _deadline(values.pop("deadline", ""))
    return None if deadline == 0 else ServeOptions(**values, deadline=deadline, warm_up=warm_up)


def _deadline(text: str) -> float | None:
    """Seconds, `None` for none, 0 for an invalid one."""
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        return 0
    return seconds if LEAST_DEADLINE_S <= seconds <= MOST_DEADLINE_S else 0
