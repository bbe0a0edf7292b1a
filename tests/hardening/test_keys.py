"""Keys from an env file in any dialect reach their provider as they were meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hardening.bench import HEAD, Home, Provider, chat, model, provider

if TYPE_CHECKING:
    from pathlib import Path

KEY = "sk-abc#123=="
LINES = {
    "PLAIN": f"PLAIN={KEY}",
    "SPACES": f"  SPACES = {KEY}  ",
    "COMMENT": f"COMMENT={KEY} # of the team",
    "DOUBLE": f'DOUBLE="{KEY}" # of the team',
    "SINGLE": f"SINGLE='{KEY}'",
    "EXPORT": f"export EXPORT={KEY}",
    "TAB": f"export\tTAB={KEY}\t",
    "CRLF": f"CRLF={KEY}\r",
    "LAST": f'my.dotted.name=x\nexport LAST\nNOTE="two\nlines"\n???\nLAST={KEY}',
}  # fmt: skip


def test_each_way_to_write_a_line_gives_the_same_key(tmp_path: Path) -> None:
    with Provider(lambda _: chat("fine")) as upstream:
        manifest = HEAD
        for name in LINES:
            manifest += provider(name.lower(), upstream.port, f'key_env = "{name}"')
            manifest += model(f"{name.lower()}/m")
        home = Home(tmp_path / "m", manifest)
        text = "\ufeff" + "\n".join(LINES.values()) + "\n"
        (home.work / "keys.env").write_text(text, newline="")
        with home.session("--env-file", "keys.env") as session:
            for name in LINES:
                session.call(prompt="hello", model=f"{name.lower()}/m")
                sent = upstream.requests[-1].headers.get("authorization")
                assert sent == f"Bearer {KEY}", name


@pytest.mark.parametrize(
    ("variable", "hint"),
    [("", "A_KEY"), ("A_API_KEY", "A_API_KEY"), ("A_KEYS", "A_KEYS")],
)
def test_a_missing_key_is_named_and_a_near_name_shown(
    tmp_path: Path, variable: str, hint: str
) -> None:
    far = '[providers.a]\nprotocol = "openai-chat"\nbase_url = "https://a.example/v1"\n'
    manifest = HEAD + far + 'key_env = "A_KEY"\n' + model("a/m")
    home = Home(tmp_path / "m", manifest, {variable: "sk-1234567890"} if variable else {})
    done = home.run("check", "--no-call")
    assert done.returncode == 1
    assert hint in done.stdout + done.stderr
    assert "sk-1234567890" not in done.stdout + done.stderr


def test_a_key_in_place_of_its_variables_name_is_never_shown(tmp_path: Path) -> None:
    secret = "sk-proj-abcdefghijklmnop1234567890"
    manifest = HEAD + provider("a", 1, f'key_env = "{secret}"') + model("a/m")
    home = Home(tmp_path / "m", manifest)
    for command in (("check", "--no-call"), ("ask", "hello"), ("models", "--origins")):
        done = home.run(*command)
        assert secret not in done.stdout + done.stderr
        assert "key_env" in done.stdout + done.stderr
