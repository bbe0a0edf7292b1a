"""Asks an endpoint for one word, to find out whether it works."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rightmodel.core.errors import ProviderError
from rightmodel.core.fault import Fault
from rightmodel.core.task import Turn
from rightmodel.wire.request import ModelRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from rightmodel.manifest.catalog import Endpoint
    from rightmodel.upstream.exchange import Upstream

PATIENCE_S: Final = 30.0
OUTPUT_TOKENS: Final = 256
"""Enough for a model that thinks before it says one word."""

ADVICE: Final = {
    Fault.AUTH: "check the key",
    Fault.QUOTA: "top up the account",
    Fault.RATE_LIMITED: "try again later; calls fall over meanwhile",
    Fault.NOT_FOUND: "check the model's name in the manifest, or exclude it",
    Fault.CONNECTION: "check base_url and the network; is the server running?",
    Fault.TIMEOUT: "it may be overloaded or loading; calls fall over meanwhile",
    Fault.OVERLOADED: "try again later; calls fall over meanwhile",
    Fault.SERVER: "the provider has trouble; calls fall over meanwhile",
    Fault.MALFORMED: "check base_url and protocol: this is not the API it should be",
    Fault.BAD_REQUEST: "the provider rejects the request: check protocol and model name",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """What asking found out. `fault` is `None` where the endpoint works; `time_s` of the answer."""

    endpoint: Endpoint
    fault: Fault | None
    message: str
    advice: str
    time_s: float


async def probe(
    endpoint: Endpoint, provider: Upstream, key: str, now: Callable[[], float]
) -> Finding:
    """One short request. Never raises for what the endpoint does."""
    request = ModelRequest(
        provider=endpoint.provider,
        name=endpoint.name,
        turns=(Turn("user", "Reply with the single word: ready"),),
        key=key,
        max_output_tokens=OUTPUT_TOKENS,
        uncapped=True,
    )
    began = now()
    try:
        async with asyncio.timeout(PATIENCE_S):
            completion = await provider.complete(request)
    except TimeoutError:
        error = ProviderError(Fault.TIMEOUT, f"no answer within {PATIENCE_S:.0f} s")
    except ProviderError as failed:
        error = failed
    else:
        text = completion.text.strip()[:40] or f"(no text; finish {completion.finish})"
        return Finding(endpoint, None, text, "", now() - began)
    advice = ADVICE.get(error.fault, "see the message")
    return Finding(endpoint, error.fault, str(error), advice, now() - began)
