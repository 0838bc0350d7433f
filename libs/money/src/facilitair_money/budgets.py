"""Budgets: set as a whole, checked as a whole."""

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from facilitair_events.accounts import BudgetRequested
from facilitair_events.books import BudgetChanged
from facilitair_events.budgets import Budget, Limit, LimitWindow
from facilitair_events.keys import NAME
from facilitair_events.requests import Fault
from facilitair_money import clients, spending, warnings
from facilitair_money.bounds import LIMITS, NAME_LENGTH, OFFSETS
from facilitair_money.draft import Draft
from facilitair_money.keys import KEY_PREFIX

_CHANGED: Final = Fault(
    code="budget_changed",
    message="the budget was changed meanwhile; look at it and set it again",
)
_TURNING: Final[tuple[LimitWindow, ...]] = ("day", "month")


def on_budget_requested(draft: Draft, data: BudgetRequested) -> None:
    """Set the budget of the tenant; what was spent in the windows of now stays spent."""
    if clients.is_repeat(draft, data.client_id):
        clients.answer(draft, data.reply_to, outcome="duplicate")
        return
    faults = faults_of(data.budget)
    if data.replaces is not None and data.replaces != draft.budget:
        faults = (*faults, _CHANGED)
    if faults:
        clients.answer(draft, data.reply_to, outcome="refused", faults=faults)
        return
    clients.remember(draft, data.client_id)
    starts = {window: draft.span(window).start_ms for window in _TURNING}
    draft.set_budget(data.budget)
    spending.carried(draft, starts)
    draft.emit(BudgetChanged, actor=data.actor, budget=data.budget)
    warnings.after_budget(draft)
    clients.answer(draft, data.reply_to, outcome="accepted")


def faults_of(budget: Budget) -> tuple[Fault, ...]:
    """Everything that is wrong with a budget, each with its field; nothing when it can be set.

    Whether the time zone exists is for who resolves it, see ``zones``.
    """
    return (*_of_limits(budget), *_of_offsets(budget))


def _of_limits(budget: Budget) -> Iterator[Fault]:
    if len(budget.limits) > LIMITS:
        yield Fault(
            code="too_many",
            message=f"a budget has at most {LIMITS} limits, not {len(budget.limits)}",
            field="limits",
        )
        return
    counts = Counter(map(_place, budget.limits))
    for index, limit in enumerate(budget.limits):
        field = f"limits[{index}]"
        if limit.scope == "collaboration" and limit.window != "total":
            yield Fault(
                code="window_unsupported",
                message=(
                    f"a collaboration has no {limit.window}; use the window total,"
                    f" or a limit per {limit.window} of the tenant"
                ),
                field=f"{field}.window",
            )
        yield from _of_name(limit, field=f"{field}.name")
        if counts[_place(limit)] > 1:
            yield Fault(
                code="duplicate",
                message=(
                    f"there are {counts[_place(limit)]} {limit.kind} limits for {limit.scope}"
                    f" {limit.name} and {limit.window}; keep one"
                ),
                field=field,
            )


def _of_name(limit: Limit, *, field: str) -> Iterator[Fault]:
    if limit.scope == "tenant":
        if limit.name != "*":
            yield Fault(
                code="name_unsupported",
                message="a limit of the tenant has no name; leave it out",
                field=field,
            )
    elif limit.scope == "key" and limit.name.startswith(KEY_PREFIX):
        yield Fault(
            code="invalid_name",
            message=f"name the id of the key without {KEY_PREFIX!r}, as `facilitair keys` shows it",
            field=field,
        )
    elif limit.name != "*" and (
        len(limit.name) > NAME_LENGTH or NAME.fullmatch(limit.name) is None
    ):
        yield Fault(
            code="invalid_name",
            message=(
                f"a name is * or up to {NAME_LENGTH} of a-z, 0-9, '_', '.' and '-',"
                " beginning with a letter or digit"
            ),
            field=field,
        )


def _of_offsets(budget: Budget) -> Iterator[Fault]:
    if not budget.timezone or len(budget.timezone) > NAME_LENGTH:
        yield Fault(
            code="invalid_timezone",
            message="a time zone has a name such as Europe/Berlin or UTC",
            field="timezone",
        )
    if len(budget.offsets) > OFFSETS:
        yield Fault(
            code="too_many",
            message=f"a time zone changes at most {OFFSETS} times, not {len(budget.offsets)}",
            field="offsets",
        )
    if any(later.from_ms <= one.from_ms for one, later in pairwise(budget.offsets)):
        yield Fault(
            code="out_of_order",
            message="each offset must begin after the one before it",
            field="offsets",
        )


def _place(limit: Limit) -> tuple[str, str, str, str]:
    return limit.scope, limit.name, limit.window, limit.kind
