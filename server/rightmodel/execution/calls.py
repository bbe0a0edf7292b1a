"""Calls that outlive their request: pending answers, pages of long ones, conversations.

A call runs as a task of its own. Its caller waits until the deadline; what is not done by then is
*pending* and goes on in the background until it gives up. Everything is kept in memory, bounded in
number, size and time; an unknown `ref` is an error. Cancelling a caller that waits cancels the
call, unless the call was pending: its answer is paid for, and can be asked for again.
"""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Final

from rightmodel.core.call import Answer, CallEvent, Listener, Queued
from rightmodel.core.errors import ClosedError, RightmodelError, TaskError
from rightmodel.core.format import listed
from rightmodel.core.task import Message, Task
from rightmodel.ledger.call_rows import new_ref
from rightmodel.routing.tokens import estimate_tokens

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from rightmodel.execution.executor import Executor
    from rightmodel.execution.shared_calls import SharedCalls

    MaybeListener = Listener | None

MOST_RUNNING: Final = 64
"""Calls at once; further ones wait their turn: a routed model may be an agent that calls us."""
MOST_KEPT: Final = 256
MOST_KEPT_CHARS: Final = 50_000_000
KEPT_S: Final = 3600.0
PAGE_CHARS: Final = 40_000
PAGE_TOKENS: Final = 12_000
"""Claude Code takes 25,000 tokens of a tool's result and OpenClaw 64,000 characters, at most."""
MOST_TOKENS_A_CHAR: Final = 4
LAST_PART: Final = 0.8
"""A page ends at the end of a line where there is one after this share of it."""


@dataclass(frozen=True, slots=True)
class Pending:
    """Still running. `status`: its latest event. `time_s`: since it began."""

    ref: str
    status: CallEvent
    time_s: float


@dataclass(frozen=True, slots=True)
class Page:
    """A part of an answer. `number` of `pages`, from 1."""

    answer: Answer
    text: str
    number: int = 1
    pages: int = 1


@dataclass(frozen=True, slots=True)
class CallStatus:
    """What is known of a call. `began_at`, `changed_at`: seconds since 1970.

    `outcome`: its first page or its error once it is done, `None` while it runs or where it was
    cancelled.
    """

    ref: str
    began_at: float
    changed_at: float
    event: CallEvent
    outcome: Page | RightmodelError | None
    cancelled: bool


@dataclass(slots=True)
class _Entry:
    ref: str
    task: Task
    began: float
    job: asyncio.Future[Answer]
    touched: float
    began_at: float
    changed_at: float
    wall: Callable[[], float]
    is_known: bool
    """Its client has the `ref`: whoever stops waiting may ask again."""
    status: CallEvent = field(default_factory=Queued)
    listeners: list[MaybeListener] = field(default_factory=list)
    pages: tuple[str, ...] = ()
    pages_read: int = 0
    chars: int = 0
    """Kept in memory, and bytes of files; nothing changes them once the call is done."""

    def notify(self, event: CallEvent) -> None:
        self.status, self.changed_at = event, self.wall()
        for listener in filter(None, self.listeners):
            listener(event)


