"""Files that a caller wants sent along: read only where the manifest allows, never secrets."""

from __future__ import annotations

import stat
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rightmodel.core.errors import FileRefusedError
from rightmodel.core.task import Attachment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rightmodel.manifest.catalog import FilePolicy

_SECRET_NAMES: Final = (
    ".env*", "*.env", "*.pem", "*.key", "*.p12", "*.pfx", "*.kdbx", "id_*", "credentials*",
    ".netrc", ".npmrc", ".pypirc", ".git-credentials",
)  # fmt: skip
_SECRET_FOLDERS: Final = frozenset({".ssh", ".aws", ".gnupg", ".kube", ".docker"})
_MAGIC: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", "application/pdf"),
    (b"ID3", "audio/mpeg"),
    (b"\xff\xfb", "audio/mpeg"),
)


def read_files(paths: Sequence[str], policy: FilePolicy) -> tuple[Attachment, ...]:
    """The files as attachments. Raises `FileRefusedError` for the first that may not be sent.

    Relative paths start at the first root. Links are resolved before anything is checked, and
    `max_bytes` holds for each file and for all together.
    """
    roots = [Path(root) for root in policy.roots] or [Path.cwd().resolve()]
    attachments = []
    left = policy.max_bytes
    for path in dict.fromkeys(paths):
        data = _read(path, roots, left, policy.max_bytes)
        left -= len(data)
        attachments.append(Attachment(path, _media_type(path, data), data))
    return tuple(attachments)


def _read(path: str, roots: list[Path], left: int, most: int) -> bytes:
    try:
        real = (roots[0] / Path(path).expanduser()).resolve(strict=True)
    except (OSError, RuntimeError, ValueError) as error:
        raise FileRefusedError(path, f"no such file under {roots[0]}") from error
    if not any(real.is_relative_to(root) for root in roots):
        allowed = ", ".join(map(str, roots))
        raise FileRefusedError(
            path,
            f"it lies outside the allowed folders ({allowed}); "
            "[files] roots in the manifest can allow more",
        )
    _refuse_secrets(path, real)
    size = _regular_size(path, real)
    if size > left:
        raise FileRefusedError(
            path,
            f"with its {size} bytes the call exceeds the limit of {most} bytes; "
            "[files] max_bytes in the manifest can raise it",
        )
    try:
        with real.open("rb") as file:
            data = file.read(left + 1)
    except OSError as error:
        raise FileRefusedError(path, f"it cannot be read: {error.strerror}") from error
    if len(data) > left:
        raise FileRefusedError(path, "it grew beyond the limit while it was read")
    return data


def _regular_size(path: str, real: Path) -> int:
    """Bytes of a regular file, asked before it is opened: opening a pipe could wait for ever."""
    facts = real.stat()
    if not stat.S_ISREG(facts.st_mode):
        raise FileRefusedError(path, "it is not a regular file; name the files one by one")
    return facts.st_size


def _refuse_secrets(path: str, real: Path) -> None:
    for name in {real.name.lower(), Path(path).name.lower()}:
        secret = any(fnmatch(name, pattern) for pattern in _SECRET_NAMES)
        if secret and not (name.startswith("id_") and name.endswith(".pub")):
            raise FileRefusedError(path, "files of this name usually hold secrets; never sent")
    folder = next((p for p in real.parts[:-1] if _is_secret_folder(p)), "")
    if folder:
        raise FileRefusedError(path, f"everything under {folder} counts as secret; never sent")


def _is_secret_folder(part: str) -> bool:
    name = part.lower()
    return name in _SECRET_FOLDERS or any(
        fnmatch(name, pattern) for pattern in _SECRET_NAMES if not pattern.startswith("id_")
    )


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
            path, "it is neither UTF-8 text nor a known image, PDF or audio format"
        )
    return "text/plain"
