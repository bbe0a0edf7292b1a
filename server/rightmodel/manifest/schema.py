"""The schema of a manifest: pydantic models, for validation and for the JSON Schema.

Units: prices in USD per million tokens, limits in tokens, ratings 0–10, times in seconds.
`None` means "not written": the loader takes the value from a lower layer.
"""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from rightmodel.core.task import AssessMode, Difficulty, Effort, Modality, Tier, WireFormat
from rightmodel.manifest.text_types import (
    BaseUrl,
    ClientName,
    Headers,
    Hours,
    KeyFile,
    LedgerUrl,
    Name,
    Pattern,
    Skill,
    Variable,
)

T = TypeVar("T")
NotEmpty = Annotated[list[T], Field(min_length=1)]
Usd = Annotated[Decimal, Field(ge=0, le=1_000_000)]
Tokens = Annotated[int, Field(gt=0, le=1_000_000_000)]
Rating = Annotated[float, Field(ge=0, le=10)]
TrustName = Literal["local", "trusted", "any"]
Surface = Literal["mcp", "v1"]
AlertFormat = Literal["json", "slack", "discord"]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class Table(BaseModel):
    """A table of the manifest: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class CostTable(Table):
    """USD per million tokens. A missing price is unknown, not zero."""

    input: Usd | None = None
    output: Usd | None = None
    cache_read: Usd | None = None
    cache_write: Usd | None = None
    cache_write_1h: Usd | None = None
    input_audio: Usd | None = None


class CostWhenTable(CostTable):
    """Other prices and their conditions, all of which must hold. Prices not named stay.

    `input_above`: prompts of more tokens, the whole call. `utc`: hours such as "06:00-10:00".
    `days`: of the week in UTC. `since`: from that day on in UTC.
    """

    input_above: Tokens | None = None
    utc: NotEmpty[Hours] | None = None
    days: NotEmpty[Weekday] | None = None
    since: dt.date | None = None

    @model_validator(mode="after")
    def _says_when_and_what(self) -> CostWhenTable:
        conditions = {"input_above", "utc", "days", "since"}
        if not self.model_fields_set & conditions:
            raise ValueError("has no condition: give input_above, utc, days or since")
        if not self.model_fields_set - conditions:
            raise ValueError("has no price: give input, output, cache_read, …")
        return self


class LimitsTable(Table):
    """Tokens. `context`: prompt and answer together; `input`: prompt alone; `output`: answer."""

    context: Tokens | None = None
    input: Tokens | None = None
    output: Tokens | None = None


class EndpointTable(Table):
    """A model at a provider. `weight`: its share of the load. `protocol`: not the provider's."""

    provider: Name
    name: Name
    weight: Annotated[float, Field(gt=0, le=1_000_000)] = 1.0
    protocol: WireFormat | None = None


def _not_auto(name: str) -> str:
    if name.lower().partition(":")[0] == "auto":
        raise ValueError(f"{name!r} cannot name a model: calls say auto for any model")
    return name


