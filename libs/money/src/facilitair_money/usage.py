"""Usage by day, agent, model and workflow: what the reports of a tenant are made of."""

from decimal import Decimal
from typing import Final

from msgspec.structs import asdict, replace

from facilitair_events.accounts import CallCharged, UsageCell
from facilitair_events.balances import UnknownCall
from facilitair_events.requests import Usage
from facilitair_money.amounts import ZERO, plus
from facilitair_money.bounds import USAGE_CELLS
from facilitair_money.draft import Draft
from facilitair_money.windows import local_day

NO_MODEL: Final = "unknown"
ALL: Final = "*"


def charged(draft: Draft, data: CallCharged) -> None:
    """A call is charged for the first time."""
    day = _day(draft, draft.now_ms)
    key, cell = _cell(draft, day, agent=data.agent, model=data.model, workflow=data.workflow)
    cell = replace(
        cell,
        calls=cell.calls + 1,
        usage=both(cell.usage, data.usage or Usage()),
        charged_usd=plus(cell.charged_usd, data.charged_usd),
        unknown_calls=cell.unknown_calls + (data.outcome == "unknown"),
        unpriced_calls=cell.unpriced_calls + (not data.priced),
        simulated_calls=cell.simulated_calls + data.simulated,
    )
    _put(draft, key, cell=cell)


def settled(
    draft: Draft, data: CallCharged, *, earlier_ms: int, usd: Decimal, listed: UnknownCall | None
) -> None:
    """A call that was charged before has its outcome: the cell of that day is set right."""
    model = data.model if listed is None else listed.model
    key, cell = _of_day(draft, earlier_ms, agent=data.agent, model=model, workflow=data.workflow)
    known = data.outcome != "unknown"
    cell = replace(
        _moved(cell, usd=usd, unknown=-known),
        usage=both(cell.usage, data.usage or Usage()),
    )
    _put(draft, key, cell=cell)


def reconciled(draft: Draft, call: UnknownCall, *, usd: Decimal) -> None:
    """Somebody knows what a call did cost: the cell of its day is set right."""
    key, cell = _of_day(
        draft, call.at_ms, agent=call.agent, model=call.model, workflow=call.workflow
    )
    _put(draft, key, cell=_moved(cell, usd=usd, unknown=-1))


def both(one: Usage, other: Usage) -> Usage:
    """The tokens of both; estimated if some of them are."""
    more = asdict(other)
    summed = {
        name: count + more[name] for name, count in asdict(one).items() if name != "estimated"
    }
    return Usage(**summed, estimated=one.estimated or other.estimated)


def _moved(cell: UsageCell, *, usd: Decimal, unknown: int) -> UsageCell:
    return replace(
        cell,
        charged_usd=max(ZERO, plus(cell.charged_usd, usd)),
        unknown_calls=max(0, cell.unknown_calls + unknown),
    )


def _of_day(
    draft: Draft, ms: int, *, agent: str, model: str | None, workflow: str
) -> tuple[str, UsageCell]:
    """The cell that counted a call at ``ms``, or the one that it was summed into."""
    day = _day(draft, ms)
    key, cell = _cell(draft, day, agent=agent, model=model, workflow=workflow)
    if key in draft.cells:
        return key, cell
    summed = [one for one in draft.cells.map.items() if one[1].agent == ALL and one[1].day >= day]
    return min(summed, key=lambda one: one[1].day, default=(key, cell))


def _cell(
    draft: Draft, day: str, *, agent: str, model: str | None, workflow: str
) -> tuple[str, UsageCell]:
    name = model or NO_MODEL
    key = _key(day, agent, name, workflow)
    held = draft.cells.get(key)
    empty = UsageCell(day=day, agent=agent, model=name, workflow=workflow, charged_usd=ZERO)
    return key, empty if held is None else held


def _put(draft: Draft, key: str, *, cell: UsageCell) -> None:
    draft.cells.set(key, cell)
    if len(draft.cells) > USAGE_CELLS:
        _sum_oldest(draft)


def _sum_oldest(draft: Draft) -> None:
    """Sum the oldest day that has more than one cell; where none has, the two oldest days.

    The last day is summed when it has all the cells itself.
    """
    days: dict[str, list[str]] = {}
    for key, cell in draft.cells.map.items():
        days.setdefault(cell.day, []).append(key)
    *past, last = sorted(days)
    whole = next((day for day in past if len(days[day]) > 1), None)
    if whole is not None:
        _sum(draft, days[whole], day=whole)
    elif len(past) > 1:
        _sum(draft, [*days[past[0]], *days[past[1]]], day=past[1])
    else:
        _sum(draft, days[last], day=last)


def _sum(draft: Draft, keys: list[str], *, day: str) -> None:
    summed = UsageCell(day=day, agent=ALL, model=ALL, workflow=ALL, charged_usd=ZERO)
    for one in [draft.cells.pop(key) for key in keys]:
        summed = summed if one is None else _together(summed, one)
    draft.cells.set(_key(day, ALL, ALL, ALL), summed)


def _together(one: UsageCell, other: UsageCell) -> UsageCell:
    return replace(
        one,
        calls=one.calls + other.calls,
        usage=both(one.usage, other.usage),
        charged_usd=plus(one.charged_usd, other.charged_usd),
        unknown_calls=one.unknown_calls + other.unknown_calls,
        unpriced_calls=one.unpriced_calls + other.unpriced_calls,
        simulated_calls=one.simulated_calls + other.simulated_calls,
    )


def _day(draft: Draft, ms: int) -> str:
    return local_day(ms, offsets=draft.budget.offsets).isoformat()


def _key(day: str, agent: str, model: str, workflow: str) -> str:  # noqa: PLR0917 - the order of the key
    return f"{day}|{agent}|{model}|{workflow}"
