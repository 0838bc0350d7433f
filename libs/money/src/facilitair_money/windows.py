"""When the days and months of a tenant begin and end, by offsets that were resolved before."""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Final

from msgspec import Struct

from facilitair_events.budgets import LimitWindow, ZoneOffset

_EPOCH: Final = date(1970, 1, 1)
_DAY_MS: Final = 86_400_000
_MONTHS: Final = 12


class Span(Struct, frozen=True):
    """A window, from its first millisecond to that of the next; a total has no end."""

    start_ms: int
    end_ms: int | None


def window_at(now_ms: int, *, window: LimitWindow, offsets: Sequence[ZoneOffset]) -> Span:
    """The window that ``now_ms`` lies in.

    A day begins with the first moment of local midnight; where clocks jump over it, right after
    the jump. Where clocks go back over midnight, the day that has begun goes on.
    """
    if window == "total":
        return Span(0, None)
    first = _first_day(local_day(now_ms, offsets=offsets), window)
    start = max(0, day_start(first, offsets=offsets))
    return Span(start, day_start(_next(first, window), offsets=offsets))


def local_day(now_ms: int, *, offsets: Sequence[ZoneOffset]) -> date:
    """The day of the tenant that ``now_ms`` lies in: the last one that has begun."""
    shift_ms = _offset_s(now_ms, offsets) * 1000
    day = _EPOCH + timedelta(days=(now_ms + shift_ms) // _DAY_MS)
    following = day + timedelta(days=1)
    return following if day_start(following, offsets=offsets) <= now_ms else day


def day_start(day: date, *, offsets: Sequence[ZoneOffset]) -> int:
    """The first millisecond of a local day; of one that was jumped over, that of the next."""
    midnight_ms = (day - _EPOCH).days * _DAY_MS
    shift_s = 0
    for change in offsets:
        at_ms = midnight_ms - shift_s * 1000
        if at_ms < change.from_ms:
            return at_ms
        shift_s = change.offset_s
        if change.from_ms + shift_s * 1000 >= midnight_ms:
            return change.from_ms
    return midnight_ms - shift_s * 1000


def moment(ms: int) -> datetime:
    """Log time as people read it, to the second, in UTC."""
    return datetime.fromtimestamp(ms // 1000, UTC)


def _first_day(day: date, window: LimitWindow) -> date:
    return day.replace(day=1) if window == "month" else day


def _next(first: date, window: LimitWindow) -> date:
    if window == "day":
        return first + timedelta(days=1)
    years, month = divmod(first.month, _MONTHS)
    return date(first.year + years, month + 1, 1)


def _offset_s(now_ms: int, offsets: Sequence[ZoneOffset]) -> int:
    index = bisect_right(offsets, now_ms, key=lambda change: change.from_ms)
    return offsets[index - 1].offset_s if index else 0
