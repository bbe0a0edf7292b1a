from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest

from rightmodel.core.errors import MOST_ERRORS, ManifestError
from rightmodel.manifest import text_file
from rightmodel.manifest.load import load_catalog
from rightmodel.manifest.problems import line_of
from rightmodel.manifest.read import key_lines, shipped_dir, shipped_names

if TYPE_CHECKING:
    from pathlib import Path


def errors(tmp_path: Path, text: str) -> list[str]:
    """What is said about a manifest, a line for each error, without the file's name."""
    path = tmp_path / "m.toml"
    path.write_text(text, newline="")
    with pytest.raises(ManifestError) as caught:
        load_catalog(path, has_key=lambda _: True)
    return [line.removeprefix(str(path)) for line in str(caught.value).split("\n")]


SCHEMA = """\
versoin = 1

[routing]   # a comment
deadline_s = "soon"
tire = "cheap"

[providers."my box"]
headers = { "a b" = "c" }

[[models]]
id = "mine/a"
description = '''
[providers.none]
key_env = "x y"
'''
[models.cost]
inptu = 3
[[models.cost_when]]
utc = ["6-7"]
input = 1

[[rules]]
when = { tier = "q" }
[[rules]]
when.difficulty = ["easy", "x"]

[clients.alice]
token_evn = "X"
"""


@pytest.mark.parametrize("text", [SCHEMA, SCHEMA.replace("\n", "\r\n"), f"\ufeff{SCHEMA}"])
def test_every_error_of_the_schema_is_told_once_with_its_line(tmp_path: Path, text: str) -> None:
    assert errors(tmp_path, text) == [
        ":1: versoin: unknown key; did you mean 'version'?",
        ":4: routing.deadline_s: must be a number, not 'soon'",
        ":5: routing.tire: unknown key; did you mean 'tier'?",
        ":8: providers.my box.headers.a b: must be the name of a header, without spaces",
        ":17: models.\"mine/a\".cost.inptu: unknown key; did you mean 'input'?",
        ':19: models."mine/a".cost_when.1.utc.1: must be hours such as "06:00-10:00", not \'6-7\'',
        ":23: rules.\"rule 1\".when.tier: must be 'cheap', 'balanced' or 'best', not 'q'",
        (
            ':25: rules."rule 2".when.difficulty.2: '
            "must be 'easy', 'medium', 'hard' or 'expert', not 'x'"
        ),
        ":28: clients.alice.token_evn: unknown key; did you mean 'token_env'?",
    ]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no such pipes on this platform")
def test_a_pipe_is_read_as_a_manifest_and_without_a_writer_it_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_text("version = 1\ninclude = []\n"))
    writer.start()
    assert not load_catalog(pipe, has_key=lambda _: True).models
    writer.join()
    monkeypatch.setattr(text_file, "PIPE_S", 0.01)
    with pytest.raises(ManifestError, match="cannot be read: nothing writes to this pipe"):
        load_catalog(pipe, has_key=lambda _: True)


def test_rules_of_one_name_have_a_line_and_a_name_each(tmp_path: Path) -> None:
    rule = '[[rules]]\nname = "r"\n'
    wrong = f"version = 1\n{rule}tier = 1\n{rule}tier = 2\n"
    known = "must be 'cheap', 'balanced' or 'best'"
    assert errors(tmp_path, wrong) == [
        f':4: rules."r".tier: {known}, not 1',
        f':7: rules."r (rule 2)".tier: {known}, not 2',
    ]
    unknown = wrong.replace("tier = 1", 'skill = "a"').replace("tier = 2", 'skill = "a"')
    first, second = errors(tmp_path, unknown)
    assert first.startswith(':4: rules."r".skill: unknown skill')
    assert second.startswith(':7: rules."r (rule 2)".skill: unknown skill')


