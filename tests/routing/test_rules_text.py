"""What the conditions of `[[rules]]` on texts and files are searched in, and how."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from rightmodel.core.decision import Trust
from rightmodel.core.task import Attachment, Message, Task, ToolResult, Turn, WireFormat
from rightmodel.routing.router import Router
from rightmodel.wire.codecs import CODECS
from routing.rules import SECRET, catalog_of, route, text_file

if TYPE_CHECKING:
    import re
    from collections.abc import Sequence
    from pathlib import Path


LONG = "x " * 20_000


SENT = {
    "prompt": Task("the word is hunter2"),
    "capitals": Task("HUNTER2"),
    "zero width": Task("hun\u200bter2"),
    "control character": Task("hun\x00ter2"),
    "full width": Task("ｈｕｎｔｅｒ２"),
    "system": Task("x", system="hunter2"),
    "earlier turn": Task(
        "x", history=(Message.of("user", "hunter2"), Message.of("assistant", "noted"))
    ),
    "earlier answer": Task(
        "x", history=(Message.of("user", "hi"), Message.of("assistant", "hunter2"))
    ),
    "text file": Task("x", files=(text_file("notes.md", b"a\nhunter2\n"),)),
    "file name": Task("x", files=(text_file("hunter2.txt"),)),
    "folder": Task("x", files=(text_file("plans/hunter2/a.txt"),)),
    "image name": Task("x", files=(Attachment("hunter2.png", "image/png", b"\x89PNG"),)),
    "file of an earlier turn": Task(
        "x", history=(Message.of("user", "", (text_file("hunter2"),)),)
    ),
    "schema text": Task("x", schema={"type": "object", "description": "hunter2"}),
    "schema key": Task("x", schema={"properties": {"hunter2": {"type": "string"}}}),
    "schema enum": Task("x", schema={"properties": {"a": {"enum": [1, "hunter2"]}}}),
    "schema title deep down": Task("x", schema={"$defs": {"a": {"anyOf": [{"title": "hunter2"}]}}}),
}


@pytest.mark.parametrize("task", SENT.values(), ids=SENT)
def test_a_requirement_sees_all_that_would_be_sent(tmp_path: Path, task: Task) -> None:
    decision = route(tmp_path, SECRET, task)
    assert {"far/a", "far/b"} <= {r.model for r in decision.rejections}
    assert decision.requirements.trust is Trust.local


def test_a_requirement_sees_the_names_of_files_that_tools_returned(tmp_path: Path) -> None:
    returned = Message("user", (ToolResult("call", (text_file("secret.txt"),)),))
    rules = SECRET.replace('contains = ["hunter2"]', 'files = ["secret*"]')
    decision = route(tmp_path, rules, Task("x", history=(returned,)))
    assert decision.requirements.trust is Trust.local


def test_a_number_in_a_schema_and_text_with_quotes_are_matched(tmp_path: Path) -> None:
    rule = "[[rules]]\nwhen = { matches = '%s' }\nrequire = { trust = 'local' }\n"
    card = Task("x", schema={"enum": [4111111111111111]})
    quoted = Task("x", schema={"const": 'say "hunter2"'})
    pair = Task("x", schema={"password": "x"})
    assert route(tmp_path, rule % r"\d{16}", card).requirements.trust is Trust.local
    assert route(tmp_path, rule % '"hunter2"', quoted).requirements.trust is Trust.local
    assert route(tmp_path, rule % '"password": "x"', pair).requirements.trust is Trust.local


def test_escapes_within_the_arguments_of_a_tool_hide_nothing(tmp_path: Path) -> None:
    escaped = '{"data": ["it is \\u0068unter2"]}'
    function = {"name": "f", "arguments": escaped}
    call = {"id": "c1", "type": "function", "function": function}
    messages = [
        {"role": "user", "content": "go on"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "done"},
    ]
    document = {"model": "auto", "messages": messages}
    request = CODECS[WireFormat.OPENAI_CHAT].decode_request(document)
    turn = Turn(request, WireFormat.OPENAI_CHAT, json.dumps(document).encode(), document)
    assert route(tmp_path, SECRET, Task("go on", turn=turn)).requirements.trust is Trust.local


@pytest.mark.parametrize("key", ["data", "model", "type", "role"])
def test_a_key_of_the_wire_format_hides_nothing_in_the_input_of_a_tool(
    tmp_path: Path, key: str
) -> None:
    ran = {"type": "server_tool_use", "id": "s1", "name": "run", "input": {key: "hunter2"}}
    messages = [
        {"role": "user", "content": "go on"},
        {"role": "assistant", "content": [ran]},
        {"role": "user", "content": "and now?"},
    ]
    document = {"model": "auto", "max_tokens": 9, "messages": messages}
    request = CODECS[WireFormat.ANTHROPIC_MESSAGES].decode_request(document)
    turn = Turn(request, WireFormat.ANTHROPIC_MESSAGES, json.dumps(document).encode(), document)
    assert route(tmp_path, SECRET, Task("and now?", turn=turn)).requirements.trust is Trust.local


def test_escapes_of_a_prompt_in_json_hide_nothing(tmp_path: Path) -> None:
    task = Task('{"note": "it is \\u0068unter2"}')
    assert route(tmp_path, SECRET, task).requirements.trust is Trust.local


def test_the_wire_format_s_own_keys_are_not_text_of_the_request(tmp_path: Path) -> None:
    rule = '[[rules]]\nwhen = { contains = ["user"] }\nrequire = { trust = "local" }\n'
    assert route(tmp_path, rule, Task("hello")).requirements.trust is Trust.any


APART = "Geha\u0308lter"
"""Accents as characters of their own, as macOS and some editors write them."""


@pytest.mark.parametrize("text", ["die Gehälter", "die Geha\u0308lter", "DIE GEHÄLTER"])
@pytest.mark.parametrize(
    "when",
    [
        f'contains = ["{APART}"]',
        f'matches = "(?i){APART}"',
        'contains = ["Gehälter"]',
        'contains = ["Ｇｅｈälter"]',
    ],
)
def test_a_word_is_found_however_its_accents_and_widths_are_written(
    tmp_path: Path, when: str, text: str
) -> None:
    rules = f'[[rules]]\nwhen = {{ {when} }}\nrequire = {{ trust = "local" }}\n'
    assert route(tmp_path, rules, Task(text)).requirements.trust is Trust.local


@pytest.mark.parametrize(
    ("files", "holds"),
    [
        ((), True),
        ((text_file("a.txt"),), True),
        ((Attachment("a.pdf", "application/pdf", b""),), False),
    ],
)
def test_text_among_modalities_means_a_request_without_other_files(
    tmp_path: Path, files: tuple[Attachment, ...], *, holds: bool
) -> None:
    rules = '[[rules]]\nwhen = { input = ["text", "image"] }\ntier = "best"\n'
    decision = route(tmp_path, rules, Task("x", files=files, skill="code"))
    assert (decision.tier == "best") is holds


def test_a_file_is_known_by_each_of_its_names(tmp_path: Path) -> None:
    rules = '[[rules]]\nwhen = { files = ["Secret/*.CSV"] }\nrequire = { trust = "local" }\n'
    for name in ("secret/a.csv", "Secret/a.csv"):
        plain = Task("x", files=(text_file(name),))
        assert route(tmp_path, rules, plain).requirements.trust is Trust.local
    link = replace(text_file("./x/../link"), places=("a.csv", "secret/a.csv"))
    assert route(tmp_path, rules, Task("x", files=(link,))).requirements.trust is Trust.local


@pytest.mark.parametrize(
    ("pattern", "slow"),
    [
        (r"(?i)\b(password|api key)\b", False),
        (r"\d{4}[ -]?\d{4}", False),
        (r"C\+\+|[*+]{2}|\{,\}", False),
        (r"[]+*]", False),
        (r"(a+)+$", True),
        (r".*password", True),
        (r"[\w.]+@", True),
        (r"(a|aa){2,40}b", True),
        (r"(a?){30}a{30}", True),
        (r"(a|aa)(a|aa)(a|aa)(a|aa)(a|aa)(a|aa)(a|aa)(a|aa)(a|aa)b", True),
        (r"(one|two|three|four|five|six|seven|eight|nine|ten)", False),
        (r"\b\d{13,16}\b", False),
        (r"a{0,99}a{0,99}a{0,99}b", True),
        (r"a?a?a?a?a?a?a?b", True),
        (".*" * 90, True),
    ],
)
def test_a_pattern_that_may_be_slow_is_searched_where_it_can_be_stopped(
    tmp_path: Path, pattern: str, *, slow: bool
) -> None:
    asked: list[str] = []

    async def search(found: re.Pattern[str], texts: Sequence[str]) -> bool | None:
        asked.append(found.pattern)
        assert LONG in texts
        return None

    rules = f"[[rules]]\nwhen = {{ matches = '{pattern}' }}\n"
    for sets, counts in (('require = { trust = "local" }', True), ('tier = "best"', False)):
        router = Router(catalog_of(tmp_path, rules + sets), lambda _: "", search=search)
        decision = asyncio.run(router.route(Task(LONG, difficulty="easy", skill="code")))
        held = decision.requirements.trust is Trust.local or decision.tier == "best"
        assert held is (slow and counts), "too slow: it counts where something is required"
    assert asked == [pattern] * 2 * slow


@pytest.mark.parametrize("pattern", [r"sk-\w{20,}", r"pass\s*\w+", r"(?i)key:.*"])
def test_a_short_text_is_searched_without_a_process(tmp_path: Path, pattern: str) -> None:
    rule = f"[[rules]]\nwhen = {{ matches = '{pattern}' }}\nrequire = {{ trust = 'local' }}\n"

    async def search(found: re.Pattern[str], _: Sequence[str]) -> bool | None:
        raise AssertionError(found.pattern)

    router = Router(catalog_of(tmp_path, rule), lambda _: "", search=search)
    for text, trust in (
        ("sk-0123456789abcdefghij", Trust.local if "sk" in pattern else Trust.any),
        ("hello", Trust.any),
    ):
        assert asyncio.run(router.route(Task(text))).requirements.trust is trust
