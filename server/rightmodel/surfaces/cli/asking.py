"""Asking by hand: a task, the conversation that it goes on with, and the answer as it arrives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from rightmodel.core.call import Answer, AttemptFailed, AttemptStarted, CallEvent, Token, Waiting
from rightmodel.core.errors import TaskError
from rightmodel.core.format import duration, mask_keys
from rightmodel.execution.calls import going_on
from rightmodel.surfaces import rendering as render
from rightmodel.surfaces.arguments import complete_task
from rightmodel.surfaces.cli.terminal import echo, echo_data, styled
from rightmodel.surfaces.cli.waiting import REMIND_S, reminder
from rightmodel.surfaces.ledger_view import ask_ledger

if TYPE_CHECKING:
    from rightmodel.core.task import Task
    from rightmodel.execution.engine import Engine
    from rightmodel.ledger.store import Reader
    from rightmodel.manifest.catalog import Catalog
    from rightmodel.manifest.settings import Settings

CLIENT: Final = "cli"


class Conversation:
    """Turns that follow each other. It lives in memory."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine = engine
        self._settings = settings
        self._before: tuple[Task, Answer] | None = None

    async def take_up_last(self) -> None:
        """Go on with the last conversation by hand. Raises `TaskError` where there is none."""
        catalog = self._engine.catalog
        ref = ask_ledger(catalog, self._settings, _last_ref)
        if not ref:
            place = self._settings.place
            hint = f"; conversations are kept only with [privacy] store_text = true in {place}"
            raise TaskError(
                "there is no conversation to continue" + hint * (not catalog.store_text)
            )
        self._before = await self._engine.calls.former(ref, CLIENT)

    def begin_anew(self) -> None:
        """Forget what was said."""
        self._before = None

    def check_models(self, names: str) -> None:
        """Raises `TaskError` where one of the comma-separated names is not known."""
        for name in filter(None, map(str.strip, names.split(","))):
            self._engine.catalog.find(name)

    async def ask(self, arguments: dict[str, Any], output: Output) -> Answer:
        """The next turn. Raises `TaskError` and what a call raises."""
        engine = self._engine
        catalog = _with_named_files(engine.catalog, arguments)
        task = complete_task(arguments, catalog, CLIENT).task
        if task is None:
            raise TaskError("prompt is empty")
        if self._before:
            task = going_on(task, *self._before)
        output.secrets = self._settings.secrets(engine.catalog)
        times = engine.catalog.routing
        async with reminder(REMIND_S, output.waits_for):
            answer = await engine.executor.complete(
                task, deadline_s=times.deadline_s, give_up_s=times.give_up_s, listener=output.show
            )
        self._before = task, answer
        return answer


def _last_ref(reader: Reader) -> str:
    """The latest call by hand whose text was kept, "" where there is none."""
    first, last = reader.days() or ("", "")
    calls = (call for call in reader.latest_calls(first, last) if call.client == CLIENT)
    return next((call.ref for call in calls if reader.find_texts(call.id)), "")


def _with_named_files(catalog: Catalog, arguments: dict[str, Any]) -> Catalog:
    """A person may send files from any folder by naming them; never files that hold secrets."""
    named = tuple(str(Path(name).absolute().parent) for name in arguments.get("files", ()))
    roots = catalog.files.roots or (str(Path.cwd()),)
    return replace(catalog, files=replace(catalog.files, roots=(*roots, *named)))


class Output:
    """Progress on standard error; on a terminal, the answer while it arrives."""

    def __init__(self, *, live: bool) -> None:
        self._live = live
        self._text = ""
        self._held = ""
        self._waits = ""
        self._arrives = False
        self._asked: tuple[str, float] | None = None
        self.secrets: Sequence[str] = ()
        """Keys, masked in what is streamed as everywhere else."""

    def show(self, event: CallEvent) -> None:
        """Print one event of the call."""
        if isinstance(event, Token):
            self._arrives = True
            if self._live:
                self._stream(event.text)
            return
        self._asked = (event.model, monotonic()) if isinstance(event, AttemptStarted) else None
        if isinstance(event, AttemptFailed) and self._text:
            self._text = self._held = ""
            echo("\n", styled("this answer is void: its attempt failed", fg="yellow"), err=True)
        waits = event.model if isinstance(event, Waiting) else ""
        if not waits or waits != self._waits:  # a long wait is reported again at each look
            echo(styled(self._line(event), dim=True), err=True)
        self._waits = waits

    def waits_for(self) -> str:
        """What is waited for, "" where that can be seen."""
        arrives, self._arrives = self._arrives, False
        if self._asked is None or (arrives and self._live):
            return ""
        model, since = self._asked
        done = "is answering" if arrives else "has not answered yet"
        return f"{model} {done}, {duration(monotonic() - since)}"

    def _line(self, event: CallEvent) -> str:
        if isinstance(event, AttemptFailed) and event.message:
            message = event.message.removeprefix(f"{event.provider}: ")
            return mask_keys(f"{event.model}: {message}", [*self.secrets])
        return render.event_text(event)

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
