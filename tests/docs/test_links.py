"""What the documents name exists: linked pages and headings, and files of the repository."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).parents[2]
PACKAGE: Final = ROOT / "server" / "rightmodel"
FOLDERS: Final = "|".join(
    sorted(path.name for base in (ROOT, PACKAGE) for path in base.iterdir() if path.name[0] != ".")
)
# `[!.]`: tools leave pages of their own in hidden folders.
PAGES: Final = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("[!.]*/README.md"), *ROOT.glob("docs/**/*.md")]
)
LINK: Final = re.compile(r"\]\(([^)\s#]*)(?:#([^)\s]+))?\)")
FILE: Final = re.compile(rf"`((?:{FOLDERS})/[\w/.-]+\.(?:py|md|toml|svg|jsonl|json))`")
HEADING: Final = re.compile(r"^#+ (.*)$", re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """The headings as the fragments that lead to them."""
    headings = (text.strip().lower() for text in HEADING.findall(page.read_text()))
    return {re.sub(r"[^\w\- ]", "", text).replace(" ", "-") for text in headings}


def missing(page: Path) -> Iterator[str]:
    """Links and files of the page that lead nowhere."""
    text = page.read_text()
    for target, fragment in LINK.findall(text):
        if "://" in target:
            continue
        linked = page.parent / target if target else page
        if not linked.exists() or (fragment and fragment not in anchors(linked)):
            yield f"{target}#{fragment}"
    for name in FILE.findall(text):
        if not any((base / name).exists() for base in (ROOT, PACKAGE, page.parent, ROOT / "tests")):
            yield name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_and_every_file_that_a_page_names_exists(page: Path) -> None:
    assert list(missing(page)) == []


def modules_named() -> Iterator[tuple[str, str]]:
    """(folder, module) for every lower-case name in the architecture's table."""
    for line in (ROOT / "docs" / "architecture.md").read_text().splitlines():
        if row := re.match(r"\| `(\w+)/` \| (.*) \|$", line):
            for name in re.findall(r"`([a-z_]+)`", row[2]):
                yield row[1], name


def test_the_architecture_names_every_folder_and_only_modules_that_exist() -> None:
    named = set(modules_named())
    files = {(path.relative_to(PACKAGE).parts[0], path.stem) for path in PACKAGE.rglob("*.py")}
    folders = {
        (path.relative_to(PACKAGE).parts[0], path.name)
        for path in PACKAGE.rglob("*")
        if path.is_dir()
    }
    assert named - files - folders == set()
    packages = {path.parent.name for path in PACKAGE.glob("*/__init__.py")} - {"decide"}
    assert packages == {folder for folder, _ in named}
