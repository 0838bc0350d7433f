"""How long viewers waited for their next numbered event after a fault."""

import math
from collections.abc import Callable, Sequence
from statistics import quantiles
from typing import Final

from msgspec import Struct

_PARTS: Final = 20


class Wait(Struct, frozen=True, kw_only=True):
    """A viewer got its next numbered event ``waited_s`` after the fault of that number was over."""

    fault: int
    waited_s: float


class Pulse:
    """Marks when faults are over, and takes the time until each open viewer gets something."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.waits: list[Wait] = []
        self._now = now
        self._waiting: dict[str, list[tuple[int, float]]] = {}

    def begins(self, viewer: str) -> None:
        """A viewer watches something that has not ended."""
        self._waiting.setdefault(viewer, [])

    def over(self, fault: int) -> None:
        """A fault is over: everybody who watches waits from now on."""
        for waiting in self._waiting.values():
            waiting.append((fault, self._now()))

    def beats(self, viewer: str) -> None:
        """A viewer got a new numbered event."""
        waiting = self._waiting.get(viewer)
        while waiting:
            fault, since = waiting.pop()
            self.waits.append(Wait(fault=fault, waited_s=round(self._now() - since, 3)))

    def ends(self, viewer: str) -> None:
        """A viewer saw the end."""
        self._waiting.pop(viewer, None)

    def watching(self) -> int:
        """How many viewers watch something that has not ended."""
        return len(self._waiting)

    def unanswered(self) -> int:
        """How many waits never ended."""
        return sum(len(waiting) for waiting in self._waiting.values())


def percentiles(waits: Sequence[float]) -> tuple[float, float]:
    """The median and the 95th percentile; not a number without waits."""
    if not waits:
        return math.nan, math.nan
    if len(waits) == 1:
        return waits[0], waits[0]
    parts = quantiles(waits, n=_PARTS, method="inclusive")
    return parts[_PARTS // 2 - 1], parts[-1]
