"""Small text files that people write by hand: manifests, key files, and env files.

An env file has `NAME=value` lines in python-dotenv's dialect.
"""

from __future__ import annotations

import codecs
import errno
import io
import os
import re
import select
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from rightmodel.core.errors import ManifestError

UTF16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
PIPE_S: Final = 5.0
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_REFERENCE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")


def read_text(path: Path) -> str:
    """The text of a UTF-8 file, or of a UTF-16 file with a byte order mark (PowerShell's `>`).

    Raises `OSError` and `UnicodeDecodeError`.
    """
    with open(path, "rb", opener=_opened) as file:
        return decoded(file.read())


def decoded(data: bytes) -> str:
    """The same for what was read. Raises `UnicodeDecodeError`."""
    return data.decode("utf-16" if data.startswith(UTF16) else "utf-8-sig")


def _opened(name: str, flags: int) -> int:
    """A pipe, such as a password manager's, is waited for; without a writer not for ever."""
    fd = os.open(name, flags | getattr(os, "O_NONBLOCK", 0))
    if stat.S_ISFIFO(os.fstat(fd).st_mode):
        if not select.select([fd], [], [], PIPE_S)[0]:
            os.close(fd)
            raise TimeoutError(errno.ETIMEDOUT, "nothing writes to this pipe")
        os.set_blocking(fd, True)
    return fd


def expand_user(name: str) -> Path:
    """The path with a leading `~` replaced; an unknown user's `~name` stays as it is."""
    return Path(os.path.expanduser(name))  # noqa: PTH111 - `Path.expanduser` raises for `~name`


def readable_by_everyone(path: Path) -> bool:
    """Whether every user of the machine may read the file."""
    if os.name == "nt":  # POSIX modes say nothing there
        return False
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return stat.S_ISREG(mode) and bool(mode & stat.S_IROTH)


class EnvFile(NamedTuple):
    """`values` by name. `notes`: what a user should correct; they never quote a line."""

    values: dict[str, str]
    notes: tuple[str, ...]


def read_env_file(path: Path, environment: Mapping[str, str]) -> EnvFile:
    """Read a file. `${NAME}` is replaced from the lines above, else from `environment`.

    A reference that neither knows is left as it is. Raises `ManifestError` for an unreadable file.
    """
    from dotenv.parser import parse_stream  # noqa: PLC0415 - only with --env-file

    file = expand_user(str(path))
    try:
        text = read_text(file)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ManifestError(f"the env file cannot be read: {why}", file=str(path)) from None
    values: dict[str, str] = {}
    notes = []
    for binding in parse_stream(io.StringIO(text)):
        name, value = binding.key, binding.value
        if name is None and not binding.error:
            continue
        problem = _problem(name, value)
        if problem:
            blank = len(binding.original.string) - len(binding.original.string.lstrip())
            line = binding.original.line + binding.original.string[:blank].count("\n")
            notes.append(f"--env-file {path}, line {line}: {problem}; the line is ignored")
        elif name is not None and value is not None:
            values[name] = _expand(value, {**environment, **values})
    if values and readable_by_everyone(file):
        notes.append(
            f"--env-file {path}: every user of this machine can read it; run chmod 600 on it"
        )
    return EnvFile(values, tuple(notes))


def _problem(name: str | None, value: str | None) -> str:
    """Why a line sets no variable, "" where it does."""
    if name is None:
        return "not of the form NAME=value, or a quotation mark is not closed"
    if value is None:
        return "no value: write NAME=value"
    if not _NAME.fullmatch(name):
        return "not the name of an environment variable"
    return ""


def _expand(value: str, known: Mapping[str, str]) -> str:
    def found(reference: re.Match[str]) -> str:
        name, default = reference.groups()
        return known.get(name) or (reference.group() if default is None else default)

    return _REFERENCE.sub(found, value)
