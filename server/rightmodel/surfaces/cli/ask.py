"""`rightmodel ask`."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING, Any

import click

from rightmodel.core.errors import TaskError
from rightmodel.execution.engine import App
from rightmodel.surfaces import rendering as render
from rightmodel.surfaces.cli import with_settings
from rightmodel.surfaces.cli.asking import Conversation, Output
from rightmodel.surfaces.cli.prompt_sources import prompt_with_input, with_template
from rightmodel.surfaces.cli.terminal import echo, styled

if TYPE_CHECKING:
    from rightmodel.core.call import Answer
    from rightmodel.manifest.settings import Settings


@click.command("ask")
@click.argument("prompt", required=False, default="")
@click.option("--skill", default="", help="Kind of work; empty: inferred.")
@click.option("--difficulty", default="", help="easy, medium, hard or expert.")
@click.option("--tier", default="", help="cheap, balanced or best: price against quality.")
@click.option("-m", "--model", default="", help="Only these models, in order, comma-separated.")
@click.option("--system", default="", help="System prompt for the other model.")
@click.option("-f", "--file", "files", multiple=True, help="A file to send along; repeatable.")
@click.option("--schema", default="", help="JSON Schema that the answer must match.")
@click.option("--effort", default="", help="none, low, medium or high.")
@click.option("--max-output-tokens", default="", help="Cap on the answer.")
@click.option("--max-cost-usd", default="", help="Ceiling over the whole call.")
@click.option("-t", "--template", default="", metavar="NAME", help="A prompt and options by name.")
@click.option("-c", "--continue", "goes_on", is_flag=True, help="Go on with the last conversation.")
@click.option("--json", "as_json", is_flag=True, help="Answer and receipt as one JSON object.")
@with_settings
def command(
    settings: Settings, *, as_json: bool, template: str, goes_on: bool, **arguments: Any
) -> None:
    """Hand PROMPT to the right model and print its answer.

    Text on standard input follows the prompt: `rightmodel ask "Summarize" < notes.md`. Templates
    are files NAME.toml in the folder `templates` of the configuration directory.
    """
    arguments["prompt"] = prompt_with_input(arguments["prompt"])
    arguments["files"] = list(arguments["files"])
    if template:
        arguments = with_template(template, arguments)
    if not str(arguments["prompt"]).strip():
        raise TaskError(
            'prompt is empty: write it after the command, rightmodel ask "Name a river", or send '
            "it on standard input, rightmodel ask < notes.md",
            argument="prompt",
        )
    output = Output(live=sys.stdout.isatty() and not as_json and not arguments["schema"])
    answer = asyncio.run(_ask(settings, arguments, output, goes_on=goes_on))
    if as_json:
        receipt = render.receipt_meta(answer.receipt)
        echo(json.dumps({"answer": answer.text, "receipt": receipt}, ensure_ascii=False))
        return
    output.finish(answer.text)
    echo(styled(render.footer(answer.receipt), dim=True), err=True)


async def _ask(
    settings: Settings, arguments: dict[str, Any], output: Output, *, goes_on: bool
) -> Answer:
    app = App(settings, needs_model=True)
    try:
        conversation = Conversation(await app.engine(), settings)
        if goes_on:
            await conversation.take_up_last()
        return await conversation.ask(arguments, output)
    finally:
        await app.close()
