"""The books of a tenant: what its account decided, one dense ``seq`` per event, kept for ever.

Whoever sums ``charged_usd - was_usd`` over all of them has what was spent.
"""

from typing import Literal

from msgspec import Struct

from facilitair_events.accounts import Part, Refusal
from facilitair_events.budgets import Budget, LimitScope, LimitWindow, Priority
from facilitair_events.instants import Instant
from facilitair_events.numbers import Amount, Count, Ordinal, check_amounts
from facilitair_events.requests import Usage
from facilitair_events.text import Personal


class AccountEvent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """``seq`` is dense from 1 for each tenant, ``at`` is the reducer's now."""

    seq: Ordinal
    at: Instant


class BudgetChanged(AccountEvent, frozen=True, kw_only=True, omit_defaults=True):
    """From here on the tenant has this budget."""

    actor: str
    budget: Budget


class FundsReserved(AccountEvent, frozen=True, kw_only=True, omit_defaults=True):
    """A collaboration was granted these calls and ``slots`` in all, by its request ``n``."""

    collaboration: str
    n: Ordinal
    project: str
    actor: str
    workflow: str
    parts: tuple[Part, ...]
    slots: Count = 0
    priority: Priority = "interactive"


class FundsRefused(AccountEvent, frozen=True, kw_only=True, omit_defaults=True):
    """Request ``n`` of a collaboration was refused."""

    collaboration: str
    n: Ordinal
    refusal: Refusal


class FundsReleased(AccountEvent, frozen=True, kw_only=True, omit_defaults=True):
    """Money and slots that a collaboration had no use for are free again."""

    collaboration: str
    n: Ordinal
    usd: Amount
    slots: Count = 0
    closed: bool = False

    def __post_init__(self) -> None:
        check_amounts(usd=self.usd)


class CallSettled(AccountEvent, frozen=True, kw_only=True, omit_defaults=True):
    """An entry: what a call is charged, see ``CallCharged``. Every entry names its call.

    ``late`` says that its collaboration had closed.
    """

    collaboration: str
    n: Ordinal
    project: str
    actor: str
    workflow: str
    call_id: str
    path: str
    attempt: Ordinal
    agent: str
    outcome: Literal["completed", "failed", "unknown"]
    charged_usd: Amount
    was_usd: Amount | None = None
    reserved_usd: Amount | None = None
    cost_usd: Amount | None = None
    priced: bool = True
    late: bool = False
    model: str | None = None
    provider: str | None = None
    price_version: str | None = None
    usage: Usage | None = None
    simulated: bool = False

    def __post_init__(self) -> None:
        check_amounts(
            charged_usd=self.charged_usd,
            was_usd=self.was_usd,
            reserved_usd=self.reserved_usd,
            cost_usd=self.cost_usd,
        )


class CallReconciled(AccountEvent, frozen=True, kw_only=True, omit_defaults=True):
    """An entry: a call that was charged at its reservation did cost ``charged_usd``."""

    collaboration: str
    call_id: str
    agent: str
    workflow: str
    charged_usd: Amount
    was_usd: Amount
    actor: str
    reason: Personal
    source: Literal["export", "hand"] = "hand"
    model: str | None = None
    provider: str | None = None

    def __post_init__(self) -> None:
        check_amounts(charged_usd=self.charged_usd, was_usd=self.was_usd)


class LimitReached(AccountEvent, frozen=True, kw_only=True, omit_defaults=True):
    """A warning limit was reached; told once for each window."""

    scope: LimitScope
    name: str
    window: LimitWindow
    limit_usd: Amount
    spent_usd: Amount
    until: Instant | None = None

    def __post_init__(self) -> None:
        check_amounts(limit_usd=self.limit_usd, spent_usd=self.spent_usd)


class RequestSkipped(AccountEvent, frozen=True, kw_only=True, omit_defaults=True):
    """A request was not carried out, and why; an operator should look at it.

    ``stale``: it may be a repeat of one that was forgotten. ``unreadable``: it is dead-lettered.
    """

    reason: str
    offset: Count
    collaboration: str | None = None
    n: Ordinal | None = None
    call_id: str | None = None
