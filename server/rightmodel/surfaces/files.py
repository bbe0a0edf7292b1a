"""Files that a caller wants sent along: only where the manifest allows it, and never secrets.

A path is resolved first and then opened component by component without following links, so that
what was checked is what is read, even if somebody exchanges a folder or a file in between.
"""

from __future__ import annotations

import os
import re
import stat
import unicodedata
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rightmodel.core.errors import FileRefusedError
from rightmodel.core.task import Attachment
from rightmodel.manifest.text_file import UTF16, decoded

if TYPE_CHECKING:
    from rightmodel.manifest.catalog import FilePolicy

_SECRET_NAMES: Final = (
    ".env*", "*.env", "*.pem", "*.key", "*.p12", "*.pfx", "*.kdbx", "*.kdb", "*.ppk", "*.jks",
    "*.keystore", "*.keytab", "*.agekey", "*.ovpn", "*.tfvars", "*.tfstate", "*.tfstate.*",
    "id_*", "credentials*", "client_secret*.json", "service[-_]account*.json", "kubeconfig*",
    "*.kubeconfig", "secrets", "secrets.json", "secrets.toml", "secrets.y*ml", "secrets.ini",
    "secrets.txt", "token", "tokens", "token.txt", "tokens.txt", "token.json", "tokens.json",
    "shadow", "gshadow", "rclone.conf", ".netrc", "_netrc", ".npmrc", ".yarnrc.yml", ".pypirc",
    ".git-credentials", ".pgpass", ".my.cnf", ".htpasswd", ".dockercfg", ".boto", ".s3cfg",
    ".vault-token", ".terraformrc", ".*_history",
)  # fmt: skip
_PUBLIC_NAMES: Final = ("id_*.pub", "*.pub.key")
_SECRET_FOLDERS: Final = frozenset(
    {".ssh", ".aws", ".gnupg", ".kube", ".docker", ".azure", ".gcloud", ".oci", ".password-store"}
    | {".config/gh", ".config/gcloud", ".config/rclone", ".config/op", ".local/share/keyrings"}
)
_PRIVATE_KEY: Final = re.compile(
    rb"""(?:^[ \t]*|["'])-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----[ \t]*(?:[\r\n]|\\n)"""
    rb"""|^PuTTY-User-Key-File-\d|^AGE-SECRET-KEY-1""",
    re.MULTILINE,
)
_KERNEL_FOLDERS: Final = ("/proc", "/sys", "/dev")
_MAGIC: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", "application/pdf"),
    (b"ID3", "audio/mpeg"),
    (b"\xff\xfb", "audio/mpeg"),
)
_FOLDER_FLAGS: Final = (
    getattr(os, "O_PATH", 0) | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)
)
_FILE_FLAGS: Final = (
    getattr(os, "O_NONBLOCK", 0)  # opening a pipe must not wait for its writer
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_BINARY", 0)
)


def read_files(paths: Sequence[str], policy: FilePolicy) -> tuple[Attachment, ...]:
    """The files as attachments. Raises `FileRefusedError` for the first that may not be sent.

    Relative paths start at the first root. `max_bytes` holds for each file and for all together.
    """
    roots = _roots(policy)
    attachments = []
    left = policy.max_bytes
    for path in dict.fromkeys(paths):
        file = _locate(path, roots, is_remote=policy.is_remote)
        allowed = any(fnmatchcase(text, p) for text in file.names for p in policy.allow)
        if not allowed:
            _refuse_secret_names(file)
        data = _read(file, left, policy.max_bytes)
        if data.startswith(UTF16):  # as Windows PowerShell writes text
            with suppress(UnicodeError):
                data = decoded(data).encode()
        if not allowed and _PRIVATE_KEY.search(data):
            raise FileRefusedError(path, f"it holds a private key; {_ALLOW}")
        left -= len(data)
        places = (*file.names, file.real.as_posix())
        attachments.append(Attachment(path, _media_type(path, data), data, places))
    return tuple(attachments)


_ALLOW: Final = "[files] allow in the manifest can name files that are no secret"


@dataclass(frozen=True, slots=True)
class _File:
    """`path`: as the caller wrote it. `real`: without links, below `root`."""

    path: str
    root: Path
    real: Path

    @property
    def names(self) -> tuple[str, str]:
        """What a pattern may match: the name, and the path below the root."""
        return self.real.name, self.real.relative_to(self.root).as_posix()


def _roots(policy: FilePolicy) -> list[Path]:
    """The allowed folders.

    Without `roots` that is the working directory, unless it holds the user's whole home: desktop
    clients start their servers in `/` or there. A remote caller has no working directory here.
    """
    if policy.roots or policy.is_remote:
        return [Path(root) for root in policy.roots]
    here = Path.cwd().resolve()
    if here == Path(here.anchor) or Path.home().resolve().is_relative_to(here):
        return []
    return [here]


