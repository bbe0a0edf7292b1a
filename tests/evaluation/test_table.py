from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest

from rightmodel.core.errors import TaskError
from rightmodel.evaluation.table import Outcome, parse_rows, read_table

if TYPE_CHECKING:
    from pathlib import Path

GOOD = {
    "id": "a",
    "benchmark": "gsm",
    "category": "math_word",
    "prompt": "What is 2 + 2?",
    "outcomes": {
        "m": {"score": 1, "input_tokens": 8, "output_tokens": 2, "cost_usd": 0.01},
        "n": {"score": 0.5, "input_tokens": None, "output_tokens": 3.0, "cost_usd": None},
    },
}


def with_outcome(**values: Any) -> dict[str, Any]:
    return {**GOOD, "outcomes": {"m": {"score": 1.0, **values}}}


def complaint(line: str | dict[str, Any]) -> str:
    text = line if isinstance(line, str) else json.dumps(line)
    with pytest.raises(TaskError) as raised:
        parse_rows([json.dumps(GOOD), "", text], name="t.jsonl")
    return str(raised.value)


@pytest.mark.parametrize("name", ["t.jsonl", "t.jsonl.gz"])
def test_plain_and_gzipped_files_read_alike(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    # A line separator inside a prompt does not end the line; a byte order mark is no text.
    prompt = "one\u2028two\r"
    data = json.dumps({**GOOD, "prompt": prompt}, ensure_ascii=False) + "\n\n"
    raw = data.encode("utf-8-sig")
    path.write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
    (row,) = read_table(path)
    assert row.prompt == prompt
    assert row.outcomes == {"m": Outcome(1.0, 8, 2, 0.01), "n": Outcome(0.5, None, 3, None)}
    assert (row.id, row.benchmark, row.category) == ("a", "gsm", "math_word")


def test_unknown_labels_and_keys_are_ignored() -> None:
    (row,) = parse_rows(
        [json.dumps({"prompt": "hi", "split": 3, "outcomes": {"m": {"score": 0, "latency": 2}}})],
        name="t",
    )
    assert (row.id, row.outcomes["m"].cost_usd) == ("", None)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "t.jsonl: line 3: is not JSON: "),
        ("[1]", "line 3: must be a JSON object, not a list"),
        ({**GOOD, "prompt": " "}, "line 3: prompt: must be a text that is not empty, not ' '"),
        ({"outcomes": GOOD["outcomes"]}, "prompt: must be a text that is not empty; it is missing"),
        ({**GOOD, "outcomes": []}, "line 3: outcomes: must be an object of model id"),
        ({**GOOD, "outcomes": {}}, "with one entry at least, not an object"),
        ({**GOOD, "outcomes": {"m": 1}}, 'line 3: outcomes."m": must be an object, not a number'),
        ({**GOOD, "outcomes": {"m": None}}, 'outcomes."m": must be an object, not null'),
        ({**GOOD, "outcomes": {"m": {}}}, "from 0 to 1; it is missing"),
        (with_outcome(score=1.5), 'outcomes."m".score: must be a number from 0 to 1, not 1.5'),
        (with_outcome(score=True), "must be a number from 0 to 1, not True"),
        (with_outcome(score="1"), "must be a number from 0 to 1, not '1'"),
        (with_outcome(score=float("nan")), "must be a number from 0 to 1, not nan"),
        (with_outcome(input_tokens=-1), 'outcomes."m".input_tokens: must be a whole number'),
        (with_outcome(output_tokens=1.5), 'outcomes."m".output_tokens: must be a whole number'),
        (with_outcome(cost_usd="0.1"), "cost_usd: must be an amount in USD, 0 or more"),
        (with_outcome(cost_usd=float("inf")), "or null where it is unknown, not inf"),
        (with_outcome(costs_usd=1), "outcomes.\"m\".costs_usd: did you mean 'cost_usd'?"),
        ({**GOOD, "category": ["x"]}, "line 3: category: must be a text, not a list"),
        ({"promt": "hi", "outcomes": {}}, "line 3: promt: did you mean 'prompt'?"),
    ],
)
def test_a_wrong_line_is_named_with_its_field(line: str | dict[str, Any], said: str) -> None:
    assert said in complaint(line)


def test_files_that_cannot_be_read_say_why(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="cannot be read: No such file"):
        read_table(tmp_path / "none.jsonl")
    broken = tmp_path / "broken.jsonl.gz"
    broken.write_bytes(gzip.compress(json.dumps(GOOD).encode())[:-12])
    with pytest.raises(TaskError, match="cannot be read"):
        read_table(broken)
    broken.write_bytes(b"plain text")
    with pytest.raises(TaskError, match="cannot be read: Not a gzipped file"):
        read_table(broken)
    latin = tmp_path / "latin.jsonl"
    latin.write_bytes(b'{"prompt": "\xff"}')
    with pytest.raises(TaskError, match="is not UTF-8 text"):
        read_table(latin)
    (tmp_path / "empty.jsonl").write_text("\n\n")
    with pytest.raises(TaskError, match="holds no rows"):
        read_table(tmp_path / "empty.jsonl")
