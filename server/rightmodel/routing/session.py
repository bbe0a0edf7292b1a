"""What prompt caches do to the money within an agent's session. Pure.

Every turn of an agent sends the whole conversation again, and a provider charges a tenth or less
for the part that it has cached. Staying with a model keeps its cache warm; another model has to
read the whole prompt at the full price once. So a model is chosen for this turn and for the turns
that are expected to follow it, all on that model.

Let P be the tokens of this turn's prompt, w those that are expected to be in the model's cache, g
the growth of the prompt per turn, n the further turns, s the share of a former prompt that the
cache gives back (0 without a cache), and r, c, o the prices of a token that is read from the cache,
of one that is not (written to the cache where writing has a price) and of the answer's O tokens.
This turn costs w·r + (P − w)·c + O·o. Turn i after it has a prompt of P + i·g tokens, of which
s·(P + (i − 1)·g) are cached. Over all of the 1 + n turns:

    cached  W = w + s·(n·P + g·n·(n − 1)/2)
    prompt  T = (1 + n)·P + g·n·(n + 1)/2
    cost    C = W·r + (T − W)·c + (1 + n)·O·o

Each turn fails with the chance 1 − p of this turn's assessment, which later turns of the same ask
keep, and a failed turn loses L. So the total to minimise is C + (1 + n)·(1 − p)·L. Divided by
1 + n, which is the same for every model and changes no order, that is

    C / (1 + n)  +  (1 − p) · L

the total of every other decision, with the mean cost of a turn as its cost; p and L stay per turn.
With n = 0 and w = 0 it is the decision for a single task. A price of one switch, P·(c − r), is
thereby spread over the turns that it is paid for.

Leaving a model lets its cache grow cold. With the chance q the session comes back too late for it.
Then the v tokens that are warm there now cost the price x instead of y. So C of every model but the
last one's also has q·v·(x − y).

L is a multiple (`decide.LOSS_MULTIPLES`) of what it costs the baseline to do the turn again. By
then its cache is warm: that cost is the same formula with w = s·P.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Final, NamedTuple

from rightmodel.core.decision import Assessment, SessionView, WarmPrefix
from rightmodel.core.task import DIFFICULTIES, TurnKind
from rightmodel.manifest.catalog import Cache, Model

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rightmodel.core.call import Usage
    from rightmodel.manifest.price import Price

CHORES: Final[Mapping[TurnKind, tuple[str, str]]] = {
    "title": ("summarize", "title call"),
    "classifier": ("classify", "classifier call"),
    "heartbeat": ("general", "heartbeat"),
    "probe": ("general", "probe"),
}
"""Kinds of turns that are easy whatever they look like, with their skill and what they are."""
HOUSEKEEPING: Final[frozenset[TurnKind]] = frozenset({*CHORES, "compaction"})
"""Kinds of turns that say nothing about where the session goes on: they neither pin nor evict."""
FURTHER_TURNS: Final = 3.0
"""Turns of an ask that are expected to follow one, until the ledger shows how many do."""
PRIOR_ASKS: Final = 20
"""Asks of a client after which half of what they show counts."""
MOST_FURTHER_TURNS: Final = 10.0
"""No choice is made for more turns: the next ask is of another difficulty."""
GROWTH: Final = 1_000.0
"""Tokens by which a prompt is expected to grow per turn, until a session has shown it."""
UNPROMISED: Final = 0.9
"""Share of a former prompt that automatic caching is expected to give back, until usage shows it:
such providers promise no hit. Set by judgement."""
PRIOR_SEEN: Final = 8
"""Turns of a session that outweigh what was expected of an automatic cache: hits are by chance."""
RETURNS: Final = 0.25
"""Chance that a session which leaves a model comes back to it after its cache has gone. Set on
simulated sessions: with 0 or 0.5 the same success costs more (`benchmarks/sessions.py`)."""
REWRITTEN: Final = 0.9
"""A prompt of less than this share of the former one was compacted: its beginning is a new one."""
_NO_CACHE: Final = Cache()
_FREE: Final = Decimal(0)


def assessment_of(kind: TurnKind) -> Assessment | None:
    """What a chore of the client is, without asking the classifier; `None` for other kinds.

    Such a turn belongs to the cheap tier.
    """
    if kind not in CHORES:
        return None
    skill, what = CHORES[kind]
    return Assessment(((skill, 1.0),), DIFFICULTIES["easy"], "rule", note=f"{what} of the client")


@dataclass(frozen=True, slots=True)
class Horizon:
    """The turns for which a model is chosen: this one, and those that are expected to follow.

    `prompt`: tokens of this turn's prompt, estimated. `further`: turns expected to follow on the
    same model. `at`: when this turn begins (seconds since 1970). `leaving_usd`: what it is expected
    to cost that the last model's cache grows cold where another model is chosen.
    """

    view: SessionView
    prompt: int
    further: float
    at: float
    leaving_usd: float = 0.0

    @property
    def growth(self) -> float:
        """Tokens by which the prompt grows per turn."""
        return self.view.growth if self.view.turns > 1 else GROWTH

    def cached(self, model: Model) -> float:
        """Tokens of this turn's prompt that are expected to be read from the model's cache."""
        prefix = self.view.warm.get(model.id)
        if prefix is None or self.at - prefix.at > prefix.life_s or self._is_rewritten:
            return 0.0
        return min(prefix.tokens, self.prompt) * prefix.share

    def answer_tokens(self, expected: int) -> int:
        """Tokens of the answer: what the assessment expects counts as one more of the session's."""
        turns = self.view.turns if self.further else 0
        return round((expected + turns * self.view.output_tokens) / (1 + turns))

    @property
    def _is_rewritten(self) -> bool:
        return self.prompt < self.view.last_tokens * REWRITTEN

    def prompt_usd(self, model: Model, price: Price) -> Decimal:
        """What this turn's prompt is expected to cost. `price`: known."""
        _, read, cold = self._rates(model, price)
        warm = round(self.cached(model))
        return warm * read + (self.prompt - warm) * cold

    def mean_prompt_usd(
        self, model: Model, price: Price, *, is_baseline: bool = False
    ) -> tuple[float, float]:
        """What the prompt of a turn costs on average over the horizon. `price`: known.

        As the caches are, and, of a baseline, as they would be had the model just served this
        prompt. See the module's derivation.
        """
        n, prompt, growth, view = self.further, self.prompt, self.growth, self.view
        later = n * prompt + growth * max(0.0, n * (n - 1)) / 2
        every = (1 + n) * prompt + growth * n * (n + 1) / 2
        share, read, cold = self.rates(model, price)
        warm = self.cached(model) + share * later
        leaving_usd = 0.0 if model.id == view.model else self.leaving_usd
        usd = (warm * read + (every - warm) * cold + leaving_usd) / (1 + n)
        if is_baseline and view.warm:
            share, read, cold = self._on(model, prompt, self.at).rates(model, price)
        warm = share * prompt + share * later
        return usd, (warm * read + (every - warm) * cold) / (1 + n)

    def rates(self, model: Model, price: Price) -> tuple[float, float, float]:
        """Share of the prompt that the cache gives back; USD of a token read from it, and not."""
        share, read, cold = self._rates(model, price)
        return share, float(read), float(cold)

    def _rates(self, model: Model, price: Price) -> tuple[float, Decimal, Decimal]:
        cache, prefix = _cache_of(model), self.view.warm.get(model.id)
        if self.prompt < cache.min_tokens:
            share = 0.0
        elif prefix is None:
            share = expected_share(cache, _provider_of(model), self.view)
        else:
            share = prefix.share
        cold = price.input or _FREE
        read = cold if price.cache_read is None else price.cache_read
        if share:
            is_long = prefix is not None and prefix.life_s > cache.life_s
            write = price.cache_write_1h if is_long else None
            write = price.cache_write if write is None else write
            cold = cold if write is None else write
        return share, read, cold

    def leaving(self, last: Model) -> Horizon:
        """The same turns of a session whose last turn that model served."""
        _, read, cold = self.rates(last, last.price.rates(self.prompt, self.at))
        return replace(self, leaving_usd=RETURNS * self.cached(last) * (cold - read))

    def always(self, model: Model) -> Horizon:
        """The same turns as if the model had served every former one."""
        return self._on(model, self.view.last_tokens, self.view.at)

    def _on(self, model: Model, tokens: int, at: float) -> Horizon:
        """The same turns where the model alone served a prompt of so many tokens at that time."""
        view, cache = self.view, _cache_of(model)
        lives = [prefix.life_s for prefix in view.warm.values()]
        is_long = bool(cache.long_life_s) and max(lives, default=0.0) >= cache.long_life_s
        prefix = WarmPrefix(
            tokens=tokens if tokens >= cache.min_tokens else 0,
            share=expected_share(cache, _provider_of(model), view),
            at=at,
            life_s=cache.long_life_s if is_long else cache.life_s,
            provider=_provider_of(model),
        )
        alone = SessionView(
            model=model.id,
            assessment=view.assessment,
            at=view.at,
            turns=view.turns,
            last_tokens=tokens,
            growth=view.growth,
            output_tokens=view.output_tokens,
            further_turns=view.further_turns,
            warm={model.id: prefix},
            shares=view.shares,
        )
        return Horizon(alone, self.prompt, self.further, self.at, self.leaving_usd)


