"""Reading foreign JSON: what a field holds if it has the right type, else an empty value.

Token counts and costs are bounded, consistent and never negative.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from rightmodel.core.call import Usage
from rightmodel.core.task import EFFORTS

MOST_TOKENS: Final = 10**9
MOST_USD: Final = Decimal(10**6)
"""The most that one answer is believed to have used and cost."""

_MOST_DIGITS: Final = 40
_TICKS_PER_USD: Final = 10_000_000_000
"""Of xAI's `cost_in_usd_ticks`."""

_COSTS: Final = ("cost", "total_cost", "estimated_cost")
_AMOUNTS: Final = ("total_cost", "total_usd", "total", "usd", "amount", "cost")
"""Where the sum is in a cost that is an object (Perplexity's, gateways')."""

_EFFORTS: Final[Mapping[str, str]] = {
    **dict(zip(EFFORTS, EFFORTS, strict=True)),
    "minimal": "low",
    "xhigh": "high",
    "max": "high",
}
_encode: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def dumps(value: Any) -> str:
    """Compact JSON."""
    return _encode(value)


def objects(value: Any) -> Iterator[dict[str, Any]]:
    """The objects of a list."""
    return (
        (item for item in value if isinstance(item, dict)) if isinstance(value, list) else iter(())
    )


def obj(value: Any) -> dict[str, Any]:
    """An object, else an empty one."""
    return value if isinstance(value, dict) else {}


def text(value: Any) -> str:
    """A string, else an empty one."""
    return value if isinstance(value, str) else ""


def arguments_object(arguments: str) -> dict[str, Any]:
    """A tool call's arguments as an object. What is no JSON object is kept, never read as empty."""
    value = _arguments(arguments)
    return value if isinstance(value, dict) else {"arguments": arguments}


def is_no_object(arguments: str) -> bool:
    """Whether a tool call's arguments are whole, and something else than an object."""
    return is_json(arguments) and not isinstance(_arguments(arguments), dict)


def _arguments(arguments: str) -> Any:
    """The value of the JSON, `null` read as no arguments; the text itself where it is not JSON.

    Some models write the object as a string within the JSON.
    """
    value: Any = arguments.strip() or None
    for _ in range(2):
        if isinstance(value, str):
            with suppress(ValueError, RecursionError):
                value = json.loads(value)
    return {} if value is None else value


def arguments_text(value: Any) -> str:
    """A tool call's arguments as text; some write the object itself, and nothing for none."""
    return dumps(value) if isinstance(value, dict) else text(value) or "{}"


def is_json(written: str) -> bool:
    """Whether a text is a whole value of JSON."""
    try:
        json.loads(written)
    except (ValueError, RecursionError):
        return False
    return True


def effort_of(value: Any) -> str:
    """An effort among the neutral ones; the nearest for finer levels, "" for anything else."""
    return _EFFORTS.get(value, "") if isinstance(value, str) else ""


def given(**values: Any) -> dict[str, Any]:
    """The fields that have a value."""
    return {key: value for key, value in values.items() if value is not None}


def merge_counts(counts: dict[str, Any], more: Mapping[str, Any]) -> None:
    """Take later counts over earlier ones, except where the later one is null or zero.

    Servers repeat a field as 0 that they counted before, or spread the fields over several events.
    """
    for key, value in more.items():
        if isinstance(value, dict):
            held = counts.get(key)
            if not isinstance(held, dict):
                held = counts[key] = {}
            merge_counts(held, value)
        elif value or key not in counts:
            counts[key] = value


def whole(value: Any) -> int:
    """A token count, at most `MOST_TOKENS`; 0 for anything else."""
    return min(value, MOST_TOKENS) if type(value) is int and value > 0 else 0


def part(counts: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    """The first of these fields that is an object, else an empty one."""
    for name in names:
        if isinstance(value := counts.get(name), dict):
            return value
    return {}


def tokens_in(counts: Mapping[str, Any]) -> dict[str, int]:
    """The token counts in an object, as `whole` reads them; what counts nothing is left out."""
    return {
        name: min(value, MOST_TOKENS)
        for name, value in counts.items()
        if type(value) is int and value > 0
    }


def usd(value: Any) -> Decimal | None:
    """An amount out of a body: a number, or text that is one. `None` for anything else and < 0."""
    if isinstance(value, str) and 0 < len(value) <= _MOST_DIGITS:
        try:
            value = Decimal(value)
        except InvalidOperation:
            return None
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    if isinstance(value, Decimal) and not value.is_finite():
        return None
    return None if value < 0 else round(min(Decimal(value), MOST_USD), 12)


def cost_of(counts: Mapping[str, Any]) -> Decimal | None:
    """USD as billed; `None` where the upstream names no cost.

    `cost` (OpenRouter; with a customer's own key the provider's share is beside it), an object with
    the total in it (Perplexity), `estimated_cost` (DeepInfra), `cost_in_usd_ticks` (xAI).
    """
    ticks = counts.get("cost_in_usd_ticks")
    if isinstance(ticks, int):
        return usd(Decimal(ticks) / _TICKS_PER_USD)
    named = [cost for key in _COSTS if key in counts and (cost := _amount(counts[key])) is not None]
    cost = next(filter(None, named), named[0] if named else None)
    if cost is None or counts.get("is_byok") is not True:
        return cost
    return cost + (usd(part(counts, "cost_details").get("upstream_inference_cost")) or 0)


def _amount(value: Any) -> Decimal | None:
    if not isinstance(value, dict):
        return usd(value)
    if str(value.get("currency") or "USD").upper() != "USD":
        return None
    found = (usd(value.get(key)) for key in _AMOUNTS)
    return next((amount for amount in found if amount is not None), None)


def usage_of(  # noqa: PLR0913 - one keyword for each count
    *,
    input_tokens: int,
    output: int,
    read: int = 0,
    write: int = 0,
    write_1h: int = 0,
    audio: int = 0,
    reasoning: int = 0,
) -> Usage | None:
    """Counts that agree with each other; `None` where the upstream counted nothing."""
    if not input_tokens and not output:
        return None
    read = min(read, input_tokens)
    write = min(write, input_tokens - read)
    return Usage(
        input=input_tokens,
        output=output,
        cache_read=read,
        cache_write=write,
        reasoning=min(reasoning, output),
        cache_write_1h=min(write_1h, write),
        audio=min(audio, input_tokens - read - write),
    )
