"""When a consumer rejects so much that the fault is its own: then it stops and drains nothing."""

from collections import deque

from msgspec import Struct

from facilitair_messaging.retry import at_least


class RejectionLimit(Struct, frozen=True, kw_only=True):
    """How many records of one partition may go to the dead letters.

    More than ``max_consecutive`` in a row, or more than ``max_ratio`` of the last ``window``
    records (once there were that many), stops the consumer. A restart counts anew.
    """

    max_consecutive: int = 20
    max_ratio: float = 0.05
    window: int = 400

    def __post_init__(self) -> None:
        at_least("max_consecutive", self.max_consecutive, minimum=0)
        at_least("max_ratio", self.max_ratio, minimum=0)
        at_least("window", self.window, minimum=1)


class Rejections:
    """The recent outcomes of one partition."""

    def __init__(self, limit: RejectionLimit) -> None:
        self._limit = limit
        self._recent: deque[bool] = deque(maxlen=limit.window)
        self._rejected = 0
        self._consecutive = 0

    def accept(self) -> None:
        """Count a record that was handled."""
        self._consecutive = 0
        self._count(rejected=False)

    def reject(self) -> str | None:
        """Count a rejected record; the reason to stop instead of rejecting it, or None."""
        self._consecutive += 1
        self._count(rejected=True)
        limit = self._limit
        if self._consecutive > limit.max_consecutive:
            return f"{self._consecutive} records in a row were rejected"
        if len(self._recent) == limit.window and self._rejected > limit.max_ratio * limit.window:
            return f"{self._rejected} of the last {limit.window} records were rejected"
        return None

    def _count(self, *, rejected: bool) -> None:
        if len(self._recent) == self._recent.maxlen:
            self._rejected -= self._recent[0]
        self._recent.append(rejected)
        self._rejected += rejected
