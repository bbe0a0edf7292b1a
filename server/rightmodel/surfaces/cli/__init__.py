"""The command line. Each command's module is imported only when that command runs."""

from __future__ import annotations

import errno
import importlib
import io
import os
import sys
from collections.abc import Callable
from functools import wraps
from typing import Any, Final

import click

from rightmodel import __version__
from rightmodel.core.errors import RightmodelError, UnknownNameError
from rightmodel.manifest.settings import Settings, read_settings
from rightmodel.surfaces.cli.terminal import echo
from rightmodel.surfaces.exit_code import exit_code
from rightmodel.surfaces.log import log_to_stderr

COMMANDS: Final = {
    "init": "Set everything up: manifest, agents, skill file. --remove undoes it.",
    "serve": "Run the MCP server (stdio, or --http).",
    "ask": "Hand one task to the right model and print its answer.",
    "chat": "Talk with the models, each message with the right one.",
    "choose": "Show which model a task would go to, without calling it.",
    "models": "Show the effective manifest.",
    "check": "Check manifest and keys, and ask every model for a word.",
    "usage": "Show what was spent and saved.",
    "log": "Show the last calls, and everything about one.",
    "config": "Register rightmodel with an agent.",
    "eval": "Measure how well the manifest routes, on a table of outcomes.",
    "outcomes": "Show how models did; --export makes a table for calibrate.",
    "calibrate": "Fit the models' ratings to a table of outcomes.",
    "rehearse": "Rehearse an outage of your own set-up: no key, no network.",
    "demo": "Show it at work with simulated providers: no key, no network.",
}


class _Commands(click.Group):
    """Imports a command's module when it is needed: `serve` has no time for the others."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return super().get_command(ctx, cmd_name)
        command: click.Command = importlib.import_module(f"{__name__}.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in COMMANDS and not args[0].startswith("-") and not ctx.resilient_parsing:
            raise click.UsageError(str(UnknownNameError("command", args[0], COMMANDS)), ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([*COMMANDS.items()])


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", prog_name="rightmodel")
def cli() -> None:
    """Hand an agent's subtasks to the right model out of many."""


def with_files(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds `--manifest` and `--env-file`, as they are written."""
    env_file = click.option(
        "--env-file", default="", metavar="FILE", help="NAME=value lines with keys."
    )
    manifest = click.option("--manifest", default="", metavar="FILE", help="The manifest to use.")
    return manifest(env_file(command))


def with_settings(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds `--manifest` and `--env-file`, and hands the command its `settings`."""

    @wraps(command)
    def wrapped(manifest: str, env_file: str, **options: Any) -> Any:
        return command(settings=read_settings(manifest=manifest, env_file=env_file), **options)

    return with_files(wrapped)


def main() -> None:
    """The console script: errors are one line with the next step."""
    _open_streams()
    log_to_stderr(dated=sys.argv[1:2] == ["serve"])
    try:
        cli.main(standalone_mode=False)
    except RightmodelError as error:
        fail(str(error), code=exit_code(error))
    except click.Abort:
        fail("stopped", code=130)
    except click.exceptions.NoArgsIsHelpError as error:
        echo(error.format_message())
    except click.ClickException as error:
        fail(_usage(error), code=error.exit_code)
    except BrokenPipeError:
        _drop_output()
        sys.exit(0)
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT, errno.EIO}:
            raise
        _drop_output()
        fail(f"the output cannot be written: {error.strerror}")


def _open_streams() -> None:
    """Every stream can be used; a character that its encoding does not have is shown as "?".

    On Windows a pipe or file gets UTF-8: the code page there has few characters of an answer.
    """
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by whoever started it
            mode = "r" if name == "stdin" else "w"
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115, PTH123
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            named = sys.platform != "win32" or stream.isatty() or "PYTHONIOENCODING" in os.environ
            stream.reconfigure(encoding=None if named else "utf-8", errors="replace")


def _drop_output() -> None:
    """What is still buffered for standard output must not fail again at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _usage(error: click.ClickException) -> str:
    context = error.ctx if isinstance(error, click.UsageError) else None
    message = error.format_message()
    return f"{message.rstrip('.')}. See {context.command_path} --help." if context else message


def fail(message: str, *, code: int = 1) -> None:
    """End with one line on standard error."""
    echo(f"rightmodel: {message}", err=True)
    sys.exit(code)


def settings_summary(settings: Settings) -> str:
    """Which manifest is in force, for people."""
    return str(settings.manifest) if settings.manifest else "keys and local servers (no manifest)"
