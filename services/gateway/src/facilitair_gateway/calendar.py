"""Time zones of budgets: looked up here once, so that no reducer needs a calendar (R6)."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from facilitair_events.accounts import Budget, ZoneOffset
from facilitair_events.requests import Fault
from facilitair_gateway.errors import RequestFaultsError
from facilitair_money.budgets import faults_of

_BACK: Final = timedelta(days=62)
_AHEAD: Final = timedelta(days=3653)
_DAY: Final = timedelta(days=1)
_SECOND: Final = timedelta(seconds=1)


def placed(budget: Budget, *, now_ms: int) -> Budget:
    """A budget with its time zone resolved for the years to come.

    Raises RequestFaultsError with everything that is wrong about it.
    """
    faults = list(faults_of(budget))
    offsets: tuple[ZoneOffset, ...] = ()
    try:
        offsets = tuple(_offsets(ZoneInfo(budget.timezone), now_ms=now_ms))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        message = f"{budget.timezone!r} is no time zone; use a name such as Europe/Berlin or UTC"
        faults.append(Fault(code="unknown_timezone", message=message, field="timezone"))
    if faults:
        raise RequestFaultsError(faults=tuple(faults))
    return msgspec.structs.replace(budget, offsets=offsets)


def _offsets(zone: ZoneInfo, *, now_ms: int) -> Iterator[ZoneOffset]:
    at = datetime.fromtimestamp(now_ms // 1000, UTC) - _BACK
    end, known = at + _BACK + _AHEAD, timedelta()
    while at < end:
        found = at.astimezone(zone).utcoffset() or timedelta()
        if found != known:
            change = _change(zone, at, found=found)
            known = found
            yield ZoneOffset(
                from_ms=int(change.timestamp()) * 1000, offset_s=int(found.total_seconds())
            )
        at += _DAY


def _change(zone: ZoneInfo, at: datetime, *, found: timedelta) -> datetime:
    """The first second with the offset that was ``found`` at ``at``, within the day before."""
    before, after = at - _DAY, at
    while after - before > _SECOND:
        middle = before + (after - before) // 2
        if middle.astimezone(zone).utcoffset() == found:
            after = middle
        else:
            before = middle
    return after.replace(microsecond=0)