class Calls:
    """Every call of a server. `now`: monotonic seconds. `wall`: seconds since 1970.

    `give_up_s`: when a pending call ends.
    `recall(ref)`: a call that is no longer in memory, `None` where it was not kept. `elsewhere`:
    calls of a team's other servers, `None` without any.
    """

    def __init__(
        self,
        executor: Executor,
        *,
        give_up_s: float,
        now: Callable[[], float],
        wall: Callable[[], float],
        recall: Callable[[str], Awaitable[tuple[Task, Answer] | None]],
        elsewhere: SharedCalls | None = None,
    ) -> None:
        self._recall = recall
        self._elsewhere = elsewhere
        self._executor = executor
        self._give_up_s = give_up_s
        self._now = now
        self._wall = wall
        self._entries: dict[str, _Entry] = {}  # the least recently used first
        self._chars = 0
        self._is_closed = False
        self._slots = asyncio.Semaphore(MOST_RUNNING)

    @property
    def running(self) -> int:
        """Calls that are not done."""
        return sum(not entry.job.done() for entry in self._entries.values())

    async def complete(
        self, task: Task, *, deadline_s: float, listener: MaybeListener, wait_s: float = math.inf
    ) -> Page | Pending:
        """A new call: its answer, or pending after `wait_s`, at the latest at the deadline."""
        return await self._wait(self._begin(task, deadline_s), min(wait_s, deadline_s), listener)

    async def resume(
        self,
        ref: str,
        task: Task | None,
        *,
        client: str = "mcp",
        deadline_s: float,
        listener: MaybeListener,
        wait_s: float = math.inf,
    ) -> Page | Pending:
        """What `ref` stands for, to the client whose call it is; another one is told nothing of it.

        With a task the conversation goes on; else the answer is collected or read on. Raises
        `TaskError` when there is nothing to do, or what became of the call.
        """
        entry = await self._find(ref, client)
        wait_s = min(wait_s, deadline_s)
        if task is None:
            if entry.job.done() and entry.pages_read:
                self._touch(entry)
                return _page(entry, await self._settled(entry))
            return await self._wait(entry, wait_s, listener)
        if not entry.job.done():
            raise TaskError(
                f"ref {ref} is still running; call complete with ref alone to collect its answer "
                "before the conversation goes on",
                argument="ref",
            )
        next_turn = going_on(task, entry.task, await self._settled(entry))
        return await self._wait(self._begin(next_turn, deadline_s), wait_s, listener)

    async def former(self, ref: str, client: str) -> tuple[Task, Answer]:
        """A client's call that has ended, and its answer. Raises `TaskError` where it is gone."""
        entry = await self._find(ref, client)
        return entry.task, await self._settled(entry)

    async def status(self, ref: str, client: str) -> CallStatus:
        """What is known of a client's call. Raises `TaskError` where `ref` is gone."""
        entry = await self._find(ref, client)
        self._touch(entry)
        outcome: Page | RightmodelError | None = None
        if entry.job.done() and not entry.job.cancelled():
            try:
                outcome = _first_page(entry, await entry.job)
            except RightmodelError as error:
                outcome = error
        return CallStatus(
            ref, entry.began_at, entry.changed_at, entry.status, outcome, entry.job.cancelled()
        )

    async def cancel(self, ref: str, client: str) -> None:
        """End a client's call; one that is done stays. Raises `TaskError` where `ref` is gone."""
        entry = await self._find(ref, client)
        if not entry.job.done():
            entry.job.cancel()
            await asyncio.wait({entry.job})

    async def close(self) -> None:
        """Cancel whatever runs: who waits for it gets `ClosedError`."""
        self._is_closed, jobs = True, [entry.job for entry in self._entries.values()]
        for job in jobs:
            job.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)

    def _begin(self, task: Task, deadline_s: float) -> _Entry:
        self._forget()
        ref = new_ref()
        job = asyncio.create_task(self._run(ref, task, deadline_s), name=f"call {ref}")
        return self._keep(ref, task, job)

    def _keep(
        self, ref: str, task: Task, job: asyncio.Future[Answer], *, is_known: bool = False
    ) -> _Entry:
        now, wall = self._now(), self._wall()
        entry = _Entry(ref, task, now, job, now, wall, wall, self._wall, is_known)
        self._entries[ref] = entry
        job.add_done_callback(partial(self._ended, entry))
        return entry

    def _ended(self, entry: _Entry, job: asyncio.Future[Answer]) -> None:
        entry.changed_at = self._wall()
        if self._entries.get(entry.ref) is not entry:
            return
        entry.chars = sum(len(message.text) for message in entry.task.content.messages)
        entry.chars += sum(len(file.data) for file in entry.task.content.files)
        if not job.cancelled() and job.exception() is None:
            entry.chars += len(job.result().text)
        self._chars += entry.chars

    def _touch(self, entry: _Entry) -> None:
        entry.touched = self._now()
        if self._entries.pop(entry.ref, None) is not None:
            self._entries[entry.ref] = entry

    def _drop(self, entry: _Entry) -> None:
        if self._entries.pop(entry.ref, None) is not None:
            self._chars -= entry.chars

    async def _run(self, ref: str, task: Task, deadline_s: float) -> Answer:
        began = self._now()
        async with self._slots:
            waited = self._now() - began
            return await self._executor.complete(
                task,
                deadline_s=max(1.0, deadline_s - waited),
                give_up_s=max(deadline_s, self._give_up_s) - waited,
                listener=self._entries[ref].notify,
                live=False,
                ref=ref,
            )

    async def _wait(self, entry: _Entry, wait_s: float, listener: MaybeListener) -> Page | Pending:
        entry.listeners.append(listener)
        try:
            await asyncio.wait({entry.job}, timeout=wait_s)
        except asyncio.CancelledError:
            if not entry.is_known:
                entry.job.add_done_callback(lambda _: self._drop(entry))
                entry.job.cancel()
                # Scopes cancel again and again: `gather` would hand that on to its cleaning up.
                await asyncio.wait({entry.job})
            raise
        finally:
            entry.listeners.remove(listener)
        self._touch(entry)
        if not entry.job.done():
            entry.is_known = True
            if self._elsewhere is not None:
                await self._elsewhere.announce(entry.ref, entry.task.client)
            return Pending(entry.ref, entry.status, self._now() - entry.began)
        try:
            answer = await self._settled(entry)
        except RightmodelError:
            self._drop(entry)
            raise
        return _first_page(entry, answer)

    async def _settled(self, entry: _Entry) -> Answer:
        """The answer of a finished call, or the error that it ended with."""
        if not entry.job.cancelled():
            return await entry.job
        if self._is_closed:
            raise ClosedError
        raise TaskError(f"ref {entry.ref} was cancelled", argument="ref")

    async def _find(self, ref: str, client: str) -> _Entry:
        self._forget()
        entry = self._entries.get(ref)
        if entry is not None and entry.task.client == client:
            return entry
        kept = None if entry else await self._recall(ref)
        other = None if entry or kept else self._elsewhere
        if other is not None and await other.runs(ref, client):
            job = asyncio.create_task(self._follow(other, ref, client), name=f"follow {ref}")
            return self._keep(ref, Task("", client=client), job, is_known=True)
        if kept is None or kept[0].client != client:
            raise TaskError(
                f"ref {ref!r} is gone: refs live in the server's memory, for {KEPT_S / 60:.0f} "
                "minutes after they were last used, and end with a restart or a failed call. "
                "Hand the subtask over anew",
                argument="ref",
            )
        return self._keep(ref, kept[0], _ended(kept[1]))

    async def _follow(self, elsewhere: SharedCalls, ref: str, client: str) -> Answer:
        """The answer of a call that another server runs."""
        task, answer = await elsewhere.answer(ref, client)
        self._entries[ref].task = task
        return answer

    def _forget(self) -> None:
        """Drop what is old, and the least recently used of what is too much; never what runs.

        Of what is too much, an answer that its client has not seen goes last.
        """
        oldest = self._now() - KEPT_S
        while done := next((e for e in self._entries.values() if e.job.done()), None):
            if done.touched >= oldest:
                if len(self._entries) <= MOST_KEPT and self._chars <= MOST_KEPT_CHARS:
                    return
                done = next((e for e in self._entries.values() if e.pages_read), done)
            self._drop(done)


