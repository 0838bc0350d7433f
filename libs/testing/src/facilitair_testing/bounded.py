"""Limits of waits that a bug would make last for minutes, on a machine that may be busy."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

SLACK_S: Final = 20.0
"""What other work may add; half of the shortest limit that the client library has of its own."""


class TooLongError(AssertionError):
    """Something took longer than it may, also for a busy machine."""

    def __init__(self, *, what: str, took_s: float, limit_s: float) -> None:
        super().__init__(f"{what} took {took_s:.1f} s, it may take {limit_s:g} s")


@contextmanager
def at_most(limit_s: float, what: str = "this", *, slack_s: float = SLACK_S) -> Iterator[None]:
    """Raise TooLongError where the body took longer than its limit and ``slack_s`` together.

    It tells who keeps a limit from who waits for ever, or for a limit of somebody else's; how
    quick something is, is for the benchmarks.
    """
    began = time.monotonic()
    yield
    took_s = time.monotonic() - began
    if took_s > limit_s + slack_s:
        raise TooLongError(what=what, took_s=took_s, limit_s=limit_s)
