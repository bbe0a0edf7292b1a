from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rightmodel.core.errors import FileRefusedError
from rightmodel.manifest.catalog import FilePolicy
from rightmodel.surfaces import files
from rightmodel.surfaces.files import read_files

if TYPE_CHECKING:
    from collections.abc import Callable


KEY = "-----BEGIN {}PRIVATE KEY{}-----\nabc\n-----END {}PRIVATE KEY-----\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


def read(root: Path, name: str, *allow: str) -> bytes:
    (attachment,) = read_files([name], FilePolicy((str(root),), 1000, allow))
    return attachment.data


def test_only_regular_files_under_the_roots_are_read(tmp_path: Path, root: Path) -> None:
    (root / "notes.md").write_text("hello")
    (root / "shot.txt").write_bytes(b"\x89PNG\r\n\x1a\n....")
    (root / "posing.txt").write_bytes(b"MZ\x00\x01\xff")
    (root / "big.txt").write_text("x" * 2000)
    (root / "secret.txt").symlink_to(root / ".env.local")
    (root / ".env.local").write_text("KEY=1")
    (tmp_path / "outside.txt").write_text("x")
    (root / "out.txt").symlink_to(tmp_path / "outside.txt")
    (root / "out").symlink_to(tmp_path)
    (root / "loop").symlink_to(root / "loop")
    os.mkfifo(root / "pipe")
    policy = FilePolicy((str(root),), 1000)
    text, image = read_files(["notes.md", "shot.txt"], policy)
    assert (text.data, text.modality, image.modality) == (b"hello", "text", "image")
    refused = {
        "posing.txt": "neither UTF-8",
        "big.txt": "limit of 1000",
        ".env.local": "secrets",
        "secret.txt": "secrets",
        "out.txt": "outside",
        "out/outside.txt": "outside",
        "../outside.txt": "outside",
        "../missing.txt": "outside",
        "loop": "not sent",
        "pipe": "regular",
        "missing": "no such file",
        ".": "regular",
        "\0": "not a valid path",
        "a" * 5000: "not sent",
    }
    for name, why in refused.items():
        with pytest.raises(FileRefusedError, match=why):
            read_files([name], policy)


def test_text_that_windows_wrote_is_sent_as_text_and_a_key_in_it_is_not(root: Path) -> None:
    (root / "log.txt").write_text("grüß dich", encoding="utf-16")
    assert read(root, "log.txt") == "grüß dich".encode()
    key = "-----BEGIN PRIVATE KEY-----\n"
    (root / "key.txt").write_text(key, encoding="utf-16")
    (root / "odd.txt").write_bytes("x".encode("utf-16") + b"\x00")
    for name, why in {"key.txt": "private key", "odd.txt": "converted to UTF-8"}.items():
        with pytest.raises(FileRefusedError, match=why):
            read(root, name)


def test_a_file_is_told_with_the_names_of_where_it_really_is(root: Path) -> None:
    (root / "pay").mkdir()
    (root / "pay" / "may.csv").write_text("1")
    (root / "link").symlink_to(root / "pay" / "may.csv")
    for name in ("link", "./pay/may.csv", str(root / "pay" / "may.csv")):
        (attachment,) = read_files([name], FilePolicy((str(root),), 1000))
        assert {name, "may.csv", "pay/may.csv"} <= set(attachment.names)


def test_a_link_inside_the_roots_is_followed(root: Path) -> None:
    (root / "v2").mkdir()
    (root / "v2" / "notes.md").write_text("hello")
    (root / "current").symlink_to("v2")
    (root / "first.md").symlink_to(root / "current" / "notes.md")
    assert read(root, "current/notes.md") == b"hello"
    assert read(root, "first.md") == b"hello"


@pytest.mark.parametrize(
    "name",
    [
        ".env", "prod.env", ".ENV.local", "\uff0eenv", ".env\u200b", "a.pem", "a.key", "a.ppk",
        "a.jks", "id_rsa", "credentials.json", "service-account.json", "secrets.yaml", "token",
        ".pgpass", ".htpasswd", "prod.tfvars", "terraform.tfstate", ".vault-token", ".bash_history",
        ".ssh/known_hosts", ".aws/config", ".config/gh/hosts.yml", ".kube/x", ".Docker/x.json",
    ],
)  # fmt: skip
def test_a_name_that_holds_secrets_is_never_sent_unless_the_manifest_allows_it(
    root: Path, name: str
) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text("x")
    with pytest.raises(FileRefusedError, match="never sent"):
        read(root, name)
    assert read(root, name, "*" + name[-6:]) == b"x"