def further_turns(counts: Mapping[str, int]) -> float:
    """Turns of an ask that follow one of its turns. `counts`: kind → turns of a client's sessions.

    The number of turns that return results of tools for each ask: an ask that has gone on for some
    turns is taken to go on for as many as a new one.
    """
    asks = counts.get("ask", 0) + counts.get("subagent", 0)
    results = counts.get("tool_result", 0)
    usual = (results + PRIOR_ASKS * FURTHER_TURNS) / (asks + PRIOR_ASKS)
    return min(usual, MOST_FURTHER_TURNS)


def horizon(
    view: SessionView,
    kind: TurnKind,
    prompt: int,
    at: float | None,
    models: Mapping[str, Model] | None = None,
) -> Horizon:
    """The turns that a choice is made for. `at`: `None` counts as no time since the last turn.

    `models`: connected ones, by id.
    """
    further = 0.0 if kind in HOUSEKEEPING else view.further_turns
    turn = Horizon(view, prompt, further, view.at if at is None else at)
    last = models.get(view.model) if models and further else None
    return turn if last is None else turn.leaving(last)


def with_warm_cache(usage: Usage, model: Model, turn: Horizon, least: int = 0) -> Usage:
    """The tokens of a turn as the model would have been billed, had it served every turn so far.

    `least`: tokens that it would have read from its cache in any case, because the model that did
    serve the turn read as many: a session may be older than what is known of it.
    """
    if not turn.prompt or usage.input < _cache_of(model).min_tokens:
        return usage
    share = turn.always(model).cached(model) / turn.prompt
    read = min(usage.input, max(least, round(usage.input * share)))
    return replace(usage, cache_read=read, cache_write=usage.input - read)


