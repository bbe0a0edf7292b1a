"""Simulated providers in place of a catalog's own, and the catalog that uses them.

Models, prices, limits, rules and routing stay. Each provider's base_url becomes that of a simulated
one on loopback, its key a made-up one; further headers are dropped: a key may be among them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING, Final

from rightmodel.core.call import Usage
from rightmodel.core.decision import Trust
from rightmodel.core.task import Task, WireFormat
from rightmodel.manifest.base_url import is_loopback
from rightmodel.manifest.settings import Settings
from rightmodel.simulator.behaviour import Behaviour, Reply, ToolCall, example_of
from rightmodel.simulator.dialects import DIALECTS, NATIVE
from rightmodel.simulator.received import Received, count_tokens
from rightmodel.simulator.samples import TURNS, Sample
from rightmodel.simulator.server import SimulatedProvider
from rightmodel.simulator.transport import dumps

if TYPE_CHECKING:
    from rightmodel.manifest.catalog import Catalog, Model, Provider

FILLER: Final = "Simulated text, as long as a real answer would be. "
USUAL_TOKENS: Final = 250
CHUNK_TOKENS: Final = 128
FILE_TOKENS: Final = 900
"""Of a file that an agent reads."""
HOSTS: Final = {
    "api.openai.com": "openai",
    "api.deepseek.com": "deepseek",
    "openrouter.ai": "openrouter",
    "api.groq.com": "groq",
    "api.mistral.ai": "mistral",
    ":11434": "ollama",
}
"""Part of a base_url → whose error bodies the simulated one sends."""
FAST: Final = frozenset({"groq", "cerebras"})
SPEEDS: Final = ((1, 0.4, 160.0), (5, 0.6, 110.0), (20, 0.9, 75.0), (10**9, 1.3, 55.0))
"""Most USD per million output tokens, seconds to the first token, tokens a second: set by
judgement, since manifests do not state speeds."""


@dataclass(frozen=True, slots=True)
class Simulation:
    """The running simulated providers of a catalog."""

    catalog: Catalog
    """With the addresses of the simulated providers."""
    settings: Settings
    """Holds their keys."""
    providers: Mapping[str, SimulatedProvider]
    """By the provider's name."""
    urls: Mapping[str, str]
    """A simulated base_url → the real one."""

    def as_real(self, text: str) -> str:
        """A text with the simulated addresses replaced by the real ones."""
        for simulated, real in self.urls.items():
            text = text.replace(simulated, real)
        return text


class Answers:
    """What simulated providers answer: each sample's answer, at a speed guessed from price."""

    def __init__(
        self,
        samples: Sequence[Sample],
        prompt_tokens: Callable[[Task], int],
        *,
        speedup: float = 1.0,
    ) -> None:
        """`prompt_tokens`: rightmodel's estimate, so that no provider seems to cut long prompts."""
        self._samples = samples
        self._prompt_tokens = prompt_tokens
        self._speedup = speedup
        self._flawed = {sample.label for sample in samples if sample.flawed}
        self._cached: dict[str, int] = {}

    def behaviour(self, model: Model, provider: Provider) -> Behaviour:
        """The behaviour of one model."""
        first_token_s, tokens_per_s = speed(model, provider)
        # Anthropic's models reason only on request.
        thinks = (
            "reasoning" in model.features and provider.protocol is not WireFormat.ANTHROPIC_MESSAGES
        )
        return Behaviour(
            answers=lambda request: self._reply(request, thinks=thinks),
            first_token_s=first_token_s / self._speedup,
            tokens_per_s=tokens_per_s * self._speedup,
            chunk_tokens=CHUNK_TOKENS,
            context=model.context,
            output_limit=model.output_limit,
        )

    def _reply(self, request: Received, *, thinks: bool) -> Reply:
        known = [s for s in self._samples if request.prompt.startswith(s.task.prompt)]
        # The last text of a turn may be what a tool returned.
        known = known or [s for s in TURNS if s.task.prompt in request.text]
        sample = max(known, key=lambda s: request.text.rfind(s.task.prompt), default=None)
        text = self._text(sample, request)
        if sample is None:
            return Reply(text)
        if sample in TURNS:
            return self._turn(sample, text, request)
        thought = sample.thought if thinks else 0
        prompt = self._prompt_tokens(sample.task)
        usage = Usage(prompt, count_tokens(text) + thought, reasoning=thought)
        return Reply(text, reasoning_tokens=thought, usage=usage)

    def _turn(self, sample: Sample, text: str, request: Received) -> Reply:
        """A turn of an agent. A model caches the whole prompt that it was sent last."""
        prompt, thought = count_tokens(request.text), sample.thought
        cached, self._cached[request.model] = self._cached.get(request.model, 0), prompt
        cached = min(cached, prompt)
        written = prompt - cached if b"cache_control" in request.raw else 0
        usage = Usage(prompt, 0, cache_read=cached, cache_write=written, reasoning=thought)
        if not sample.reads or result_of(sample) in request.text:
            usage = replace(usage, output=count_tokens(text) + thought)
            return Reply(text, reasoning_tokens=thought, usage=usage)
        call = ToolCall("read_file", dumps({"path": sample.reads}))
        usage = replace(usage, output=count_tokens(call.arguments) + thought)
        return Reply(None, "tool_calls", tool_call=call, reasoning_tokens=thought, usage=usage)

    def _text(self, sample: Sample | None, request: Received) -> str:
        if sample and sample.label in self._flawed:
            self._flawed.remove(sample.label)
            return sample.flawed
        if sample and sample.answer:
            return padded(sample.answer, sample.tokens)
        schema = sample.task.schema if sample and sample.task.schema else request.schema
        if schema is not None:
            return dumps(example_of(schema))
        tokens = sample.tokens if sample else USUAL_TOKENS
        return padded("", min(tokens, request.max_output or tokens))


