"""A slow disk for tests: every commit waits as long as a file says."""

import time
from collections.abc import Callable
from pathlib import Path

_MS = 1000


def slow_commits(dial: Path) -> Callable[[], None]:
    """What the writer does before each commit: wait the milliseconds in ``dial``, none without it.

    Each wait adds a byte to ``<dial>.felt``, so that a test knows that it happened.
    """
    felt = dial.with_name(f"{dial.name}.felt")

    def wait() -> None:
        try:
            wait_ms = float(dial.read_text(encoding="ascii") or 0)
        except FileNotFoundError:
            return
        if wait_ms > 0:
            with felt.open("ab") as told:
                told.write(b".")
            time.sleep(wait_ms / _MS)

    return wait
