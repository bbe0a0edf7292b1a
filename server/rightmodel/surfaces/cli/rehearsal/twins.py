"""Simulated twins of the user's providers, and the catalog that leads to them instead.

The catalog is the user's own: models, prices, limits, rules, routing. Only addresses and keys are
others: each provider's base_url is that of its twin on loopback, its key a made-up one, and what
its manifest entry sends as further headers is left out, since a key may be among it.
"""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING, Final

from rightmodel.core.call import Usage
from rightmodel.core.task import Trust
from rightmodel.manifest.base_url import is_loopback
from rightmodel.manifest.settings import Settings
from rightmodel.routing.router import count_tokens as prompt_tokens
from rightmodel.routing.tokens import estimate_tokens
from rightmodel.simulator import Behaviour, Reply, SimulatedProvider, count_tokens, example_of
from rightmodel.simulator.dialects import DIALECTS, NATIVE
from rightmodel.simulator.wire import dumps
from rightmodel.surfaces.cli.rehearsal.tasks import USUAL_TOKENS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from rightmodel.manifest.catalog import Catalog, Model, Provider
    from rightmodel.simulator import Received
    from rightmodel.surfaces.cli.rehearsal.tasks import Sample

FILLER: Final = "Simulated text, as long as a real answer would be. "
CHUNK_TOKENS: Final = 128
HOSTS: Final = {
    "api.openai.com": "openai",
    "api.deepseek.com": "deepseek",
    "openrouter.ai": "openrouter",
    "api.groq.com": "groq",
    "api.mistral.ai": "mistral",
    ":11434": "ollama",
}
"""What a base_url holds → whose error bodies its twin sends."""
FAST: Final = frozenset({"groq", "cerebras"})
SPEEDS: Final = ((1, 0.4, 160.0), (5, 0.6, 110.0), (20, 0.9, 75.0), (10**9, 1.3, 55.0))
"""Most USD per million output tokens, seconds to the first token, tokens a second: set by
judgement, since manifests say nothing of speed."""


@dataclass(frozen=True, slots=True)
class Twins:
    """`catalog`: leads to the twins. `providers`: the twins by name. `urls`: theirs → the real."""

    catalog: Catalog
    settings: Settings
    providers: Mapping[str, SimulatedProvider]
    urls: Mapping[str, str]

    def as_real(self, text: str) -> str:
        """A text with the twins' addresses replaced by those of the providers."""
        for twin, real in self.urls.items():
            text = text.replace(twin, real)
        return text


def used_providers(catalog: Catalog) -> dict[str, Provider]:
    """Those that a connected model has an endpoint at, in the manifest's order."""
    return {e.provider.name: e.provider for m in catalog.models.values() for e in m.endpoints}


def dialect_of(provider: Provider) -> str:
    """Whose error bodies the twin sends: the provider's own where known, else its protocol's."""
    hosts = (dialect for part, dialect in HOSTS.items() if part in provider.base_url)
    for name in (provider.name, *hosts):
        if name in DIALECTS and DIALECTS[name].protocol is provider.protocol:
            return name
    return NATIVE[provider.protocol].name


@asynccontextmanager
async def twins(
    catalog: Catalog, samples: Sequence[Sample], *, seed: int, clock: Callable[[], float]
) -> AsyncIterator[Twins]:
    """Start a twin of every provider that is used; they end with the block."""
    real = used_providers(catalog)
    async with AsyncExitStack() as stack:
        running = {}
        for name, provider in real.items():
            running[name] = await stack.enter_async_context(
                SimulatedProvider(
                    provider.protocol,
                    key=_fake_key(provider),
                    models=_behaviours(catalog, name, samples),
                    dialect=dialect_of(provider),
                    random=Random(f"{seed} {name}"),  # noqa: S311 - a simulation, reproducible
                    clock=clock,
                )
            )
        doubles = {name: _double(real[name], twin) for name, twin in running.items()}
        environment = {d.key_env: running[n].key for n, d in doubles.items() if d.key_env}
        urls = {running[n].base_url: real[n].base_url for n in real}
        led = _led_to(catalog, doubles)
        yield Twins(led, Settings(None, environment), running, urls)


def _variable(provider: Provider) -> str:
    """The variable that the twin's key is read from: the user's own name for it, for messages."""
    return provider.key_env or (f"KEY_OF_{provider.name}" if provider.key_file else "")


def _fake_key(provider: Provider) -> str:
    variable = _variable(provider)
    return f"sk-rehearsal-of-{variable.lower()}" if variable else ""


def _double(provider: Provider, twin: SimulatedProvider) -> Provider:
    return replace(
        provider,
        base_url=twin.base_url,
        key_env=_variable(provider),
        key_file="",
        headers={},
    )


def _led_to(catalog: Catalog, doubles: Mapping[str, Provider]) -> Catalog:
    """The catalog with every address replaced."""

    def led(model: Model) -> Model:
        endpoints = tuple(
            replace(e, provider=doubles[e.provider.name])
            for e in model.endpoints
            if e.provider.name in doubles
        )
        return replace(model, endpoints=endpoints)

    models = {name: led(model) for name, model in catalog.models.items()}
    return replace(catalog, models=models, providers=dict(doubles))


def _behaviours(catalog: Catalog, provider: str, samples: Sequence[Sample]) -> dict[str, Behaviour]:
    found = {}
    for model in catalog.models.values():
        for endpoint in model.endpoints:
            if endpoint.provider.name == provider:
                found[endpoint.name] = _behaviour(model, endpoint.provider, samples)
    return found


def _behaviour(model: Model, provider: Provider, samples: Sequence[Sample]) -> Behaviour:
    first_token_s, tokens_per_s = speed(model, provider)
    return Behaviour(
        answers=lambda request: _answer(request, samples),
        first_token_s=first_token_s,
        tokens_per_s=tokens_per_s,
        chunk_tokens=CHUNK_TOKENS,
        context=model.context,
        output_limit=model.output_limit,
    )


def speed(model: Model, provider: Provider) -> tuple[float, float]:
    """Seconds to the first token and tokens a second: a guess from place and price."""
    if provider.name in FAST:
        return 0.2, 500.0
    if provider.trust is Trust.local or is_loopback(provider.base_url):
        return 0.5, 40.0
    price = (model.price.output or Decimal(0)) * 1_000_000
    return next((first, pace) for most, first, pace in SPEEDS if price <= most)


def _answer(request: Received, samples: Sequence[Sample]) -> Reply:
    known = [s for s in samples if request.prompt.startswith(s.task.prompt)]
    sample = max(known, key=lambda s: len(s.task.prompt), default=None)
    schema = sample.task.schema if sample and sample.task.schema else request.schema
    if schema is not None:
        text = dumps(example_of(schema))
    else:
        tokens = sample.tokens if sample else USUAL_TOKENS
        tokens = min(tokens, request.max_output or tokens)
        text = (FILLER * (tokens * 4 // len(FILLER) + 1))[: tokens * 4]
    # Prompt tokens as rightmodel reckons them: else a twin would seem to cut long prompts.
    prompt = prompt_tokens(sample.task) if sample else estimate_tokens(request.text)
    return Reply(text, usage=Usage(prompt, count_tokens(text)))
