"""The questions of `rightmodel init`: each answered by its option, the user, or the usual value."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Final, TypeVar

import click

from rightmodel.core.errors import TaskError, UnknownNameError
from rightmodel.integrations.model_setup import known_id
from rightmodel.surfaces.cli.starter_manifest import Choices
from rightmodel.surfaces.cli.terminal import echo

if TYPE_CHECKING:
    from rightmodel.surfaces.cli.init_machine import Machine

T = TypeVar("T")

_USUAL_BUDGET: Final = "5"
_HIGHEST_BUDGET: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Options:
    """Answers from the command line, "" and `False` where it has none. `asks`: a person answers."""

    asks: bool
    baseline: str
    per_day_usd: str
    local_first: bool


def choices(machine: Machine, options: Options) -> Choices:
    """All answers. Raises `TaskError` for an option that cannot be used, or without a terminal."""
    with _asking():
        return Choices(
            baseline=_baseline(machine, options),
            suggestion=machine.suggestion,
            per_day_usd=_per_day_usd(options),
            local_first=_local_first(machine, options),
            providers=[*machine.keys, *machine.local],
            local=[*machine.local],
        )


def consent(question: str) -> None:
    """Ask for a yes. Raises `click.Abort` for a no, `TaskError` where nobody can answer."""
    with _asking():
        agreed = click.confirm(question, default=True)
    if not agreed:
        raise click.Abort


@contextmanager
def _asking() -> Iterator[None]:
    """Around questions: where the input ends without an answer, the error names `--yes`."""
    try:
        yield
    except click.Abort:
        if sys.stdin.isatty():
            raise
        echo()  # ends the line of the question
        raise TaskError("there is no terminal to answer on: --yes goes on without asking") from None


def _baseline(machine: Machine, options: Options) -> str:
    def known(name: str) -> str:
        if _is_none(name):
            return ""
        if model := known_id(name, machine.models):
            return model
        raise UnknownNameError("model", name, machine.models, argument="baseline")

    if options.baseline or not options.asks:
        return known(options.baseline or machine.baseline or "none")
    likely = machine.suggestion if machine.keys else "none"  # savings against a model in use
    return _ask(
        "Which model does your agent run on? Savings are counted against it",
        machine.baseline or likely,
        known,
    )


def _per_day_usd(options: Options) -> Decimal | None:
    if options.per_day_usd or not options.asks:
        return _amount(options.per_day_usd or _USUAL_BUDGET)
    return _ask("How many USD may rightmodel spend in a day?", _USUAL_BUDGET, _amount)


def _local_first(machine: Machine, options: Options) -> bool:
    """A question only where there are local models and others."""
    if options.local_first and not machine.local:
        raise TaskError("--local-first: no local model answers")
    if options.local_first or not (options.asks and machine.local and machine.keys):
        return options.local_first
    return click.confirm("Send all easy work to your local models first?", default=False)


def _ask(question: str, usual: str, read: Callable[[str], T]) -> T:
    """Ask until `read` takes the answer."""

    def checked(text: str) -> T:
        try:
            return read(text)
        except TaskError as error:
            raise click.BadParameter(str(error)) from error

    answer: T = click.prompt(f"{question} (or none)", default=usual, value_proc=checked)
    return answer


def _amount(text: str) -> Decimal | None:
    """USD; `None` for "none". Raises `TaskError`."""
    if _is_none(text):
        return None
    try:
        amount = Decimal(text.strip().removeprefix("$"))
    except InvalidOperation:
        amount = Decimal(0)
    if not amount.is_finite() or not 0 < amount <= _HIGHEST_BUDGET:
        raise TaskError(
            f"{text!r} is not an amount: write USD such as 5, or none", argument="per-day-usd"
        )
    return amount


def _is_none(text: str) -> bool:
    return text.strip().lower() == "none"
