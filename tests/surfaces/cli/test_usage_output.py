from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path

import pytest

from ledger.rows import attempt, call
from rightmodel.ledger.paths import FILE
from surfaces.cli.spendings import HOSTILE, Rows, hostile, months, write
from surfaces.cli.usage_command import MANIFEST, NOW, outcome_of, run, settle, total


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settle(tmp_path, monkeypatch)


def test_csv_has_a_row_for_each_attempt_or_each_group(tmp_path: Path) -> None:
    rows = months(NOW, calls=300, days=20)
    write(tmp_path / "state", rows)
    lines = list(csv.DictReader(io.StringIO(run("--csv"))))
    assert len(lines) == len(rows.attempts)
    assert total(Decimal(line["cost_usd"] or 0) for line in lines) == total(
        a.cost_usd for a in rows.attempts
    )
    groups = list(csv.DictReader(io.StringIO(run("--csv", "--by", "provider"))))
    assert {g["provider"] for g in groups} == {a.provider for a in rows.attempts}
    assert total(Decimal(g["spent_usd"]) for g in groups) == total(
        a.cost_usd for a in rows.attempts
    )
    assert all(re.fullmatch(r"-?\d+(\.\d+)?", g["spent_usd"]) for g in groups)
    assert float(groups[0]["attempt_p95_s"]) > 0


def test_names_are_no_formulas_no_markup_and_no_commands(tmp_path: Path) -> None:
    write(tmp_path / "state", hostile(NOW))
    cells = {
        cell for line in csv.reader(io.StringIO(run("--csv", "--days", "900"))) for cell in line
    }
    assert "'" + HOSTILE[3] in cells
    assert not any(cell.startswith("=") for cell in cells)
    text = run("--days", "900")
    assert "\x1b" not in text
    assert "[bold]not" in text
    run("--html", "page.html", "--days", "900")
    page = (tmp_path / "page.html").read_text()
    assert "\x1b" not in page
    assert "\u202e" not in page
    parser = Tags()
    parser.feed(page)
    parser.close()
    assert parser.open == []
    assert not parser.seen & {"script", "img", "i", "u", "link", "iframe", "a"}
    assert not any(name.startswith("on") for name in parser.attributes)


class Tags(HTMLParser):
    """Which elements and attributes a page has, and that each is closed."""

    EMPTY = frozenset({"meta", "wbr"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.attributes.update(name for name, _ in attrs)
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_and_the_terminal_agree(tmp_path: Path) -> None:
    write(tmp_path / "state", months(NOW, calls=400))
    (tmp_path / "rightmodel.toml").write_text(MANIFEST)
    text = run()
    assert run("--html", "page.html") == "wrote page.html\n"
    page = (tmp_path / "page.html").read_text()
    shown = re.sub(r"<wbr>|\u2060", "", page).replace("\u00a0", " ")
    for figure in re.findall(r"−?\$[\d,.]+", text.split("by day")[0]):
        assert figure in shown
    assert "http:" not in page
    assert "https:" not in page
    assert "prefers-color-scheme: dark" in page
    result = outcome_of("--html", "no/such/folder/page.html")
    assert "cannot be written" in str(result.exception)


def test_what_helps_against_a_fault_is_told_once_however_narrow_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = [attempt("0", call=1, provider=p, fault="overloaded", at=NOW) for p in ("p", "q")]
    write(tmp_path / "state", Rows([call(id=1, at=NOW)], failed))
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "60")
    shown = re.sub(r"\x1b\[[\d;]*m", "", run())
    advice = "overloaded → overloaded: try again later, or connect another"
    assert shown.count(advice) == 1


def test_another_process_may_write_meanwhile(tmp_path: Path) -> None:
    file = tmp_path / "state" / FILE
    root = Path(__file__).parents[2]
    writer = subprocess.Popen(
        [sys.executable, str(root / "surfaces" / "cli" / "usage_writer.py"), str(file)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={"PYTHONPATH": str(root)},
        text=True,
    )
    assert writer.stdout is not None
    assert writer.stdout.readline() == "begun\n"
    seen = []
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-m", "rightmodel", "usage", "--json"],
            capture_output=True,
            text=True,
            timeout=50,
            check=True,
        )
        found = json.loads(done.stdout)["total"]
        # One moment: no call without its attempt, no attempt without its call.
        assert found["calls"] == found["attempts"]
        assert Decimal(found["spent_usd"]) == found["calls"] * Decimal("0.01")
        assert found["lost_usd"] == "0"
        seen.append(found["calls"])
    output, _ = writer.communicate("stop\n", timeout=50)
    told = json.loads(output)
    assert told["troubles"] == 0
    assert 0 < seen[0] < seen[1] < seen[2] <= told["calls"]
    assert [p.name for p in file.parent.iterdir()] == [FILE]
