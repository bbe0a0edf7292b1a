"""`rightmodel ask`."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from rightmodel.core.call import AttemptFailed, Token
from rightmodel.core.errors import TaskError
from rightmodel.core.format import mask_keys
from rightmodel.execution.engine import App
from rightmodel.surfaces import rendering as render
from rightmodel.surfaces.arguments import complete_task
from rightmodel.surfaces.cli import with_settings
from rightmodel.surfaces.cli.standard_input import prompt_with_input
from rightmodel.surfaces.cli.terminal import echo, echo_data, styled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rightmodel.core.call import Answer, CallEvent
    from rightmodel.manifest.settings import Settings


@click.command("ask")
@click.argument("prompt", required=False, default="")
@click.option("--skill", default="", help="Kind of work; empty: inferred.")
@click.option("--difficulty", default="", help="easy, medium, hard or expert.")
@click.option("--tier", default="", help="cheap, balanced or best.")
@click.option("-m", "--model", default="", help="Only these models, in order, comma-separated.")
@click.option("--system", default="", help="System prompt for the other model.")
@click.option("-f", "--file", "files", multiple=True, help="A file to send along; repeatable.")
@click.option("--schema", default="", help="JSON Schema that the answer must match.")
@click.option("--effort", default="", help="none, low, medium or high.")
@click.option("--max-output-tokens", default="", help="Cap on the answer.")
@click.option("--max-cost-usd", default="", help="Ceiling over the whole call.")
@click.option("--json", "as_json", is_flag=True, help="Answer and receipt as one JSON object.")
@with_settings
def command(settings: Settings, *, as_json: bool, **arguments: Any) -> None:
    """Hand PROMPT to the right model and print its answer.

    Text on standard input follows the prompt: `rightmodel ask "Summarize" < notes.md`.
    """
    arguments["prompt"] = prompt_with_input(arguments["prompt"])
    arguments["files"] = list(arguments["files"])
    output = _Output(live=sys.stdout.isatty() and not as_json and not arguments["schema"])
    answer = asyncio.run(_ask(settings, arguments, output))
    if as_json:
        receipt = render.receipt_meta(answer.receipt)
        echo(json.dumps({"answer": answer.text, "receipt": receipt}, ensure_ascii=False))
        return
    output.finish(answer.text)
    echo(styled(render.footer(answer.receipt), dim=True), err=True)


async def _ask(settings: Settings, arguments: dict[str, Any], output: _Output) -> Answer:
    app = App(settings)
    try:
        engine = await app.engine()
        task = complete_task(arguments, engine.catalog).task
        if task is None:
            raise TaskError("prompt is empty")
        output.secrets = settings.secrets(engine.catalog)
        return await engine.executor.complete(
            replace(task, client="cli"),
            deadline_s=engine.catalog.routing.deadline_s,
            listener=output.show,
        )
    finally:
        await app.close()


class _Output:
    """Progress on standard error; on a terminal, the answer while it arrives."""

    def __init__(self, *, live: bool) -> None:
        self._live = live
        self._text = ""
        self._held = ""
        self.secrets: Sequence[str] = ()
        """Keys, masked in what is streamed as everywhere else."""

    def show(self, event: CallEvent) -> None:
        """Print one event of the call."""
        if isinstance(event, Token):
            if self._live:
                self._stream(event.text)
            return
        if isinstance(event, AttemptFailed) and self._text:
            self._text = self._held = ""
            echo("\n", styled("this answer is void: its attempt failed", fg="yellow"), err=True)
        echo(styled(render.event_text(event), dim=True), err=True)

    def _stream(self, text: str) -> None:
        """Print new text, but for an end that may be the beginning of a key."""
        text = mask_keys(self._held + text, [*self.secrets])
        ends = (n for key in self.secrets for n in range(1, len(key)) if text.endswith(key[:n]))
        cut = len(text) - max(ends, default=0)
        self._held = text[cut:]
        self._text += text[:cut]
        echo_data(text[:cut], nl=False)

    def finish(self, answer: str) -> None:
        """Print the answer, unless it is on the terminal already."""
        if self._held:
            echo_data(self._held, nl=False)
            self._text += self._held
        if self._text.strip() != answer.strip():
            echo_data(f"\n{answer}" if self._text else answer)
        elif not self._text.endswith("\n"):
            echo_data("")
