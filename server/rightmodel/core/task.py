"""A task as the caller hands it over, and the vocabulary that describes it.

Units: money in USD as `Decimal`, time in seconds, sizes in tokens unless a name says otherwise.
`None` means unknown, never zero.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, get_args

if TYPE_CHECKING:
    from rightmodel.core.decision import SessionView


SKILLS: Final = (
    "general", "code", "math", "reasoning", "writing", "summarize", "extract", "classify",
    "translate", "research", "knowledge", "vision", "agentic",
)  # fmt: skip
"""The skills every manifest knows; a manifest may add its own."""


Difficulty = Literal["easy", "medium", "hard", "expert"]
DIFFICULTIES: Final[Mapping[str, float]] = {"easy": 2.0, "medium": 5.0, "hard": 7.0, "expert": 9.0}
"""The caller's words for difficulty, on the 0–10 scale that ratings share."""


Tier = Literal["cheap", "balanced", "best"]
TIERS: Final[tuple[Tier, ...]] = get_args(Tier)


Effort = Literal["none", "low", "medium", "high"]
EFFORTS: Final[tuple[Effort, ...]] = get_args(Effort)


AssessMode = Literal["rules", "learned", "judge", "hybrid"]
ASSESS_MODES: Final[tuple[AssessMode, ...]] = get_args(AssessMode)
"""Who assesses a task whose skill and difficulty the caller and the user's rules leave open."""


Modality = Literal["text", "image", "pdf", "audio"]


NOT_TEXT: Final = {"text": False}
"""Metadata of a field that holds names of the protocol, or repeats another field."""


class WireFormat(StrEnum):
    """The APIs that providers speak."""

    OPENAI_CHAT = "openai-chat"
    OPENAI_RESPONSES = "openai-responses"
    ANTHROPIC_MESSAGES = "anthropic-messages"
    GEMINI = "gemini"


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file sent along.

    `path`: as the caller wrote it. `media_type`: MIME. `data`: its bytes; b"" where the provider is
    to fetch it from the URL that is `path`. `places`: where it really is: its name, its path below
    the allowed folder and its whole path.
    """

    path: str
    media_type: str
    data: bytes = field(repr=False)
    places: tuple[str, ...] = field(default=(), repr=False, compare=False)

    @property
    def names(self) -> tuple[str, ...]:
        """Every name that a pattern may mean: a link, `./a` and `x/../a` are other words for it."""
        return (self.path, self.path.replace("\\", "/").rpartition("/")[2], *self.places)

    @property
    def url(self) -> str:
        """Where the provider is to fetch it from, "" where its bytes are here."""
        is_url = not self.data and self.path.startswith(("https://", "http://"))
        return self.path if is_url else ""

    @property
    def modality(self) -> str:
        """Text | image | pdf | audio: what a model must be able to read."""
        if self.media_type == "application/pdf":
            return "pdf"
        kind = self.media_type.partition("/")[0]
        return kind if kind in {"image", "audio"} else "text"


@dataclass(frozen=True, slots=True)
class Text:
    """Text of a message."""

    text: str


@dataclass(frozen=True, slots=True)
class Reasoning:
    """A model's reasoning, in an assistant's message.

    `text`: "" where the provider keeps it to itself. `signature`: opaque, to be sent back to the
    same model: a signature over the text, or the encrypted reasoning. `id`: the provider's.
    """

    text: str
    signature: str = ""
    id: str = ""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call of a tool, in an assistant's message.

    `arguments`: JSON as the model wrote it. `signature`: as in `Reasoning`.
    """

    id: str
    name: str
    arguments: str
    signature: str = ""


Shown = Text | Attachment
"""What a tool may return. A name of its own: to write the union costs as much as to look at it."""


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool returned, in a user's message. `id`: of the call."""

    id: str
    parts: tuple[Shown, ...]
    is_error: bool = False


@dataclass(frozen=True, slots=True)
class CacheMark:
    """The prompt up to here is worth caching."""


Role = Literal["system", "user", "assistant"]
Part = Text | Attachment | Reasoning | ToolCall | ToolResult | CacheMark


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation. `text`, `files`: the texts among its parts, and the files."""

    role: Role = field(metadata=NOT_TEXT)
    parts: tuple[Part, ...]
    text: str = field(init=False, repr=False, compare=False, metadata=NOT_TEXT)
    files: tuple[Attachment, ...] = field(init=False, repr=False, compare=False, metadata=NOT_TEXT)

    def __post_init__(self) -> None:
        texts = [part.text for part in self.parts if isinstance(part, Text)]
        object.__setattr__(self, "text", "".join(texts))
        files = [part for part in self.parts if isinstance(part, Attachment)]
        object.__setattr__(self, "files", tuple(files))

    @classmethod
    def of(cls, role: Role, text: str, files: tuple[Attachment, ...] = ()) -> Message:
        """A message of a text and the files that belong to it."""
        return cls(role, (*files, Text(text)))


class ToolOrigin(NamedTuple):
    """How a tool stood in the body that it comes from, so that calls go back in the same form.

    `kind`: "custom" takes one free text, "local_shell" a command; "tool_search" is run by the
    client and finds more tools. `name`, `namespace`: as written.
    """

    kind: Literal["function", "custom", "local_shell", "tool_search"]
    name: str
    namespace: str = ""


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool that the model may call.

    `name`: letters, digits, `_` and `-`, at most 64. `parameters`: JSON Schema of the arguments.
    `origin`: `None` where this is how it was written.
    """

    name: str
    description: str
    parameters: Mapping[str, Any]
    origin: ToolOrigin | None = None


