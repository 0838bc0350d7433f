"""Money: what is asked of a tenant's account, and what it answers (R25 to R27).

Requests are records of ``account-requests``, in one order per tenant.
A collaboration numbers its own: ``n`` is dense from 1.
``asked_ms`` is the log time of what caused a request, so that the same request written again is
the same bytes.
"""

from typing import Literal

from msgspec import Struct

from facilitair_events.budgets import Budget, Limit, LimitScope, LimitWindow, Priority
from facilitair_events.instants import Instant
from facilitair_events.numbers import Amount, Count, Ordinal, check_amounts
from facilitair_events.requests import Fault, ReplyTo, Usage
from facilitair_events.text import Personal


class Part(Struct, frozen=True, kw_only=True):
    """The most that one call of an agent may cost; null where its model has no known price."""

    agent: str
    usd: Amount | None

    def __post_init__(self) -> None:
        check_amounts(usd=self.usd)


class FundsRequested(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A collaboration asks for money, at first (with ``slots``) and whenever it runs low.

    ``parts`` are calls in the order in which they are likely; the first has to be covered.
    ``slots`` is how many attempts would like to run at once; 0 keeps those that were granted.
    """

    collaboration: str
    n: Ordinal
    asked_ms: Count
    project: str
    actor: str
    workflow: str
    parts: tuple[Part, ...]
    slots: Count = 0
    priority: Priority = "interactive"


class CallCharged(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A call of a collaboration has an outcome, and this is its money.

    ``charged_usd`` is what counts: the cost; where that cannot be known the reservation; 0 for a
    call without any price, which ``cost_usd`` null and ``priced`` false say.
    ``was_usd`` was charged for the same call before: the difference counts, so a late result sets
    the money of a call (R20).
    ``reserved_usd`` is what had been set aside for it and is free again.
    """

    collaboration: str
    n: Ordinal
    asked_ms: Count
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


class FundsReturned(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A collaboration gives back all that it holds and has no use for, money and slots.

    ``close`` says that it has ended: nothing is granted to it any more, late money still counts.
    """

    collaboration: str
    n: Ordinal
    asked_ms: Count
    close: bool = False


class BudgetRequested(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Somebody sets the whole budget of a tenant. ``client_id`` makes a repeat a duplicate.

    With ``replaces`` it is refused (``budget_changed``) when the budget is another one by then.
    """

    client_id: str
    actor: str
    budget: Budget
    replaces: Budget | None = None
    reply_to: ReplyTo | None = None


class CallCorrection(Struct, frozen=True, kw_only=True):
    """What a call whose outcome was unknown did cost."""

    call_id: str
    cost_usd: Amount

    def __post_init__(self) -> None:
        check_amounts(cost_usd=self.cost_usd)


class ReconcileRequested(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Somebody knows what unknown calls cost, from a provider's export or by hand.

    Calls that are not listed as unknown are refused, and then none of it counts.
    """

    client_id: str
    actor: str
    corrections: tuple[CallCorrection, ...]
    reason: Personal
    source: Literal["export", "hand"] = "hand"
    reply_to: ReplyTo | None = None


class AccountAsked(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Somebody asks how an account stands. It changes nothing."""

    reply_to: ReplyTo
    usage: bool = False


class Refusal(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why money was refused.

    ``code``: ``limit_reached`` (the rest of the fields say which), ``price_unknown``,
    ``too_many_open``, ``too_many_names``, ``stale`` (asked so long ago that it may be a repeat: ask
    anew), ``closed``.
    ``turns_at`` is when the window begins anew.
    """

    code: str
    message: str
    asked_usd: Amount | None = None
    left_usd: Amount | None = None
    scope: LimitScope | None = None
    name: str | None = None
    window: LimitWindow | None = None
    limit_usd: Amount | None = None
    spent_usd: Amount | None = None
    reserved_usd: Amount | None = None
    turns_at: Instant | None = None

    def __post_init__(self) -> None:
        check_amounts(
            asked_usd=self.asked_usd,
            left_usd=self.left_usd,
            limit_usd=self.limit_usd,
            spent_usd=self.spent_usd,
            reserved_usd=self.reserved_usd,
        )


class FundsAnswered(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The account's answer to request ``n`` of a collaboration, in its inbox.

    ``granted``: these ``parts``, the first ones of those asked for, and ``slots`` in all.
    ``waiting``: all slots of the class are taken; ``granted`` or ``refused`` follows by itself.
    ``refused``: nothing; what was granted before stays.
    """

    n: Ordinal
    outcome: Literal["granted", "waiting", "refused"]
    parts: tuple[Part, ...] = ()
    slots: Count = 0
    refusal: Refusal | None = None


class LimitView(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a limit stands for one name: in its window that began at ``since`` and ends at ``until``.

    Both are null for a total.
    """

    limit: Limit
    name: str
    spent_usd: Amount
    reserved_usd: Amount
    left_usd: Amount
    since: Instant | None = None
    until: Instant | None = None


class SlotsView(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How the slots of a class stand, in attempts and in collaborations that wait."""

    priority: Priority
    limit: Ordinal
    taken: Count = 0
    waiting: Count = 0


class UnknownCallView(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A call that was charged at its reservation because nobody knows its outcome."""

    call_id: str
    collaboration: str
    agent: str
    charged_usd: Amount
    at: Instant
    model: str | None = None
    provider: str | None = None


class UsageCell(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one agent used on one day of the tenant's, by one model, in one workflow.

    ``day`` is ISO; ``agent``, ``model`` and ``workflow`` are ``*`` where days long past are one.
    """

    day: str
    agent: str
    model: str
    workflow: str
    calls: Count = 0
    usage: Usage = Usage()
    charged_usd: Amount
    unknown_calls: Count = 0
    unpriced_calls: Count = 0
    simulated_calls: Count = 0


class AccountView(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How an account stands, as far as its requests were read.

    ``unknown`` are the oldest calls to reconcile, ``unknown_calls`` counts all of them.
    """

    tenant: str
    budget: Budget
    spent_usd: Amount
    reserved_usd: Amount
    open_collaborations: Count = 0
    limits: tuple[LimitView, ...] = ()
    slots: tuple[SlotsView, ...] = ()
    unknown: tuple[UnknownCallView, ...] = ()
    unknown_calls: Count = 0
    usage: tuple[UsageCell, ...] = ()
    updated_at: Instant | None = None


class AccountAnswered(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer to who set, reconciled or asked, on ``query-replies``."""

    correlation: str
    outcome: Literal["accepted", "duplicate", "refused", "described"]
    faults: tuple[Fault, ...] = ()
    view: AccountView | None = None
