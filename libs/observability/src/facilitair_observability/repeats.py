"""Lines that libraries write over and over: one each few seconds says as much."""

import logging
import time
from collections.abc import Callable
from typing import Final

from msgspec import Struct

INTERVAL_S: Final = 5.0

LEFT_OUT: Final = "left_out"
"""The attribute of a record that says how many like it were not written since the last one."""

_MOST_TEMPLATES: Final = 1000
"""Texts are templates, and code has few; whoever formats its own does not fill the memory."""

Template = tuple[str, int, str]


class _Seen(Struct):
    at: float
    left_out: int = 0


class Repeats(logging.Filter):
    """Lets a line through once per interval: same logger, level and text before its arguments.

    A client that cannot connect says so twenty times a second.
    Lines with an exception are always let through.
    """

    def __init__(
        self, *, interval_s: float = INTERVAL_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__()
        self._interval_s = interval_s
        self._clock = clock
        self._seen: dict[Template, _Seen] = {}

    @property
    def remembered(self) -> int:
        """How many different lines it tells apart now."""
        return len(self._seen)

    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info:
            return True
        template = (record.name, record.levelno, str(record.msg))
        now = self._clock()
        seen = self._seen.get(template)
        if seen is not None and now - seen.at < self._interval_s:
            seen.left_out += 1
            return False
        if seen is not None and seen.left_out:
            setattr(record, LEFT_OUT, seen.left_out)
        if len(self._seen) >= _MOST_TEMPLATES:
            self._seen.clear()
        self._seen[template] = _Seen(now)
        return True
