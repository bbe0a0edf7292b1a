"""An outage: which faults, at which providers or models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rightmodel.core.errors import TaskError, UnknownNameError
from rightmodel.core.format import listed
from rightmodel.simulator import SimulatedFault, SimulatedProvider, fault
from rightmodel.simulator.simulation import dialect_of, used_providers

if TYPE_CHECKING:
    from rightmodel.manifest.catalog import Catalog, Provider

USUAL_FAULT: Final = "overloaded"

REFUSAL_S: Final = 0.3
"""How long a provider takes to say that something is wrong."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a fault affects. `model`: one model's name there, "" for the whole provider."""

    provider: str
    model: str = ""

    def __str__(self) -> str:
        return f"{self.provider} ({self.model})" if self.model else self.provider


@dataclass(frozen=True, slots=True)
class Outage:
    """`faults`: by target. `share`: of the requests there that have one of them, 0 to 1."""

    faults: Mapping[Target, Sequence[SimulatedFault]]
    share: float

    @property
    def names(self) -> list[str]:
        """Of the faults, each once."""
        return list(dict.fromkeys(f.name for found in self.faults.values() for f in found))

    @property
    def providers(self) -> frozenset[str]:
        """Providers with a fault."""
        return frozenset(target.provider for target in self.faults)

    @property
    def closed(self) -> dict[str, str]:
        """Providers whose port is closed → the fault: no request of theirs shows it."""
        return {
            target.provider: found[0].name
            for target, found in self.faults.items()
            if len(found) == 1 and found[0].closes_port and not target.model and self.share >= 1
        }

    def begin(self, providers: Mapping[str, SimulatedProvider]) -> None:
        """The outage."""
        for target, found in self.faults.items():
            chosen = found[0] if len(found) == 1 else fault.one_of(*found)
            if self.share < 1:
                chosen = fault.chance(self.share, chosen)
            chosen = fault.late(REFUSAL_S, chosen)
            if target.model:
                providers[target.provider].fail(target.model, chosen)
            else:
                providers[target.provider].fail_all(chosen)

    def end(self, providers: Mapping[str, SimulatedProvider]) -> None:
        """The end of the outage."""
        for target in self.faults:
            providers[target.provider].heal()

    def __str__(self) -> str:
        every = "every request" if self.share >= 1 else f"{self.share:.0%} of the requests"
        return f"{', '.join(self.names)} at {', '.join(map(str, self.faults))} ({every})"


def planned_outage(
    catalog: Catalog,
    names: Sequence[str],
    targets: Sequence[str],
    share: float,
    busiest: Sequence[str],
) -> Outage:
    """The outage that was asked for.

    `busiest`: providers, the one most used first; where no target is named, the first that the
    faults fit. Raises `TaskError` for unknown names and for faults that fit nowhere.
    """
    wanted = [fault.find(name) for name in dict.fromkeys(names or (USUAL_FAULT,))]
    used = used_providers(catalog)
    if targets:
        chosen = list(dict.fromkeys(p for name in targets for p in _targets(catalog, name)))
    else:
        fitting = (n for n in busiest if all(_fits(f, used[n]) for f in wanted))
        some = (n for n in busiest if any(_fits(f, used[n]) for f in wanted))
        chosen = [Target(name) for name in (next(fitting, ""), next(some, "")) if name][:1]
    found = {p: [f for f in wanted if _fits(f, used[p.provider])] for p in chosen}
    for one in wanted:
        if not any(one in fits for fits in found.values()):
            raise TaskError(_fits_nowhere(one, used, chosen), argument="fault")
    return Outage({target: fits for target, fits in found.items() if fits}, share)


def fitting(one: SimulatedFault, catalog: Catalog) -> list[str]:
    """The user's providers that can have a fault."""
    return [name for name, p in used_providers(catalog).items() if _fits(one, p)]


def _fits(one: SimulatedFault, provider: Provider) -> bool:
    return one.fits(provider.protocol, dialect_of(provider))


def _targets(catalog: Catalog, name: str) -> list[Target]:
    """A provider, or every endpoint of a model."""
    used = used_providers(catalog)
    if name in used:
        return [Target(name)]
    if name not in catalog.models and name not in catalog.aliases:
        raise UnknownNameError(
            "provider or model", name, [*used, *catalog.models, *catalog.aliases], argument="on"
        )
    return [Target(e.provider.name, e.name) for e in catalog.find(name).endpoints]


def _fits_nowhere(
    one: SimulatedFault, used: Mapping[str, Provider], targets: Sequence[Target]
) -> str:
    where = listed([str(p) for p in targets]) if targets else "any connected provider"
    could = [name for name, provider in used.items() if _fits(one, provider)]
    hint = f"it could at {listed(could)}" if could else "rightmodel rehearse --list says which can"
    return f"fault {one.name!r} cannot happen at {where}: its API has no such error; {hint}"