def _locate(path: str, roots: list[Path], *, is_remote: bool) -> _File:
    if not roots:
        why = (
            " to remote clients" if is_remote else f", since the server was started in {Path.cwd()}"
        )
        raise FileRefusedError(
            path,
            f"no folder is allowed{why}; name the allowed folders in the manifest: "
            '[files] roots = ["~/project"]',
        )
    try:
        real = (roots[0] / Path(path).expanduser()).resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise FileRefusedError(path, f"not a valid path: {error}") from error
    for root in roots:
        if real.is_relative_to(root):
            return _File(path, root, real)
    allowed = ", ".join(map(str, roots))
    raise FileRefusedError(
        path,
        f"it is outside the allowed folders ({allowed}); "
        "[files] roots in the manifest can allow more",
    )


def _refuse_secret_names(file: _File) -> None:
    for name in {_plain(file.real.name), _plain(Path(file.path).name)}:
        if _matches(name, _SECRET_NAMES) and not _matches(name, _PUBLIC_NAMES):
            raise FileRefusedError(
                file.path, f"files of this name usually hold secrets and are never sent; {_ALLOW}"
            )
    parts = [_plain(part) for part in file.real.parts[:-1]]
    for depth, part in enumerate(parts, 1):
        ends = {part, "/".join(parts[max(0, depth - 2) : depth])}
        ends.add("/".join(parts[max(0, depth - 3) : depth]))
        secret = _matches(part, [p for p in _SECRET_NAMES if p.startswith((".", "*."))])
        if secret or ends & _SECRET_FOLDERS:
            raise FileRefusedError(
                file.path, f"everything under {part} counts as secret and is never sent; {_ALLOW}"
            )


def _plain(name: str) -> str:
    """A name without case, look-alikes and invisible characters."""
    normal = unicodedata.normalize("NFKC", name).casefold()
    return "".join(c for c in normal if unicodedata.category(c) != "Cf").strip()


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _read(file: _File, left: int, most: int) -> bytes:
    if file.real.as_posix().startswith(tuple(f"{folder}/" for folder in _KERNEL_FOLDERS)):
        raise FileRefusedError(file.path, "the kernel's files are never sent")
    try:
        fd = _open(file)
    except FileNotFoundError as error:
        raise FileRefusedError(file.path, f"no such file: {file.real}") from error
    except OSError as error:
        raise FileRefusedError(file.path, f"it cannot be opened: {error.strerror}") from error
    try:
        facts = os.fstat(fd)
        if not stat.S_ISREG(facts.st_mode) or facts.st_dev in _kernel_devices():
            raise FileRefusedError(file.path, "it is not a regular file; name the files one by one")
        if facts.st_size > left:
            raise FileRefusedError(
                file.path,
                f"with its {facts.st_size} bytes the call exceeds the limit of {most} bytes; "
                "[files] max_bytes in the manifest can raise it",
            )
        with os.fdopen(fd, "rb", closefd=False) as opened:
            data = opened.read(left + 1)
    except OSError as error:
        raise FileRefusedError(file.path, f"it cannot be read: {error.strerror}") from error
    finally:
        os.close(fd)
    if len(data) > left:
        raise FileRefusedError(file.path, "it grew beyond the limit while it was read")
    return data


def _open(file: _File) -> int:
    """A descriptor of the file, reached from its root through no link. Raises `OSError`."""
    if os.open not in os.supports_dir_fd:  # Windows
        return os.open(file.real, os.O_RDONLY | _FILE_FLAGS)
    *folders, name = file.real.relative_to(file.root).parts or (".",)
    at = os.open(file.root, os.O_RDONLY | _FOLDER_FLAGS)
    try:
        for folder in folders:
            below = os.open(folder, os.O_RDONLY | _FOLDER_FLAGS, dir_fd=at)
            os.close(at)
            at = below
        return os.open(name, os.O_RDONLY | _FILE_FLAGS, dir_fd=at)
    finally:
        os.close(at)


def _kernel_devices() -> set[int]:
    """Of /proc and its like, wherever they are mounted."""
    return {folder.stat().st_dev for folder in map(Path, ("/proc", "/sys")) if folder.is_dir()}


def _media_type(path: str, data: bytes) -> str:
    """By content, not by name: a model is never given a binary that poses as text."""
    for magic, media_type in _MAGIC:
        if data.startswith(magic):
            return media_type
    if data[:4] == b"RIFF" and data[8:12] in {b"WEBP", b"WAVE"}:
        return "image/webp" if data[8:12] == b"WEBP" else "audio/wav"
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise FileRefusedError(
            path,
            "it is neither UTF-8 text nor a known image, PDF or audio format; text in another "
            "encoding must be converted to UTF-8 first",
        )
    return "text/plain"
