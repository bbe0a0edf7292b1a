"""`rightmodel log`: the last calls, and everything that is known of one."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from functools import partial
from math import isinf
from typing import TYPE_CHECKING, Any, Final, get_args

import click

from rightmodel.core.decision import models_by_reason
from rightmodel.core.errors import TaskError, UnknownNameError
from rightmodel.core.format import UNKNOWN, cut, dollars, duration, usd
from rightmodel.core.task import TurnKind
from rightmodel.surfaces import call_view
from rightmodel.surfaces.call_view import ANSWERED, Logged, Wanted
from rightmodel.surfaces.cli import with_settings
from rightmodel.surfaces.cli.terminal import echo, styled
from rightmodel.surfaces.ledger_view import ask_ledger, manifest_of

if TYPE_CHECKING:
    from rich.console import Console

    from rightmodel.ledger.records import AttemptRecord, Choice
    from rightmodel.manifest.catalog import Catalog
    from rightmodel.manifest.settings import Settings

    Ask = Callable[..., list[Logged]]

USUAL: Final = 20
MOST: Final = 1_000_000
KINDS: Final = ("subtask", *get_args(TurnKind))
LOOK_S: Final = 1.0
"""Between two looks at the ledger while following."""
MOST_NEW: Final = 10_000
SESSION_CHARS: Final = 8
TASK_CHARS: Final = 40
WHY_CHARS: Final = 300
PIPE_WIDTH: Final = 1000
"""Columns of a table that no terminal limits: no column is dropped."""
NEEDED: Final = frozenset({"when", "ref", "model", "outcome", "cost", "saved", "time"})
"""Columns of every table, however narrow."""
SHORT: Final = {
    "all_attempts_failed": "failed",
    "budget_exhausted": "no budget",
    "no_candidate": "no model",
}
"""Outcomes on a terminal, whose width models' names need."""
LEFT: Final = ("ref", "client", "kind", "model", "outcome", "session", "task", "why", "provider")
"""Columns of text."""
_AGO: Final = re.compile(r"(\d+)\s*(s|min|h|d)")
_UNITS: Final = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86_400.0}
_NONE: Final = "no call is in the ledger yet"


