"""A sequence that is made when it is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar, overload

T = TypeVar("T")


class Deferred(Sequence[T]):
    """A sequence of which only the first items exist until another one is read.

    A decision over a thousand models is mostly read at its head.
    """

    __slots__ = ("_all", "_first", "_length", "_make")

    def __init__(
        self, length: int, first: tuple[T, ...], make: Callable[[], tuple[T, ...]]
    ) -> None:
        self._length = length
        self._first = first
        self._make = make
        self._all: tuple[T, ...] | None = None

    def _items(self) -> tuple[T, ...]:
        if self._all is None:
            self._all = self._make()
        return self._all

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[T]: ...
    def __getitem__(self, index: int | slice) -> T | Sequence[T]:
        if isinstance(index, int) and 0 <= index < len(self._first):
            return self._first[index]
        return self._items()[index]

    def __iter__(self) -> Iterator[T]:
        return iter(self._items())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and self._items() == tuple(other)

    def __hash__(self) -> int:
        return hash(self._items())

    def __repr__(self) -> str:
        return repr(self._items())