def going_on(task: Task, before: Task, answer: Answer) -> Task:
    """The task as the next turn of a conversation whose latest turn was `before`.

    Raises `TaskError` where files of the conversation are gone: the ledger keeps none.
    """
    here = {file.path for file in (*before.content.files, *task.files)}
    if lost := [path for path in dict.fromkeys(answer.receipt.files) if path not in here]:
        raise TaskError(
            f"the files of this conversation are not kept over a restart: {listed(lost)}. Name "
            "them in files again, or hand the subtask over anew",
            argument="files",
        )
    return replace(
        task,
        history=(*before.content.messages, Message.of("assistant", answer.text)),
        system=task.system or before.system,
        skill=task.skill or before.skill,
        prefer=answer.receipt.model,
    )


def _ended(answer: Answer) -> asyncio.Future[Answer]:
    job: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
    job.set_result(answer)
    return job


def _first_page(entry: _Entry, answer: Answer) -> Page:
    """The first page of a finished call, for everyone who waited for it."""
    if entry.pages_read == 0:
        return _page(entry, answer)
    return Page(answer, entry.pages[0], 1, len(entry.pages))


def _page(entry: _Entry, answer: Answer) -> Page:
    """The next page of a finished call; the first one again after the last.

    Whether a page has reached its client is unknown: one that was lost can be read once more.
    """
    if not entry.pages:
        entry.pages = paged(answer.text)
    read, pages = entry.pages_read % len(entry.pages), len(entry.pages)
    entry.pages_read += 1
    return Page(answer, entry.pages[read], read + 1, pages)


def paged(text: str) -> tuple[str, ...]:
    """The pages of a text, at least one; joined they are the text."""
    if len(text) * MOST_TOKENS_A_CHAR <= PAGE_TOKENS:
        return (text,)
    pages = []
    start = 0
    while True:
        page = _page_from(text, start)
        pages.append(page)
        start += len(page)
        if start >= len(text):
            return tuple(pages)


def _page_from(text: str, start: int) -> str:
    page = text[start : start + PAGE_CHARS]
    while (tokens := estimate_tokens(page)) > PAGE_TOKENS:
        page = page[: max(1, int(len(page) * PAGE_TOKENS / tokens))]
    if start + len(page) >= len(text):
        return page
    line_end = page.rfind("\n", int(len(page) * LAST_PART)) + 1
    return page[: line_end or len(page)]
