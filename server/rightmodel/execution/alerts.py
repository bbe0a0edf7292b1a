"""Tells people that a budget is nearly or entirely spent: by a webhook, by a program.

Alerts are sent in the background; a receiver that is slow or gone holds no call up. What the ledger
hands over is told once: see `Ledger`. No message and no log line holds the webhook's URL.
"""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from rightmodel.ledger.budget import Alert

logger = logging.getLogger("rightmodel")

TRY_S: Final = 10.0
"""How long a receiver, or a program, may take."""
PAUSES_S: Final = (1.0, 5.0, 30.0, None)
"""After each try that failed; `None`: that was the last one."""
CLOSE_S: Final = 2.0
"""How long closing waits for alerts that are under way."""
MOST_WAITING: Final = 100
"""Alerts at once; a further one is logged and not sent."""


class Alerts:
    """`url`: of the webhook, "" for none; `shape`: of its messages. `command`: empty for none.

    `clock`: seconds since 1970.
    """

    def __init__(
        self,
        url: str,
        shape: str,
        command: Sequence[str],
        *,
        host: str,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._url = url
        self._shape = shape
        self._command = tuple(command)
        self._host = host
        self._clock = clock
        self._sleep = sleep
        self._sending: set[asyncio.Task[None]] = set()

    def tell(self, alert: Alert) -> None:
        """Send it, and do not wait."""
        logger.warning("%s", alert.text)
        document = document_of(alert, at=self._clock(), host=self._host)
        ways: list[tuple[str, Callable[[], Awaitable[str]]]] = []
        if self._url:
            message = shaped(document, self._shape)
            where = f"the webhook at {urlsplit(self._url).hostname}"
            ways.append((where, lambda: _post(self._url, message)))
        if self._command:
            ways.append((self._command[0], lambda: _run(self._command, document)))
        for where, send in ways:
            if len(self._sending) >= MOST_WAITING:
                logger.warning("an alert was not sent to %s: too many are waiting", where)
                continue
            sending = asyncio.create_task(self._send(where, send))
            self._sending.add(sending)
            sending.add_done_callback(self._sending.discard)

    async def close(self) -> None:
        """Wait a moment for what is under way, and end the rest."""
        if not self._sending:
            return
        _, late = await asyncio.wait(self._sending, timeout=CLOSE_S)
        for sending in late:
            sending.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def _send(self, where: str, send: Callable[[], Awaitable[str]]) -> None:
        for pause in PAUSES_S:
            try:
                async with asyncio.timeout(TRY_S):
                    problem = await send()
            except TimeoutError:
                problem = f"no answer within {TRY_S:.0f} s"
            except OSError as error:
                problem = error.strerror or type(error).__name__
            if not problem:
                return
            if pause is None:
                logger.warning("an alert did not reach %s: %s", where, problem)
                return
            await self._sleep(pause)


def document_of(alert: Alert, *, at: float, host: str) -> dict[str, Any]:
    """The alert as the generic JSON document. Amounts are strings in USD."""
    mark, state = alert.mark, alert.state
    limit = mark.limit
    resets_at = datetime.fromtimestamp(at + state.resets_s, UTC)
    return {
        "event": "budget_exhausted" if mark.is_wall else "budget_warning",
        "budget": limit.name,
        "client": limit.client or None,
        "period": mark.period,
        "limit_usd": f"{limit.usd:f}",
        "spent_usd": f"{state.spent_usd:f}",
        "spent_share": round(state.share, 4),
        "resets_at": resets_at.isoformat(timespec="seconds"),
        "host": host,
        "text": f"rightmodel: {alert.text}",
    }


def shaped(document: dict[str, Any], shape: str) -> dict[str, Any]:
    """The document as the receiver takes it."""
    text = document["text"]
    if shape == "slack":  # its three control characters
        return {"text": text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")}
    if shape == "discord":
        return {"content": text[:2000], "allowed_mentions": {"parse": []}}
    return document


async def _post(url: str, document: Mapping[str, Any]) -> str:
    """Why the receiver did not take it, "" where it did. Sets no deadline; the URL is a secret."""
    import httpx2  # noqa: PLC0415 - where a webhook is called

    body = json.dumps(document, ensure_ascii=False).encode()
    headers = {"content-type": "application/json", "user-agent": "rightmodel"}
    try:
        async with httpx2.AsyncClient(timeout=None) as client:
            response = await client.post(url, content=body, headers=headers)
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        return type(error).__name__
    return "" if response.is_success else f"status {response.status_code}"


async def _run(command: Sequence[str], document: dict[str, Any]) -> str:
    """Start a program with the document on its standard input. Why it failed, "" where it did not.

    One that is cut short is killed.
    """
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        await process.communicate(json.dumps(document, ensure_ascii=False).encode() + b"\n")
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    return f"exit code {process.returncode}" if process.returncode else ""
