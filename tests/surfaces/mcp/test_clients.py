from __future__ import annotations

import json
import re
import tomllib

import pytest

from rightmodel.integrations import CLIENTS, CannotMergeError, Launch, merged
from rightmodel.integrations.yaml_read import read_yaml

LAUNCH = Launch(("/opt/right model/rightmodel",), ("complete", "choose_model"), "/m.toml", "/k.env")


def test_json5_without_comments_is_understood() -> None:
    text = """{mcp: {servers: {'o': {command: "x", args: ['it\\'s "//"',],},},}, tools: {a: 1,},}"""
    tree = json.loads(merged(CLIENTS["openclaw"], LAUNCH, text))
    assert tree["mcp"]["servers"]["o"] == {"command": "x", "args": ['it\'s "//"']}
    assert tree["tools"] == {"a": 1, "toolSearch": False}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"a": 1, "a": 2}', "twice"),
        ('{"a": 1e999}', "cannot hold"),
        ('{"a": NaN}', "cannot hold"),
        ('{"mcpServers": []}', "at mcpServers"),
        ('{"mcpServers": {"rightmodel": "x"}}', "at mcpServers.rightmodel"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_json_that_would_change_its_meaning_is_refused(text: str, why: str) -> None:
    with pytest.raises(CannotMergeError, match=re.escape(why)):
        merged(CLIENTS["cursor"], LAUNCH, text)


def test_what_the_user_added_to_the_entry_stays() -> None:
    old = {"url": "http://x", "headers": {"A": "b"}, "type": "http", "env": {"K": "v"}}
    text = json.dumps({"mcpServers": {"rightmodel": {**old, "autoApprove": []}}})
    now = json.loads(merged(CLIENTS["cline"], LAUNCH, text))["mcpServers"]["rightmodel"]
    assert now["env"] == {"K": "v"}
    assert now["autoApprove"] == []
    assert not {"url", "headers", "type"} & set(now)


def test_a_table_in_toml_is_changed_in_place() -> None:
    text = (
        '[a]\nx = """\n[mcp_servers.rightmodel]\n"""\n\n[ mcp_servers . "rightmodel" ]\n# mine\n'
        'command = "old"\nenv_vars = [\n  "A", # keep\n]\ndefault_tools_approval_mode = "prompt"\n'
        "\n# next\n[mcp_servers.rightmodel.env]\nB = 'b'\n[[z]]\n"
    )
    now = merged(CLIENTS["codex"], LAUNCH, text)
    found = tomllib.loads(now)["mcp_servers"]["rightmodel"]
    assert found["command"] == LAUNCH.command[0]
    assert (found["env_vars"], found["env"]) == (["A"], {"B": "b"})
    assert found["default_tools_approval_mode"] == "prompt"
    kept = text.replace('command = "old"\n', "").splitlines()
    assert [line for line in now.splitlines() if line in kept] == kept
    assert merged(CLIENTS["codex"], LAUNCH, now) == now
    with pytest.raises(CannotMergeError, match="table of its own"):
        merged(CLIENTS["codex"], LAUNCH, '[mcp_servers]\nrightmodel = {command = "x"}\n')


def test_an_entry_in_yaml_is_changed_in_place() -> None:
    text = (
        "extensions:\n    dev:\n        enabled: true\n    rightmodel:\n        enabled: false\n"
        "        # mine\n        cmd: old\n        args: [a,\n            b]\n\n"
        "        envs: {K: 'v'}\n\n    # next\n    z: {a: 1}\nmodel: x\n"
    )
    now = merged(CLIENTS["goose"], LAUNCH, text)
    found = read_yaml(now)["extensions"]["rightmodel"]
    assert (found["enabled"], found["envs"]) == (False, {"K": "v"})
    assert found["args"][0] == "serve"
    assert "        # mine\n" in now
    assert now.endswith("\n\n    # next\n    z: {a: 1}\nmodel: x\n")
    assert merged(CLIENTS["goose"], LAUNCH, now) == now
    with pytest.raises(CannotMergeError, match="block style"):
        merged(CLIENTS["goose"], LAUNCH, "extensions: {dev: {enabled: true}}\n")


def test_an_entry_in_a_list_of_yaml_is_changed_in_place() -> None:
    text = (
        "name: mine\nmcpServers:\n- name: a\n  command: x\n- name: rightmodel\n  command: old\n"
        "  env:\n    K: v\n- name: b\n  command: y\nrules: []\n"
    )
    now = merged(CLIENTS["continue"], LAUNCH, text)
    servers = read_yaml(now)["mcpServers"]
    assert [s["name"] for s in servers] == ["a", "rightmodel", "b"]
    assert servers[1]["env"] == {"K": "v"}
    assert servers[1]["command"] == LAUNCH.command[0]
    assert merged(CLIENTS["continue"], LAUNCH, now) == now


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a: [1, 2\nb: 3\n", "line 1 has quotes or brackets"),
        ("a: 'x\nb: 1\n", "line 1 has quotes or brackets"),
        ("a: b: c\n", "line 1 has two values"),
        ("a: 1\n  b: 2\n", "line 1 has two values"),
        ("a:\n  b: 2\n   c: 2\n", "two values"),
        ("a:\n\tb: 1\n", "line 2 is indented with a tab"),
        ("a: 1\na: 2\n", "line 2 has 'a' a second time"),
        ("a: &x 1\nb: *x\n", "anchor"),
        ("a: ]\n", "stray mark"),
        ('a: "x" y\n', "goes on after its value"),
        ("- a\nb: 1\n", "does not belong"),
        ("---\na: 1\n---\nb: 2\n", "line 3"),
        ("a: |x\n  b\n", "not understood"),
        ("[" * 5000, "is nested too deeply"),
    ],
)
def test_yaml_that_is_none_is_refused(text: str, why: str) -> None:
    with pytest.raises(CannotMergeError, match=re.escape(why)):
        merged(CLIENTS["goose"], LAUNCH, text)


def test_yaml_is_read_as_it_is_meant() -> None:
    text = (
        "---\na: 1 # c\n'b c': [x, 'y, z', {k: v}, 2.5,]\n"
        "d:\n- - 1\n  - two\n- e: ~\n  f: 'it''s'\n"
        'g: >-\n  x: y\n\n  # z\nh: long\n  text\ni: "a\\n # b"\nj: http://x/#y\nk:\n'
        "l: {a: 'b',\n  c: d} # e\nm: 'x\n\n  # y'\n"
    )
    found = read_yaml(text)
    assert found["a"] == 1
    assert found["b c"] == ["x", "y, z", {"k": "v"}, 2.5]
    assert found["d"] == [[1, "two"], {"e": None, "f": "it's"}]
    assert (found["h"], found["i"], found["j"]) == ("long text", "a\n # b", "http://x/#y")
    assert found["k"] is None
    assert found["l"] == {"a": "b", "c": "d"}
    assert list(found) == ["a", "b c", "d", "g", "h", "i", "j", "k", "l", "m"]
