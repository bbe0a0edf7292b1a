"""Runs `json_schema` in processes that can be killed.

No schema, no answer and no pattern of a rule blocks the server.

The processes start on first use, are reused, and are few. They are driven by threads of their own,
so that a crowd of slow checks does not hold up the event loop's default executor, which resolves
host names.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import IO, TYPE_CHECKING, Any, Final, cast

from rightmodel.core.errors import ProviderError, TaskError
from rightmodel.core.fault import Fault, Scope
from rightmodel.core.format import one_line

if TYPE_CHECKING:
    import re
    from collections.abc import Mapping, Sequence

logger = logging.getLogger("rightmodel")

LIMIT_S: Final = 3.0
"""One check may take so long."""
SEARCH_S: Final = 1.0
"""One search for a rule's pattern may."""
START_S: Final = 30.0
"""A process may take so long to start; it is a tenth of a second on an idle machine."""
PROCESSES: Final = 4
"""For checks, and as many for searches: patterns without end hold up no check."""
MOST_SCHEMA_CHARS: Final = 250_000
MOST_ANSWER_CHARS: Final = 4_000_000

_SIMPLIFY: Final = "simplify its patterns, nested anyOf and references"


class SchemaChecker:
    """A bounded pool of checking processes. `limit_s`: seconds that one check may take."""

    def __init__(self, limit_s: float = LIMIT_S) -> None:
        self._limit_s = limit_s
        self._threads = ThreadPoolExecutor(PROCESSES, thread_name_prefix="schema")
        self._searching = ThreadPoolExecutor(PROCESSES, thread_name_prefix="search")
        self._idle: list[_Process] = []
        self._all: set[_Process] = set()
        self._closed = False

    async def check_schema(self, schema: Mapping[str, Any], *, is_turn: bool = False) -> None:
        """Raises `TaskError` for a schema that cannot be used.

        `is_turn`: the client checks the answer itself, so its patterns may be JavaScript's.
        """
        try:
            text = json.dumps(schema)
        except RecursionError:
            raise TaskError("schema is nested too deeply", argument="schema") from None
        if len(text) > MOST_SCHEMA_CHARS:
            raise TaskError(
                f"schema has {len(text)} characters; the most is {MOST_SCHEMA_CHARS}",
                argument="schema",
            )
        try:
            wrong = await self._run("schema_error", text, is_turn)
        except TimeoutError:
            wrong = f"schema takes more than {self._limit_s:g} s to check; {_SIMPLIFY}"
        except _FailedError as error:
            wrong = f"schema cannot be checked: {error}; {_SIMPLIFY}"
        if wrong:
            raise TaskError(wrong, argument="schema")

    async def valid_json(self, schema: Mapping[str, Any], answer: str) -> str:
        """The JSON in an answer. Raises `ProviderError` where none is valid against the schema."""
        if len(answer) > MOST_ANSWER_CHARS:
            raise _mismatch(
                f"the answer has {len(answer)} characters; at most {MOST_ANSWER_CHARS} are "
                "validated against a schema"
            )
        try:
            text, wrong = await self._run("find_valid", json.dumps(schema), answer)
        except TimeoutError:
            raise _mismatch(
                f"validation against the schema took more than {self._limit_s:g} s: {_SIMPLIFY}"
            ) from None
        except _FailedError as error:
            raise _mismatch(f"the answer cannot be validated: {error}") from error
        if wrong:
            raise _mismatch(one_line(wrong))
        return str(text)

    async def search(self, pattern: re.Pattern[str], texts: Sequence[str]) -> bool | None:
        """Whether a rule's pattern is found in one of the texts; `None` if that took too long."""
        try:
            request = ("is_found", pattern.pattern, list(texts))
            limit_s = min(SEARCH_S, self._limit_s)
            return bool(await self._run(*request, limit_s=limit_s, threads=self._searching))
        except (TimeoutError, _FailedError) as error:
            why = str(error) or f"takes more than {SEARCH_S:g} s"
            logger.warning("matches = %r of a rule: %s; simplify it", pattern.pattern, why)
            return None

    def close(self) -> None:
        """Kill the processes; checks under way fail."""
        self._closed = True
        for process in tuple(self._all):  # threads add to them
            process.kill()
        for process in tuple(self._idle):
            process.stop()
        for threads in (self._threads, self._searching):
            threads.shutdown(wait=False, cancel_futures=True)

    async def _run(
        self,
        *request: object,
        limit_s: float | None = None,
        threads: ThreadPoolExecutor | None = None,
    ) -> Any:
        limit_s = self._limit_s if limit_s is None else limit_s
        return await asyncio.get_running_loop().run_in_executor(
            threads or self._threads, self._ask, json.dumps(request), limit_s
        )

    def _ask(self, request: str, limit_s: float) -> Any:
        process = self._take()
        try:
            value, failed = process.ask(request, limit_s)
        except (TimeoutError, _FailedError):
            self._drop(process)
            raise
        if self._closed:
            self._drop(process)
        else:
            self._idle.append(process)
        if failed:
            raise _FailedError(failed)
        return value

    def _take(self) -> _Process:
        while self._idle:
            process = self._idle.pop()
            if process.is_alive:
                return process
            self._drop(process)
        try:
            process = _Process()
        except OSError as error:
            raise _FailedError(f"the process that validates cannot start ({error})") from error
        self._all.add(process)
        if self._closed:
            process.kill()
        return process

    def _drop(self, process: _Process) -> None:
        process.stop()
        self._all.discard(process)


class _FailedError(Exception):
    """A check ended without a result."""


class _Process:
    """One process; used by one thread at a time."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "rightmodel.execution.json_schema"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._started = False

    def ask(self, request: str, limit_s: float) -> Any:
        """The reply. Raises `TimeoutError`, `_FailedError`."""
        if not self._started:
            self._line("", START_S)
            self._started = True
        return json.loads(self._line(request + "\n", limit_s))

    @property
    def is_alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def kill(self) -> None:
        """End it, from any thread."""
        self._process.kill()

    def stop(self) -> None:
        """End it and close its pipes."""
        self._process.kill()
        with contextlib.suppress(OSError):  # what was not sent yet
            self._process.communicate()

    def _line(self, request: str, limit_s: float) -> bytes:
        """Send a line and read one; the process is killed when that takes too long."""
        late = threading.Event()

        def give_up() -> None:
            late.set()
            self._process.kill()

        timer = threading.Timer(limit_s, give_up)
        timer.daemon = True
        timer.start()
        try:
            to_process = cast("IO[bytes]", self._process.stdin)
            to_process.write(request.encode())
            to_process.flush()
            line = cast("IO[bytes]", self._process.stdout).readline()
        except OSError:
            line = b""
        finally:
            timer.cancel()
        if line:
            return line
        if late.is_set():
            raise TimeoutError
        raise _FailedError("the process that validates ended early")


def _mismatch(message: str) -> ProviderError:
    return ProviderError(Fault.SCHEMA, message, scope=Scope.REQUEST)