def result_of(sample: Sample) -> str:
    """What the tool `read_file` returns for the file that a sample reads."""
    return padded(f"contents of {sample.reads}", FILE_TOKENS)


def padded(text: str, tokens: int) -> str:
    """The text, drawn out to so many tokens."""
    missing = tokens - count_tokens(text)
    if missing <= 0:
        return text
    return f"{text}\n\n{FILLER * missing}".lstrip()[: tokens * 4]


def used_providers(catalog: Catalog) -> dict[str, Provider]:
    """Those that a connected model has an endpoint at, in the manifest's order."""
    used = {e.provider.name: e.provider for m in catalog.models.values() for e in m.endpoints}
    return {name: catalog.providers.get(name, provider) for name, provider in used.items()}


def dialect_of(provider: Provider) -> str:
    """Whose error bodies are sent: the provider's own where known, else its protocol's."""
    hosts = (dialect for part, dialect in HOSTS.items() if part in provider.base_url)
    for name in (provider.name, *hosts):
        if name in DIALECTS and DIALECTS[name].protocol is provider.protocol:
            return name
    return NATIVE[provider.protocol].name


@asynccontextmanager
async def simulate(
    catalog: Catalog, answers: Answers, *, seed: int, clock: Callable[[], float]
) -> AsyncIterator[Simulation]:
    """Start a simulated provider for each that is used; they end with the block."""
    real = used_providers(catalog)
    async with AsyncExitStack() as stack:
        running = {}
        for name, provider in real.items():
            running[name] = await stack.enter_async_context(
                SimulatedProvider(
                    provider.protocol,
                    key=_fake_key(provider),
                    models={
                        endpoint.name: answers.behaviour(model, provider)
                        for model in catalog.models.values()
                        for endpoint in model.endpoints
                        if endpoint.provider.name == name
                    },
                    dialect=dialect_of(provider),
                    random=Random(f"{seed} {name}"),  # noqa: S311 - a simulation, reproducible
                    clock=clock,
                )
            )
        replaced = {name: _replaced(real[name], simulated) for name, simulated in running.items()}
        environment = {p.key_env: running[n].key for n, p in replaced.items() if p.key_env}
        urls = {running[n].base_url: real[n].base_url for n in real}
        yield Simulation(_redirected(catalog, replaced), Settings(None, environment), running, urls)


def _variable(provider: Provider) -> str:
    """The variable of the simulated key: the user's own name for it, as messages show it."""
    return provider.key_env or (f"KEY_OF_{provider.name}" if provider.key_file else "")


def _fake_key(provider: Provider) -> str:
    variable = _variable(provider)
    return f"sk-rehearsal-of-{variable.lower()}" if variable else ""


def _replaced(provider: Provider, simulated: SimulatedProvider) -> Provider:
    return replace(
        provider, base_url=simulated.base_url, key_env=_variable(provider), key_file="", headers={}
    )


def _redirected(catalog: Catalog, replaced: Mapping[str, Provider]) -> Catalog:
    def redirected(model: Model) -> Model:
        endpoints = tuple(
            replace(e, provider=replace(replaced[e.provider.name], protocol=e.provider.protocol))
            for e in model.endpoints
            if e.provider.name in replaced
        )
        return replace(model, endpoints=endpoints)

    models = {name: redirected(model) for name, model in catalog.models.items()}
    return replace(catalog, models=models, providers=dict(replaced))


def speed(model: Model, provider: Provider) -> tuple[float, float]:
    """Seconds to the first token and tokens a second: a guess from where it runs and its price."""
    if provider.name in FAST:
        return 0.2, 500.0
    if provider.trust is Trust.local or is_loopback(provider.base_url):
        return 0.5, 40.0
    price = (model.price.output or Decimal(0)) * 1_000_000
    return next((first, pace) for most, first, pace in SPEEDS if price <= most)
