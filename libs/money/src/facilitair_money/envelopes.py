"""Envelopes: opened by a collaboration's first request, closed by its end, kept for repeats."""

from typing import Final

from msgspec.structs import replace

from facilitair_events.accounts import FundsAnswered, FundsRequested, FundsReturned, Refusal
from facilitair_events.balances import EnvelopeState
from facilitair_events.books import FundsReleased, RequestSkipped
from facilitair_money import answers, slots, spending
from facilitair_money.amounts import total
from facilitair_money.bounds import (
    CLOSED_ENVELOPES,
    GROWING_BYTES,
    OPEN_ENVELOPES,
    OPENING_BYTES,
    PARTS,
)
from facilitair_money.draft import Draft

_MESSAGES: Final = {
    "stale": "this was asked so long ago that it may be a repeat; ask anew",
    "closed": "the collaboration has ended; nothing is granted to it any more",
    "too_many_open": "too many collaborations of the tenant are open; wait until some have ended",
    "too_many_names": (
        "the account counts too many projects, keys and agents; use those that it knows"
    ),
}


def on_funds_requested(draft: Draft, data: FundsRequested) -> None:
    """A collaboration asks for money, at first, when it runs low, or once more for what it asked.

    What is repeated gets the answer that it got (R25).
    """
    envelope = draft.envelopes.get(data.collaboration)
    if envelope is None:
        code = _unopened(draft, data)
        if code is not None:
            _refuse(draft, data, code=code)
            return
        envelope = _opened(draft, data)
    elif data.n <= envelope.n:
        if envelope.answered is not None and envelope.answered.n == data.n:
            draft.answer(data.collaboration, envelope.answered)
        return
    envelope = reached(envelope, n=data.n, asked_ms=data.asked_ms)
    code = _ungranted(draft, data, envelope=envelope)
    if code is not None:
        answered = _refuse(draft, data, code=code)
        draft.envelopes.put(data.collaboration, replace(envelope, answered=answered))
        return
    slots.ask(draft, envelope, data=data)


def on_funds_returned(draft: Draft, data: FundsReturned) -> None:
    """A collaboration gives back what it holds; with ``close`` it gets nothing any more (R27)."""
    envelope = draft.envelopes.get(data.collaboration)
    if envelope is None:
        if is_stale(draft, data.asked_ms):
            skip(draft, data, reason="stale")
            return
        envelope = EnvelopeState(n=0, asked_ms=data.asked_ms)
        draft.open += 1
    elif data.n <= envelope.n:
        return
    envelope = reached(envelope, n=data.n, asked_ms=data.asked_ms)
    usd, freed = total(envelope.reserved.values()), envelope.slots
    for agent, held in envelope.reserved.items():
        envelope = spending.release(draft, envelope, agent=agent, usd=held)
    envelope = slots.given_back(draft, envelope, collaboration=data.collaboration)
    draft.envelopes.put(data.collaboration, envelope)
    closing = data.close and not envelope.closed
    if closing:
        close(draft, data.collaboration, envelope=envelope)
    draft.emit(
        FundsReleased,
        collaboration=data.collaboration,
        n=data.n,
        usd=usd,
        slots=freed,
        closed=closing,
    )


def reached(envelope: EnvelopeState, *, n: int, asked_ms: int) -> EnvelopeState:
    """The envelope after request ``n``; a gap before it is one that was dead-lettered."""
    return replace(envelope, n=n, asked_ms=max(envelope.asked_ms, asked_ms))


def is_stale(draft: Draft, asked_ms: int) -> bool:
    """Whether a request of nobody we know may be a repeat of one that was forgotten."""
    return draft.forgotten_ms > 0 and asked_ms <= draft.forgotten_ms


def skip(draft: Draft, data: FundsReturned, *, reason: str) -> None:
    """Tell the books that a request was not carried out."""
    draft.emit(
        RequestSkipped,
        reason=reason,
        offset=draft.received.offset,
        collaboration=data.collaboration,
        n=data.n,
    )


def close(draft: Draft, collaboration: str, *, envelope: EnvelopeState) -> None:
    """Keep of an envelope what tells repeats, and forget those that closed long before."""
    stub = EnvelopeState(n=envelope.n, asked_ms=envelope.asked_ms, closed=True)
    draft.envelopes.put(collaboration, stub)
    draft.open -= 1
    draft.listed(collaboration)
    draft.closed = (*draft.closed, collaboration)
    while len(draft.closed) > CLOSED_ENVELOPES:
        oldest, draft.closed = draft.closed[0], draft.closed[1:]
        draft.unlisted(oldest)
        forgotten = draft.envelopes.forget(oldest)
        if forgotten is not None:
            draft.forgotten_ms = max(draft.forgotten_ms, forgotten.asked_ms)


def closed_anew(draft: Draft, collaboration: str, *, asked_ms: int) -> EnvelopeState:
    """The stub of a collaboration that closed so long ago that it was forgotten."""
    envelope = EnvelopeState(n=0, asked_ms=asked_ms)
    draft.open += 1
    close(draft, collaboration, envelope=envelope)
    return replace(envelope, closed=True)


def _unopened(draft: Draft, data: FundsRequested) -> str | None:
    """Why a collaboration that we do not know gets no envelope."""
    if is_stale(draft, data.asked_ms):
        return "stale"
    if draft.open >= OPEN_ENVELOPES or draft.weight > OPENING_BYTES:
        return "too_many_open"
    return None


def _ungranted(draft: Draft, data: FundsRequested, *, envelope: EnvelopeState) -> str | None:
    """Why a collaboration gets nothing, whatever is left."""
    if envelope.closed:
        return "closed"
    if draft.weight > GROWING_BYTES:
        return "too_many_open"
    agents = {part.agent for part in data.parts[:PARTS]}
    if not spending.has_room_for(draft, envelope, agents=agents):
        return "too_many_names"
    return None


def _opened(draft: Draft, data: FundsRequested) -> EnvelopeState:
    draft.open += 1
    return EnvelopeState(
        n=0,
        asked_ms=data.asked_ms,
        project=data.project,
        actor=data.actor,
        workflow=data.workflow,
        priority=data.priority,
    )


def _refuse(draft: Draft, data: FundsRequested, *, code: str) -> FundsAnswered:
    return answers.refuse(draft, data, refusal=Refusal(code=code, message=_MESSAGES[code]))
