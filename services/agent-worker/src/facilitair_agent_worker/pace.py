"""How often the worker asks the log to take chunks: at once when idle, in ticks under load. Pure.

A broker pays per request, not per record (DESIGN section 7): many streams share one, and the more
of them write, the longer a tick.
"""

from typing import Final

LIGHT_TICK_S: Final = 0.002
BUSY_TICK_S: Final = 0.005
BUSY_RECORDS: Final = 8
"""So many records in one request are a busy worker."""

CREDIT_S: Final = 0.020
"""Requests may run ahead of their ticks by so much: what comes now and then never waits."""


class Pace:
    """Says how long the next request waits. Times are of any one clock, in seconds."""

    def __init__(self) -> None:
        self._paid_until = 0.0

    def wait_s(self, now_s: float) -> float:
        """How long a request that wants to leave now has to wait."""
        return max(0.0, self._paid_until - CREDIT_S - now_s)

    def sent(self, now_s: float, *, records: int) -> None:
        """Count a request."""
        tick_s = BUSY_TICK_S if records >= BUSY_RECORDS else LIGHT_TICK_S
        self._paid_until = max(self._paid_until, now_s) + tick_s
