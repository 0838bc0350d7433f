"""The state of a tenant's account between two of its requests, and its snapshot (R8).

It is a contract too: a snapshot written by this version is read by the next.
"""

from msgspec import Struct

from facilitair_events.accounts import FundsAnswered, FundsRequested, UsageCell
from facilitair_events.budgets import Budget, Priority
from facilitair_events.numbers import Amount, Count, Ordinal, check_amounts


class EnvelopeState(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a collaboration holds.

    ``n`` and ``asked_ms`` are of its last request (R25).
    ``reserved`` is what each agent's calls may still cost.
    ``asked`` waits for a slot, ``answered`` is the answer to its last ask.
    ``warned`` are the warning limits of the collaboration that were told of.
    """

    n: Count
    asked_ms: Count
    project: str = ""
    actor: str = ""
    workflow: str = ""
    priority: Priority = "interactive"
    reserved: dict[str, Amount] = {}
    spent_usd: Amount | None = None
    slots: Count = 0
    asked: FundsRequested | None = None
    answered: FundsAnswered | None = None
    closed: bool = False
    warned: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_amounts(spent_usd=self.spent_usd)


class CounterState(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one name of a scope spent in the window that began at ``start_ms``.

    ``warned`` are the warning limits that were told of in it.
    """

    spent_usd: Amount
    start_ms: Count = 0
    warned: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_amounts(spent_usd=self.spent_usd)


class UnknownCall(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A call that was charged at its reservation, until somebody knows better."""

    collaboration: str
    project: str
    actor: str
    workflow: str
    agent: str
    charged_usd: Amount
    at_ms: Count
    model: str | None = None
    provider: str | None = None

    def __post_init__(self) -> None:
        check_amounts(charged_usd=self.charged_usd)


class AccountState(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Everything that is known about a tenant's money.

    ``envelopes`` are in shards, by the last digits of the collaboration, so that a change copies
    few of them. Closed ones are kept for repeats, in the order ``closed``; of those that were
    forgotten nothing is younger than ``forgotten_ms``.
    ``counters`` and ``reserved`` are by scope, name and window, and by scope and name.
    ``waiting`` are collaborations without a slot, in their order, by class; ``taken`` the slots.
    ``unknown`` are calls to reconcile; ``reconciled`` what was set by hand or from an export, for a
    result that comes after all.
    ``weight`` is how many bytes the entries of all these take in a snapshot.
    """

    tenant: str
    logic: Ordinal = 1
    seq: Count = 0
    now_ms: Count = 0
    budget: Budget = Budget()
    envelopes: dict[str, dict[str, EnvelopeState]] = {}
    open: Count = 0
    closed: tuple[str, ...] = ()
    forgotten_ms: Count = 0
    counters: dict[str, CounterState] = {}
    reserved: dict[str, Amount] = {}
    waiting: dict[str, tuple[str, ...]] = {}
    taken: dict[str, Count] = {}
    unknown: dict[str, UnknownCall] = {}
    reconciled: dict[str, UnknownCall] = {}
    cells: dict[str, UsageCell] = {}
    clients: tuple[str, ...] = ()
    weight: Count = 0


class AccountSnapshot(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A record of ``account-state``: the state after the request at ``applied``.

    ``offsets`` stays empty: no account is forked.
    """

    applied: Count
    state: AccountState
    offsets: tuple[Count, ...] = ()
