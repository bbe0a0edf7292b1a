from __future__ import annotations

import pytest

from rightmodel.routing.signals.instruction import is_code


@pytest.mark.parametrize(
    "text",
    [
        "def mean(xs):\n    return sum(xs) / len(xs)",
        "```\nfn area(w: f64, h: f64) -> f64 { w * h }\n```",
        "SELECT id, name\nFROM orders\nWHERE total > 100;",
        'for f in *.log; do\n  gzip "$f"\ndone',
        ".nav > li { float: left; }",
        "<ul>\n  <li>Home</li>\n</ul>",
        "x = [i for i in range(100)]\nprint(sum(x))",
        "rows = db.fetch(query)",
        "If h > 35 Then\n  s = 35 * t\nEnd If",
        "total = 0;\nadd(total);",
    ],
)
def test_programs_queries_and_markup_are_code(text: str) -> None:
    assert is_code(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Hi team,\n\nthe deploy failed with error 500 (again).\n\nBest,\nAnna",
        "- fixed a crash in the parser\n- API: new endpoint /v2/users",
        '{\n  "name": "Anna",\n  "age": 31,\n  "city": "Bern"\n}',
        "region;quarter;units\nNorth;Q1;1204\nSouth;Q1;980",
        "2025-03-02T10:14:07Z INFO gateway accepted conn=8821",
    ],
)
def test_mails_notes_data_and_logs_are_not(text: str) -> None:
    assert not is_code(text)


@pytest.mark.parametrize(
    "text",
    [
        "y = 2x + 3\ny = x - 1",
        "f(x) = (x^2 - 1)/(x - 1)",
        "\\frac{x^2 - 1}{x - 1}",
        "rent = 1200\nfood = 350",
        "button.save=Save\nbutton.cancel=Cancel",
        "@anna can you take Friday?\n@ben yes, but only until 3",
        "$ 5 for a beer\n$ 10 for a meal",
        "// milk\n// eggs",
        "Hastings (1066)\nMagna Carta(1215)\nArmada(1588)",
        "Hello, my friend;\nI have missed you;",
    ],
)
def test_equations_chats_lists_and_verses_are_not(text: str) -> None:
    assert not is_code(text)
