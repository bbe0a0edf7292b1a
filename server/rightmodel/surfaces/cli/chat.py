"""`rightmodel chat`: a conversation by hand."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from rightmodel.core.errors import RightmodelError
from rightmodel.core.format import cut
from rightmodel.execution.engine import App
from rightmodel.surfaces import rendering as render
from rightmodel.surfaces.arguments import complete_task
from rightmodel.surfaces.cli import with_settings
from rightmodel.surfaces.cli.asking import Conversation, Output
from rightmodel.surfaces.cli.terminal import echo, styled

if TYPE_CHECKING:
    from rightmodel.manifest.settings import Settings

_HELP: Final = """\
/new          begin a new conversation
/model NAME   only these models, in order, comma-separated; without NAME: any
/file PATH    send a file along with the next message
/exit         or Ctrl-D: leave"""


@click.command("chat")
@click.option("--tier", default="", help="cheap, balanced or best: price against quality.")
@click.option("-m", "--model", default="", help="Only these models, in order, comma-separated.")
@click.option("--system", default="", help="System prompt for the other models.")
@click.option("-c", "--continue", "goes_on", is_flag=True, help="Go on with the last conversation.")
@with_settings
def command(settings: Settings, *, tier: str, model: str, system: str, goes_on: bool) -> None:
    """Talk with the models: each message goes to the right one, with the conversation so far.

    A line is a message. /help lists the commands.
    """
    with suppress(ImportError):  # Windows
        import readline  # noqa: F401 - arrow keys and earlier lines in `input`
    options = {"tier": tier, "model": model, "system": system}
    chat = _Chat(options)
    with asyncio.Runner() as runner:
        app = App(settings, needs_model=True)
        try:
            engine = runner.run(app.engine())
            complete_task({**options, "prompt": "any"}, engine.catalog)  # raises for a wrong one
            conversation = Conversation(engine, settings)
            conversation.check_models(model)
            if goes_on:
                runner.run(conversation.take_up_last())
            while (line := _next_line()) is not None:
                chat.take(line, conversation, runner)
        finally:
            runner.run(app.close())


class _Chat:
    """What the next message is sent with."""

    def __init__(self, options: dict[str, Any]) -> None:
        self._options = options
        self._files: list[str] = []

    def take(self, line: str, conversation: Conversation, runner: asyncio.Runner) -> None:
        """Do what a line says."""
        command, _, rest = line.partition(" ")
        if not command.startswith("/"):
            self._send(line, conversation, runner)
        elif command == "/new":
            conversation.begin_anew()
        elif command == "/model":
            self._options["model"] = rest.strip()  # a wrong one, too: no other gets the message
            with _shown():
                conversation.check_models(rest)
        elif command == "/file":
            path = Path(rest.strip()).expanduser()
            if path.is_file():
                self._files.append(str(path))
            else:
                echo(styled(f"{path}: no such file", fg="red"), err=True)
        else:
            if command != "/help":
                echo(styled(f"unknown command {cut(command)}; there are:", fg="red"), err=True)
            echo(_HELP, err=True)

    def _send(self, text: str, conversation: Conversation, runner: asyncio.Runner) -> None:
        output = Output(live=sys.stdout.isatty())
        arguments = {**self._options, "prompt": text, "files": self._files}
        self._files = []
        with _shown():
            answer = runner.run(conversation.ask(arguments, output))
            output.finish(answer.text)
            echo(styled(render.footer(answer.receipt), dim=True), err=True)


@contextmanager
def _shown() -> Iterator[None]:
    """What goes wrong is shown, and the conversation goes on."""
    try:
        yield
    except KeyboardInterrupt:
        echo(styled("\nstopped", fg="yellow"), err=True)
    except RightmodelError as error:
        echo(styled(str(error), fg="red"), err=True)


def _next_line() -> str | None:
    """The next line that says something, `None` at the end."""
    while True:
        try:
            line = input("> " if sys.stdin.isatty() else "").strip()
        except (EOFError, KeyboardInterrupt):
            return None
        if line == "/exit":
            return None
        if line:
            return line
