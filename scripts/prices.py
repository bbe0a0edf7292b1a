"""Refresh the shipped manifests' prices from price lists, and say what has changed.

    python scripts/prices.py                          compare with genai-prices as installed
    python scripts/prices.py --models-dev FILE        and where it has no price with models.dev
    python scripts/prices.py --write                  write what is not doubtful
    python scripts/prices.py --write --doubtful       write everything
    python scripts/prices.py google/gemini-2.5-pro    look at these models only

No network: upgrade genai-prices first, download https://models.dev/api.json by hand.

Written are `cost`, `cost_when`, `checked` and `source` of a model; comments and order stay. What
a list does not know stays, too: a key of `cost`, the weekdays of hours, a model. A list that is
older than `checked` changes nothing. Doubtful is an input or output price that more than doubles,
more than halves, or becomes 0: marked with ?, and written only on demand.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import re
import tomllib
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from price_list import KEYS, Listed, PriceList, read_genai
from rightmodel.manifest.read import shipped_dir

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

BLOCK: Final = "[[models]]\n"
COST: Final = re.compile(r"^cost = \{[^}]*\}(.*)\n", re.MULTILINE)
WHEN: Final = re.compile(r"^cost_when = \[(?:\n(?:  .*\n)*\]|.*\])\n", re.MULTILINE)
WIDEST: Final = 120
FACTOR: Final = 2
MODELS_DEV: Final = {
    "moonshot": "moonshotai",
    "together": "togetherai",
    "fireworks": "fireworks-ai",
}
"""Our name of a provider → theirs, where they differ."""


class Source(Protocol):
    """A price list of a day, `date`. `address`: for `source`; `stem`: how an older one begins."""

    date: dt.date
    address: str
    stem: str

    def find(self, provider: str, base_url: str, wire: str) -> Listed | None:
        """The prices of a model, `None` where it has none."""


class GenaiPrices:
    """genai-prices; it has no date of its own, so the newest there is counts as of today."""

    stem = "https://pypi.org/project/genai-prices/"

    def __init__(self, prices: PriceList, today: dt.date) -> None:
        self._prices = prices
        self.date = today
        self.address = f"{self.stem}{prices.name.split()[-1]}/"

    def find(self, provider: str, base_url: str, wire: str) -> Listed | None:  # noqa: ARG002
        """By the provider's address."""
        return self._prices.find(base_url, wire)


class ModelsDev:
    """A file of models.dev: its api.json, or the same below `providers` beside a `snapshot` day."""

    stem = "https://models.dev"

    def __init__(self, file: Path, today: dt.date) -> None:
        data = json.loads(file.read_text(encoding="utf-8"), parse_float=Decimal, parse_int=Decimal)
        self._providers = data.get("providers", data)
        self.date = dt.date.fromisoformat(data["snapshot"]) if "snapshot" in data else today
        self.address = f"{self.stem} ({self.date})"

    def find(self, provider: str, base_url: str, wire: str) -> Listed | None:  # noqa: ARG002
        """By the provider's name."""
        models = self._providers.get(MODELS_DEV.get(provider, provider), {}).get("models", {})
        cost = models.get(wire, {}).get("cost")
        if not cost:
            return None
        tiers = [
            {"input_above": int(tier["tier"]["size"]), **_known(tier)}
            for tier in cost.get("tiers", ())
        ]
        return Listed(_known(cost), tiers)


def _known(cost: dict[str, Any]) -> dict[str, Any]:
    return {key: cost[key] for key in KEYS.values() if cost.get(key) is not None}


@dataclass(frozen=True)
class Entry:
    """One model of a manifest: its values, and its text from `[[models]]` on."""

    provider: str
    base_url: str
    values: dict[str, Any]
    text: str

    @property
    def wire(self) -> str:
        """Its name at the provider."""
        name: str = self.values.get("name") or self.values["id"].partition("/")[2]
        return name


@dataclass(frozen=True)
class Update:
    """An entry with the text that it should have, and the lines that changed."""

    entry: Entry
    text: str
    lines: tuple[str, ...]
    doubtful: bool


def entries(file: Path) -> tuple[str, list[Entry]]:
    """The text before the first model, and the models."""
    text = file.read_text(encoding="utf-8")
    data = tomllib.loads(text, parse_float=Decimal)
    head, *blocks = text.split(BLOCK)
    name, provider = next(iter(data["providers"].items()))
    models = data.get("models", [])
    pairs = zip(models, blocks, strict=True)
    return head, [Entry(name, provider["base_url"], v, BLOCK + block) for v, block in pairs]


