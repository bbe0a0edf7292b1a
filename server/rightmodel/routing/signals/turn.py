"""What an agent's own turn is for, what the human asks in it, and which session it belongs to.

Pure. The marks of the clients are data in `client_marks`. A turn that is wrongly taken for cheap
work is the dangerous error, so a request with tools or files is never downgraded by its looks:
only a known title call or a probe is.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from rightmodel.core.task import Attachment, Text, ToolCall, ToolResult
from rightmodel.routing.signals.client_marks import (
    BLOCKS,
    CLIENTS,
    FAILED,
    KINDS,
    NOTICES,
    PIECES,
    RUNTIME,
    RUNTIME_SESSION,
    RUNTIME_SIGN,
    SESSION_HEADERS,
    WAITING,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rightmodel.core.task import ChatRequest, Message, TurnKind
    from rightmodel.routing.signals.client_marks import Piece

PROBE_TOKENS: Final = 4
"""A request for so few output tokens only tests the connection."""
CLASSIFIER_TOKENS: Final = 64
"""A call without tools for so few output tokens picks one of some answers."""
STALL_WITHIN: Final = 6
STALL_TIMES: Final = 3
RESULT_EDGE: Final = 1_000
"""Characters at the head, and at the tail, of a tool's result that are read."""
RUNTIME_REACH: Final = 4_000
"""Characters at the end of a text in which the runtime line is searched."""
LONGEST_NAME: Final = 40

