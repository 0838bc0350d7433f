"""What a collaboration tells its tenant's account, numbered without a gap (since logic 3)."""

from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from facilitair_events.accounts import CallCharged, FundsRequested, FundsReturned, Part
from facilitair_events.state import FundsState
from facilitair_events.topics import ACCOUNT_REQUESTS
from facilitair_workflows.errors import UnfundedError
from facilitair_workflows.reducing.draft import Draft


def funds_of(draft: Draft) -> FundsState:
    """What is known of the envelope. Raises UnfundedError where nobody keeps accounts."""
    if draft.state.funds is None:
        raise UnfundedError(collaboration=draft.state.collaboration)
    return draft.state.funds


def ask(draft: Draft, parts: tuple[Part, ...], *, slots: int, path: str) -> None:
    """Ask for money, and for slots where ``slots`` is not 0; ``path`` needs the first part."""
    state, number = draft.state, _next(draft)
    draft.set(funds=replace(funds_of(draft), asked=number, asked_for=path, parts=len(parts)))
    request = FundsRequested(
        collaboration=state.collaboration,
        n=number,
        asked_ms=draft.now_ms,
        project=state.project,
        actor=state.actor,
        workflow=state.workflow,
        parts=parts,
        slots=slots,
        priority=state.priority,
    )
    _send(draft, request)


def charge(draft: Draft, **call: Any) -> None:
    """Tell what became of a call: the fields of ``CallCharged`` that are about it."""
    state = draft.state
    charged = CallCharged(
        collaboration=state.collaboration,
        n=_next(draft),
        asked_ms=draft.now_ms,
        project=state.project,
        actor=state.actor,
        workflow=state.workflow,
        **call,
    )
    _send(draft, charged)


def give_back(draft: Draft) -> None:
    """Return all money and all slots; more may be asked for later."""
    _return(draft, close=False)


def close(draft: Draft) -> None:
    """Return what is left, for good (R14, R27). Nothing was ever opened without a request."""
    funds = draft.state.funds
    if funds is not None and funds.n:
        _return(draft, close=True)


def _return(draft: Draft, *, close: bool) -> None:
    returned = FundsReturned(
        collaboration=draft.state.collaboration,
        n=_next(draft),
        asked_ms=draft.now_ms,
        close=close,
    )
    funds = replace(
        funds_of(draft), asked=0, asked_for=None, queued=False, unused={}, unpriced={}, slots=0
    )
    draft.set(funds=funds)
    _send(draft, returned)


def _next(draft: Draft) -> int:
    funds = funds_of(draft)
    draft.set(funds=replace(funds, n=funds.n + 1))
    return funds.n + 1


def _send(draft: Draft, request: Struct) -> None:
    """Requests of a tenant are in one order, whoever they are about (R25)."""
    tenant = draft.state.tenant
    draft.command(ACCOUNT_REQUESTS, request, key=tenant, subject=tenant)
