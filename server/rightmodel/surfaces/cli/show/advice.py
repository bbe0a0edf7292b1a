"""What the user might do about what the rehearsal showed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from rightmodel.core.decision import Trust
from rightmodel.core.fault import Fault
from rightmodel.core.format import listed
from rightmodel.simulator.simulation import used_providers

if TYPE_CHECKING:
    from rightmodel.manifest.catalog import Catalog, Model
    from rightmodel.simulator.outage import Outage
    from rightmodel.surfaces.cli.show.calls import Call

LONG_PROMPT: Final = 200_000
_READS: Final = {"image": "read images", "pdf": "read PDFs", "audio": "process audio"}


def advice(
    catalog: Catalog, calls: Sequence[Call], healthy: Sequence[Call], outage: Outage
) -> list[str]:
    """What is worth doing, the most urgent first."""
    return [
        *_without(healthy),
        *_only_named(calls),
        *_attempts_used_up(catalog, calls, outage),
        *_only_one(catalog),
        *_slow(catalog, calls),
        *_not_met(calls, outage),
    ]


def _numbers(calls: Sequence[Call]) -> str:
    numbers = listed([str(c.number) for c in calls], most=6)
    return f"call{'s' if len(calls) > 1 else ''} {numbers}"


def _without(healthy: Sequence[Call]) -> Iterator[str]:
    """Calls that fail on a good day, too."""
    failed = [c for c in healthy if c.error]
    if failed:
        yield (
            f"{_numbers(failed)} would get no answer without any outage, either: "
            f"{failed[0].error.splitlines()[0]}"
        )


def _only_named(calls: Sequence[Call]) -> Iterator[str]:
    failed = [c for c in calls if c.error and c.tries and c.sample.task.model]
    if failed:
        yield (
            f"{_numbers(failed)} named the models to use, and no others are tried then: name one "
            "of another provider, too, or let rightmodel choose"
        )


def _attempts_used_up(catalog: Catalog, calls: Sequence[Call], outage: Outage) -> Iterator[str]:
    """Calls that tried model after model of what was down, and had an alternative left."""
    most = catalog.routing.max_attempts
    failed = [
        c
        for c in calls
        if len(c.tries) >= most
        and c.error
        and {t.provider for t in c.tries} <= outage.providers
        and set(c.line) - outage.providers
    ]
    if failed:
        out = next(p for p in failed[0].line if p not in outage.providers)
        tried = ", ".join(dict.fromkeys(t.provider for t in failed[0].tries))
        yield (
            f"{_numbers(failed)} used up all {most} attempts at {tried}, with {out} next in line: "
            f"raise max_attempts in [routing]"
        )


def _only_one(catalog: Catalog) -> Iterator[str]:
    """Abilities that hang on a single provider."""
    providers = used_providers(catalog)
    if len(providers) == 1:
        yield (
            f"every connected model is at {next(iter(providers))}: an outage there leaves you "
            "without any. Connect a second provider"
        )
        return
    only: dict[str, list[str]] = {}
    for ability, has in _abilities(catalog).items():
        able = {e.provider.name for m in catalog.models.values() if has(m) for e in m.endpoints}
        if len(able) == 1:
            only.setdefault(able.pop(), []).append(ability)
    for provider, abilities in only.items():
        *most, last = abilities
        tasks = f"{', '.join(most)} and {last}" if most else last
        yield f"only {provider} can {tasks}: an outage of {provider} leaves you without"
    for rule in catalog.rules:
        fit = {n for n, p in providers.items() if rule.trust and p.trust >= rule.trust}
        if rule.trust and len(fit) < 2:  # noqa: PLR2004
            left = f"nothing but {fit.pop()}" if fit else "no provider at all"
            word = Trust(rule.trust).name
            yield (
                f'rule "{rule.name}" requires trust = "{word}", which leaves {left}: '
                "no other may step in"
            )


def _abilities(catalog: Catalog) -> dict[str, Callable[[Model], bool]]:
    found: dict[str, Callable[[Model], bool]] = {
        ability: lambda model, kind=kind: kind in model.modalities  # type: ignore[misc]
        for kind, ability in _READS.items()
    }
    if any(m.context >= LONG_PROMPT for m in catalog.models.values()):
        found[f"take prompts of {LONG_PROMPT:,} tokens"] = lambda m: m.context >= LONG_PROMPT
    return found


def _slow(catalog: Catalog, calls: Sequence[Call]) -> Iterator[str]:
    routing = catalog.routing
    stalled = [t.time_s for c in calls for t in c.tries[:-1] if t.read is Fault.TIMEOUT]
    if stalled:
        yield (
            f"silence cost up to {max(stalled):.0f} s before another model was tried: a lower "
            f"deadline_s in [routing] (now {routing.deadline_s:g}) shortens that"
        )
    late = [c for c in calls if c.time_s > routing.deadline_s]
    if late:
        yield (
            f"{_numbers(late)} outlasted deadline_s = {routing.deadline_s:g}: the agent gets "
            "`pending` and has to collect it with its ref"
        )


def _not_met(calls: Sequence[Call], outage: Outage) -> Iterator[str]:
    met = {name for c in calls for name in c.met}
    unmet = [name for name in outage.names if name not in met]
    if unmet:
        yield (
            f"no request met {', '.join(unmet)}: either nothing was sent to "
            f"{', '.join(map(str, outage.faults))} meanwhile, or the fault needs something that "
            "no task has (a schema, a long prompt, a refused parameter)"
        )
