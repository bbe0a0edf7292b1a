from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from rightmodel.core.call import Answer, Attempt, AttemptStarted, Receipt
from rightmodel.core.decision import Assessment, Decision, Requirements
from rightmodel.core.errors import ClosedError, ExhaustedError, TaskError
from rightmodel.core.task import Attachment, Task
from rightmodel.execution.calls import PAGE_CHARS, Calls, Page, Pending

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from rightmodel.core.call import CallEvent, Listener


def answer(text: str, ref: str = "") -> Answer:
    assessment = Assessment((("general", 1.0),), 5.0, "default")
    decision = Decision((), (), assessment, Requirements(1, 1), "balanced", 0.0, "")
    attempts = (Attempt("p/m", "p", "m"),)
    return Answer(text, Receipt("p/m", decision, attempts, 0.1, None, ref=ref))


@dataclass
class Scripted:
    """An executor that answers on demand."""

    text: str = "hello"
    go: asyncio.Event = field(default_factory=asyncio.Event)
    began: asyncio.Event = field(default_factory=asyncio.Event)
    tasks: list[Task] = field(default_factory=list)
    cancelled: int = 0
    fail: bool = False

    async def complete(self, task: Task, *, listener: Listener, ref: str, **_: object) -> Answer:
        self.tasks.append(task)
        self.began.set()
        listener(AttemptStarted(1, "p/m", "p"))
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.fail:
            raise ExhaustedError("every attempt failed", attempts=(), retryable=True)
        return answer(self.text, ref)


def run(test: Callable[[Scripted, Calls], Awaitable[None]]) -> None:
    async def inner() -> None:
        executor = Scripted()
        loop = asyncio.get_running_loop()
        calls = Calls(
            executor,  # type: ignore[arg-type]
            give_up_s=60.0,
            now=loop.time,
            wall=loop.time,
            recall=nothing_kept,
        )
        await test(executor, calls)
        await calls.close()
        assert calls.running == 0

    asyncio.run(asyncio.wait_for(inner(), 10))


async def nothing_kept(_: str) -> None:
    """A ledger without text."""


def quiet(_: CallEvent) -> None:
    return


def test_a_call_that_takes_longer_is_pending_and_collected_by_its_ref() -> None:
    async def test(executor: Scripted, calls: Calls) -> None:
        pending = await calls.complete(Task("x"), deadline_s=0.01, listener=quiet)
        assert isinstance(pending, Pending)
        assert pending.status == AttemptStarted(1, "p/m", "p")
        again = await calls.resume(pending.ref, None, deadline_s=0.01, listener=quiet)
        assert isinstance(again, Pending)
        with pytest.raises(TaskError, match="still running"):
            await calls.resume(pending.ref, Task("more"), deadline_s=1, listener=quiet)
        executor.go.set()
        page = await calls.resume(pending.ref, None, deadline_s=5, listener=quiet)
        assert isinstance(page, Page)
        assert page.text == "hello"
        assert page.answer.receipt.ref == pending.ref

    run(test)


def test_who_waits_when_the_server_ends_is_told_that_another_try_helps() -> None:
    async def test(executor: Scripted, calls: Calls) -> None:
        pending = await calls.complete(Task("x"), deadline_s=0.01, listener=quiet)
        assert isinstance(pending, Pending)
        first = calls.complete(Task("y"), deadline_s=5, listener=quiet)
        waiting = [asyncio.ensure_future(first)]
        executor.began.clear()
        await executor.began.wait()
        again = calls.resume(pending.ref, None, deadline_s=5, listener=quiet)
        waiting.append(asyncio.ensure_future(again))
        await asyncio.sleep(0)
        await calls.close()
        for error in await asyncio.gather(*waiting, return_exceptions=True):
            assert isinstance(error, ClosedError)
            assert error.retryable

    run(test)


def test_everyone_who_waits_for_a_call_that_is_cancelled_is_told_so() -> None:
    async def test(_: Scripted, calls: Calls) -> None:
        pending = await calls.complete(Task("x"), deadline_s=0.01, listener=quiet)
        assert isinstance(pending, Pending)
        waiting = [
            asyncio.ensure_future(calls.resume(pending.ref, None, deadline_s=5, listener=quiet))
            for _ in range(2)
        ]
        await asyncio.sleep(0)
        await calls.cancel(pending.ref, "mcp")
        for error in await asyncio.gather(*waiting, return_exceptions=True):
            assert isinstance(error, TaskError)
            assert "was cancelled" in str(error)

    run(test)


def test_a_long_answer_is_read_page_by_page_and_again_from_its_first_page() -> None:
    async def test(executor: Scripted, calls: Calls) -> None:
        executor.text = "a" * PAGE_CHARS + "b" * 7
        executor.go.set()
        first = await calls.complete(Task("x"), deadline_s=5, listener=quiet)
        assert isinstance(first, Page)
        ref = first.answer.receipt.ref
        second = await calls.resume(ref, None, deadline_s=5, listener=quiet)
        assert isinstance(second, Page)
        assert (first.number, first.pages, len(first.text)) == (1, 2, PAGE_CHARS)
        assert second.text == "b" * 7
        again = await calls.resume(ref, None, deadline_s=5, listener=quiet)
        assert isinstance(again, Page)
        assert (again.number, again.text) == (1, first.text)

    run(test)


def test_an_answer_that_was_lost_on_its_way_is_there_when_its_ref_is_asked_for_again() -> None:
    async def test(executor: Scripted, calls: Calls) -> None:
        pending = await calls.complete(Task("x"), deadline_s=0.01, listener=quiet)
        assert isinstance(pending, Pending)
        executor.go.set()
        for _ in range(3):
            page = await calls.resume(pending.ref, None, deadline_s=5, listener=quiet)
            assert isinstance(page, Page)
            assert page.text == "hello"

    run(test)


