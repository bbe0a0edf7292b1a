"""Only plain files inside the roots are sent, and none that holds a secret."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hardening.bench import HEAD, Home, Provider, asked, chat, model, provider

if TYPE_CHECKING:
    from pathlib import Path

KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n-----END OPENSSH PRIVATE KEY-----\n"
SECRETS = (".env", "prod.env", "id_ed25519", "secrets.yml", "service-account.json", ".npmrc")
PLAIN = ("a b.txt", "ü.txt", "id_ed25519.pub", "sub/../a b.txt", "link-inside.txt", "empty.txt")
NEVER = (
    "pipe", "link-outside", "environ", "loop", "root/etc/passwd", "../manifest.toml", "sub",
    "/etc/passwd", "/proc/self/environ", "nothing.txt", "a b.txt\0", "key.txt", "x" * 5000,
    "http://example.com/x", *SECRETS,
)  # fmt: skip


def prepared(root: Path, upstream: Provider) -> Home:
    home = Home(root, HEAD + provider("a", upstream.port) + model("a/m"))
    (home.work / "sub").mkdir()
    for name in ("a b.txt", "ü.txt", "id_ed25519.pub", *SECRETS):
        (home.work / name).write_text("plain")
    (home.work / "empty.txt").write_text("")
    (home.work / "key.txt").write_text(KEY)
    os.mkfifo(home.work / "pipe")
    for name, target in {
        "link-inside.txt": "a b.txt",
        "link-outside": "/etc/passwd",
        "environ": "/proc/self/environ",
        "loop": "loop",
        "root": "/",
    }.items():
        (home.work / name).symlink_to(target)
    return home


def test_what_may_be_sent_is_and_nothing_else(tmp_path: Path) -> None:
    with Provider(lambda _: chat("fine")) as upstream:
        home = prepared(tmp_path / "m", upstream)
        with home.session() as session:
            for name in PLAIN:
                assert session.call(prompt="read", files=[name]).text == "fine", name
            uri = (home.work / "a b.txt").as_uri()
            assert session.call(prompt="read", files=[uri]).text == "fine"
            upstream.requests.clear()
            for name in NEVER:
                found = session.call(prompt="read", files=[name])
                assert found.failed, name
                assert "code=file_refused" in found.line
            assert not asked(upstream)


def test_a_server_that_starts_in_the_root_or_the_home_folder_reads_nothing(tmp_path: Path) -> None:
    with Provider(lambda _: chat("fine")) as upstream:
        home = prepared(tmp_path / "m", upstream)
        notes = home.root / "home" / "notes.txt"
        notes.write_text("mine")
        for folder in ("/", str(home.root / "home")):
            with home.session(cwd=folder) as session:
                found = session.call(prompt="read", files=[str(notes)])
                assert found.failed
                assert "[files] roots" in found.text
                assert session.call(prompt="hello").text == "fine"
        assert not asked(upstream, ["mine"])
