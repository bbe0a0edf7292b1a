from __future__ import annotations

import contextlib
import gzip
import io
import json
import random
import sys
import tomllib
from typing import TYPE_CHECKING, Any

import pytest

from rightmodel.manifest.load import load_catalog
from rightmodel.manifest.read import parse_manifest
from rightmodel.surfaces.cli import main

if TYPE_CHECKING:
    from pathlib import Path

MANIFEST = """version = 1
[providers.sim]
protocol = "openai-chat"
base_url = "https://sim.example/v1"
key_env = "SIM_KEY_THAT_IS_NOT_SET"
"""
MODEL = """[[models]]
id = "{id}"
provider = "sim"
cost = {{ input = {price}, output = {price} }}
limits = {{ context = 100000, output = 8000 }}
skills = {{ general = {rating} }}
"""
TASKS = {
    "translate": "Translate this into German: the train leaves at {n} o'clock",
    "code": "Write a Python function that returns the {n}th prime number.",
    "math": "What is {n} times 37 plus 12?",
}


def run(tmp_path: Path, *arguments: str, code: int = 0) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    given, sys.argv = sys.argv, ["rightmodel", *arguments]
    status: object = 0
    try:
        with (
            contextlib.chdir(tmp_path),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            main()
    except SystemExit as end:
        status = end.code or 0
    finally:
        sys.argv = given
    assert status == code, err.getvalue()
    return out.getvalue(), err.getvalue()


def write(tmp_path: Path, models: dict[str, tuple[float, float]]) -> Path:
    """`models`: id → price, rating."""
    tables = [MODEL.format(id=m, price=p, rating=r) for m, (p, r) in models.items()]
    (tmp_path / "rightmodel.toml").write_text(MANIFEST + "".join(tables))
    return tmp_path / "rightmodel.toml"


def table(tmp_path: Path, chances: dict[str, dict[str, float]], count: int = 60) -> Path:
    """`chances`: model → kind → share of right answers."""
    dice = random.Random(5)
    lines = []
    for n in range(count):
        for kind, text in TASKS.items():
            outcomes = {
                model: {
                    "score": float(dice.random() < by_kind[kind]),
                    "input_tokens": 20,
                    "output_tokens": 50,
                }
                for model, by_kind in chances.items()
            }
            row = {"id": f"{kind}{n}", "prompt": text.format(n=n + 2), "outcomes": outcomes}
            lines.append(json.dumps(row))
    path = tmp_path / "outcomes.jsonl.gz"
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    return path


@pytest.fixture
def pair(tmp_path: Path) -> Path:
    write(tmp_path, {"sim/small": (0.1, 5), "sim/big": (5.0, 5)})
    return table(
        tmp_path,
        {
            "sim/small": {"translate": 0.95, "code": 0.3, "math": 0.5},
            "sim/big": {"translate": 0.95, "code": 0.9, "math": 0.9},
        },
    )


def test_eval_reports_for_programs_without_any_key(tmp_path: Path, pair: Path) -> None:
    out, _ = run(tmp_path, "eval", pair.name, "--json")
    report: dict[str, Any] = json.loads(out)
    assert report["prompts"] == 180
    assert report["reference"] == "sim/big"
    assert set(report["tiers"]) == {"cheap", "balanced", "best"}
    assert {"always_best", "always_cheapest", "random_mix", "length_only", "oracle"} <= set(
        report["baselines"]
    )
    assert report["baselines"]["oracle"]["quality"] >= report["baselines"]["always_best"]["quality"]
    assert report["pair"]["weak"] == "sim/small"
    assert sum(report["mix"].values()) == pytest.approx(1)
    assert len(report["router"]["intervals"]["saving"]) == 2
    assert report["curve"][0]["failure_cost_usd"] == 0


def test_the_same_run_gives_the_same_figures_but_for_the_time(tmp_path: Path, pair: Path) -> None:
    both = [json.loads(run(tmp_path, "eval", pair.name, "--json")[0]) for _ in range(2)]
    for report in both:
        assert report.pop("decision_ms")["p50"] > 0
    assert both[0] == both[1]


def test_eval_chooses_as_a_batch_does(tmp_path: Path, pair: Path) -> None:
    prompts = [
        json.loads(line)["prompt"] for line in gzip.decompress(pair.read_bytes()).splitlines()
    ]
    (tmp_path / "batch.jsonl").write_text(
        "\n".join(json.dumps({"prompt": p, "tier": "balanced"}) for p in prompts)
    )
    lines = run(tmp_path, "choose", "--batch", "batch.jsonl", "--json")[0].splitlines()
    chosen = [json.loads(line)["model"] for line in lines]
    mix = json.loads(run(tmp_path, "eval", pair.name, "--json", "--tier", "balanced")[0])["mix"]
    assert mix == {m: pytest.approx(chosen.count(m) / len(chosen)) for m in set(chosen)}


def test_eval_shows_a_table_for_people(tmp_path: Path, pair: Path) -> None:
    out, _ = run(tmp_path, "eval", pair.name, "--tier", "best", "--baseline", "sim/small")
    assert "savings against always sim/small" in out
    for text in ("router, best", "by length, same cost", "oracle", "APGR", "AIQ", "Brier"):
        assert text in out


def test_calibrate_prints_ratings_that_a_manifest_takes(tmp_path: Path, pair: Path) -> None:
    out, _ = run(tmp_path, "calibrate", pair.name)
    ratings = {t["id"]: t["skills"] for t in tomllib.loads(out)["models"]}
    gaps = {kind: ratings["sim/big"][kind] - ratings["sim/small"][kind] for kind in TASKS}
    assert gaps["code"] > 1.5
    assert gaps["translate"] < gaps["code"] - 0.7
    assert "general" in ratings["sim/small"]
    assert parse_manifest(f"version = 1\n{out}", file="printed").models[1].id == "sim/big"


def test_a_prompt_that_was_tried_often_counts_once_and_the_order_of_rows_does_not(
    tmp_path: Path, pair: Path
) -> None:
    once = run(tmp_path, "calibrate", str(pair))
    rows = gzip.decompress(pair.read_bytes()).splitlines()
    again = tmp_path / "again.jsonl"
    again.write_bytes(b"\n".join([*rows[::-1], *rows, *rows[::3]]))
    assert run(tmp_path, "calibrate", str(again)) == once


def test_calibrate_writes_ratings_into_the_manifest_and_keeps_the_first_one(
    tmp_path: Path, pair: Path
) -> None:
    manifest = tmp_path / "rightmodel.toml"
    before = "# mine\n" + manifest.read_text()
    manifest.write_text(before)
    printed, _ = run(tmp_path, "calibrate", str(pair))
    said, told = run(tmp_path, "calibrate", str(pair), "--write")
    assert said == ""
    assert "→" in told
    assert "log loss on prompts not fitted on" in told
    written = load_catalog(manifest, has_key=lambda _: True)
    fitted = {m["id"]: m["skills"] for m in tomllib.loads(printed)["models"]}
    assert {m.id: dict(m.skills) for m in written.models.values()} == fitted
    assert manifest.read_text().startswith("# mine\n")
    assert "counts twice" not in told
    _, again = run(tmp_path, "calibrate", str(pair), "--write")
    assert "an outcome in both tables counts twice" in again
    assert (tmp_path / "rightmodel.toml.bak").read_text() == before
    shown, _ = run(tmp_path, "eval", str(pair), "--against", "rightmodel.toml.bak")
    assert "since rightmodel.toml.bak, tier balanced: quality 0." in shown
    assert "→" in shown.splitlines()[-1]


def test_a_calibrated_manifest_keeps_its_line_ends_and_its_mode(tmp_path: Path, pair: Path) -> None:
    manifest = tmp_path / "rightmodel.toml"
    manifest.write_bytes(manifest.read_bytes().replace(b"\n", b"\r\n"))
    manifest.chmod(0o640)
    run(tmp_path, "calibrate", str(pair), "--write")
    written = manifest.read_bytes()
    assert b"code = " in written
    assert written.count(b"\n") == written.count(b"\r\n")
    assert manifest.stat().st_mode & 0o777 == 0o640


def test_ratings_lie_over_those_of_a_shipped_model(tmp_path: Path) -> None:
    (tmp_path / "rightmodel.toml").write_text('version = 1\ninclude = ["deepseek"]\n')
    shipped = load_catalog(tmp_path / "rightmodel.toml", has_key=lambda _: True)
    name = next(iter(shipped.models))
    source = table(tmp_path, {name: {"translate": 0.1, "code": 0.1, "math": 0.1}})
    out, told = run(tmp_path, "calibrate", source.name, "--manifest", "rightmodel.toml")
    (tmp_path / "new.toml").write_text(f'version = 1\ninclude = ["deepseek"]\n{out}')
    model = load_catalog(tmp_path / "new.toml", has_key=lambda _: True).models[name]
    assert model.rating("code") < shipped.models[name].rating("code") - 1
    assert model.price == shipped.models[name].price
    assert len(shipped.models) == 1 or "not raised" in told


def test_calibrated_ratings_make_routing_better(tmp_path: Path, pair: Path) -> None:
    before = json.loads(run(tmp_path, "eval", pair.name, "--json", "--tier", "balanced")[0])
    skills = {
        t["id"]: t["skills"]
        for t in tomllib.loads(run(tmp_path, "calibrate", pair.name)[0])["models"]
    }
    text = (tmp_path / "rightmodel.toml").read_text()
    for number, name in ((5, "sim/small"), (5, "sim/big")):
        inner = ", ".join(f"{k} = {v}" for k, v in skills[name].items())
        text = text.replace(f"general = {number} ", f"{inner} ", 1)
    (tmp_path / "rightmodel.toml").write_text(text)
    after = json.loads(run(tmp_path, "eval", pair.name, "--json", "--tier", "balanced")[0])
    assert after["router"]["quality"] > before["router"]["quality"] + 0.1
    assert after["pair"]["apgr"] > 0.6
    assert after["aiq"]["above"] > before["aiq"]["above"]


def test_mistakes_are_one_line(tmp_path: Path, pair: Path) -> None:
    (tmp_path / "bad.jsonl").write_text('{"prompt": "hi", "outcomes": {"m": {"score": 2}}}')
    for command in ("eval", "calibrate"):
        _, told = run(tmp_path, command, "bad.jsonl", code=1)
        assert told == (
            'rightmodel: bad.jsonl: line 1: outcomes."m".score: must be a number from 0 to 1, '
            "not 2\n"
        )
    (tmp_path / "else.jsonl").write_text('{"prompt": "hi", "outcomes": {"m": {"score": 1}}}')
    for command in ("eval", "calibrate"):
        _, told = run(tmp_path, command, "else.jsonl", code=1)
        assert "The table's: m. The manifest's: sim/small, sim/big" in told
        assert told.count("\n") == 1
    for options, said in (
        (("--tier", "bset"), "Nearest: best"),
        (("--baseline", "sim/bigg"), "Nearest: sim/big"),
    ):
        assert said in run(tmp_path, "eval", pair.name, *options, code=2)[1]