class Served(NamedTuple):
    """A turn that was answered.

    `cache`: of the provider that answered. `usage`: `None` where it reported none. `prompt`: the
    router's estimate. `at`: when it ended (seconds since 1970).
    """

    model: str
    provider: str
    cache: Cache
    usage: Usage | None
    prompt: int
    assessment: Assessment
    kind: TurnKind
    at: float


def advanced(view: SessionView, turn: Served) -> SessionView:
    """The session after a turn. A housekeeping turn only renews the life of what it read."""
    former = view.warm.get(turn.model)
    if turn.kind in HOUSEKEEPING:
        if former is None or turn.usage is None or not turn.usage.cache_read:
            return view
        return replace(view, warm={**view.warm, turn.model: former._replace(at=turn.at)})
    warm = dict(view.warm)
    if turn.prompt < view.last_tokens * REWRITTEN:
        warm = {model: prefix._replace(tokens=0) for model, prefix in warm.items()}
        former = warm.get(turn.model)
    warm[turn.model] = _prefix(turn, former, view)
    count, usage = view.turns, turn.usage
    answer = view.output_tokens
    if usage is not None:
        answer += (usage.output - usage.reasoning - answer) / (count + 1)
    grown = turn.prompt - view.last_tokens
    growth = view.growth
    if count and grown >= 0:
        growth += (grown - growth) / count
    keeps = turn.kind == "tool_result" and view.assessment is not None
    return SessionView(
        model=turn.model,
        assessment=view.assessment if keeps else turn.assessment,
        at=turn.at,
        turns=count + 1,
        last_tokens=turn.prompt,
        growth=growth,
        output_tokens=answer,
        further_turns=view.further_turns,
        warm=warm,
        shares=view.shares,
    )


def _prefix(turn: Served, former: WarmPrefix | None, view: SessionView) -> WarmPrefix:
    """What the cache of the model that answered holds after the turn."""
    cache, usage = turn.cache, turn.usage
    expected = expected_share(cache, turn.provider, view)
    share, seen = (expected, 0) if former is None else (former.share, former.seen)
    life_s, tokens = cache.life_s, turn.prompt
    if usage is not None and usage.input:
        touched = (usage.cache_read + usage.cache_write) / usage.input
        if usage.cache_write or cache.marked:
            tokens = round(turn.prompt * min(1.0, touched))
        given_back = read_back(former, turn)
        if given_back is not None:
            seen += 1
            share += (given_back - share) / (seen + (0 if cache.marked else PRIOR_SEEN))
        if cache.marked:
            # Without a mark nothing is cached, now or later; a mark that was missing may appear.
            share = 0.0 if not touched else share or 1.0
        if cache.long_life_s and (usage.cache_write_1h or _stays_long(turn, former)):
            life_s = cache.long_life_s
    if turn.prompt < cache.min_tokens:
        tokens, share, seen = 0, expected, 0
    return WarmPrefix(tokens, share, turn.at, life_s, turn.provider, seen)


def read_back(former: WarmPrefix | None, turn: Served) -> float | None:
    """Share of the former prompt that the cache gave back, 0–1; `None` where none was expected."""
    usage = turn.usage
    if usage is None or not usage.input or former is None or not former.tokens:
        return None
    if turn.at - former.at > former.life_s or former.provider != turn.provider:
        return None
    return min(1.0, usage.cache_read / usage.input * turn.prompt / former.tokens)


def _stays_long(turn: Served, former: WarmPrefix | None) -> bool:
    """Whether a prefix with the long life was read, and nothing with the short one was written."""
    usage = turn.usage
    if usage is None or former is None or usage.cache_write:
        return False
    return bool(usage.cache_read) and former.life_s > turn.cache.life_s


def expected_share(cache: Cache, provider: str, view: SessionView) -> float:
    """Share of a former prompt that a cache is expected to give back to a session new to it."""
    return 1.0 if cache.marked else view.shares.get(provider, UNPROMISED)


def _cache_of(model: Model) -> Cache:
    return model.endpoints[0].provider.cache if model.endpoints else _NO_CACHE


def _provider_of(model: Model) -> str:
    return model.endpoints[0].provider.name if model.endpoints else ""