def test_a_prompt_with_a_ref_goes_on_with_the_conversation_and_its_model() -> None:
    async def test(executor: Scripted, calls: Calls) -> None:
        executor.go.set()
        first = await calls.complete(Task("one", system="s"), deadline_s=5, listener=quiet)
        assert isinstance(first, Page)
        await calls.resume(first.answer.receipt.ref, Task("two"), deadline_s=5, listener=quiet)
        went_on = executor.tasks[1]
        assert [message.text for message in went_on.content.messages] == ["one", "hello", "two"]
        assert (went_on.system, went_on.prefer) == ("s", "p/m")

    run(test)


def test_cancelling_the_caller_cancels_the_call_and_its_ref_is_gone() -> None:
    async def test(executor: Scripted, calls: Calls) -> None:
        waiting = asyncio.create_task(calls.complete(Task("x"), deadline_s=5, listener=quiet))
        await executor.began.wait()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert executor.cancelled == 1
        assert calls.running == 0

    run(test)


def test_everyone_who_waits_for_an_answer_receives_its_first_page() -> None:
    async def test(executor: Scripted, calls: Calls) -> None:
        executor.text = "x" * (PAGE_CHARS + 1)
        pending = await calls.complete(Task("x"), deadline_s=0.01, listener=quiet)
        assert isinstance(pending, Pending)

        async def collect() -> Page | Pending:
            return await calls.resume(pending.ref, None, deadline_s=5, listener=quiet)

        waiting = [asyncio.create_task(collect()) for _ in range(3)]
        await asyncio.sleep(0)
        executor.go.set()
        pages = [page for page in await asyncio.gather(*waiting) if isinstance(page, Page)]
        assert [page.number for page in pages] == [1, 1, 1]
        last = await collect()
        assert isinstance(last, Page)
        assert last.number == last.pages == 2

    run(test)


def test_a_request_that_is_cancelled_leaves_the_call_to_another_that_waits_for_it() -> None:
    async def test(executor: Scripted, calls: Calls) -> None:
        pending = await calls.complete(Task("x"), deadline_s=0.01, listener=quiet)
        assert isinstance(pending, Pending)

        async def collect() -> Page | Pending:
            return await calls.resume(pending.ref, None, deadline_s=5, listener=quiet)

        leaves, stays = (asyncio.create_task(collect()) for _ in range(2))
        await asyncio.sleep(0)
        leaves.cancel()
        await asyncio.wait({leaves})
        assert executor.cancelled == 0
        executor.go.set()
        assert isinstance(await stays, Page)

    run(test)


def test_a_client_that_stops_waiting_for_a_pending_answer_finds_it_later() -> None:
    async def test(executor: Scripted, calls: Calls) -> None:
        pending = await calls.complete(Task("x"), deadline_s=0.01, listener=quiet)
        assert isinstance(pending, Pending)
        waiting = asyncio.create_task(calls.resume(pending.ref, None, deadline_s=5, listener=quiet))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait({waiting})
        assert waiting.cancelled()
        assert (executor.cancelled, calls.running) == (0, 1)
        executor.go.set()
        page = await calls.resume(pending.ref, None, deadline_s=5, listener=quiet)
        assert isinstance(page, Page)
        assert page.text == "hello"

    run(test)


def test_what_is_too_much_is_dropped_before_an_answer_that_was_not_collected(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("rightmodel.execution.calls.MOST_KEPT", 3)

    async def test(executor: Scripted, calls: Calls) -> None:
        pending = await calls.complete(Task("x"), deadline_s=0.01, listener=quiet)
        assert isinstance(pending, Pending)
        executor.go.set()
        others = [await calls.complete(Task("y"), deadline_s=5, listener=quiet) for _ in range(9)]
        page = await calls.resume(pending.ref, None, deadline_s=5, listener=quiet)
        assert isinstance(page, Page)
        assert isinstance(others[0], Page)
        with pytest.raises(TaskError, match="is gone"):
            await calls.resume(others[0].answer.receipt.ref, None, deadline_s=5, listener=quiet)

    run(test)


def test_files_count_as_what_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rightmodel.execution.calls.MOST_KEPT_CHARS", 1000)

    async def test(executor: Scripted, calls: Calls) -> None:
        executor.go.set()
        image = Attachment("a.png", "image/png", b"0" * 600)
        sent = [
            await calls.complete(Task("x", files=(image,)), deadline_s=5, listener=quiet)
            for _ in range(2)
        ]
        assert isinstance(sent[0], Page)
        with pytest.raises(TaskError, match="is gone"):
            await calls.resume(sent[0].answer.receipt.ref, None, deadline_s=5, listener=quiet)

    run(test)


def test_the_result_of_a_failed_call_is_delivered_once() -> None:
    async def test(executor: Scripted, calls: Calls) -> None:
        pending = await calls.complete(Task("x"), deadline_s=0.01, listener=quiet)
        assert isinstance(pending, Pending)
        executor.fail = True
        executor.go.set()
        with pytest.raises(ExhaustedError):
            await calls.resume(pending.ref, None, deadline_s=5, listener=quiet)
        with pytest.raises(TaskError, match="is gone"):
            await calls.resume(pending.ref, None, deadline_s=5, listener=quiet)

    run(test)


def test_closing_cancels_what_runs_in_the_background() -> None:
    async def test(executor: Scripted, calls: Calls) -> None:
        await calls.complete(Task("x"), deadline_s=0.01, listener=quiet)
        await calls.close()
        assert executor.cancelled == 1

    run(test)