class ModelTable(Table):
    """`[[models]]`: one model. For an id of a shipped manifest every other key is an override."""

    id: Name
    provider: Name | None = None
    name: Name | None = None
    protocol: WireFormat | None = None
    endpoints: NotEmpty[EndpointTable] | None = None
    aliases: list[Name] | None = None
    description: str | None = None
    cost: CostTable | None = None
    cost_when: list[CostWhenTable] | None = None
    limits: LimitsTable | None = None
    input: list[Modality] | None = None
    features: list[Name] | None = None
    skills: dict[Skill, Rating] | None = None
    effort: list[Effort] | None = None
    source: str | None = None
    checked: dt.date | None = None

    @field_validator("id")
    @classmethod
    def _id_fits_into_a_list(cls, value: str) -> str:
        if re.search(r"[\s,]", value):
            raise ValueError(
                "must not contain spaces or commas (calls separate several models by commas)"
            )
        return _not_auto(value)

    @field_validator("aliases")
    @classmethod
    def _aliases_can_be_called(cls, value: list[str] | None) -> list[str] | None:
        for alias in value or ():
            if "," in alias:
                raise ValueError(
                    f"{alias!r} contains a comma (calls separate several models by commas)"
                )
            _not_auto(alias)
        return value

    @field_validator("cost_when")
    @classmethod
    def _larger_prompts_come_last(
        cls, value: list[CostWhenTable] | None
    ) -> list[CostWhenTable] | None:
        largest: dict[str, int] = {}
        for entry in value or ():
            when = entry.model_dump_json(include={"utc", "days", "since"})
            above = entry.input_above or 0
            if above <= largest.get(when, -1):
                raise ValueError(
                    f"the entry for input_above = {largest[when]} never holds, since the last one "
                    "that does is taken: write them from small to large prompts"
                )
            largest[when] = above
        return value

    @model_validator(mode="after")
    def _provider_or_endpoints(self) -> ModelTable:
        if self.endpoints and (self.provider or self.name):
            raise ValueError("give either endpoints, or provider and name, not both")
        return self


class CacheTable(Table):
    """`cache` of a provider: how it caches the beginning of prompts. Times in seconds.

    `long_life_s`: on request. `marked`: only what a request marks is cached. `keyed`: only requests
    with the same `prompt_cache_key` share it.
    """

    life_s: Annotated[float, Field(gt=0, le=604_800)] | None = None
    long_life_s: Annotated[float, Field(gt=0, le=604_800)] | None = None
    min_tokens: Tokens | None = None
    marked: bool | None = None
    keyed: bool | None = None
    source: str | None = None
    checked: dt.date | None = None


class ProviderTable(Table):
    """`[providers.NAME]`: an API. For a shipped provider, every key is an override."""

    protocol: WireFormat | None = None
    base_url: BaseUrl | None = None
    allow_http: bool | None = None
    key_env: Variable | None = None
    key_file: KeyFile | None = None
    trust: TrustName | None = None
    max_concurrency: Annotated[int, Field(ge=1, le=10_000)] | None = None
    one_model_at_a_time: bool | None = None
    output_cap: Literal["max_tokens", "max_completion_tokens"] | None = None
    effort_field: Literal["reasoning_effort", "reasoning"] | None = None
    stream_usage: bool | None = None
    short_call_ids: bool | None = None
    strict_turns: bool | None = None
    reasoning_in_history: bool | None = None
    cache: CacheTable | None = None
    headers: Headers | None = None


class SkillTable(Table):
    """`[skills.NAME]`: a skill of the user's own, which needs a description, or a known one.

    `slope`: how much difficulty counts within the skill, 0 not at all, 1 fully.
    """

    description: Annotated[str, Field(min_length=1)] | None = None
    slope: Annotated[float, Field(ge=0, le=2)] | None = None


class WhenTable(Table):
    """Conditions of a rule, all of which must hold. A list holds if one of its entries does."""

    skill: Name | list[Name] | None = None
    difficulty: Difficulty | list[Difficulty] | None = None
    tier: Tier | list[Tier] | None = None
    matches: Pattern | None = None
    contains: NotEmpty[Name] | None = None
    min_input_tokens: Tokens | None = None
    max_input_tokens: Tokens | None = None
    files: NotEmpty[Name] | None = None
    input: Modality | list[Modality] | None = None

    @field_validator("skill", "difficulty", "tier", "input")
    @classmethod
    def _can_hold(cls, value: Any) -> Any:
        if value == []:
            raise ValueError("is an empty list, which never holds: leave it out, or name one")
        return value


class RequireTable(Table):
    """What a rule requires of every model that is tried."""

    trust: TrustName | None = None
    features: list[Name] | None = None
    max_cost_usd: Usd | None = None


class RuleTable(Table):
    """`[[rules]]`: of each setting the first matching rule counts; every `require` holds."""

    name: str = ""
    when: WhenTable = WhenTable()
    use: NotEmpty[Name] | None = None
    require: RequireTable = RequireTable()
    skill: Skill | None = None
    difficulty: Difficulty | None = None
    tier: Tier | None = None
    assess: AssessMode | None = None


