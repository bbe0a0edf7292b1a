from __future__ import annotations

import re
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from ledger.rows import attempt, call
from rightmodel.ledger import postgres_opener
from rightmodel.ledger.call_rows import new_id
from rightmodel.ledger.paths import FILE
from rightmodel.ledger.records import CallRecord, Hold, Origin
from rightmodel.ledger.spill import Spill
from rightmodel.ledger.sqlite import SqliteStore
from rightmodel.surfaces.cli import main
from surfaces.cli.spendings import BASELINE, JUDGE, MODELS, Rows, months, write
from surfaces.cli.usage_command import MANIFEST, NOW, TODAY, outcome_of, plain, run, settle, total

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settle(tmp_path, monkeypatch)


def saved_by_hand(calls: list[CallRecord]) -> Decimal:
    """What the baseline would have cost less everything that was paid for the calls compared."""
    compared = [c for c in calls if c.cost_usd is not None]
    return total(c.baseline_usd for c in compared) - total(c.cost_usd for c in compared)


def check_against(row: dict[str, Any], rows: Rows) -> None:
    """A row of the report against the rows of the ledger."""
    calls, attempts = rows.calls, rows.attempts
    assert row["calls"] == len(calls)
    assert row["answered"] == sum(c.outcome == "answered" for c in calls)
    assert row["failed"] == sum(c.outcome != "answered" for c in calls)
    assert row["slow"] == sum(c.time_s > 30 for c in calls)
    assert row["attempts"] == len(attempts)
    assert row["faults"] == sum(bool(a.fault) for a in attempts)
    assert row["unpriced"] == sum(a.cost_usd is None for a in attempts)
    assert Decimal(row["spent_usd"]) == total(a.cost_usd for a in attempts)
    for kind in ("billed", "computed"):
        by_kind = total(a.cost_usd for a in attempts if a.cost_kind == kind)
        assert Decimal(row[f"{kind}_usd"]) == by_kind
    assert Decimal(row["judge_usd"]) == total(a.cost_usd for a in attempts if a.role == "judge")
    assert Decimal(row["fault_usd"]) == total(a.cost_usd for a in attempts if a.fault)
    assert row["input"] == sum(a.input or 0 for a in attempts)
    assert row["reasoning"] == sum(a.reasoning or 0 for a in attempts)


def check_faults(found: dict[str, Any], shown: Rows) -> None:
    """The table of faults against the rows of the ledger."""
    faults = {(f["provider"], f["fault"]): f["attempts"] for f in found["faults"]}
    assert sum(faults.values()) == found["total"]["faults"]
    for row in found["faults"]:
        same = [a for a in shown.attempts if a.provider == row["provider"]]
        for key, fault in (("latest", row["fault"]), ("latest_answer", "")):
            at = max((a.at for a in same if a.fault == fault), default=None)
            assert row[key] == (
                at and datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")
            )


