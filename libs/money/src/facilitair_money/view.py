"""How an account stands, for people and programs that ask."""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import accumulate
from typing import Final

import msgspec

from facilitair_events.accounts import (
    AccountView,
    LimitView,
    SlotsView,
    UnknownCallView,
    UsageCell,
)
from facilitair_events.balances import AccountState
from facilitair_events.budgets import Limit, LimitWindow
from facilitair_events.envelope import instant
from facilitair_money.amounts import ZERO, left, plus, total
from facilitair_money.bounds import VIEWED_BYTES, VIEWED_CALLS, VIEWED_LIMITS, VIEWED_NAMES
from facilitair_money.keys import CLASSES, counter_key, names_counted, reserved_key
from facilitair_money.windows import Span, window_at

_WINDOWS: Final[tuple[LimitWindow, ...]] = ("day", "month", "total")


def view_of(state: AccountState, *, now_ms: int, usage: bool = False) -> AccountView:
    """An account at ``now_ms``; with ``usage`` the cells too, the newest as far as they fit."""
    spans = {
        window: window_at(now_ms, window=window, offsets=state.budget.offsets)
        for window in _WINDOWS
    }
    all_spent = state.counters.get(counter_key("tenant", "*", "total"))
    return AccountView(
        tenant=state.tenant,
        budget=state.budget,
        spent_usd=ZERO if all_spent is None else all_spent.spent_usd,
        reserved_usd=state.reserved.get(reserved_key("tenant", "*"), ZERO),
        open_collaborations=state.open,
        limits=_limits(state, spans),
        slots=_slots(state),
        unknown=_unknown(state),
        unknown_calls=len(state.unknown),
        usage=_usage(state.cells.values()) if usage else (),
        updated_at=instant(state.now_ms) if state.now_ms else None,
    )


def _limits(state: AccountState, spans: dict[LimitWindow, Span]) -> tuple[LimitView, ...]:
    views: list[LimitView] = []
    for limit in state.budget.limits:
        span = spans[limit.window]
        found = [
            _limit(limit, span=span, stands=stands) for stands in _stands(state, limit, span=span)
        ]
        found.sort(key=lambda view: (view.left_usd, view.name))
        views += found[:VIEWED_NAMES]
    return tuple(views[:VIEWED_LIMITS])


def _stands(
    state: AccountState, limit: Limit, *, span: Span
) -> Iterator[tuple[str, Decimal, Decimal]]:
    """Name, spent and reserved, of each name that a limit counts for."""
    if limit.scope == "collaboration":
        yield from _collaborations(state, limit)
        return
    named = limit.name != "*" or limit.scope == "tenant"
    names = (
        [limit.name]
        if named
        else names_counted(limit.scope, state.counters, reserved=state.reserved)
    )
    for name in names:
        held = state.counters.get(counter_key(limit.scope, name, limit.window))
        current = held is not None and held.start_ms >= span.start_ms
        spent = held.spent_usd if held is not None and current else ZERO
        yield name, spent, state.reserved.get(reserved_key(limit.scope, name), ZERO)


def _collaborations(state: AccountState, limit: Limit) -> Iterator[tuple[str, Decimal, Decimal]]:
    for shard in state.envelopes.values():
        for name, envelope in shard.items():
            if not envelope.closed and limit.name in {"*", name}:
                yield name, envelope.spent_usd or ZERO, total(envelope.reserved.values())


def _limit(limit: Limit, *, span: Span, stands: tuple[str, Decimal, Decimal]) -> LimitView:
    name, spent, reserved = stands
    ends = span.end_ms
    return LimitView(
        limit=limit,
        name=name,
        spent_usd=spent,
        reserved_usd=reserved,
        left_usd=left(limit.usd, plus(spent, reserved)),
        since=None if ends is None else instant(span.start_ms),
        until=None if ends is None else instant(ends),
    )


def _slots(state: AccountState) -> tuple[SlotsView, ...]:
    limits = {"interactive": state.budget.slots.interactive, "batch": state.budget.slots.batch}
    return tuple(
        SlotsView(
            priority=priority,
            limit=limits[priority],
            taken=state.taken.get(priority, 0),
            waiting=len(state.waiting.get(priority, ())),
        )
        for priority in CLASSES
    )


def _unknown(state: AccountState) -> tuple[UnknownCallView, ...]:
    oldest = sorted(state.unknown.items(), key=lambda item: (item[1].at_ms, item[0]))
    return tuple(
        UnknownCallView(
            call_id=call_id,
            collaboration=call.collaboration,
            agent=call.agent,
            charged_usd=call.charged_usd,
            at=instant(call.at_ms),
            model=call.model,
            provider=call.provider,
        )
        for call_id, call in oldest[:VIEWED_CALLS]
    )


def _usage(cells: Iterable[UsageCell]) -> tuple[UsageCell, ...]:
    """In the order of days, agents, models and workflows."""
    newest = sorted(cells, key=_place, reverse=True)
    sizes = accumulate(len(msgspec.json.encode(cell)) + 1 for cell in newest)
    fitting = [cell for cell, size in zip(newest, sizes, strict=True) if size <= VIEWED_BYTES]
    return tuple(reversed(fitting))


def _place(cell: UsageCell) -> tuple[str, str, str, str]:
    return cell.day, cell.agent, cell.model, cell.workflow
