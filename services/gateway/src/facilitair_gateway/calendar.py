"""Time zones of budgets: looked up here once, so that no reducer needs a calendar (R6)."""

import re
from typing import Final

import msgspec

from facilitair_events.budgets import Budget, ZoneOffset
from facilitair_events.requests import Fault
from facilitair_gateway.errors import RequestFaultsError
from facilitair_money.budgets import faults_of
from facilitair_money.errors import UnknownZoneError
from facilitair_money.zones import resolve_offsets

_BACK_MS: Final = 62 * 86_400_000
"""Behind the beginning of every window of now."""

_YEARS: Final = 10

_PLACE: Final = re.compile(r"\[([0-9]+)\]")


def placed(budget: Budget, *, now_ms: int) -> Budget:
    """A budget with its time zone resolved for the years to come.

    Raises RequestFaultsError with everything that is wrong about it.
    """
    faults = [_as_in_bodies(fault) for fault in faults_of(budget)]
    offsets: tuple[ZoneOffset, ...] = ()
    try:
        since_ms = max(0, now_ms - _BACK_MS)
        offsets = resolve_offsets(budget.timezone, from_ms=since_ms, years=_YEARS)
    except UnknownZoneError as error:
        faults.append(Fault(code="unknown_timezone", message=str(error), field="timezone"))
    if faults:
        raise RequestFaultsError(faults=tuple(faults))
    return msgspec.structs.replace(budget, offsets=offsets)


def _as_in_bodies(fault: Fault) -> Fault:
    """The field as faults of a body's form name it: ``limits.0.name``, not ``limits[0].name``."""
    field = None if fault.field is None else _PLACE.sub(r".\1", fault.field)
    return msgspec.structs.replace(fault, field=field)
