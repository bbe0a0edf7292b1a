"""`ask` with templates, files and -c, and `chat`: against a simulated provider."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from rightmodel.core.call import Usage
from rightmodel.core.errors import FileRefusedError, RightmodelError
from rightmodel.simulator import Behaviour, Reply, SimulatedProvider
from rightmodel.surfaces.cli import cli

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

MANIFEST = """
version = 1
[routing]
deadline_s = {deadline_s}
[privacy]
store_text = {store_text}
[providers.p]
protocol = "openai-chat"
base_url = "{url}"
[[models]]
id = "p/one"
input = ["text", "image"]
[[models]]
id = "p/two"
"""
SEEN = Usage(input=5000, output=2)
"""Fewer tokens than an image has would mean that the prompt was cut."""
PNG = bytes.fromhex("89504e470d0a1a0a") + b"0" * 20


@dataclass
class Desk:
    """Where a person works. `received`: what the provider was sent."""

    folder: Path
    store_text: bool = True
    deadline_s: float = 50
    tokens_per_s: float = 0

    def run(self, *commands: tuple[str, ...], given: str = "") -> tuple[list[Result], list[Any]]:
        """The results of command lines, and the requests that reached the provider."""

        async def all_of_them() -> tuple[list[Result], list[Any]]:
            models = {
                "one": Behaviour(answers=lambda _: Reply("said one", usage=SEEN)),
                "two": Behaviour("said two", tokens_per_s=self.tokens_per_s, chunk_tokens=1),
            }
            async with SimulatedProvider("openai-chat", models=models) as provider:
                manifest = self.folder / "m.toml"
                stored = str(self.store_text).lower()
                manifest.write_text(
                    MANIFEST.format(
                        url=provider.base_url, store_text=stored, deadline_s=self.deadline_s
                    )
                )
                results = [
                    await asyncio.to_thread(self.invoke, command, given) for command in commands
                ]
                return results, list(provider.requests)

        return asyncio.run(asyncio.wait_for(all_of_them(), 30))

    def invoke(self, command: tuple[str, ...], given: str) -> Result:
        env = {
            "RIGHTMODEL_STATE_DIR": str(self.folder / "state"),
            "XDG_CONFIG_HOME": str(self.folder / "config"),
        }
        arguments = [*command, "--manifest", str(self.folder / "m.toml")]
        return CliRunner().invoke(cli, arguments, input=given, env=env)

    def template(self, name: str, text: str) -> None:
        path = self.folder / f"config/rightmodel/templates/{name}.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return Desk(tmp_path)


def roles(request: Any) -> list[tuple[str, Any]]:
    return [(m["role"], m["content"]) for m in request.body["messages"]]


def test_a_person_has_the_whole_of_an_answer_that_arrives_until_after_the_deadline(
    desk: Desk,
) -> None:
    desk.deadline_s, desk.tokens_per_s = 0.05, 10
    (done,), (request,) = desk.run(("ask", "-m", "p/two", "at length"))
    assert done.exit_code == 0, done.output
    assert done.stdout == "said two\n"
    assert not request.cancelled


def test_a_template_has_a_gap_for_the_prompt_and_sets_options(desk: Desk) -> None:
    desk.template("short", 'prompt = "In one word: $input!"\nmodel = "p/two"\nsystem = "Be terse."')
    (done,), (request,) = desk.run(("ask", "-t", "short", "why"))
    assert done.exit_code == 0, done.output
    assert request.model == "two"
    assert roles(request) == [("system", "Be terse."), ("user", "In one word: why!")]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_template_may_hold_a_list_and_be_written_by_windows(desk: Desk, encoding: str) -> None:
    text = 'prompt = "Kürze: $input"\nmodel = ["p/two", "p/one"]\nmax_cost_usd = 0.5'
    desk.template("short", "")
    (desk.folder / "config/rightmodel/templates/short.toml").write_text(text, encoding=encoding)
    _, (request,) = desk.run(("ask", "-t", "short", "why"))
    assert request.model == "two"
    assert roles(request) == [("user", "Kürze: why")]


def test_options_of_the_command_line_win_over_the_template(desk: Desk) -> None:
    desk.template("short", 'prompt = "Shorten."\nmodel = "p/two"')
    _, (request,) = desk.run(("ask", "-t", "short", "-m", "p/one", "a long text"))
    assert request.model == "one"
    assert roles(request) == [("user", "Shorten.\n\na long text")]


def test_standard_input_goes_into_the_gap(desk: Desk) -> None:
    desk.template("sum", 'prompt = "Sum up: $input"')
    _, (request,) = desk.run(("ask", "-t", "sum"), given="the notes")
    assert roles(request) == [("user", "Sum up: the notes")]


@pytest.mark.parametrize(
    ("template", "text", "why"),
    [
        ("none", "", "Nearest: nine"),
        ("nine", "tire = 'cheap'", "unknown key in nine.toml 'tire'. Nearest: tier"),
        ("nine", "tier = ", "cannot be read"),
    ],
)
def test_a_wrong_template_is_explained(desk: Desk, template: str, text: str, why: str) -> None:
    desk.template("nine", text)
    (done,), requests = desk.run(("ask", "-t", template, "hi"))
    assert isinstance(done.exception, RightmodelError)
    assert why in str(done.exception)
    assert not requests


def test_the_first_template_is_named_where_there_are_none(desk: Desk) -> None:
    (done,), _ = desk.run(("ask", "-t", "x", "hi"))
    assert "write" in str(done.exception)
    assert "templates/x.toml" in str(done.exception)


def test_a_file_from_another_folder_is_sent_because_the_user_names_it(desk: Desk) -> None:
    (desk.folder / "pictures").mkdir()
    picture = desk.folder / "pictures/cat.png"
    picture.write_bytes(PNG)
    (done,), (request,) = desk.run(("ask", "-f", str(picture), "What is this?"))
    assert done.exit_code == 0, done.output
    assert request.model == "one"
    assert "image_url" in str(request.body)


def test_a_file_that_holds_secrets_is_refused_by_hand_as_well(desk: Desk) -> None:
    (desk.folder / ".env").write_text("A=b")
    (done,), requests = desk.run(("ask", "-f", str(desk.folder / ".env"), "hi"))
    assert isinstance(done.exception, FileRefusedError)
    assert not requests


def test_continue_goes_on_with_the_last_conversation(desk: Desk) -> None:
    _, requests = desk.run(
        ("ask", "-m", "p/two", "--system", "Be kind.", "first"),
        ("ask", "-c", "second"),
        ("ask", "-c", "third"),
    )
    assert roles(requests[-1]) == [
        ("system", "Be kind."),
        ("user", "first"),
        ("assistant", "said two"),
        ("user", "second"),
        ("assistant", "said two"),
        ("user", "third"),
    ]
    assert [request.model for request in requests] == ["two", "two", "two"]


def test_continue_without_stored_text_says_what_would_keep_it(desk: Desk) -> None:
    desk.store_text = False
    (_, done), requests = desk.run(("ask", "first"), ("ask", "-c", "second"))
    assert isinstance(done.exception, RightmodelError)
    assert "no conversation to continue" in str(done.exception)
    assert f"store_text = true in {desk.folder / 'm.toml'}" in str(done.exception)
    assert "store_text = true" in str(done.exception)
    assert len(requests) == 1


def test_chat_keeps_the_conversation_until_a_new_one(desk: Desk) -> None:
    desk.store_text = False
    lines = "hello\n\n/model p/two\nand now?\n/new\nanother\n/help\n/exit\nnot sent\n"
    (done,), requests = desk.run(("chat",), given=lines)
    assert done.exit_code == 0, done.output
    assert [len(request.body["messages"]) for request in requests] == [1, 3, 1]
    assert requests[1].model == requests[2].model == "two"
    assert roles(requests[1])[0] == ("user", "hello")
    assert done.stdout.count("said ") == 3
    assert "/file PATH" in done.stderr


def test_chat_sends_a_file_once_and_survives_an_error(desk: Desk) -> None:
    picture = desk.folder / "cat.png"
    picture.write_bytes(PNG)
    lines = f"/model nobody\nhi\n/model\n/file {picture}\nwhat is it?\nand why?\n"
    (done,), requests = desk.run(("chat",), given=lines)
    assert done.exit_code == 0, done.output
    assert "unknown model 'nobody'" in done.stderr
    assert [str(r.body["messages"][-1]).count("data:image") for r in requests] == [1, 0]


def test_chat_names_a_wrong_model_or_file_as_it_is_given(desk: Desk) -> None:
    (done,), requests = desk.run(("chat",), given="/model p/one, nobody\n/file none.png\n")
    assert not requests
    assert "unknown model 'nobody'" in done.stderr
    assert "none.png: no such file" in done.stderr


def test_chat_takes_up_the_last_conversation(desk: Desk) -> None:
    _, requests = desk.run(("ask", "first"), ("chat", "-c"), given="second\n")
    assert [role for role, _ in roles(requests[-1])] == ["user", "assistant", "user"]


def test_chat_names_an_unknown_command_and_those_there_are(desk: Desk) -> None:
    (done,), requests = desk.run(("chat",), given="/modle p/two\n")
    assert not requests
    assert "unknown command /modle" in done.stderr
    assert "/model NAME" in done.stderr


@pytest.mark.parametrize("given", ["", " \n"])
def test_ask_without_a_prompt_says_how_to_write_one(desk: Desk, given: str) -> None:
    (done,), requests = desk.run(("ask",), given=given)
    assert not requests
    assert str(done.exception).startswith("prompt is empty: write it after the command")


@pytest.mark.parametrize("command", [("ask", "hello"), ("chat",)])
def test_with_nothing_connected_one_message_says_how_to_begin(
    desk: Desk, command: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    (desk.folder / "m.toml").write_text('version = 1\ninclude = []\nexclude = ["x/*"]\n')
    done = desk.invoke(command, "hello\n")
    assert "no model is connected: exclude 'x/*' matches" in str(done.exception)
    assert "`rightmodel check` says what is missing" in str(done.exception)
    assert not caplog.records
