"""What a tenant used, summed by day, agent, model or workflow. Pure."""

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Final, Literal, get_args

import msgspec

from facilitair_events.accounts import UsageCell
from facilitair_events.requests import Usage
from facilitair_gateway.views import plain

By = Literal["day", "agent", "model", "workflow"]
BYS: Final[tuple[By, ...]] = get_args(By)

_COUNTS: Final = ("calls", "unknown_calls", "unpriced_calls", "simulated_calls")
_USAGE: Final = tuple(field.name for field in msgspec.structs.fields(Usage))


def usage_rows(
    cells: Iterable[UsageCell], *, by: Sequence[By], since: date | None, until: date | None
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The sums of each group, in the order of their names, and the sum of all of them.

    ``since`` and ``until`` are days of the tenant's calendar, both included.
    """
    wanted = [cell for cell in cells if _inside(cell.day, since=since, until=until)]
    groups: dict[tuple[str, ...], list[UsageCell]] = {}
    for cell in wanted:
        groups.setdefault(tuple(getattr(cell, name) for name in by), []).append(cell)
    rows = [dict(zip(by, key, strict=True)) | _sum(groups[key]) for key in sorted(groups)]
    return rows, _sum(wanted)


def _inside(day: str, *, since: date | None, until: date | None) -> bool:
    # ISO days sort as they follow each other.
    return (since is None or day >= since.isoformat()) and (
        until is None or day <= until.isoformat()
    )


def _sum(cells: Sequence[UsageCell]) -> dict[str, Any]:
    used: dict[str, Any] = {
        name: sum(getattr(cell.usage, name) for cell in cells)
        for name in _USAGE
        if name != "estimated"
    }
    used["estimated"] = any(cell.usage.estimated for cell in cells)
    charged = sum((cell.charged_usd for cell in cells), Decimal(0))
    counts = {name: sum(getattr(cell, name) for cell in cells) for name in _COUNTS}
    return {"charged_usd": plain(charged), "usage": used} | counts
