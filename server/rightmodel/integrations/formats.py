"""What all file formats share: the change to be made, and the refusal to make it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from rightmodel.core.errors import TaskError

if TYPE_CHECKING:
    from collections.abc import Mapping

_REMOTE: Final = frozenset(
    {
        "bearer_token_env_var",
        "headers",
        "http_headers",
        "httpUrl",
        "serverUrl",
        "transport",
        "type",
        "uri",
        "url",
    }
)


class CannotMergeError(TaskError):
    """The file is left as it is. The message follows the file's name.

    `by_hand`: the file is sound, so a person can add the registration to it.
    """

    def __init__(self, message: str, *, by_hand: bool = False) -> None:
        super().__init__(message)
        self.by_hand = by_hand


@dataclass(frozen=True, slots=True)
class Change:
    """`entry` goes to `at` and `settings` to their places; a new file begins with `header`.

    `yields`: keys of the entry where a value that is there already wins.
    """

    at: tuple[str, ...]
    entry: Mapping[str, Any]
    yields: frozenset[str] = frozenset()
    settings: tuple[tuple[tuple[str, ...], Any], ...] = ()
    header: Mapping[str, Any] = field(default_factory=dict)

    def written(self, old: Mapping[str, Any]) -> dict[str, Any]:
        """The keys of the entry that are written over `old`."""
        return {k: v for k, v in self.entry.items() if not (k in self.yields and k in old)}

    def dropped(self, old: Mapping[str, Any]) -> frozenset[str]:
        """Keys of `old` that must go: those of a remote server, when it was one."""
        remote = bool({"url", "httpUrl", "serverUrl", "uri"} & set(old))
        return _REMOTE - set(self.entry) if remote else frozenset()

    def combined(self, old: Mapping[str, Any]) -> dict[str, Any]:
        """The entry as it will be: what the user added to it stays."""
        dropped = self.dropped(old)
        return {k: v for k, v in old.items() if k not in dropped} | self.written(old)


def table_at(tree: Any, at: tuple[str, ...]) -> dict[str, Any] | None:
    """The mapping at a place; `None` where there is none. Raises `CannotMergeError`."""
    for done, key in enumerate(("", *at)):
        if key:
            tree = tree.get(key)
        if tree is None:
            return None
        if not isinstance(tree, dict):
            place = ".".join(at[:done]) or "its top"
            raise CannotMergeError(f"does not hold a mapping of names at {place}")
    found: dict[str, Any] = tree
    return found


def put(tree: dict[str, Any], at: tuple[str, ...], value: Any) -> None:
    """Set the value at a place, with the mappings on the way there."""
    table_at(tree, at[:-1])
    for key in at[:-1]:
        if tree.get(key) is None:
            tree[key] = {}
        tree = tree[key]
    tree[at[-1]] = value
