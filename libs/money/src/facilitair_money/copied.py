"""Mappings of a state that are copied when they are first changed, and weighed as they change."""

from collections.abc import Iterator
from typing import Generic, TypeVar

import msgspec

V = TypeVar("V")

_encoder = msgspec.json.Encoder()


def weight_of(key: str, value: object) -> int:
    """The bytes that an entry takes in the JSON of a snapshot, with what separates it."""
    return len(_encoder.encode(key)) + len(_encoder.encode(value)) + 2


class Copied(Generic[V]):
    """A working copy of a mapping. ``weight`` is by how much its entries have grown."""

    __slots__ = ("_map", "_own", "weight")

    def __init__(self, before: dict[str, V]) -> None:
        self._map = before
        self._own = False
        self.weight = 0

    @property
    def map(self) -> dict[str, V]:
        """What it is now: the very mapping of before when nothing has changed."""
        return self._map

    def __len__(self) -> int:
        return len(self._map)

    def __contains__(self, key: object) -> bool:
        return key in self._map

    def __iter__(self) -> Iterator[str]:
        return iter(self._map)

    def get(self, key: str) -> V | None:
        """The entry, if there is one."""
        return self._map.get(key)

    def set(self, key: str, value: V) -> None:
        """Store an entry; one that is new comes last."""
        self._copy()
        held = self._map.get(key)
        if held is not None:
            self.weight -= weight_of(key, held)
        self.weight += weight_of(key, value)
        self._map[key] = value

    def pop(self, key: str) -> V | None:
        """Take an entry out, if there is one."""
        if key not in self._map:
            return None
        self._copy()
        value = self._map.pop(key)
        self.weight -= weight_of(key, value)
        return value

    def pop_oldest(self) -> None:
        """Drop the entry that came first. Raises StopIteration when there is none."""
        self.pop(next(iter(self._map)))

    def _copy(self) -> None:
        if not self._own:
            self._map = dict(self._map)
            self._own = True
