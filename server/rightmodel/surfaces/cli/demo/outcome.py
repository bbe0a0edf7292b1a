"""What became of a subtask, read out of the receipt that every caller gets, and the sums."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from typing import TYPE_CHECKING, Any, Final

from mcp_types import TextContent

from rightmodel.core.fault import Fault
from rightmodel.surfaces.mcp.rendering import META_KEY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_types import CallToolResult

    from rightmodel.surfaces.cli.demo.cast import Subtask

SMALLEST: Final = Decimal("0.00001")
"""What amounts are rounded to, before they are added up: the lines give the sum."""

CHECKS: Final = {
    Fault.SCHEMA.value: "did not fit the schema",
    Fault.EMPTY.value: "was empty",
    Fault.CUT_OFF.value: "was cut off",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """One line of the table. `error`: why there is no answer. `outage`: a provider was down."""

    number: int
    task: Subtask
    skill: str = ""
    model: str = ""
    provider: str = ""
    attempts: int = 0
    fell_over: bool = False
    escalated: bool = False
    cost: Decimal = Decimal(0)
    baseline: Decimal = Decimal(0)
    time_s: float = 0.0
    notes: tuple[str, ...] = ()
    error: str = ""
    outage: bool = False

    @property
    def saved(self) -> Decimal:
        """USD."""
        return self.baseline - self.cost


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over outcomes, USD."""

    answered: int
    of: int
    in_outage: int
    fell_over: int
    escalated: int
    cost: Decimal
    baseline: Decimal

    @property
    def saved(self) -> Decimal:
        """USD."""
        return self.baseline - self.cost

    @property
    def share(self) -> Decimal:
        """Saved, in percent of what the baseline would have cost."""
        return 100 * self.saved / self.baseline if self.baseline else Decimal(0)


def totals(outcomes: Sequence[Outcome]) -> Totals:
    """The sums."""
    done = [o for o in outcomes if not o.error]
    return Totals(
        answered=len(done),
        of=len(outcomes),
        in_outage=sum(o.outage for o in done),
        fell_over=sum(o.fell_over for o in done),
        escalated=sum(o.escalated for o in done),
        cost=sum((o.cost for o in done), Decimal(0)),
        baseline=sum((o.baseline for o in done), Decimal(0)),
    )


def outcome(
    number: int, task: Subtask, result: CallToolResult, *, passed: str, outage: bool
) -> Outcome:
    """Read a result. `passed`: the first choice, where it was cooling down, else ""."""
    receipt: dict[str, Any] = (result.meta or {}).get(META_KEY, {})
    if result.is_error or not receipt:
        said = [block.text for block in result.content if isinstance(block, TextContent)]
        return Outcome(number, task, error=said[0] if said else "no answer", outage=outage)
    attempts: list[dict[str, Any]] = receipt["attempts"]
    faults = [a for a in attempts if "fault" in a]
    return Outcome(
        number,
        task,
        skill=max(receipt["skill"], key=receipt["skill"].get),
        model=receipt["model"],
        provider=attempts[-1]["provider"],
        attempts=len(attempts),
        fell_over=any(a["fault"] not in CHECKS for a in faults),
        escalated=any(a["fault"] in CHECKS for a in faults),
        cost=_rounded(receipt["cost_usd"]),
        baseline=_rounded(receipt["baseline_usd"]),
        time_s=float(receipt["time_s"]),
        notes=tuple(_notes(task, receipt, faults, passed)),
        outage=outage,
    )


def _rounded(amount: str | None) -> Decimal:
    return Decimal(amount or 0).quantize(SMALLEST, ROUND_HALF_EVEN)


def short(model: str) -> str:
    """A model's name without its provider."""
    return model.rpartition("/")[2]


def _notes(
    task: Subtask, receipt: dict[str, Any], faults: Sequence[dict[str, Any]], passed: str
) -> list[str]:
    """What is worth a line of its own."""
    notes = []
    told = {k: v for k, v in task.hints.items() if k != "schema"}
    if told:
        notes.append("the agent's hint: " + ", ".join(f"{k} {v}" for k, v in told.items()))
    if receipt["rule"]:
        notes.append(f'rule "{receipt["rule"]}": nothing but the local model may see it')
    then = [*(a["model"] for a in receipt["attempts"][1:]), receipt["model"]]
    for fault, following in zip(faults, then, strict=False):
        if fault["fault"] in CHECKS:
            said = f"{short(fault['model'])}'s answer {CHECKS[fault['fault']]}"
            notes.append(f"{said}: escalated to {short(following)}")
        else:
            status = f"{fault['status']} " if fault.get("status") else ""
            said = f"{fault['provider']} answered {status}{fault['fault']}"
            notes.append(f"{said}: fell over to {short(following)}")
    if not faults and passed:
        notes.append(f"first choice {short(passed)} is cooling down: went elsewhere at once")
    return notes
