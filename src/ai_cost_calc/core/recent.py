"""What was used lately, in bounded memory."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Recent(Generic[K, V]):
    """A mapping that keeps the entries used last and forgets others, at no cost per use.

    Entries live in two generations: once the young one is full it becomes the old one, and the old one is forgotten;
    using an old entry makes it young again. Threads may share it without a lock: a race can forget an entry early,
    never mix entries up.

    Args:
        size: how many entries, those used last, are kept for sure; at most twice as many are kept.
    """

    __slots__ = ("_old", "_size", "_young")

    def __init__(self, size: int) -> None:
        self._size = size
        self._young: dict[K, V] = {}
        self._old: dict[K, V] = {}

    def get(self, key: K) -> V | None:
        """The entry, or `None`; it counts as used."""
        found = self._young.get(key)
        if found is None and (found := self._old.get(key)) is not None:
            self.put(key, found)
        return found

    def put(self, key: K, value: V) -> None:
        """Keep an entry, in place of an earlier one."""
        young = self._young
        if len(young) >= self._size and key not in young:
            self._old = young
            self._young = young = {}
        young[key] = value

    def __len__(self) -> int:
        """How many entries are kept."""
        return len(self._young.keys() | self._old.keys())