class RoutingTable(Table):
    """`[routing]`."""

    tier: Tier | None = None
    assess: AssessMode | None = None
    judge: Name | None = None
    max_attempts: Annotated[int, Field(ge=1, le=20)] | None = None
    deadline_s: Annotated[float, Field(gt=0, le=3600)] | None = None
    give_up_s: Annotated[float, Field(gt=0, le=86_400)] | None = None
    escalate: Annotated[int, Field(ge=0, le=5)] | None = None
    failure_cost_usd: Usd | None = None
    learn: bool | None = None
    explore: Annotated[float, Field(ge=0, le=0.5)] | None = None


class BudgetTable(Table):
    """`[budget]`: limits in USD. Days and months are UTC; `models`, `skills`: USD per day."""

    per_call_usd: Usd | None = None
    per_day_usd: Usd | None = None
    per_month_usd: Usd | None = None
    models: dict[Name, Usd] = {}
    skills: dict[Skill, Usd] = {}
    warn_at: Annotated[float, Field(gt=0, le=1)] | None = None


class ClientTable(Table):
    """`[clients.NAME]`: who may use the HTTP server. Limits as in `[budget]`.

    `token_env`: the variable with the client's token. `models`: ids, aliases or patterns.
    """

    token_env: Variable
    per_call_usd: Usd | None = None
    per_day_usd: Usd | None = None
    per_month_usd: Usd | None = None
    tier: Tier | None = None
    models: NotEmpty[Name] | None = None
    surfaces: NotEmpty[Surface] | None = None


class GatewayTable(Table):
    """`[gateway]`: which model names of the HTTP server's clients are routed.

    `route`: names or patterns that are routed as `auto` is. `map`: name or pattern → `auto`,
    `auto:TIER` or a model.
    """

    route: NotEmpty[Name] | None = None
    map: dict[Name, Name] = {}


class AlertsTable(Table):
    """`[alerts]`: who hears that a budget is nearly or entirely spent.

    `webhook_env`: the variable with the URL. `command`: a program and its arguments; the alert is
    JSON on its standard input.
    """

    webhook_env: Variable | None = None
    format: AlertFormat | None = None
    command: NotEmpty[Name] | None = None


class PrivacyTable(Table):
    """`[privacy]`: whether prompts and answers may be written to the ledger."""

    store_text: bool = False


class LedgerTable(Table):
    """`[ledger]`: its database; omitted: a file in the state directory."""

    url: LedgerUrl | None = None


class FilesTable(Table):
    """`[files]`. Relative roots are relative to the manifest.

    `allow`: patterns of names that may be sent although they look secret, such as `*.pub.pem`.
    """

    roots: list[Name] | None = None
    max_bytes: Annotated[int, Field(gt=0)] | None = None
    allow: list[Name] | None = None


class Manifest(Table):
    """A whole file, the user's or a shipped one."""

    version: Literal[1]
    baseline: Name | None = None
    include: list[Name] | None = None
    exclude: list[Name] | None = None
    routing: RoutingTable = RoutingTable()
    budget: BudgetTable = BudgetTable()
    clients: dict[ClientName, ClientTable] = {}
    gateway: GatewayTable = GatewayTable()
    alerts: AlertsTable = AlertsTable()
    files: FilesTable = FilesTable()
    privacy: PrivacyTable = PrivacyTable()
    ledger: LedgerTable = LedgerTable()
    providers: dict[Name, ProviderTable] = {}
    models: list[ModelTable] = []
    skills: dict[Skill, SkillTable] = {}
    rules: list[RuleTable] = []


def json_schema() -> dict[str, Any]:
    """The JSON Schema that is shipped beside the manifests for editors."""
    schema = Manifest.model_json_schema()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "rightmodel manifest",
        **{key: value for key, value in schema.items() if key != "title"},
    }
