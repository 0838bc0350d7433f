"""Time zones, resolved for years ahead by who takes a budget in, so that the reducer needs none.

The only module here that looks at a calendar which an upgrade may change (R6).
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from facilitair_events.budgets import ZoneOffset
from facilitair_money.errors import UnknownZoneError

_STEP: Final = timedelta(hours=12)
"""Shorter than any time between two changes of a zone."""

_SECOND: Final = timedelta(seconds=1)
_YEAR: Final = timedelta(days=366)
_SIMILAR: Final = 3


def resolve_offsets(timezone: str, *, from_ms: int, years: int) -> tuple[ZoneOffset, ...]:
    """The offsets of a zone from ``from_ms`` on (milliseconds since the epoch), in order.

    The first is the one in force at ``from_ms``; the last goes on for ever. So a budget has to be
    resolved again within ``years``, and when a country changes its mind.
    Raises UnknownZoneError, which names similar ones.
    """
    zone = zone_of(timezone)
    start = datetime.fromtimestamp(from_ms // 1000, UTC)
    return tuple(_offsets(zone, start, end=start + years * _YEAR))


def zone_of(timezone: str) -> ZoneInfo:
    """The zone of a name. Raises UnknownZoneError, which names similar ones."""
    if timezone not in available_timezones():
        raise UnknownZoneError(name=timezone, similar=_similar(timezone))
    try:
        return ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UnknownZoneError(name=timezone, similar=()) from error


def _similar(timezone: str) -> list[str]:
    """Names that may have been meant: also by the place alone, whatever its case."""
    known = {name.lower(): name for name in sorted(available_timezones(), reverse=True)}
    wanted = timezone.strip().lower().replace(" ", "_")
    places = [name for lower, name in known.items() if lower.rpartition("/")[2] == wanted]
    near = get_close_matches(wanted, known, n=_SIMILAR)
    return list(dict.fromkeys([*sorted(places), *(known[name] for name in near)]))[:_SIMILAR]


def _offsets(zone: ZoneInfo, start: datetime, *, end: datetime) -> Iterator[ZoneOffset]:
    at, held = start, _offset(zone, start)
    yield _from(start, held)
    while at < end:
        following = at + _STEP
        if _offset(zone, following) != held:
            change = _change(zone, at, after=following)
            held = _offset(zone, change)
            yield _from(change, held)
            following = change
        at = following


def _change(zone: ZoneInfo, before: datetime, *, after: datetime) -> datetime:
    """The first second after ``before`` whose offset is another."""
    held = _offset(zone, before)
    while after - before > _SECOND:
        middle = before + timedelta(seconds=(after - before) // _SECOND // 2)
        if _offset(zone, middle) == held:
            before = middle
        else:
            after = middle
    return after


def _offset(zone: ZoneInfo, at: datetime) -> timedelta:
    return at.astimezone(zone).utcoffset() or timedelta()


def _from(at: datetime, offset: timedelta) -> ZoneOffset:
    return ZoneOffset(from_ms=int(at.timestamp()) * 1000, offset_s=int(offset.total_seconds()))
