"""Charges: what calls cost, late ones and corrected ones included (R20, R27)."""

from decimal import Decimal

from msgspec import Struct
from msgspec.structs import replace

from facilitair_events.accounts import CallCharged
from facilitair_events.balances import EnvelopeState, UnknownCall
from facilitair_events.books import CallSettled, RequestSkipped
from facilitair_money import envelopes, spending, usage, warnings
from facilitair_money.amounts import ZERO, minus, plus
from facilitair_money.bounds import GROWING_BYTES, UNKNOWN_CALLS
from facilitair_money.draft import Draft


class Earlier(Struct, frozen=True, kw_only=True):
    """What is known of a call from before: what it was charged, and when at first."""

    was_usd: Decimal
    since_ms: int
    listed: UnknownCall | None = None


def on_call_charged(draft: Draft, data: CallCharged) -> None:
    """The money of a call counts once; a later charge of the same call sets it.

    One whose collaboration nobody knows any more is late: its envelope was forgotten.
    """
    envelope = draft.envelopes.get(data.collaboration)
    if envelope is None:
        if envelopes.is_stale(draft, data.asked_ms):
            _skip(draft, data)
            return
        envelope = envelopes.closed_anew(draft, data.collaboration, asked_ms=data.asked_ms)
    elif data.n <= envelope.n:
        return
    envelope = envelopes.reached(envelope, n=data.n, asked_ms=data.asked_ms)
    if data.reserved_usd is not None:
        envelope = spending.release(draft, envelope, agent=data.agent, usd=data.reserved_usd)
    earlier = _earlier(draft, data)
    _settle(draft, data, envelope=envelope, earlier=earlier)
    _list(draft, data, earlier=earlier)


def _settle(
    draft: Draft, data: CallCharged, *, envelope: EnvelopeState, earlier: Earlier | None
) -> None:
    usd = data.charged_usd if earlier is None else minus(data.charged_usd, earlier.was_usd)
    since_ms = draft.now_ms if earlier is None else earlier.since_ms
    counted = replace(envelope, project=data.project, actor=data.actor)
    spending.spend(draft, counted, agent=data.agent, usd=usd, since_ms=since_ms)
    if not envelope.closed:
        total = max(ZERO, plus(envelope.spent_usd or ZERO, usd))
        envelope = replace(envelope, spent_usd=total)
    draft.envelopes.put(data.collaboration, envelope)
    _book(draft, data, late=envelope.closed, earlier=earlier)
    if earlier is None:
        usage.charged(draft, data)
    else:
        usage.settled(draft, data, earlier_ms=since_ms, usd=usd, listed=earlier.listed)
    warnings.after_charge(draft, data.collaboration, envelope=counted, agent=data.agent)


def _earlier(draft: Draft, data: CallCharged) -> Earlier | None:
    """What counts for the call already: our own list knows better than who charges."""
    for listed in (draft.unknown.get(data.call_id), draft.reconciled.get(data.call_id)):
        if listed is not None:
            return Earlier(was_usd=listed.charged_usd, since_ms=listed.at_ms, listed=listed)
    if data.was_usd is None:
        return None
    return Earlier(was_usd=data.was_usd, since_ms=draft.now_ms)


def _book(draft: Draft, data: CallCharged, *, late: bool, earlier: Earlier | None) -> None:
    draft.emit(
        CallSettled,
        collaboration=data.collaboration,
        n=data.n,
        project=data.project,
        actor=data.actor,
        workflow=data.workflow,
        call_id=data.call_id,
        path=data.path,
        attempt=data.attempt,
        agent=data.agent,
        outcome=data.outcome,
        charged_usd=data.charged_usd,
        was_usd=None if earlier is None else earlier.was_usd,
        reserved_usd=data.reserved_usd,
        cost_usd=data.cost_usd,
        priced=data.priced,
        late=late,
        model=data.model,
        provider=data.provider,
        price_version=data.price_version,
        usage=data.usage,
        simulated=data.simulated,
    )


def _list(draft: Draft, data: CallCharged, *, earlier: Earlier | None) -> None:
    """Keep the call among those to reconcile while its outcome is unknown, and no longer."""
    draft.unknown.pop(data.call_id)
    draft.reconciled.pop(data.call_id)
    if data.outcome != "unknown":
        return
    call = UnknownCall(
        collaboration=data.collaboration,
        project=data.project,
        actor=data.actor,
        workflow=data.workflow,
        agent=data.agent,
        charged_usd=data.charged_usd,
        at_ms=draft.now_ms if earlier is None else earlier.since_ms,
        model=data.model,
        provider=data.provider,
    )
    draft.unknown.set(data.call_id, call)
    while len(draft.unknown) > UNKNOWN_CALLS or (
        len(draft.unknown) and draft.weight > GROWING_BYTES
    ):
        draft.unknown.pop_oldest()


def _skip(draft: Draft, data: CallCharged) -> None:
    draft.emit(
        RequestSkipped,
        reason="stale",
        offset=draft.received.offset,
        collaboration=data.collaboration,
        n=data.n,
        call_id=data.call_id,
    )