def test_every_unknown_name_is_told_at_once_and_nothing_that_follows_from_another_error(
    tmp_path: Path,
) -> None:
    text = """\
version = 1
include = ["antropic"]
baseline = "openai/gpt-55"
[providers.mine]
base_url = "http://example.com/v1"
[providers.half]
[[models]]
id = "mine/a"
aliases = ["bee"]
[[models]]
id = "solo"
[[rules]]
name = "r"
use = ["bee", "sonnet", "nope"]
skill = "cod"
[gateway]
map = { x = "mine/a", y = "anthropic/claude-opus-4-8" }
[budget]
skills = { mth = 3 }
"""
    told = [": ".join(line.split(": ")[:3])[:60] for line in errors(tmp_path, text)]
    assert told == [
        ":2: include: no shipped manifest 'antropic'; did you mean 'a",
        ":3: baseline: no connected or shipped model is called 'opena",
        ":4: providers.mine: protocol is missing",
        ":6: providers.half: protocol and base_url are missing",
        ':10: models."solo": names no provider',
        ":14: rules.\"r\".use: unknown model 'nope'. Nearest",
        ":15: rules.\"r\".skill: unknown skill 'cod'. Nearest",
        ":19: budget.skills: unknown skill 'mth'. Nearest",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[budget]\ninclude = []", "it belongs at the top of the file, before the first [table]"),
        ('[budget]\nper_day_usd = 5\nbaseline = "x"', "it belongs at the top of the file"),
        ('tier = "cheap"', "it belongs below [routing] or [clients.NAME] or [[rules]]"),
        ("store_text = true", "it belongs below [privacy]"),
        ('[[models]]\nid = "a/b"\ntemperature = 1', "did you mean 'features'? known here: id, "),
        ('[[models]]\nid = "a/b"\nskill = "code"', "did you mean 'skills'?"),
        ("[files]\nbase_url = 1", "it belongs below [providers.NAME]"),
        ("[privacy]\nzzz = 1", "known here: store_text"),
        ('[[rules]]\nmatches = "x"', "it belongs in when = { matches = … }"),
        ('[[rules]]\ntrust = "local"', "it belongs in require = { trust = … }"),
        ('[[models]]\nid = "a/b"\ncontext = 9', "it belongs in limits = { context = … }"),
        ('[[models]]\nid = "a/b"\ncontext_window = 9', "write limits = { context = 32768, output"),
        ('[[models]]\nid = "a/b"\nprice = 9', "write cost = { input = 0.5, output = 1.5 }"),
        ('[[models]]\nid = "a/b"\nvision = true', 'write input = ["text", "image"]'),
        ('[providers.a]\nkind = "openai"', 'write protocol = "openai-chat"'),
        ('[providers.a]\napi_base = "x"', "write base_url = "),
        ("[providers.a]\nlife_s = 9", "it belongs in cache = { life_s = … }"),
        ('[[models]]\nid = "a/b"\nutc = "1"', "it belongs in cost_when = [{ utc = … }]"),
        ('[[models]]\nid = "a/b"\nurl = "x"', 'write base_url = "https://…/v1" below [providers.N'),
        ('[gateway]\nhost = "x"', "known here: "),
        ('api_key = "x"', 'write key_env = "NAME_OF_THE_VARIABLE" below [providers.NAME]'),
    ],
)
def test_a_key_in_the_wrong_table_is_told_where_it_belongs(
    tmp_path: Path, text: str, said: str
) -> None:
    (told,) = errors(tmp_path, f"version = 1\n{text}\n")
    assert f": unknown key; {said}" in told


def test_quotes_in_a_comment_begin_no_string(tmp_path: Path) -> None:
    (told,) = errors(tmp_path, 'version = 1\n  # """ as in Python\n[routing]\njudge = 3\n')
    assert told.startswith(":4: routing.judge: ")


