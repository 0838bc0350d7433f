"""``decide``: a tenant's money as one pure function of what is asked of its account."""

from typing import Final

from facilitair_events.accounts import (
    AccountAsked,
    BudgetRequested,
    CallCharged,
    FundsRequested,
    FundsReturned,
    ReconcileRequested,
)
from facilitair_events.balances import AccountState
from facilitair_events.books import RequestSkipped
from facilitair_events.decision import Decision, Received
from facilitair_events.requests import Parked
from facilitair_events.state import Timer
from facilitair_money import budgets, charges, clients, envelopes, reconciling, slots
from facilitair_money.bounds import FRAME_BYTES
from facilitair_money.draft import Draft

KNOWN_LOGIC: Final = 1
"""The newest version in this code; behaviour that changes is guarded by ``state.logic`` (R9)."""

_FIRST_LOGIC: Final = 1
_UNREADABLE: Final = "unreadable"
_NO_ROOM: Final = frozenset({"state_too_large", "output_too_large"})
"""Reasons for which the chassis puts ``Parked`` in place of a record (R8)."""


def decide(state: AccountState | None, received: Received) -> Decision[AccountState]:
    """What follows from one record of the requests to an account.

    No clock, no randomness, no I/O, no calendar (R6): the same state and record give the same
    bytes, for ever. What it raises, and what cannot be read, is skipped: ``Parked`` in its place
    is an event of the books, and the account goes on.
    """
    if state is None:
        if isinstance(received.data, Parked):
            return Decision(state=None)
        fresh = AccountState(tenant=received.tenant, logic=_FIRST_LOGIC)
        return _fresh(_decided(fresh, received), fresh)
    return _decided(state, received)


def timers(state: AccountState) -> tuple[Timer, ...]:
    """What the owner of the state has to wake it up for."""
    return slots.timers(state)


def logic_of(received: Received) -> int | None:  # noqa: ARG001 - no request asks for a version
    """No request asks for a version: an account goes on with its own."""
    return None


def size_of(state: AccountState) -> int:
    """The bytes that a state takes in its snapshot at most; they are counted as it changes."""
    return state.weight + FRAME_BYTES


def _fresh(decision: Decision[AccountState], before: AccountState) -> Decision[AccountState]:
    """A question makes no account."""
    if decision.state is not before:
        return decision
    return Decision(state=None, replies=decision.replies)


def _decided(state: AccountState, received: Received) -> Decision[AccountState]:
    draft = Draft(state, received)
    if isinstance(received.data, AccountAsked):
        data = received.data
        clients.answer(draft, data.reply_to, outcome="described", usage=data.usage)
        return Decision(state=state, replies=draft.decision().replies)
    _dispatch(draft, received)
    slots.pump(draft)
    return draft.decision()


def _dispatch(draft: Draft, received: Received) -> None:
    data = received.data
    if isinstance(data, FundsRequested):
        envelopes.on_funds_requested(draft, data)
    elif isinstance(data, CallCharged):
        charges.on_call_charged(draft, data)
    elif isinstance(data, FundsReturned):
        envelopes.on_funds_returned(draft, data)
    elif isinstance(data, BudgetRequested):
        budgets.on_budget_requested(draft, data)
    elif isinstance(data, ReconcileRequested):
        reconciling.on_reconcile_requested(draft, data)
    elif isinstance(data, Parked):
        reason = data.reason if data.reason in _NO_ROOM else _UNREADABLE
        draft.emit(RequestSkipped, reason=reason, offset=data.offset)
