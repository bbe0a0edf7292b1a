"""The marks by which turns of known clients are recognised: the rows of `client_marks.toml`."""

from __future__ import annotations

import re
import tomllib
from importlib import resources
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from rightmodel.core.task import TurnKind


class ClientMark(NamedTuple):
    """How a client is recognised. `where`: "header NAME", or "system" for the system text."""

    client: str
    where: str
    pattern: re.Pattern[str]
    seen: str


class KindMark(NamedTuple):
    """What a turn of a client is for. `where`, `bare`: see the table."""

    kind: TurnKind
    client: str
    where: str
    pattern: re.Pattern[str]
    seen: str
    bare: bool = False


class Block(NamedTuple):
    """Part of the envelope between two texts, both included."""

    begin: str
    end: str
    seen: str


class Piece(NamedTuple):
    """Part of a text that a pattern finds. `sign`: a text without it is not searched."""

    sign: str
    pattern: re.Pattern[str]
    seen: str


def _marks(kind: Any, rows: str) -> Any:
    return tuple(kind(pattern=_pattern(row), **row) for row in _READ[rows])


def _pattern(row: dict[str, Any]) -> re.Pattern[str]:
    """Takes it out of the row."""
    if "starts" in row:
        return re.compile(r"\A\s*" + re.escape(row.pop("starts")))
    if "line" in row:
        return re.compile(rf"^{row.pop('line')}$", re.MULTILINE)
    return re.compile(row.pop("regex", "."))


def _block(row: dict[str, Any]) -> list[Block]:
    tags = [(f"<{tag}>", f"</{tag}>") for tag in row.get("tags", ())]
    ends = tags or [(row["begin"], row["end"])]
    return [Block(begin, end, row["seen"]) for begin, end in ends]


_FILE: Final = resources.files(__package__).joinpath("client_marks.toml")
_READ: Final = tomllib.loads(_FILE.read_text(encoding="utf-8"))
CLIENTS: Final[tuple[ClientMark, ...]] = _marks(ClientMark, "clients")
KINDS: Final[tuple[KindMark, ...]] = _marks(KindMark, "kinds")
BLOCKS: Final = tuple(block for row in _READ["blocks"] for block in _block(row))
PIECES: Final[tuple[Piece, ...]] = _marks(Piece, "pieces")
NOTICES: Final[tuple[Piece, ...]] = _marks(Piece, "notices")
FAILED: Final[tuple[Piece, ...]] = _marks(Piece, "failed")
SESSION_HEADERS: Final = tuple(_READ["session_headers"])
WAITING: Final = frozenset(_READ["waiting"])

RUNTIME_SIGN: Final = "Runtime: agent="
RUNTIME: Final = next(piece.pattern for piece in PIECES if piece.sign == RUNTIME_SIGN)
RUNTIME_SESSION: Final = re.compile(r"\bsessionId=([\w-]+)")