_CHANGING: Final = re.compile(r"\b(?=\w*\d)[\w.-]+")
"""Numbers, ids and times in a tool's result."""
_NOT_NAME: Final = re.compile(r"[^a-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class TurnReading:
    """What a turn says about itself.

    `kind`: what it is for. `mark`: which mark says so, "" where the kind follows from the messages.
    `ask`: text of the latest human ask, without the harness's envelope. `session`: its key, "" for
    none. `stall`: why the turn counts as harder, "" where it does not. `client_name`: for example
    "claude-code"; for an unknown client the first word of its user agent, "" for none.
    """

    kind: TurnKind
    mark: str
    ask: str
    session: str
    stall: str
    client_name: str


def read_turn(
    request: ChatRequest, headers: Mapping[str, str], document: Mapping[str, Any]
) -> TurnReading:
    """Read a turn. `headers`: as sent, names in lower case. `document`: the body as JSON."""
    system = next((m.text for m in request.messages if m.role == "system"), "")
    client = _client(headers, system)
    latest = _latest(request.messages)
    last = max(latest, default=-1)
    places = {
        "system": system,
        "user": "\n\n".join(request.messages[number].text for number in latest),
        "schema": _properties(request.schema),
        "runtime": _runtime(request.messages, system),
    }
    kind, mark = _kind(request, client, headers, places)
    if kind in {"ask", "subagent"} and _is_answered(request.messages[last + 1 :]):
        kind, mark = "tool_result", ""
    return TurnReading(
        kind=kind,
        mark=mark,
        ask="\n\n".join(latest.values()),
        session=_session(headers, document, places["runtime"], _first(request.messages, latest)),
        stall=_stall(request.messages[last + 1 :]),
        client_name=client,
    )


def without_envelope(text: str) -> str:
    """A user's text without what the harness puts around it. Linear in the text's length."""
    for block in BLOCKS:
        if block.begin in text:
            text = _without_blocks(text, block.begin, block.end)
    for piece in PIECES:
        if piece.sign in text:
            text = piece.pattern.sub("", text)
    text = text.strip()
    return "" if _matches(NOTICES, text) else text


def _matches(pieces: Sequence[Piece], text: str) -> bool:
    return any(piece.sign in text and piece.pattern.search(text) for piece in pieces)


def _without_blocks(text: str, begin: str, end: str) -> str:
    """The text without these blocks; one that has no end stays."""
    kept, start = [], 0
    while (opened := text.find(begin, start)) >= 0:
        closed = text.find(end, opened)
        if closed < 0:
            break
        kept.append(text[start:opened])
        start = closed + len(end)
    return "".join([*kept, text[start:]])


# --- client, kind ---


def _client(headers: Mapping[str, str], system: str) -> str:
    places = {"system": system}
    for mark in CLIENTS:
        if mark.pattern.search(_place(mark.where, headers, places)):
            return mark.client
    product = headers.get("user-agent", "").partition(" ")[0]
    name, _, kind = product.partition("/")
    # "OpenAI/JS 7.15.0" and "OpenAI/Python 3.1" are libraries in two languages.
    words = f"{name}-{kind}" if kind.isalpha() else name
    return _NOT_NAME.sub("-", words.lower()).strip("-")[:LONGEST_NAME]


def _place(where: str, headers: Mapping[str, str], places: Mapping[str, str]) -> str:
    kind, _, name = where.partition(" ")
    return headers.get(name, "") if kind == "header" else places[where]


def _kind(
    request: ChatRequest, client: str, headers: Mapping[str, str], places: Mapping[str, str]
) -> tuple[TurnKind, str]:
    if 0 < request.max_output_tokens <= PROBE_TOKENS:
        return "probe", f"at most {request.max_output_tokens} output tokens"
    bare = not request.tools and not any(map(_has_file, request.messages))
    for mark in KINDS:
        if mark.client == client and (bare or not mark.bare):
            found = mark.pattern.search(_place(mark.where, headers, places))
            if found:
                return mark.kind, f"{mark.client} {mark.kind}"
    if bare and _is_classifier(request):
        return "classifier", f"no tools, at most {request.max_output_tokens} output tokens"
    return "ask", ""


def _is_classifier(request: ChatRequest) -> bool:
    """One question under the harness's instruction, for a word or two."""
    roles = [message.role for message in request.messages]
    return (
        0 < request.max_output_tokens <= CLASSIFIER_TOKENS
        and "system" in roles
        and "assistant" not in roles
    )


def _has_file(message: Message) -> bool:
    return bool(message.files) or any(
        isinstance(inner, Attachment) for result in _results(message) for inner in result.parts
    )


def _properties(schema: Mapping[str, Any] | None) -> str:
    properties = (schema or {}).get("properties")
    return ",".join(sorted(properties)) if isinstance(properties, dict) else ""


# --- messages ---


def _ask_of(message: Message) -> str:
    texts = [without_envelope(part.text) for part in message.parts if isinstance(part, Text)]
    return "\n\n".join(filter(None, texts))


def _first(messages: Sequence[Message], known: Mapping[int, str]) -> str:
    """The first ask. `known`: asks by the number of their message."""
    for number, message in enumerate(messages):
        if message.role == "user" and (text := known.get(number) or _ask_of(message)):
            return text
    return ""


def _latest(messages: Sequence[Message]) -> dict[int, str]:
    """The latest ask: the user's messages in a row, number and text of each."""
    found: dict[int, str] = {}
    for number in reversed(range(len(messages))):
        message = messages[number]
        if message.role == "assistant" and found:
            break
        if message.role == "user" and (text := _ask_of(message)):
            found[number] = text
    return dict(reversed(found.items()))


def _is_answered(messages: Sequence[Message]) -> bool:
    """Whether the model has answered, and nobody but tools and the harness said anything since."""
    roles = [message.role for message in messages if message.role != "system"]
    return "assistant" in roles and roles[-1] == "user"


# --- session ---


def _runtime(messages: Sequence[Message], system: str) -> str:
    """OpenClaw's runtime line, "" for none."""
    first = next((message.text for message in messages if message.role == "user"), "")
    for text in (first, system):
        end = text[-RUNTIME_REACH:]
        if RUNTIME_SIGN in end and (found := RUNTIME.search(end)):
            return found[0]
    return ""


def _session(
    headers: Mapping[str, str], document: Mapping[str, Any], runtime: str, first: str
) -> str:
    """A hash of the client's own id and of the first ask: the latter separates sub-agents."""
    own = [headers[name] for name in SESSION_HEADERS if headers.get(name)]
    cache_key = document.get("prompt_cache_key")
    if not own and isinstance(cache_key, str):
        own = [cache_key]
    own = own or RUNTIME_SESSION.findall(runtime)
    if not own and not first:
        return ""
    return sha256("\0".join((*own, first)).encode("utf-8", "replace")).hexdigest()[:32]


# --- stall ---


def _stall(messages: Sequence[Message]) -> str:
    """Why the work goes in circles: the newest call repeats, or fails, three times of six."""
    calls = [part for m in messages for part in m.parts if isinstance(part, ToolCall)]
    calls = calls[-STALL_WITHIN:]
    if len(calls) < STALL_TIMES or calls[-1].name in WAITING:
        return ""
    results = {result.id: result for m in messages for result in _results(m)}
    newest = calls[-1]
    failed = [call for call in calls if call.id in results and _failed(results[call.id])]
    if newest in failed and len(failed) >= STALL_TIMES:
        return f"{len(failed)} of the last {len(calls)} tool calls failed"
    same = Counter(_trace(call, results.get(call.id)) for call in calls)
    times = same[_trace(newest, results.get(newest.id))]
    if times >= STALL_TIMES:
        return (
            f"the same call of {newest.name[:LONGEST_NAME]} with the same result {times} times "
            f"within the last {len(calls)}"
        )
    return ""


def _results(message: Message) -> Iterator[ToolResult]:
    return (part for part in message.parts if isinstance(part, ToolResult))


def _failed(result: ToolResult) -> bool:
    return result.is_error or _matches(FAILED, _excerpt(result))


def _excerpt(result: ToolResult) -> str:
    """Head and tail of a result's text."""
    text = "".join(part.text for part in result.parts if isinstance(part, Text))
    return text if len(text) <= 2 * RESULT_EDGE else f"{text[:RESULT_EDGE]}\n{text[-RESULT_EDGE:]}"


def _trace(call: ToolCall, result: ToolResult | None) -> tuple[str, str, str]:
    """What makes two calls the same: their result without numbers, ids and times."""
    return call.name, call.arguments, _CHANGING.sub("#", _excerpt(result)) if result else ""
