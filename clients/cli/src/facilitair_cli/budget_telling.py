"""Accounts in words. Pure."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from facilitair_cli.wording import money
from facilitair_client import Account, Limit, LimitStanding, Slots, UnknownCall

_SHOWN_CALLS: Final = 10


def account_lines(account: Account) -> list[str]:
    """A budget, how it stands, and what is to be reconciled."""
    return list(_account_lines(account))


def moment(at: datetime, timezone: str) -> str:
    """A time on the tenant's clocks."""
    try:
        return f"{at.astimezone(ZoneInfo(timezone)):%Y-%m-%d %H:%M %Z}"
    except (ZoneInfoNotFoundError, ValueError):
        return f"{at:%Y-%m-%d %H:%M %Z}"


def _account_lines(account: Account) -> Iterator[str]:
    budget = account.budget
    count = account.open_collaborations
    running = f", {_collaborations(count)} not over" if count else ""
    yield (
        f"tenant {account.tenant}: {money(account.spent_usd)} spent in all,"
        f" {money(account.reserved_usd)} reserved{running}"
    )
    for warning in account.warnings:
        yield f"warning: {warning.message}"
    yield f"days and months of {budget.timezone}; calls without a price: {budget.unpriced}"
    if not budget.limits:
        yield "no limits; set one: facilitair budget set --limit tenant/month=100"
    for unused in _without_standing(account):
        yield _unused_line(unused)
    for limit in account.limits:
        yield from _limit_lines(limit, budget.timezone)
    yield f"attempts at once: {', '.join(map(_slots, account.slots)) or 'nothing known'}"
    if account.unknown_calls:
        yield from _unknown_lines(account)


def _limit_lines(limit: LimitStanding, timezone: str) -> Iterator[str]:
    subject = limit.scope if limit.name == "*" else f"{limit.scope} {limit.name}"
    window = "in total" if limit.window == "total" else f"a {limit.window}"
    kind = "limit  " if limit.kind == "hard" else "warning"
    turns = "" if limit.until is None else f", turns {moment(limit.until, timezone)}"
    yield (
        f"  {kind} {subject} {money(limit.usd)} {window}: {money(limit.spent_usd)} spent,"
        f" {money(limit.reserved_usd)} reserved, {money(limit.left_usd)} left{turns}"
    )


def _without_standing(account: Account) -> list[Limit]:
    """Limits that nothing counts against now, such as that of each collaboration."""
    return [
        limit
        for limit in account.budget.limits
        if not any(
            (one.kind, one.scope, one.window) == (limit.kind, limit.scope, limit.window)
            and limit.name in {"*", one.name}
            for one in account.limits
        )
    ]


def _unused_line(limit: Limit) -> str:
    subject = f"each {limit.scope}" if limit.name == "*" else f"{limit.scope} {limit.name}"
    window = "in total" if limit.window == "total" else f"a {limit.window}"
    kind = "limit  " if limit.kind == "hard" else "warning"
    return f"  {kind} {subject} {money(limit.usd)} {window}"


def _collaborations(count: int) -> str:
    return f"{count} collaboration{'' if count == 1 else 's'}"


def _slots(slots: Slots) -> str:
    waiting = f" ({_collaborations(slots.waiting)} waiting)" if slots.waiting else ""
    return f"{slots.taken} of {slots.limit} {slots.priority}{waiting}"


def _unknown_lines(account: Account) -> Iterator[str]:
    charged = sum((call.charged_usd for call in account.unknown), Decimal(0))
    count, shown = account.unknown_calls, len(account.unknown)
    of = f" (the oldest {shown}: {money(charged)})" if shown < count else f", {money(charged)}"
    calls = "1 call" if count == 1 else f"{count} calls"
    yield (
        f"charged at the reservation, for nobody knows the outcome: {calls}{of};"
        " settle them: facilitair budget reconcile --help"
    )
    for call in account.unknown[:_SHOWN_CALLS]:
        yield _call_line(call, account.budget.timezone)


def _call_line(call: UnknownCall, timezone: str) -> str:
    model = f"{call.provider}/{call.model}" if call.provider else call.model or "unknown model"
    at = moment(call.at, timezone)
    return f"  {call.call_id}  {at}  {call.agent}  {model}  {money(call.charged_usd)}"