@pytest.mark.parametrize("name", shipped_names())
def test_the_line_of_a_key_is_that_of_the_file(name: str) -> None:
    path = shipped_dir() / f"{name}.toml"
    found = key_lines(path)
    for number, line in enumerate(path.read_text().split("\n"), 1):
        if line.startswith("id = "):
            assert line_of(f"models.{line.removeprefix('id = ')}.id", found) == number


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[models]\nid = "ok/x"', ":2: models: must be tables: write [[models]]"),
        ('models = ["openai/gpt-5.5"]', ":2: models.1: must be tables: write [[models]]"),
        ("[rules]\nuse = []", ":2: rules: must be tables: write [[rules]]"),
        ('[providers]\nprotocol = "gemini"', ":3: providers.protocol: must be a table: write [pro"),
        ("[[providers.x]]", ":2: providers.x: must be a table: write [providers.NAME]"),
        ('[clients]\nalice = "x"', ":3: clients.alice: must be a table: write [clients.NAME]"),
        ('include = "openai"', ":2: include: must be a list, [ … ], not 'openai'"),
        ("[budget]\nmodels = 3", ":3: budget.models: must be a table, { … }, not 3"),
        ('[budget]\nper_day_usd = "$5"', ":3: budget.per_day_usd: must be a number, not '$5'"),
        ("[routing]\njudge = 3", ":3: routing.judge: must be a text in quotation marks, not 3"),
        ('[routing]\nlearn = "maybe"', ":3: routing.learn: must be true or false, not 'maybe'"),
        (
            '[[models]]\nid = "a/b"\nchecked = "now"',
            ":4: models.\"a/b\".checked: must be a day, such as 2026-11-20, not 'now'",
        ),
        (
            '[[models]]\nid = "a/b"\nlimits = { context = 1.5 }',
            ':4: models."a/b".limits.context: must be a whole number, not 1.5',
        ),
    ],
)
def test_the_kind_of_value_is_told_in_the_words_of_toml(
    tmp_path: Path, text: str, said: str
) -> None:
    (told,) = errors(tmp_path, f"version = 1\n{text}\n")
    assert told.startswith(said)


def test_a_text_that_is_not_toml_is_told_with_its_line(tmp_path: Path) -> None:
    (told,) = errors(tmp_path, "version = 1\n[routing\n")
    assert told.startswith(":2: is not valid TOML: ")


def test_of_very_many_errors_the_rest_is_counted(tmp_path: Path) -> None:
    told = errors(
        tmp_path, "version = 1\n" + "".join(f"x{n} = 1\n" for n in range(MOST_ERRORS + 4))
    )
    assert len(told) == MOST_ERRORS + 2
    assert told[-1] == ": 3 further errors"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("https://hooks.example.com/T000/B000", "not the URL itself"),
        ("sk-proj-abcdefghijklmnop1234", "not the key itself"),
        ("Zm9vYmFyYmF6cXV4MTIzNDU2Nzg5MA==", "not the key itself"),
        ("${OPENAI_API_KEY}", "without $ and braces"),
        ("$OPENAI_API_KEY", "without $ and braces"),
        ("OPENAI_API_KEY=abc", "without its value"),
        ("~/.config/keys.env", "not the path of a file"),
        ("C:\\\\keys\\\\openai", "not the path of a file"),
        ("openai.key", "not the path of a file"),
        ("OPENAI-API-KEY", "which has letters, digits and _ alone"),
        ("hooks.example.com/T000/B000", "which has letters, digits and _ alone"),
        ("my key", "which has letters, digits and _ alone"),
    ],
)
@pytest.mark.parametrize("key", ["key_env", "token_env", "webhook_env"])
def test_what_is_no_variables_name_is_recognised_and_never_repeated(
    tmp_path: Path, key: str, value: str, said: str
) -> None:
    table = {"key_env": "providers.x", "token_env": "clients.x", "webhook_env": "alerts"}[key]
    (told,) = errors(tmp_path, f'version = 1\n[{table}]\n{key} = "{value}"\n')
    assert told.startswith(f":3: {table}.{key}: takes the name of an environment variable, {said}")
    assert value not in told


@pytest.mark.parametrize("value", ["https://example.com/key", "sk-proj-abcdefghijklmnop1234"])
def test_a_key_file_is_the_path_of_a_file(tmp_path: Path, value: str) -> None:
    (told,) = errors(tmp_path, f'version = 1\n[providers.x]\nkey_file = "{value}"\n')
    assert told.startswith(":3: providers.x.key_file: takes the path of a file")
    assert value not in told