@pytest.mark.parametrize(
    "name", ["id_rsa.pub", "token.py", "secrets.py", "keys.md", "environment.md", "history.txt"]
)
def test_an_ordinary_name_is_sent(root: Path, name: str) -> None:
    (root / name).write_text("x")
    assert read(root, name) == b"x"


@pytest.mark.parametrize(
    "text",
    [
        KEY.format("", "", ""),
        KEY.format("OPENSSH ", "", ""),
        KEY.format("RSA ", "", "").replace("\n", "\r\n"),
        "Comment\n" + KEY.format("PGP ", " BLOCK", ""),
        '{"private_key": "-----BEGIN PRIVATE KEY-----\\nMIIE"}',
        "PuTTY-User-Key-File-3: ssh-ed25519\n",
        "AGE-SECRET-KEY-1QQQ\n",
    ],
)
def test_a_private_key_is_recognised_by_its_content(root: Path, text: str) -> None:
    (root / "notes.txt").write_bytes(text.encode())
    with pytest.raises(FileRefusedError, match="private key"):
        read(root, "notes.txt")
    assert read(root, "notes.txt", "notes.txt") == text.encode()


def test_text_about_private_keys_is_no_private_key(root: Path) -> None:
    text = "A key begins with -----BEGIN PRIVATE KEY----- and ends likewise."
    (root / "notes.txt").write_text(text)
    assert read(root, "notes.txt") == text.encode()


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
@pytest.mark.parametrize("name", ["/proc/self/environ", "/proc/self/mem", "/dev/zero", "/sys/x"])
def test_what_the_kernel_shows_as_files_is_never_sent(name: str) -> None:
    with pytest.raises(FileRefusedError, match="kernel"):
        read_files([name], FilePolicy(("/",)))


def exchange_before_open(monkeypatch: pytest.MonkeyPatch, change: Callable[[], object]) -> None:
    """Let `change` happen between the checks and the opening of a file."""
    opened = files._open

    def changed(file: files._File) -> int:
        change()
        return opened(file)

    monkeypatch.setattr(files, "_open", changed)


def test_a_folder_exchanged_for_a_link_does_not_lead_out(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder, text in ((root / "d", "inside"), (tmp_path / "outside", "outside")):
        folder.mkdir()
        (folder / "f.txt").write_text(text)

    def exchange() -> None:
        (root / "d").rename(root / "d2")
        (root / "d").symlink_to(tmp_path / "outside")

    exchange_before_open(monkeypatch, exchange)
    with pytest.raises(FileRefusedError, match="cannot be opened"):
        read(root, "d/f.txt")


@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_a_file_exchanged_for_something_else_is_refused_at_once(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    (root / "f.txt").write_text("inside")
    (tmp_path / "outside.txt").write_text("outside")

    def exchange() -> None:
        (root / "f.txt").unlink()
        if kind == "link":
            (root / "f.txt").symlink_to(tmp_path / "outside.txt")
        else:
            os.mkfifo(root / "f.txt")

    exchange_before_open(monkeypatch, exchange)
    with pytest.raises(FileRefusedError, match="not sent"):
        read(root, "f.txt")


@pytest.mark.parametrize("started_in", ["/", "home", "above home"])
def test_a_server_started_where_everything_lies_reads_nothing_until_roots_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, started_in: str
) -> None:
    home = tmp_path / "users" / "me"
    (home / "project").mkdir(parents=True)
    (home / "project" / "notes.md").write_text("hello")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir({"/": Path("/"), "home": home, "above home": tmp_path}[started_in])
    name = str(home / "project" / "notes.md")
    with pytest.raises(FileRefusedError, match="no folder is allowed"):
        read_files([name], FilePolicy())
    assert read_files([name], FilePolicy((str(home),)))
    monkeypatch.chdir(home / "project")
    assert read_files([name, "notes.md"], FilePolicy())
    with pytest.raises(FileRefusedError, match="no folder is allowed to remote clients"):
        read_files([name], FilePolicy(is_remote=True))
    assert read_files([name], FilePolicy((str(home),), is_remote=True))
