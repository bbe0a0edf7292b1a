from __future__ import annotations

import json
import re
import tomllib
from typing import Any

import pytest

from rightmodel.integrations.clients import CLIENTS
from rightmodel.integrations.edit import CannotMergeError
from rightmodel.integrations.registration import Launch, merged, registration, removed

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


CODEX = CLIENTS["codex"]


def codex(text: str) -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads(text)["mcp_servers"]["rightmodel"]
    return found


def test_a_table_in_toml_is_changed_in_place() -> None:
    text = (
        '[a]\nx = """\n[mcp_servers.rightmodel]\n"""\n\n[ mcp_servers . "rightmodel" ]\n# mine\n'
        'command = "old" # why\nenv_vars = [\n  "A", # keep\n]\n'
        'default_tools_approval_mode = "prompt"\n'
        "\n# next\n[mcp_servers.rightmodel.env]\nB = 'b'\n[[z]]\n"
    )
    now = merged(CODEX, LAUNCH, text)
    found = codex(now)
    assert found["command"] == LAUNCH.command[0]
    assert (found["env_vars"], found["env"]) == (["A"], {"B": "b"})
    assert found["default_tools_approval_mode"] == "prompt"
    kept = text.replace('"old"', f'"{LAUNCH.command[0]}"').splitlines()
    assert set(kept) <= set(now.splitlines())
    assert merged(CODEX, LAUNCH, now) == now


@pytest.mark.parametrize(
    "text",
    [
        '[mcp_servers]\nrightmodel = { command = "x" } # mine\n',
        'mcp_servers = { other = { command = "y" } }\n[tui]\nz = 1\n',
        'mcp_servers = { rightmodel = { command = "x", env = { A = "1" } }, o = { a = 1 } }\n',
        'mcp_servers.rightmodel.command = "x"\nmcp_servers.other.command = "y"\n',
        '[mcp_servers.a]\ncommand = "a"\n\n[tui]\nx = 1\n\n[mcp_servers.b]\ncommand = "b"\n',
        '[mcp_servers.a.env]\nK = "k"\n\n[[rows]]\nx = 1 # one\n[[rows]]\nx = 2\n',
        "# nothing but a comment",
        "[tui]\nx = 1",
        "",
    ],
)
def test_every_layout_of_toml_is_edited_and_keeps_comments_and_meaning(text: str) -> None:
    now = merged(CODEX, LAUNCH, text)
    assert codex(now)["command"] == LAUNCH.command[0]
    for comment in re.findall("#.*", text):
        assert comment in now
    assert merged(CODEX, LAUNCH, now) == now
    before, after = tomllib.loads(text), tomllib.loads(removed(CODEX, now))
    before.get("mcp_servers", {}).pop("rightmodel", None)
    if not before.get("mcp_servers", True):
        del before["mcp_servers"]
    assert after == before
    assert removed(CODEX, text) == text or "rightmodel" in text


def test_options_that_were_added_by_hand_stay() -> None:
    args = ["serve", "--env-file", "/mine.env", "--no-warm-up", "--deadline", "120"]
    old = {"command": "old", "args": args, "requestTimeoutMs": 200_000, "cwd": "/x"}
    text = json.dumps({"mcp": {"servers": {"rightmodel": old}}, "tools": {"toolSearch": True}})
    plain = Launch(("/new/rightmodel",), ("complete",))
    tree = json.loads(merged(CLIENTS["openclaw"], plain, text))
    now = tree["mcp"]["servers"]["rightmodel"]
    assert now["command"] == "/new/rightmodel"
    assert now["args"] == args
    assert (now["requestTimeoutMs"], now["cwd"]) == (200_000, "/x")
    assert tree["tools"] == {"toolSearch": True}
    named = json.loads(merged(CLIENTS["openclaw"], LAUNCH, text))["mcp"]["servers"]["rightmodel"]
    assert named["args"][named["args"].index("--env-file") + 1] == "/k.env"


def test_the_deadline_follows_a_timeout_that_was_set_by_hand() -> None:
    old = {"command": "x", "args": ["serve", "--deadline", "285"], "timeout": 100_000}
    text = json.dumps({"mcpServers": {"rightmodel": old}})
    now = json.loads(merged(CLIENTS["claude-code"], LAUNCH, text))["mcpServers"]["rightmodel"]
    assert now["timeout"] == 100_000
    assert now["args"][-2:] == ["--deadline", "90"]


def test_removing_takes_out_the_entry_and_nothing_else() -> None:
    for name, client in CLIENTS.items():
        if client.format != "json":
            continue
        text = '{\n  "mine": {\n    "a": 1\n  }\n}\n'
        assert removed(client, merged(client, LAUNCH, text)) == text, name
        assert removed(client, text) == text
    others = {"mcpServers": {"other": {"command": "x"}}}
    both = merged(CLIENTS["cursor"], LAUNCH, json.dumps(others))
    assert json.loads(removed(CLIENTS["cursor"], both)) == others


def test_for_yaml_the_snippet_is_plain_and_quoted() -> None:
    for name in ("goose", "continue"):
        text = registration(CLIENTS[name], LAUNCH)
        assert ': "/opt/right model/rightmodel"\n' in text
        with pytest.raises(CannotMergeError, match=r"paste|save it"):
            merged(CLIENTS[name], LAUNCH, "")
