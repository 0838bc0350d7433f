"""A table that forgets a day at a time, so that a process may run for years."""

from typing import Final, Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")

DAY_MS: Final = 24 * 3600 * 1000


class Days(Generic[K, V]):
    """Values by key, each put at the append time of its record.

    Whole days are dropped once they are older than ``kept_ms`` before the newest append time seen.
    Partitions may be read one after the other: what is too old when it comes is not kept.
    """

    def __init__(self, *, kept_ms: int) -> None:
        self._kept = kept_ms // DAY_MS + 1
        self._newest = 0
        self._days: dict[int, dict[K, V]] = {}

    def put(self, key: K, value: V, *, at_ms: int) -> None:
        """Set the value of a key as of ``at_ms``."""
        day = at_ms // DAY_MS
        if day > self._newest:
            self._newest = day
            for old in [old for old in self._days if old < day - self._kept]:
                del self._days[old]
        if day >= self._newest - self._kept:
            self._days.setdefault(day, {})[key] = value

    def get(self, key: K) -> V | None:
        """The value of the newest day that has the key."""
        for day in sorted(self._days, reverse=True):
            if key in self._days[day]:
                return self._days[day][key]
        return None

    def __len__(self) -> int:
        return sum(map(len, self._days.values()))
