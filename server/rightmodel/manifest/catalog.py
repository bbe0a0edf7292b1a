"""The effective manifest: every connected model and rule, looked up by name, never changed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from rightmodel.core.decision import Trust
from rightmodel.core.errors import TaskError, UnknownNameError
from rightmodel.core.format import fits, listed
from rightmodel.core.task import SKILLS, WireFormat
from rightmodel.manifest.base_url import is_loopback
from rightmodel.manifest.price import FREE, UNPRICED, Price
from rightmodel.manifest.quirks import NO_QUIRKS, Quirks

if TYPE_CHECKING:
    import re
    from collections.abc import Iterable, Mapping
    from decimal import Decimal

DEFAULT_RATING: Final = 5.0
"""Rating of a skill that neither the skill nor `general` is given for."""


class Slope(NamedTuple):
    """How much an estimated difficulty counts within one skill.

    The difficulty that ratings are compared with is `center + slope * (difficulty - center)`.
    `slope`: 0 ignores the estimate, 1 takes it in full. `center`: mean estimate for the skill.
    """

    slope: float
    center: float


DEFAULT_SLOPE: Final = Slope(0.3, 4.5)
DEFAULT_SLOPES: Final[Mapping[str, Slope]] = {
    "agentic": Slope(0.3, 5.3),
    "classify": Slope(0.3, 3.7),
    "code": Slope(0.3, 4.6),
    "extract": Slope(0.3, 3.7),
    "general": Slope(0.3, 2.4),
    "knowledge": Slope(0.3, 3.9),
    "math": Slope(0.9, 4.4),
    "reasoning": Slope(0.3, 5.4),
    "research": Slope(0.3, 6.0),
    "summarize": Slope(0.3, 4.0),
    "translate": Slope(0.3, 4.0),
    "vision": Slope(0.3, 4.4),
    "writing": Slope(0.3, 4.0),
}
"""Others have `DEFAULT_SLOPE`. Centers: mean label in `training/corpus`. Slopes: held-out log loss,
see docs/routing.md."""


@dataclass(frozen=True, slots=True)
class Cache:
    """A provider's prompt cache: what the beginning of a prompt costs that was sent before.

    `life_s`: how long a prefix is kept unused; every use begins it anew. `long_life_s`: the same
    where a request asks for a longer life, 0 where none can. `min_tokens`: shorter prompts are not
    cached. `marked`: only what a request marks is cached, and found for certain; else caching is
    automatic, without a promise. `keyed`: requests share it by a key of their session.
    """

    life_s: float = 300.0
    long_life_s: float = 0.0
    min_tokens: int = 1024
    marked: bool = False
    keyed: bool = False


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider's API. `key_env`, `key_file`: where its key is read from, never the key itself.

    `headers`: sent with every request. `max_concurrency`: requests at once, 0 for no limit.
    `allow_http`: plain http to a private address is accepted.
    `one_model_at_a_time`: the server holds one model; a request for another one unloads it.
    `is_local`: its base URL stays on this machine.
    """

    name: str
    protocol: WireFormat
    base_url: str
    key_env: str = ""
    key_file: str = ""
    trust: Trust = Trust.any
    max_concurrency: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    allow_http: bool = False
    one_model_at_a_time: bool = False
    quirks: Quirks = NO_QUIRKS
    cache: Cache = Cache()
    is_local: bool = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "is_local", is_loopback(self.base_url))

    @property
    def needs_key(self) -> bool:
        """Whether requests without a key are pointless; on loopback a key is optional."""
        return bool(self.key_env or self.key_file) and not self.is_local


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A model at a provider. `name`: its name in requests. `weight`: its share of the load.

    `key`: provider and name: two entries of a manifest may name the same endpoint.
    """

    provider: Provider
    name: str
    weight: float = 1.0
    key: tuple[str, str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", (self.provider.name, self.name))


@dataclass(frozen=True, slots=True)
class Model:
    """One connected model. Limits in tokens; ratings 0–10 by skill.

    `input_limit`: most prompt tokens, `None` where only `context` (prompt and answer) binds.
    Learned from usage: `verbosity`, answer tokens as a multiple of what is expected; seconds to the
    first token and tokens per second; `thinking`, mean reasoning tokens. `None`: not known yet.
    `guessed`: whether the ratings are a guess from the price. `trust`: that of its most trusted
    endpoint; requests then use only those that fit.
    """

    id: str
    endpoints: tuple[Endpoint, ...]
    price: Price = UNPRICED
    context: int = 8192
    input_limit: int | None = None
    output_limit: int = 4096
    modalities: frozenset[str] = frozenset({"text"})
    features: frozenset[str] = frozenset()
    skills: Mapping[str, float] = field(default_factory=dict)
    effort: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    description: str = ""
    source: str = ""
    checked: str = ""
    verbosity: float = 1.0
    first_token_s: float | None = None
    tokens_s: float | None = None
    thinking: float | None = None
    guessed: bool = False
    trust: Trust = field(init=False, compare=False)

    def __post_init__(self) -> None:
        trust = max((e.provider.trust for e in self.endpoints), default=Trust.any)
        object.__setattr__(self, "trust", trust)

    def rating(self, skill: str) -> float:
        """The rating for one skill; a missing skill falls back to `general`."""
        found = self.skills.get(skill)
        return self.skills.get("general", DEFAULT_RATING) if found is None else found


@dataclass(frozen=True, slots=True)
class Condition:
    """When a rule applies: every condition given must hold."""

    skill: frozenset[str] = frozenset()
    difficulty: frozenset[str] = frozenset()
    tier: frozenset[str] = frozenset()
    matches: re.Pattern[str] | None = None
    contains: tuple[str, ...] = ()
    min_input_tokens: int | None = None
    max_input_tokens: int | None = None
    files: tuple[str, ...] = ()
    input: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Rule:
    """One of the user's rules: a condition and what it sets."""

    name: str
    when: Condition = Condition()
    use: tuple[str, ...] = ()
    trust: Trust | None = None
    features: frozenset[str] = frozenset()
    max_cost_usd: Decimal | None = None
    skill: str = ""
    difficulty: str = ""
    tier: str = ""
    assess: str = ""