def test_every_figure_is_the_sum_of_its_rows(tmp_path: Path) -> None:
    rows = months(NOW, calls=2500, days=60)
    write(tmp_path / "state", rows)
    found = plain("--since", "2026-10-01", "--until", TODAY)
    shown = rows.on("2026-10-01", TODAY)
    assert len(shown.attempts) > 2000
    for row, part in (
        (found["total"], shown),
        (found["today"], rows.on(TODAY, TODAY)),
        (found["month"], rows.on("2026-11-01", "2026-11-31")),
        *((row, rows.on(row["key"], row["key"])) for row in found["by_day"]),
    ):
        check_against(row, part)
        assert Decimal(row["saved_usd"]) == saved_by_hand(part.calls)
    assert found["total"]["failed"] > 0
    assert found["total"]["unpriced"] > 0
    assert Decimal(found["total"]["lost_usd"]) == total(
        c.cost_usd for c in shown.calls if c.outcome != "answered"
    )
    by_model = {row["key"]: row for row in found["by_model"]}
    assert {*by_model} == {"", JUDGE.model, *(sold.model for sold in MODELS)}
    for model, row in by_model.items():
        part = Rows(
            [c for c in shown.calls if c.model == model],
            [a for a in shown.attempts if a.model == model],
        )
        check_against(row, part)
    for row in found["by_skill"]:
        part = Rows(
            [c for c in shown.calls if c.skills[0][0] == row["key"]],
            [a for a in shown.attempts if a.skill == row["key"]],
        )
        check_against(row, part)
    for row in found["by_provider"]:
        used = [a for a in shown.attempts if a.provider == row["key"]]
        assert Decimal(row["spent_usd"]) == total(a.cost_usd for a in used)
        times = sorted(a.time_s for a in used if not a.fault)
        assert row["attempt_s"]["p50"] == round(times[len(times) // 2], 3)
        assert row["attempt_s"]["most"] == round(times[-1], 3)
    check_faults(found, shown)
    since = datetime(2026, 10, 1, tzinfo=UTC).timestamp()
    reported = [o for o in rows.outcomes if o.at >= since]
    assert sum(q["reported"] for q in found["quality"]) == len(reported)
    assert sum(q["good"] for q in found["quality"]) == sum(o.good for o in reported)
    assert found["baselines"] == [{"model": BASELINE, "calls": len(shown.calls)}]


def test_a_saving_below_nothing_and_what_is_unknown_are_shown_as_they_are(tmp_path: Path) -> None:
    known: dict[str, Any] = {"baseline": BASELINE}
    rows = Rows(
        [
            call(
                id=1,
                cost_usd=Decimal("0.30"),
                baseline_usd=Decimal("0.10"),
                saved_usd=Decimal("-0.20"),
                **known,
            ),
            call(id=2, **known),
            # An older record of a failed call, which did not name its loss.
            call(id=3, model="", outcome="timeout", cost_usd=Decimal("0.05"), **known),
        ],
        [
            attempt("0.30", call=1),
            attempt(None, call=2, model="p/priceless"),
            attempt("0.05", call=3, fault="timeout"),
            attempt("0.02", call=99, skill="writing"),  # its call never ended
        ],
    )
    write(tmp_path / "state", rows)
    found = plain()["total"]
    assert Decimal(found["saved_usd"]) == Decimal("-0.27")
    assert Decimal(found["lost_usd"]) == Decimal("0.07")
    assert Decimal(found["spent_usd"]) == Decimal("0.37")
    assert (found["compared"], found["answered"], found["unpriced"]) == (1, 2, 1)
    assert found["saved_share"] == pytest.approx(-2.7)
    text = run()
    assert "−$0.27000 (−270 %)" in text
    assert re.search(r"of unknown cost +1 attempt ", text)
    assert re.search(r"p/priceless +unknown ", text)
    assert "1 attempt of unknown cost: in no sum" in text
    assert "1 answered call could not be compared" in text


def test_a_call_over_midnight_is_lost_on_neither_day(tmp_path: Path) -> None:
    midnight = datetime(2026, 11, 20, tzinfo=UTC).timestamp()
    cost = Decimal("0.10")
    done = call(
        id=1,
        at=midnight + 5,
        cost_usd=cost,
        baseline=BASELINE,
        baseline_usd=cost * 3,
        saved_usd=cost * 2,
    )
    earlier = call(id=2, at=midnight - 50, baseline=BASELINE, model="p/m")
    write(tmp_path / "state", Rows([earlier, done], [attempt("0.10", call=1, at=midnight - 1)]))
    both = {"2026-11-19": "0", TODAY: "0"}
    for day, lost in both.items():
        assert plain("--since", day, "--until", day)["total"]["lost_usd"] == lost


def test_without_a_baseline_no_saving_is_claimed(tmp_path: Path) -> None:
    write(tmp_path / "state", Rows([call(at=NOW)], [attempt(at=NOW)]))
    assert plain()["total"]["saved_usd"] is None
    assert "set baseline in a manifest (`rightmodel init` writes one) to the model" in run()
    (tmp_path / "rightmodel.toml").write_text(MANIFEST.replace("baseline", "# baseline"))
    assert f"set baseline in {tmp_path / 'rightmodel.toml'} to the model" in run()
    (tmp_path / "rightmodel.toml").write_text(MANIFEST)
    text = run()
    assert f"No call of these days was compared with the baseline {BASELINE}" in text


def test_models_that_only_failed_share_a_row(tmp_path: Path) -> None:
    failures = [
        attempt("0", call=1, model=f"p/{name}", fault="auth", at=NOW) for name in ("a", "b", "b")
    ]
    write(tmp_path / "state", Rows([call(id=1, at=NOW)], [attempt(call=1, at=NOW), *failures]))
    text = run("--by", "model")
    assert re.search(r"2 models without an answer +\$0\S* +– +0 +0 +3 +3 ", text)
    assert not re.search(r"^p/[ab] ", text, re.MULTILINE)
    assert [row["key"] for row in plain()["by_model"]] == ["p/m", "p/a", "p/b"]


def test_nothing_recorded_is_a_helpful_line_and_makes_no_file(tmp_path: Path) -> None:
    text = run()
    assert f"Nothing is recorded yet in {tmp_path / 'state' / FILE}." in text
    assert plain()["total"]["calls"] == 0
    assert plain()["total"]["call_s"] is None
    assert run("--csv").startswith("call,number,")
    assert len(run("--csv", "--by", "day").splitlines()) == 1
    assert [*tmp_path.iterdir()] == []
    run("--html", "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "Nothing is recorded yet" in page
    assert "<svg" not in page


def test_days_without_calls_name_those_that_have_some(tmp_path: Path) -> None:
    write(tmp_path / "state", Rows([call(at=NOW)], [attempt(at=NOW)]))
    text = run("--since", "2026-01-01", "--until", "2026-01-31")
    assert "No calls from 2026-01-01 to 2026-01-31." in text
    assert f"from {TODAY} to {TODAY}" in text


def test_a_damaged_ledger_is_reported_and_the_exit_code_says_so(tmp_path: Path) -> None:
    file = tmp_path / "state" / FILE
    file.parent.mkdir()
    file.write_bytes(b"no ledger" * 1000)
    done = subprocess.run(
        [sys.executable, "-m", "rightmodel", "usage"],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert f"the ledger {file}: it is damaged" in done.stderr
    assert done.stderr.count("\n") == 1
    assert [p.name for p in file.parent.iterdir()] == [FILE]


def test_budgets_are_reported_as_a_server_computes_them(tmp_path: Path) -> None:
    rows = Rows([], [attempt("0.45", skill="code"), attempt("1", at=NOW - 86_400)])
    file = write(tmp_path / "state", rows)
    store = SqliteStore(file)
    with store.transaction():
        for usd, expires in (("0.02", NOW + 60), ("0.01", NOW - 60)):  # of another machine
            hold = Hold(new_id(), "elsewhere", 1, "", expires, TODAY, "p/m", "code", Decimal(usd))
            store.add(hold)
    store.close()
    (tmp_path / "rightmodel.toml").write_text(MANIFEST)
    day, code = plain()["budgets"]
    assert (day["budget"], day["period"], day["limit_usd"]) == ("per_day_usd", "day", "0.5")
    assert (day["spent_usd"], day["held_usd"], day["left_usd"]) == ("0.46", "0.02", "0.02")
    assert day["resets_s"] == 12 * 3600
    assert (code["skill"], code["left_usd"]) == ("code", "1.77")
    assert re.search(
        r"per_day_usd +\$0.50 a day +\$0.46000 +92 % +\$0.02000 +\$0.02000 +in 12 h", run()
    )
    store = SqliteStore(file)
    assert len(store.holds()) == 2  # reading changed nothing
    store.close()


def test_a_teams_ledger_is_read_through_its_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = months(NOW, calls=200, days=20)
    file = write(tmp_path / "elsewhere", rows)
    opened: list[str] = []

    def open_postgres(url: str, _: object) -> Callable[[], SqliteStore]:
        opened.append(url)
        return lambda: SqliteStore(file)

    monkeypatch.setattr(postgres_opener, "open_postgres", open_postgres)
    (tmp_path / "rightmodel.toml").write_text(
        MANIFEST + '[ledger]\nurl = "postgresql://db.example/rightmodel"\n'
    )
    found = plain()
    assert opened == ["postgresql://db.example/rightmodel"]
    check_against(found["total"], rows)
    assert (found["ledger"], found["last_day"]) == (str(file), TODAY)
    assert Decimal(found["budgets"][0]["spent_usd"]) == Decimal(found["today"]["spent_usd"])
    assert len(run("--csv").splitlines()) == 1 + len(rows.attempts)
    assert not (tmp_path / "state").exists()


def test_records_that_a_server_could_not_write_are_recovered_first(tmp_path: Path) -> None:
    file = write(tmp_path / "state", Rows([call(at=NOW)], [attempt("0.45", at=NOW)]))
    Spill(file).save([[attempt("0.05", at=NOW)], [call(at=NOW)]])
    for _ in range(2):
        total = plain()["total"]
        assert (total["spent_usd"], total["calls"]) == ("0.50", 2)
    assert Spill(file).files() == []


def test_a_broken_manifest_hides_nothing_that_was_spent(tmp_path: Path) -> None:
    write(tmp_path / "state", Rows([call(at=NOW)], [attempt("0.45", at=NOW)]))
    (tmp_path / "rightmodel.toml").write_text("version = 1\nbasline = 'x'\n")
    text = run()
    assert "$0.45000" in text
    assert "the manifest cannot be used" in text
    assert "baseline" in text


def test_a_probe_of_check_is_paid_for_and_no_call_that_failed(tmp_path: Path) -> None:
    write(tmp_path / "state", Rows([], [attempt("0.02", call=9, client="check")]))
    found = plain()
    assert (found["total"]["spent_usd"], found["total"]["lost_usd"]) == ("0.02", "0")
    assert [row["key"] for row in found["by_client"]] == ["check"]
    assert "by client" in run()


def test_who_spent_what_is_shown_by_client_session_kind_host_and_user(tmp_path: Path) -> None:
    alice = Origin("alice", "5e55", "tool_result", "box", "alice_w")._asdict()
    title = alice | {"kind": "title"}
    bob = Origin("bob", "b0b", "ask", "box", "bob_w")._asdict()
    origins = {1: alice, 2: title, 3: bob}
    rows = Rows(
        [call(id=n, **origin) for n, origin in origins.items()],
        [attempt(f"0.0{n}", call=n, **origin) for n, origin in origins.items()],
    )
    write(tmp_path / "state", rows)
    found = plain()

    def spent(group: str) -> dict[str, str]:
        return {row["key"]: row["spent_usd"] for row in found[f"by_{group}"]}

    assert spent("client") == {"alice": "0.03", "bob": "0.03"}
    assert spent("session") == {"5e55": "0.03", "b0b": "0.03"}
    assert spent("kind") == {"ask": "0.03", "title": "0.02", "tool_result": "0.01"}
    assert spent("host") == {"box": "0.06"}
    assert spent("user") == {"alice_w": "0.03", "bob_w": "0.03"}
    shown = run()
    assert all(f"by {group}" in shown for group in ("client", "session", "kind", "user"))
    assert "by host" not in shown  # one row would repeat the sum
    assert "by host" in run("--by", "host")
    assert found["asking_estimate"]["written"] == 0  # turns are no delegated prompts
    run("--html", str(tmp_path / "usage.html"))
    page = (tmp_path / "usage.html").read_text()
    assert all(f"<h2>By {group}</h2>" in page for group in ("client", "session", "kind", "user"))
    assert "<h2>By host</h2>" not in page


def test_a_clients_budget_is_among_the_budgets(tmp_path: Path) -> None:
    (tmp_path / "rightmodel.toml").write_text(
        MANIFEST + '[clients.alice]\ntoken_env = "A"\nper_month_usd = 2\n'
    )
    write(tmp_path / "state", Rows([], [attempt("0.5", client="alice"), attempt("0.7")]))
    (found,) = [b for b in plain()["budgets"] if b["client"]]
    assert (found["budget"], found["client"]) == ("clients.alice.per_month_usd", "alice")
    assert (Decimal(found["spent_usd"]), Decimal(found["left_usd"])) == (
        Decimal("0.5"),
        Decimal("1.5"),
    )
    assert "clients.alice.per_month_usd" in run()


def test_a_page_shows_the_dearest_sessions_and_says_how_many_there_are(tmp_path: Path) -> None:
    rows = Rows([], [attempt(f"0.{n:04}", call=n, session=f"s{n}x") for n in range(1, 151)])
    write(tmp_path / "state", rows)
    run("--html", str(tmp_path / "usage.html"))
    page = (tmp_path / "usage.html").read_text()
    assert "and 50 more; rightmodel usage --json has them all" in page
    assert ("s150x" in page, "s50x" in page) == (True, False)
    assert len(plain()["by_session"]) == 150


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--days", "3", "--since", "2026-11-01"], "not both"),
        (["--since", "yesterday"], "a day is written 2026-11-20"),
        (["--since", "2026-11-20", "--until", "2026-11-01"], "is after"),
        (["--json", "--csv"], "give one of"),
    ],
)
def test_options_that_contradict_each_other_are_reported(arguments: list[str], words: str) -> None:
    outcome = outcome_of(*arguments)
    assert words in f"{outcome.exception}{outcome.output}"


def test_a_wrong_command_line_is_told_in_sentences(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["rightmodel", "usage", "--json", "--csv"])
    with pytest.raises(SystemExit, match="2"):
        main()
    assert capsys.readouterr().err.endswith("and --correct. See rightmodel usage --help.\n")


def test_days_are_counted_with_today(tmp_path: Path) -> None:
    assert (plain("--days", "1")["since"], plain("--days", "7")["since"]) == (TODAY, "2026-11-14")
    assert plain("--days", "7", "--until", "2026-11-10")["since"] == "2026-11-04"
    assert plain("--days", "36500")["since"] < "1930"