def updated(entry: Entry, sources: Sequence[Source]) -> Update | None:
    """What the first list that has the model makes of it, `None` where none has or it is older."""
    found = ((s, s.find(entry.provider, entry.base_url, entry.wire)) for s in sources)
    source, listed = next(((s, entry_) for s, entry_ in found if entry_), (None, None))
    checked = entry.values.get("checked")
    if source is None or listed is None or (checked and source.date < checked):
        return None
    cost = {**entry.values.get("cost", {}), **listed.cost}
    when = _with_days(listed.when, entry.values.get("cost_when", []))
    old = _price_lines(entry.text)
    text = COST.sub(
        lambda m: f"{cost_line(cost)}{m[1]}\n{when_lines(when)}", WHEN.sub("", entry.text), count=1
    )
    text = re.sub(r"^checked = .*$", f"checked = {source.date}", text, flags=re.MULTILINE)
    origin = _source(entry.values.get("source", ""), source)
    text = re.sub(r"^source = .*$", lambda _: f'source = "{origin}"', text, flags=re.MULTILINE)
    new = _price_lines(text)
    gone, come = ([r for r in a if r not in b] for a, b in ((old, new), (new, old)))
    changed = (*(f"-{row}" for row in gone), *(f"+{row}" for row in come))
    return Update(entry, text, changed, _doubtful(entry.values.get("cost", {}), cost))


def _with_days(when: list[dict[str, Any]], before: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The list's terms; weekdays, which it does not know, stay where the hours do."""
    days = {tuple(e["utc"]): e["days"] for e in before if "utc" in e and "days" in e}
    return [
        {"utc": e["utc"], "days": days[tuple(e["utc"])], **e}
        if tuple(e.get("utc", ())) in days
        else e
        for e in when
    ]


def _doubtful(old: dict[str, Any], new: dict[str, Any]) -> bool:
    for key in ("input", "output"):
        a, b = old.get(key), new.get(key)
        if a and b is not None and not a / FACTOR <= b <= a * FACTOR:
            return True
    return False


def _source(before: str, source: Source) -> str:
    """The sources with this one in the place of an older issue of it."""
    parts = [part for part in before.split("; ") if part]
    if not any(part.startswith(source.stem) for part in parts):
        return "; ".join([*parts, source.address])
    return "; ".join(source.address if p.startswith(source.stem) else p for p in parts)


def _price_lines(text: str) -> list[str]:
    found = (COST.search(text), WHEN.search(text))
    return "".join(m.group() for m in found if m).splitlines()


def cost_line(cost: dict[str, Any]) -> str:
    """`cost = { … }` in the manifest's order."""
    return f"cost = {inline({k: cost[k] for k in KEYS.values() if k in cost})}"


def when_lines(when: list[dict[str, Any]]) -> str:
    """`cost_when = [ … ]`, on one line where it fits; nothing for nothing."""
    if not when:
        return ""
    short = f"cost_when = [{', '.join(map(inline, when))}]\n"
    if len(short) <= WIDEST:
        return short
    return "cost_when = [\n" + "".join(f"  {inline(entry)},\n" for entry in when) + "]\n"


def inline(table: dict[str, Any]) -> str:
    """An inline table of TOML."""
    return "{ " + ", ".join(f"{key} = {_value(value)}" for key, value in table.items()) + " }"


def _value(value: Any) -> str:
    if isinstance(value, list):
        return json.dumps(value)
    return f"{value.normalize():f}" if isinstance(value, Decimal) else str(value)


def refreshed(
    file: Path, sources: Sequence[Source], wanted: Sequence[str], *, doubtful: bool
) -> tuple[str, list[Update]]:
    """The file's text as it should be, and what the lists made of its models."""
    head, models = entries(file)
    text, updates = head, []
    for entry in models:
        update = None if wanted and entry.values["id"] not in wanted else updated(entry, sources)
        if update is None:
            text += entry.text
            continue
        updates.append(update)
        text += update.text if doubtful or not update.doubtful else entry.text
    return text, updates


def summary(updates: Sequence[Update]) -> Iterator[str]:
    """Like a diff: the price lines of models that changed."""
    for update in updates:
        if update.lines:
            yield f"{'? ' if update.doubtful else ''}{update.entry.values['id']}"
            yield from update.lines


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("ids", nargs="*", metavar="ID", help="these models only")
    parser.add_argument("--models-dev", type=Path, metavar="FILE", help="a second list")
    parser.add_argument("--write", action="store_true", help="write what is not doubtful")
    parser.add_argument("--doubtful", action="store_true", help="write what is doubtful, too")
    asked = parser.parse_args()
    today = dt.datetime.now(dt.UTC).date()
    sources: list[Source] = [GenaiPrices(read_genai(today), today)]
    if asked.models_dev:
        sources.append(ModelsDev(asked.models_dev, today))
    found, changed, doubts = 0, 0, 0
    for file in sorted(shipped_dir().glob("*.toml")):
        text, updates = refreshed(file, sources, asked.ids, doubtful=asked.doubtful)
        for line in summary(updates):
            print(line)
        found += len(updates)
        changed += sum(bool(u.lines) for u in updates)
        doubts += sum(bool(u.lines) and u.doubtful for u in updates)
        if asked.write:
            file.write_text(text, encoding="utf-8")
    print(f"{found} listed, {changed} changed, {doubts} of them doubtful")


if __name__ == "__main__":
    main()