@dataclass(frozen=True, slots=True)
class Routing:
    """The `[routing]` table.

    `learn`: whether outcomes move ratings. `explore`: share of calls, 0–1, that go to a model other
    than the first choice so that its ratings are learned.
    """

    tier: str = "balanced"
    assess: str = "hybrid"
    judge: str = ""
    max_attempts: int = 3
    deadline_s: float = 50.0
    give_up_s: float = 600.0
    escalate: int = 1
    failure_cost_usd: Decimal | None = None
    learn: bool = True
    explore: float = 0.0


@dataclass(frozen=True, slots=True)
class Budget:
    """The `[budget]` table: most USD for a call, a UTC day, a UTC month.

    `models`, `skills`: most USD a day for each. `warn_at`: share of a limit that causes a warning.
    """

    per_call_usd: Decimal | None = None
    per_day_usd: Decimal | None = None
    per_month_usd: Decimal | None = None
    models: Mapping[str, Decimal] = field(default_factory=dict)
    skills: Mapping[str, Decimal] = field(default_factory=dict)
    warn_at: float = 0.8


@dataclass(frozen=True, slots=True)
class Client:
    """A `[clients.NAME]` table: who may use the HTTP server, and how far.

    `token_env`: the variable with its token. Limits in USD as in `Budget`. `tier`: of calls that
    state none. `models`: ids and patterns. `surfaces`: "mcp", "v1".
    """

    name: str
    token_env: str
    per_call_usd: Decimal | None = None
    per_day_usd: Decimal | None = None
    per_month_usd: Decimal | None = None
    tier: str = ""
    models: tuple[str, ...] = ("*",)
    surfaces: tuple[str, ...] = ("mcp", "v1")

    def may_use(self, model: str) -> bool:
        """Whether it may use the model with that id."""
        return "*" in self.models or any(fits(model, name) for name in self.models)


@dataclass(frozen=True, slots=True)
class Gateway:
    """The `[gateway]` table.

    `route`: names or patterns of models that are routed. `map`: name or pattern → "auto",
    "auto:TIER" or a model.
    """

    route: tuple[str, ...] = ("auto",)
    map: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Alerts:
    """The `[alerts]` table. `webhook_env`: the variable with the URL. `command`: with arguments."""

    webhook_env: str = ""
    format: str = "json"
    command: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FilePolicy:
    """The `[files]` table. `roots`: absolute; empty means the server's working directory.

    `allow`: patterns of names that may be sent although they look like secrets. `is_remote`: the
    caller is not the user of this machine: without `roots` no file may be sent.
    """

    roots: tuple[str, ...] = ()
    max_bytes: int = 10_000_000
    allow: tuple[str, ...] = ()
    is_remote: bool = False


