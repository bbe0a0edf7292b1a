"""Figures of this process in Prometheus' text format, counted from what the ledger is given."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Final

from rightmodel import __version__
from rightmodel.ledger.records import AttemptRecord, CallRecord, Row

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rightmodel.execution.call_state import EndpointHealth
    from rightmodel.execution.engine import Engine

CONTENT_TYPE: Final = b"text/plain; version=0.0.4; charset=utf-8"
MOST_SERIES: Final = 1000
"""Of one metric; further label values are counted as "other": clients may name any model."""
SECONDS: Final = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
ADDED_SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5, 10.0, 60.0)
Labels = tuple[str, ...]


class Figure:
    """One metric: its name, type and help, and a number for each set of label values."""

    def __init__(self, name: str, kind: str, about: str, labels: Labels = ()) -> None:
        self.name = f"rightmodel_{name}"
        self._head = f"# HELP {self.name} {about}\n# TYPE {self.name} {kind}\n"
        self._labels = labels
        self._values: dict[Labels, float] = {}

    def add(self, amount: float, *labels: str) -> None:
        """Count."""
        if labels not in self._values and len(self._values) >= MOST_SERIES:
            labels = ("other",) * len(labels)
        self._values[labels] = self._values.get(labels, 0) + amount

    def set(self, amount: float, *labels: str) -> None:
        """Replace the number."""
        self._values[labels] = amount

    def lines(self) -> Iterator[str]:
        """The metric as text."""
        yield self._head
        for labels, value in self._values.items():
            yield f"{self.name}{_braced(self._labels, labels)} {value:.12g}\n"


class Histogram:
    """A metric of times. `bounds`: upper bounds of its buckets, seconds."""

    def __init__(self, name: str, about: str, bounds: Sequence[float]) -> None:
        self.name = f"rightmodel_{name}"
        self._head = f"# HELP {self.name} {about}\n# TYPE {self.name} histogram\n"
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, seconds: float) -> None:
        """Count one."""
        self._counts[bisect_left(self._bounds, seconds)] += 1
        self._sum += seconds

    def lines(self) -> Iterator[str]:
        """The metric as text."""
        yield self._head
        total = 0
        for bound, count in zip((*self._bounds, "+Inf"), self._counts, strict=True):
            total += count
            yield f'{self.name}_bucket{{le="{bound}"}} {total}\n'
        yield f"{self.name}_sum {self._sum:.9g}\n{self.name}_count {total}\n"


class Metrics:
    """Counts rows on their way to the ledger, so that both have the same figures."""

    def __init__(self) -> None:
        where = ("provider", "model")
        self._calls = _counter("calls_total", "Calls that ended.", "client", "model", "outcome")
        self._saved = Figure("saved_usd", "gauge", "USD saved against the baseline, net.")
        self._attempts = _counter("attempts_total", "Requests to models.", *where, "role")
        about = "Requests that failed, by fault."
        self._failures = _counter("failures_total", about, *where, "fault")
        about = "Tokens; cached and cache_write are part of input, reasoning of output."
        self._tokens = _counter("tokens_total", about, *where, "kind")
        self._cost = _counter("cost_usd_total", "USD, as billed or computed.", *where, "client")
        about = "Requests of unknown cost, in no sum."
        self._unpriced = _counter("unpriced_attempts_total", about, *where)
        self._call_s = Histogram("call_seconds", "Calls from begin to end.", SECONDS)
        self._first_s = Histogram(
            "first_token_seconds", "From a request to its first token.", SECONDS
        )
        self.added_s = Histogram(
            "added_seconds", "What a turn took beside its requests to models.", ADDED_SECONDS
        )

    def row(self, row: Row) -> None:
        """Count a row of the ledger."""
        if isinstance(row, CallRecord):
            self._calls.add(1, row.client, row.model, row.outcome)
            self._call_s.observe(row.time_s)
            if row.saved_usd is not None:
                self._saved.add(float(row.saved_usd))
        elif isinstance(row, AttemptRecord) and row.cost_kind != "corrected":
            self._attempt(row)

    def _attempt(self, row: AttemptRecord) -> None:
        where = (row.provider, row.model)
        self._attempts.add(1, *where, row.role)
        if row.fault:
            self._failures.add(1, *where, row.fault)
        counts = {
            "input": row.input,
            "cached": row.cached,
            "cache_write": row.cache_writes,
            "output": row.output,
            "reasoning": row.reasoning,
        }
        for kind, count in counts.items():
            if count:
                self._tokens.add(count, *where, kind)
        if row.cost_usd is None:
            self._unpriced.add(1, *where)
        else:
            self._cost.add(float(row.cost_usd), *where, row.client)
        if row.first_token_s is not None:
            self._first_s.observe(row.first_token_s)

    def text(self, engine: Engine | None) -> str:
        """Every figure; with an engine also the breakers' states."""
        version = Figure("info", "gauge", "The running version.", ("version",))
        version.set(1, __version__)
        figures = [figure for figure in vars(self).values() if hasattr(figure, "lines")]
        now = _states(engine) if engine is not None else []
        return "".join(line for f in (version, *figures, *now) for line in f.lines())


def _counter(name: str, about: str, *labels: str) -> Figure:
    return Figure(name, "counter", about, labels)


def _states(engine: Engine) -> list[Figure]:
    where = ("provider", "model")
    states = Figure(
        "breaker_open", "gauge", "1 while an endpoint receives no requests, else 0.", where
    )
    waits = Figure("breaker_wait_seconds", "gauge", "Until an endpoint is tried again.", where)
    running = Figure("attempts_in_flight", "gauge", "Requests that run now.", where)
    for labels, state in endpoint_states(engine):
        states.set(float(state.wait_s > 0), *labels)
        waits.set(state.wait_s, *labels)
        running.set(state.in_flight, *labels)
    return [states, waits, running]


def endpoint_states(engine: Engine) -> Iterator[tuple[tuple[str, str], EndpointHealth]]:
    """Every endpoint as (provider, model), and its state now."""
    for model in engine.catalog.models.values():
        for endpoint in model.endpoints:
            yield (endpoint.provider.name, model.id), engine.health.state(endpoint)


def _braced(names: Labels, values: Labels) -> str:
    pairs = (f'{n}="{_escaped(v)}"' for n, v in zip(names, values, strict=True))
    return f"{{{','.join(pairs)}}}" if names else ""


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
