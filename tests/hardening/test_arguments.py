"""What clients really send means what it plainly means; what means nothing is explained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hardening.bench import HEAD, Home, Provider, chat, model, provider

if TYPE_CHECKING:
    from pathlib import Path

UNDERSTOOD: list[dict[str, object]] = [
    {"skill": "null"},
    {"skill": None},
    {"skill": "Code"},
    {"difficulty": "HARD"},
    {"tier": "Best"},
    {"effort": "undefined"},
    {"model": ["a/m1"]},
    {"model": '["a/m1"]'},
    {"model": "m1"},
    {"model": "a/m1,,"},
    {"model": "auto"},
    {"files": ""},
    {"files": "null"},
    {"files": [""]},
    {"files": [None]},
    {"files": "ok.txt"},
    {"files": '["ok.txt"]'},
    {"files": ["ok.txt"] * 500},
    {"schema": "{}"},
    {"schema": {}},
    {"schema": "null"},
    {"schema": "true"},
    {"max_output_tokens": "100"},
    {"max_output_tokens": None},
    {"max_cost_usd": "$0.50"},
    {"ref": "null"},
    {"system": None},
    {"max_tokens": None},
    {"sessionId": "x", "chatInput": "y", "toolCallId": "z"},
]
EXPLAINED: list[tuple[dict[str, object], str]] = [
    ({"prompt": ""}, "prompt"),
    ({"prompt": ["hello"]}, "a string"),
    ({"promt": "hello"}, "'prompt'"),
    ({"prompt": "hello", "max_tokens": 5}, "'max_output_tokens'"),
    ({"prompt": "hello", "system_prompt": "be brief"}, "'system'"),
    ({"prompt": "hello", "json_schema": {"type": "object"}}, "'schema'"),
    ({"prompt": "hello", "skill": "codes"}, "code"),
    ({"prompt": "hello", "tier": "premium"}, "cheap, balanced, best"),
    ({"prompt": "hello", "model": "a/m2"}, "a/m1"),
    ({"prompt": "hello", "files": [{"path": "ok.txt"}]}, "a list of paths"),
    ({"prompt": "hello", "schema": "{"}, "not JSON"),
    ({"prompt": "hello", "schema": '{"type": "strin"}'}, "strin"),
    ({"prompt": "hello", "schema": '{"$ref": "file:///etc/passwd"}'}, "#/$defs"),
    ({"prompt": "hello", "schema": '{"pattern": "("}'}, "pattern"),
    ({"prompt": "hello", "max_output_tokens": -1}, "whole number"),
    ({"prompt": "hello", "max_output_tokens": True}, "whole number"),
    ({"prompt": "hello", "max_cost_usd": "NaN"}, "US dollars"),
    ({"prompt": "hello", "ref": "gone"}, "anew"),
]


def test_every_form_is_understood_or_explained(tmp_path: Path) -> None:
    with Provider(lambda _: chat("fine")) as upstream:
        manifest = HEAD + provider("a", upstream.port) + model("a/m1")
        home = Home(tmp_path / "m", manifest)
        (home.work / "ok.txt").write_text("ok")
        with home.session() as session:
            for arguments in UNDERSTOOD:
                found = session.call(prompt="hello", **arguments)
                assert found.text == "fine", (arguments, found.text)
            assert "ignored_arguments=" in found.line
            upstream.requests.clear()
            for arguments, hint in EXPLAINED:
                if arguments.get("model"):
                    continue
                found = session.call(**arguments)
                assert found.failed, arguments
                assert hint in found.text, (arguments, found.text)
            assert not upstream.requests


def test_a_page_stays_below_what_clients_take(tmp_path: Path) -> None:
    with Provider(lambda _: chat("語" * 60_000)) as upstream:
        manifest = HEAD + provider("a", upstream.port) + model("a/m1")
        with Home(tmp_path / "m", manifest).session() as session:
            found = session.call(prompt="at length")
            assert 5_000 < len(found.text) < 20_000
            ref = found.receipt["ref"]
            rest = found.text
            while "ref=" in found.line and f"ref={ref} alone" in found.line:
                found = session.call(ref=ref)
                rest += found.text
            assert rest.count("語") == 60_000
