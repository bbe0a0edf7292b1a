"""docs/faults.md has a row for every fault of the design, and a test for every row."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

HERE = Path(__file__).parent
TESTS = HERE.parent
TABLE = TESTS.parent / "docs" / "faults.md"

DESIGN = {
    "The policy in short": (
        "`max_attempts`", "deadline", "backoff", "retry budget", "faults in a row", "half-open",
        "the last endpoint", "a cancelled call", "balance", "hedging", "a later, shorter wait",
    ),
    "Rate limits and money": (
        "`retry-after-ms`", "`Retry-After` (number or date)", "`RetryInfo`", "negative", "NaN",
        "a year ahead", "in the past", "skewed clock", "`insufficient_quota`",
        "`enforced_spend_limit_reached`", "402", "credit balance is too low",
    ),
    "Overload and server faults": (
        "408", "500", "502 (also a page)", "503", "504", "529", "within a stream",
        "an error object in a 200", "a number as `code`",
    ),
    "Context overflow": (
        "OpenAI", "vLLM", "also flat", "got -186", "DeepSeek", "Anthropic",
        "input length and `max_tokens` exceed context limit", "413", "Gemini", "llama.cpp",
        "Ollama",
    ),
    "A 200 that is not an answer": (
        "no choices", "null or empty content", "empty with `length`", "`content_filter`",
        "a refusal field", "`blockReason`", "malformed JSON", "wrong content type",
        "a body over the cap", "tool-call arguments cut off",
        "JSON that does not match the schema",
    ),
    "Streams": (
        "no first byte", "a stall in the middle",
        "a clean close without `finish_reason` or `[DONE]`", "a cut inside an event",
        "a chunk that is no JSON", "keep-alive comments",
    ),
    "Network": (
        "refused", "name not found", "TLS failure", "after the headers",
        "a stale kept-alive connection", "a redirect to another host",
    ),
    "Keys, names and requests": (
        "401", "403 for a moderated prompt", "403 for the model", "403 of any other kind",
        "any other 400 or 422", "404", "400 or 422 for a parameter", "`temperature`",
    ),
    "The process itself": (
        "SIGKILL in the middle of a ledger write", "two servers on one ledger", "disk full",
        "a read-only state directory", "a torn ledger", "a clock that jumps", "200 calls at once",
        "a 5 MB prompt", "a 200 kB answer", "cancelled", "the client hangs up in the middle",
        "stdin closes",
    ),
    "The caller": (
        "empty prompt", "unknown model, skill, tier", "a pin and a ceiling",
        "an invalid schema",
        "a file outside the roots", "a link that leads out", "secrets", "a binary posing as text",
        "a `ref` that is gone", "talks the judge into the dearest model", "a typo",
        "a missing provider", "a negative price", "a cycle of aliases", "one id twice",
    ),
}  # fmt: skip
"""What has to be in each table."""


def rows() -> list[tuple[str, str, str]]:
    """Section, fault and test of every row."""
    found, section = [], ""
    for line in TABLE.read_text().splitlines():
        if line.startswith("## "):
            section = line.removeprefix("## ")
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and cells[0] not in {"fault", "policy"} and cells[0][0] != "-":
            found.append((section, cells[0], cells[-1].strip("`")))
    return found


@pytest.mark.parametrize("section", DESIGN)
def test_every_fault_of_the_design_has_a_row(section: str) -> None:
    faults = "\n".join(fault for of, fault, _ in rows() if of == section)
    assert [named for named in DESIGN[section] if named not in faults] == []


def test_every_row_names_a_test_that_exists() -> None:
    for _, fault, test in rows():
        file, _, name = test.partition("::")
        code = ((TESTS if "/" in file else HERE) / file).read_text()
        assert re.search(rf"^(?:async )?def {name}\(", code, re.MULTILINE), fault


def test_every_test_of_a_fault_has_its_row() -> None:
    named = {test for _, _, test in rows()}
    for file in HERE.glob("test_*.py"):
        for name in re.findall(r"^async def (test_\w+)\(", file.read_text(), re.MULTILINE):
            assert f"{file.name}::{name}" in named
