"""What the command line prints: foreign text cannot drive the terminal.

Names, answers and errors come from models, servers and manifests. Their control characters are
shown as escapes; colours are added afterwards. Rich output goes through `console`.
"""

from __future__ import annotations

import os
import sys
from typing import Any, NamedTuple

import click

from rightmodel.core.format import visible


class Styled(NamedTuple):
    """A piece of a line with `click.style` keywords, such as `{"fg": "green"}`."""

    text: str
    style: dict[str, Any]


def styled(text: str, **style: Any) -> Styled:
    """A piece of a line in colour."""
    return Styled(text, style)


def echo(*parts: str | Styled, err: bool = False, nl: bool = True) -> None:
    """Print the parts as one line, control characters as escapes.

    JSON keeps its meaning: the escapes are JSON's own.
    """
    line = "".join(
        click.style(visible(part.text), **part.style) if isinstance(part, Styled) else visible(part)
        for part in parts
    )
    is_plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    click.echo(line, err=err, nl=nl, color=False if is_plain else None)


def echo_data(text: str, *, nl: bool = True) -> None:
    """Print a model's answer: byte for byte into a pipe or file, escaped on a terminal."""
    click.echo(visible(text) if sys.stdout.isatty() else text, nl=nl)
