"""The wall clock, for people only."""

import time


def now_ms() -> int:
    """Milliseconds since the epoch, for dead letters and displays. It decides nothing (R1)."""
    return time.time_ns() // 1_000_000
