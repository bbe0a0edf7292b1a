"""The page of `rightmodel usage` in a real browser: light and dark, on a phone and on a desk."""

from __future__ import annotations

import subprocess
import time
from typing import TYPE_CHECKING, Any, Final

import pytest

from e2e import install
from e2e.browser import Page, Scheme, a_page
from e2e.setup import RIGHTMODEL
from surfaces.cli.spendings import hostile, months, write

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.e2e

SIZES: Final = [(400, "light"), (400, "dark"), (1280, "light"), (1280, "dark")]
MANIFEST: Final = """version = 1
include = ["anthropic"]
baseline = "anthropic/claude-opus-4-8"
[budget]
per_day_usd = 0.5
per_month_usd = 1000
"""

CONTRAST: Final = """(() => {
  const canvas = new OffscreenCanvas(1, 1).getContext('2d', {willReadFrequently: true});
  const over = (below, colour) => {
    canvas.fillStyle = below; canvas.fillRect(0, 0, 1, 1);
    canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    const [r, g, b] = canvas.getImageData(0, 0, 1, 1).data;
    return `rgb(${r}, ${g}, ${b})`;
  };
  const ground = (element) => {
    const above = [];
    for (let e = element; e; e = e.parentElement) above.push(getComputedStyle(e).backgroundColor);
    return above.reverse().reduce(over, 'white');
  };
  const light = (colour) => {
    const [r, g, b] = colour.match(/[\\d.]+/g).map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ratio = (a, b) => {
    const [low, high] = [light(a), light(b)].sort((x, y) => x - y);
    return (high + 0.05) / (low + 0.05);
  };
  const found = {text: [], shapes: []};
  for (const element of document.querySelectorAll('body *')) {
    const style = getComputedStyle(element);
    const own = [...element.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
    if (own && element.checkVisibility() && !element.closest('svg')) {
      const below = ground(element);
      found.text.push([ratio(over(below, style.color), below), element.textContent.slice(0, 40)]);
    }
    const bar = element.matches('.bar');
    if (bar || element.matches('rect:not(.hover)')) {
      const below = ground(bar ? element.closest('.bars') : element.closest('.plot'));
      const colour = over(below, bar ? style.backgroundColor : style.fill);
      found.shapes.push([ratio(colour, below), element.getAttribute('class')]);
    }
  }
  return {text: found.text.sort((a, b) => a[0] - b[0]).slice(0, 3), count: found.text.length,
          shapes: found.shapes.sort((a, b) => a[0] - b[0]).slice(0, 3)};
})()"""

OVERLAPS: Final = """(() => {
  const boxes = [...document.querySelectorAll(
      '.mark span, .names span, .figure, .name, .much, .what, h1, h2')]
    .filter((e) => e.checkVisibility())
    .map((e) => [e.textContent, e.getBoundingClientRect()]);
  const found = [];
  for (let i = 0; i < boxes.length; i++) {
    const [text, a] = boxes[i];
    if (a.left < -0.5 || a.right > innerWidth + 0.5) found.push(['outside', text]);
    for (let j = i + 1; j < boxes.length; j++) {
      const [other, b] = boxes[j];
      if (a.right - b.left > 1 && b.right - a.left > 1 && a.bottom - b.top > 3 &&
          b.bottom - a.top > 3) found.push([text, other]);
    }
  }
  return found;
})()"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    command = install.browser()
    if command is None:
        pytest.skip("there is no Chromium: install the distribution's package chromium")
    with a_page(command, tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Written by the command itself: usual, strange and empty ledgers."""
    now = time.time()
    made = {}
    for name, rows in (("usual", months(now)), ("strange", hostile(now)), ("empty", None)):
        folder = tmp_path_factory.mktemp(name)
        (folder / "rightmodel.toml").write_text(MANIFEST)
        if rows is not None:
            write(folder / "state", rows)
        subprocess.run(
            [RIGHTMODEL, "usage", "--html", "page.html", "--days", "800"],
            cwd=folder,
            env={"HOME": str(folder), "RIGHTMODEL_STATE_DIR": str(folder / "state")},
            check=True,
            timeout=50,
        )
        made[name] = folder / "page.html"
    return made


@pytest.mark.parametrize("name", ["usual", "strange", "empty"])
@pytest.mark.parametrize(("width", "scheme"), SIZES)
def test_the_page_is_fit_to_be_read(
    page: Page, pages: dict[str, Path], name: str, width: int, scheme: Scheme
) -> None:
    page.open(pages[name], width=width, scheme=scheme)
    page.ask("document.querySelectorAll('details').forEach((d) => { d.open = true })")
    complaints = [
        (method, told)
        for method, told in page.events
        if method in {"Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded"}
    ]
    assert complaints == []
    asked = [
        told["request"]["url"] for how, told in page.events if how == "Network.requestWillBeSent"
    ]
    assert asked == [pages[name].as_uri()]
    assert page.ask("document.title").startswith("rightmodel usage, ")
    assert page.ask("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert page.ask(OVERLAPS) == []
    contrast: dict[str, Any] = page.ask(CONTRAST)
    assert contrast["count"] > 3
    assert contrast["text"][0][0] >= 4.5, contrast["text"]
    assert all(ratio >= 3 for ratio, _ in contrast["shapes"]), contrast["shapes"]
    if name != "empty":
        assert contrast["shapes"]


def test_every_chart_has_a_text_equivalent(page: Page, pages: dict[str, Path]) -> None:
    page.open(pages["usual"], width=1280, scheme="light")
    told = page.send("Accessibility.getFullAXTree")["nodes"]
    roles = [
        (node["role"]["value"], node.get("name", {}).get("value", ""))
        for node in told
        if not node.get("ignored")
    ]
    images = [name for role, name in roles if role in {"image", "img"}]
    assert len(images) >= 6
    assert all(images)
    headings = [name for role, name in roles if role == "heading"]
    assert headings[0] == "What was spent and saved"
    assert {"Over time", "By model", "By skill", "Quality, as reported", "Faults"} <= {*headings}
    assert all(name for role, name in roles if role == "region")
    assert page.ask("document.documentElement.lang") == "en"


def test_the_lengths_of_bars_are_their_figures(page: Page, pages: dict[str, Path]) -> None:
    page.open(pages["usual"], width=1280, scheme="light")
    lengths = page.ask(
        "[...document.querySelectorAll('[aria-label=\"Spent and saved by model\"] .line')].map("
        "(l) => [l.querySelector('.bar').getBoundingClientRect().width, l.textContent])"
    )
    drawn = {
        text: width for width, text in lengths if text.startswith("$") and not text.endswith("?")
    }
    amounts = {text: float(text.strip("$").replace(",", "")) for text in drawn}
    longest = max(amounts, key=amounts.__getitem__)
    for text, width in drawn.items():
        expected = drawn[longest] * amounts[text] / amounts[longest]
        assert width == pytest.approx(expected, abs=2.5)