@click.command("log")
@click.argument("ref", default="")
@click.option(
    "-n", "count", type=click.IntRange(1, MOST), default=USUAL, help=f"How many ({USUAL})."
)
@click.option("--client", default="", metavar="NAME", help="Only calls of this client.")
@click.option("--session", default="", metavar="ID", help="Only this session of an agent.")
@click.option("--model", default="", metavar="ID", help="Only answered by this model or pattern.")
@click.option("--kind", default="", metavar="KIND", help="Only of this kind: ask, title, subtask …")
@click.option("--since", default="", metavar="TIME", help="Since 2h, 3d or 2026-11-20.")
@click.option("--until", default="", metavar="TIME", help="Until then.")
@click.option("--failed", is_flag=True, help="Only calls without an answer.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.option("-f", "--follow", is_flag=True, help="Go on with calls as they end, until Ctrl-C.")
@with_settings
def command(
    settings: Settings, *, ref: str, count: int, as_json: bool, follow: bool, **chosen: Any
) -> None:
    """Show the last calls, newest first; with REF, everything that is known of that call.

    Reads the ledger; servers may write to it meanwhile. Times are UTC.
    """
    if (kind := chosen["kind"]) and kind not in KINDS:
        raise UnknownNameError("kind", kind, KINDS, argument="--kind")
    catalog, _ = manifest_of(settings)
    now = time.time()
    if ref:
        _show_receipt(_found(catalog, settings, ref), as_json=as_json)
        return
    since = _time("since", chosen.pop("since"), now, 0.0)
    until = _time("until", chosen.pop("until"), now, now + _UNITS["d"])
    wanted = Wanted(since=since, until=until, **chosen)

    def ask(wanted: Wanted, count: int, *, is_checked: bool = True) -> list[Logged]:
        question = partial(call_view.latest, wanted=wanted, count=count)
        return ask_ledger(catalog, settings, question, is_checked=is_checked) or []

    calls = ask(wanted, count)
    if follow:
        _follow(ask, wanted, calls, as_json=as_json)
    elif as_json:
        _print(calls, as_json=True)
    elif calls:
        _show_table(calls)
    else:
        echo("no such call is in the ledger" if ask(Wanted(until=now + _UNITS["d"]), 1) else _NONE)


def _found(catalog: Catalog | None, settings: Settings, ref: str) -> Logged:
    """The call with that ref. Raises `TaskError`."""
    found = ask_ledger(catalog, settings, lambda reader: call_view.find(reader, ref))
    if found is None:
        raise TaskError(
            f"no call in the ledger has the ref {cut(ref)!r}; `rightmodel log` lists the last ones",
            argument="ref",
        )
    return found


def _time(option: str, text: str, now: float, usual: float) -> float:
    """A time as it is written on the command line, in seconds since 1970."""
    if not text:
        return usual
    if ago := _AGO.fullmatch(text.strip()):
        return now - int(ago[1]) * _UNITS[ago[2]]
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise TaskError(
            f"--{option} {text!r}: write 30min, 2h or 3d, a UTC day (2026-11-20) or a time "
            "(2026-11-20T18:30)",
            argument=option,
        ) from error
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    whole_day = option == "until" and len(text) == len("2026-11-20")
    return at.timestamp() + (_UNITS["d"] - 0.001 if whole_day else 0.0)


def _follow(ask: Ask, wanted: Wanted, calls: list[Logged], *, as_json: bool) -> None:
    """The last calls in order, and further ones below them."""
    _print(reversed(calls), as_json=as_json)
    began = max((logged.call.at for logged in calls), default=time.time())
    look = partial(ask, count=MOST_NEW, is_checked=False)
    pause = partial(time.sleep, LOOK_S)
    for logged in call_view.follow(look, wanted, calls, began=began, pause=pause):
        _print([logged], as_json=as_json)


def _print(calls: Iterable[Logged], *, as_json: bool) -> None:
    for logged in calls:
        if as_json:
            echo(json.dumps(call_view.as_json(logged), ensure_ascii=False))
        else:
            cells = _cells(logged)
            outcome = cells["outcome"]
            shown = styled(outcome, fg="red") if _is_bad(logged) else outcome
            echo(cells["when"], "  ", shown, "  ", _line(cells))


def _line(cells: dict[str, str]) -> str:
    names = ("ref", "client", "kind", "model", "cost", "saved", "time", "task")
    return "  ".join(cells[name] for name in names if cells[name])


def _is_bad(logged: Logged) -> bool:
    return logged.call.outcome != ANSWERED or logged.verdict == "bad"


def _show_table(calls: Iterable[Logged]) -> None:
    from rich.text import Text

    from rightmodel.surfaces.cli.console import console, print_table, table

    screen, now = console(PIPE_WIDTH), time.time()
    rows = [(logged, _cells(logged)) for logged in calls]
    if screen.is_terminal:
        rows = [(one, cells | _short(one, now)) for one, cells in rows]
    names = [name for name in rows[0][1] if any(cells[name] for _, cells in rows)]
    made = table(*names)
    for column in made.columns:
        if column.header in LEFT:
            column.justify = "left"
        column.no_wrap = column.header != "model"
    for logged, cells in rows:
        style = "red" if _is_bad(logged) else ""
        made.add_row(*(Text(cells[name]) for name in names), style=style)
    print_table(screen, made, least=sum(name in NEEDED for name in names))


def _cells(logged: Logged) -> dict[str, str]:
    """A call in words, the most important first."""
    call, texts = logged.call, logged.texts
    attempts = [a for a in logged.attempts if a.number > 0]
    prompt = " ".join(texts.prompt.split()) if texts else ""
    return {
        "when": _when(call.at),
        "ref": call.ref,
        "model": call.model or UNKNOWN,
        "outcome": logged.verdict,
        "cost": usd(call.cost_usd),
        "saved": "" if call.saved_usd is None else usd(call.saved_usd),
        "time": duration(call.time_s),
        "attempts": str(len(attempts)),
        "task": cut(prompt, TASK_CHARS) if prompt else call.task[:SESSION_CHARS],
        "kind": call.kind,
        "client": call.client,
        "session": call.session[:SESSION_CHARS],
        "why": cut(" ".join(call.reason.split()), WHY_CHARS),
    }


def _short(logged: Logged, now: float) -> dict[str, str]:
    """Cells as short as they stay clear: the time of a call of today, the day of an older one."""
    when, today = _when(logged.call.at), _when(now)
    if when[:10] == today[:10]:
        when = when[11:]
    else:
        when = when[5:16] if when[:4] == today[:4] else when[:10]
    return {"when": when, "outcome": SHORT.get(logged.verdict, logged.verdict)}


def _when(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")


# -- one call -------------------------------------------------------------------------------------


def _show_receipt(logged: Logged, *, as_json: bool) -> None:
    if as_json:
        echo(json.dumps(call_view.receipt_json(logged), ensure_ascii=False, indent=2))
        return
    from rightmodel.surfaces.cli.console import console

    screen = console()
    for name, text in _facts(logged):
        if text:
            echo(styled(f"{name:>9}", dim=True), "  ", text)
    _attempts(screen, logged)
    if logged.choice is None:
        echo("\nwhat it could choose from was not recorded")
    else:
        _candidates(screen, logged.choice)
        _rejections(logged.choice)


def _facts(logged: Logged) -> Iterator[tuple[str, str]]:
    call, texts = logged.call, logged.texts
    yield "call", f"{call.ref}, ended {_when(call.at)} UTC after {duration(call.time_s)}"
    who = [(name, getattr(call, name)) for name in ("client", "session", "kind", "host")]
    who.append(("user", call.user_name))
    yield "from", ", ".join(f"{name} {value}" for name, value in who if value)
    yield "task", cut(texts.prompt, 500) if texts else f"{call.task} (a hash; no text is stored)"
    skills = ", ".join(f"{skill} {weight:.0%}" for skill, weight in call.skills)
    judge = f", judge {call.judge}" if call.judge else ""
    sure = f"by {call.source}, confidence {call.confidence:.0%}{judge}"
    yield "judged as", f"{skills}; counts as difficulty {call.difficulty:.1f}; {sure}"
    yield "tier", call.tier + (f"; rules: {call.rule}" if call.rule else "")
    yield "model", call.model or f"none: {call.outcome}"
    yield "why", call.reason
    yield "cost", _money(logged)
    yield "outcome", "; ".join(_outcomes(logged)) or call.outcome
    yield "notes", "; ".join(call.flags.splitlines())
    yield "answer", cut(texts.answer, 500) if texts else ""


def _money(logged: Logged) -> str:
    call = logged.call
    text = usd(call.cost_usd)
    if call.baseline and call.baseline_usd is not None:
        text += f"; {call.baseline} would have cost {usd(call.baseline_usd)}"
    return text if call.saved_usd is None else f"{text}; saved {usd(call.saved_usd)}"


def _outcomes(logged: Logged) -> Iterator[str]:
    for outcome in logged.outcomes:
        how = "good" if outcome.good >= call_view.GOOD else "bad"
        source = "reported" if outcome.kind == "reported" else "by its schema"
        note = f" ({outcome.note})" if outcome.note else ""
        yield f"{outcome.model} {how}, {source}{note}"


def _attempts(screen: Console, logged: Logged) -> None:
    from rightmodel.surfaces.cli.console import print_table, table

    echo("\n", styled("attempts", bold=True))
    heads = ("#", "began", "model", "provider", "outcome", "cost", "time", "in", "cached", "out")
    made = table(*heads)
    for a in logged.attempts:
        counts = ("" if n is None else f"{n:,}" for n in (a.input, a.cached, a.output))
        served = f" as {a.served}" if a.served and a.served != a.name else ""
        number = str(a.number) if a.number > 0 else "correction"
        what = (number, _began(logged, a), a.model + served, a.provider, a.fault or "ok")
        made.add_row(*what, f"{usd(a.cost_usd)} {a.cost_kind}", duration(a.time_s), *counts)
    for column in made.columns[2:5]:
        column.justify = "left"
    print_table(screen, made)


def _began(logged: Logged, attempt: AttemptRecord) -> str:
    """When an attempt began, after its call did; "" for a later correction."""
    if attempt.number < 0:
        return ""
    since_s = attempt.at - attempt.time_s - (logged.call.at - logged.call.time_s)
    return f"+{duration(max(0.0, since_s))}"


def _candidates(screen: Console, choice: Choice) -> None:
    from rightmodel.surfaces.cli.console import print_table, table

    loss = dollars(choice.loss)
    echo("\n", styled("candidates", bold=True), f": expected total = cost + risk × {loss}")
    made = table("model", "chance", "cost", "total", "time")
    for c in choice.candidates:
        total = UNKNOWN if isinf(c.total_usd) else dollars(c.total_usd)
        made.add_row(c.model, f"{c.p_success:.1%}", usd(c.cost_usd), total, duration(c.time_s))
    print_table(screen, made)


def _rejections(choice: Choice) -> None:
    if choice.rejections:
        echo("\n", styled("rejected", bold=True))
    for reason, names in models_by_reason(choice.rejections).items():
        echo(f"{', '.join(names)}: {reason}")
