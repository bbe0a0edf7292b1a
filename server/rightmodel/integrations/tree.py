"""Trees of mappings: plain dictionaries and TOML documents alike."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from rightmodel.core.errors import TaskError

Tree = MutableMapping[str, Any]


class CannotMergeError(TaskError):
    """The file stays unchanged. The message follows the file's name.

    `by_hand`: the file is valid, so a person can edit it.
    """

    def __init__(self, message: str, *, by_hand: bool = False) -> None:
        super().__init__(message)
        self.by_hand = by_hand


def mapping_at(tree: Any, at: tuple[str, ...]) -> Tree | None:
    """The mapping under these keys; `None` where there is none. Raises `CannotMergeError`."""
    for depth in range(len(at) + 1):
        if tree is None:
            return None
        if not hasattr(tree, "keys"):
            where = ".".join(at[:depth]) or "its top level"
            raise CannotMergeError(f"does not hold a mapping at {where}")
        if depth < len(at):
            tree = tree.get(at[depth])
    found: Tree = tree
    return found


def put(tree: Tree, at: tuple[str, ...], value: Any) -> None:
    """Set the value under these keys, with the mappings that lead there."""
    for depth in range(1, len(at)):
        parent = mapping_at(tree, at[:depth])
        if parent is None:
            for key in reversed(at[depth:]):
                value = {key: value}
            at = at[:depth]
            break
    parent = mapping_at(tree, at[:-1])
    if parent is not None:
        parent[at[-1]] = value


def drop(tree: Tree, at: tuple[str, ...]) -> None:
    """Remove the value under these keys, and the mappings that are empty afterwards."""
    for depth in range(len(at), 0, -1):
        parent = mapping_at(tree, at[: depth - 1])
        if parent is None or at[depth - 1] not in parent:
            continue
        if depth < len(at) and parent[at[depth - 1]]:
            return
        del parent[at[depth - 1]]