@dataclass(frozen=True, slots=True)
class ToolChoice:
    """Whether the model calls tools. `name`: of the one tool that must be called.

    `parallel`: whether it may make several calls at once.
    """

    mode: Literal["auto", "none", "required"] = "auto"
    name: str = ""
    parallel: bool = True


AUTO: Final = ToolChoice()


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A request in the neutral form that every wire format translates to and from.

    `schema`: the answer must be JSON valid against it. `effort`: "" is never sent.
    `max_output_tokens`: reasoning included; 0 for no limit. `cache_key`: requests with the same one
    share a prompt cache where the provider has many. `native`: what of the decoded body only
    an upstream of the same wire format can take. `ignored`: what of it the neutral form leaves out
    without a change to the task.
    """

    model: str
    messages: tuple[Message, ...]
    tools: tuple[ToolSpec, ...] = ()
    tool_choice: ToolChoice = AUTO
    schema: Mapping[str, Any] | None = None
    effort: str = ""
    max_output_tokens: int = 0
    temperature: float | None = None
    top_p: float | None = None
    stop: tuple[str, ...] = ()
    stream: bool = False
    cache_key: str = ""
    native: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()


TurnKind = Literal[
    "ask", "tool_result", "subagent", "title", "compaction", "heartbeat", "classifier", "probe"
]


@dataclass(frozen=True, slots=True)
class Turn:
    """An agent's own turn, as a client of the HTTP surface sent it.

    `request`: its neutral form. `dialect`: the client's API. `body`: the bytes received;
    `document`: the same, parsed. `headers`: those that a provider of the same dialect also
    receives, names in lower case. `kind`: what the turn is for, by the mark `mark`. `session`: key
    of the session that it belongs to, "" for none. `stall`: why it counts as harder than it looks,
    "" where it does not.
    """

    request: ChatRequest
    dialect: WireFormat
    body: bytes = field(repr=False)
    document: Mapping[str, Any] = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)
    kind: TurnKind = "ask"
    mark: str = ""
    session: str = ""
    stall: str = ""


class Content(NamedTuple):
    """Everything that a request carries to a model.

    `messages`: the history and the prompt. `files`: in them, those that tools returned included.
    """

    messages: tuple[Message, ...]
    files: Sequence[Attachment]
    system: str
    schema: Mapping[str, Any] | None
    tools: tuple[ToolSpec, ...] = ()


def _files_of(messages: Sequence[Message]) -> list[Attachment]:
    found: list[Attachment] = []
    for message in messages:
        found += message.files
        for part in message.parts:
            if isinstance(part, ToolResult):
                found += [inner for inner in part.parts if isinstance(inner, Attachment)]
    return found


def texts_of(value: object) -> Iterator[str]:
    """Every text within a value, at any depth: names and contents of files, keys, JSON as sent."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Attachment):
        yield value.path
        if value.modality == "text":
            yield value.data.decode("utf-8-sig", "replace")
    elif isinstance(value, Mapping):
        yield json.dumps(value, ensure_ascii=False, default=str)
        yield from _leaves(value)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from texts_of(item)
    elif is_dataclass(value):
        for part in fields(value):
            if part.metadata.get("text", True):
                yield from texts_of(getattr(value, part.name))


def _leaves(value: object) -> Iterator[str]:
    """The strings and numbers within JSON, without its escapes."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _leaves(key)
            yield from _leaves(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _leaves(item)
    elif isinstance(value, str | int | float | Decimal):
        yield str(value)


@dataclass(frozen=True, slots=True)
class Task:
    """A subtask as the caller hands it over. Empty strings and zeros: not stated.

    `prefer`: the model that the conversation has been with, tried first. `client`: who makes the
    call, for the ledger: "mcp", "cli", "check" or a client's name. `content`: all that a model is
    sent, this prompt with its files at its end.

    `turn`: what is sent instead where the task is an agent's own turn; the prompt then is the human
    ask in it, which is all that is assessed. `session`: what is known of the turn's session, `None`
    for a task outside of any.
    """

    prompt: str
    skill: str = ""
    difficulty: str = ""
    tier: str = ""
    model: str = ""
    system: str = ""
    files: tuple[Attachment, ...] = ()
    schema: Mapping[str, Any] | None = None
    effort: str = ""
    max_output_tokens: int = 0
    max_cost_usd: Decimal | None = None
    failure_cost_usd: Decimal | None = None
    history: tuple[Message, ...] = ()
    prefer: str = ""
    client: str = "mcp"
    turn: Turn | None = None
    session: SessionView | None = None
    content: Content = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.turn is None:
            messages = (*self.history, Message.of("user", self.prompt, self.files))
            content = Content(messages, _files_of(messages), self.system, self.schema)
        else:
            request = self.turn.request
            files = _files_of(request.messages)
            content = Content(request.messages, files, "", request.schema, request.tools)
        object.__setattr__(self, "content", content)

    def in_session(self, session: SessionView | None) -> Task:
        """The same task as a turn of this session. What it holds is not gathered again."""
        task = object.__new__(Task)
        for name in Task.__slots__:
            object.__setattr__(task, name, getattr(self, name))
        object.__setattr__(task, "session", session)
        return task