@dataclass(frozen=True, slots=True)
class Catalog:
    """The whole manifest, ready for look-up.

    `models`: connected ones by id, in manifest order. `reference`: shipped models that are not
    connected, for the baseline's price. `store_text`: whether prompts and answers may be kept.
    `ledger_url`: where the ledger is, "" for the state directory. `excludes`: patterns of ids that
    are never used. `file`: the user's manifest, for messages. `origins`: "model id.key" → file.
    `notes`: what a user should know about how this came together (a provider left out for want of
    a key, say). `absent`: models that their local server does not have → what to do about it.
    `loaded`: local provider → names of the models that its server holds in memory; only
    for servers that report it.
    `unlisted`: models that no manifest lists, for the rules that use them.
    `slopes`: by skill, shipped and from `[skills.x] slope`. `skills`: known ones, then the user's
    own. `baseline_model`: the model that savings are counted against, connected or not.
    """

    models: Mapping[str, Model]
    providers: Mapping[str, Provider]
    rules: tuple[Rule, ...] = ()
    own_skills: Mapping[str, str] = field(default_factory=dict)
    routing: Routing = Routing()
    budget: Budget = Budget()
    clients: Mapping[str, Client] = field(default_factory=dict)
    gateway: Gateway = Gateway()
    alerts: Alerts = Alerts()
    files: FilePolicy = FilePolicy()
    store_text: bool = False
    ledger_url: str = ""
    baseline: str = ""
    reference: Mapping[str, Model] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    excludes: tuple[str, ...] = ()
    file: str = ""
    origins: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    absent: Mapping[str, str] = field(default_factory=dict)
    loaded: Mapping[str, frozenset[str]] = field(default_factory=dict)
    unlisted: Mapping[str, Model] = field(default_factory=dict)
    slopes: Mapping[str, Slope] = field(default_factory=lambda: DEFAULT_SLOPES)

    skills: tuple[str, ...] = field(init=False)
    baseline_model: Model | None = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "skills", (*SKILLS, *self.own_skills))
        name = self.aliases.get(self.baseline, self.baseline)
        model = self.models.get(name) or self.reference.get(name)
        object.__setattr__(self, "baseline_model", model)

    def find(self, name: str) -> Model:
        """The model of an id, an alias, `provider/name` of a connected provider, or a bare name.

        A bare name is an id without its provider, or a name on the wire, that one model has.
        Raises `UnknownNameError` that names the three nearest, `TaskError` for an excluded one.
        """
        model = self.models.get(self.aliases.get(name, name))
        if model is not None:
            return model
        provider, _, wire = name.partition("/")
        pattern = next((p for p in self.excludes if fits(name, p)), "")
        if pattern:
            raise TaskError(
                f"model {name!r} is excluded by {self.file} (exclude {pattern!r}); "
                f"connected: {listed([*self.models])}",
                argument="model",
            )
        if wire and provider in self.providers:
            place = provider, wire
            served = (m for m in self.models.values() if place in {e.key for e in m.endpoints})
            return next(served, None) or unlisted(self.providers[provider], name, wire)
        bare = [m for m in self.models.values() if name in _bare_names(m)]
        if len(bare) == 1:
            return bare[0]
        if bare:
            ids = listed([m.id for m in bare])
            raise TaskError(f"model {name!r} is ambiguous: {ids}", argument="model")
        from rightmodel.manifest.read import how_to_connect  # noqa: PLC0415 - imports pydantic

        known = [*self.models, *self.aliases]
        raise UnknownNameError("model", name, known, argument="model", advice=how_to_connect(name))


def _bare_names(model: Model) -> set[str]:
    names = {model.id.partition("/")[2], *(e.name for e in model.endpoints)}
    return names | {name.removesuffix(":latest") for name in names}  # as Ollama takes them


def unlisted(provider: Provider, model_id: str, wire: str) -> Model:
    """A model that is in no manifest: conservative limits, rated 5, free on loopback alone.

    It is taken to call tools: the provider's error says so where it does not.
    """
    return Model(
        id=model_id,
        endpoints=(Endpoint(provider, wire),),
        price=FREE if provider.is_local else UNPRICED,
        features=frozenset({"tools"}),
        skills={"general": DEFAULT_RATING},
    )


def by_id(models: Iterable[Model]) -> dict[str, Model]:
    """The models keyed by id, order kept."""
    return {m.id: m for m in models}
