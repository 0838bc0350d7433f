"""What the account tells a collaboration that asked, and the books."""

from msgspec.structs import replace

from facilitair_events.accounts import FundsAnswered, FundsRequested, Part, Refusal
from facilitair_events.balances import EnvelopeState
from facilitair_events.books import FundsRefused, FundsReserved
from facilitair_money.amounts import ZERO
from facilitair_money.draft import Draft
from facilitair_money.spending import reserve


def refuse(draft: Draft, data: FundsRequested, *, refusal: Refusal) -> FundsAnswered:
    """It gets nothing."""
    draft.emit(FundsRefused, collaboration=data.collaboration, n=data.n, refusal=refusal)
    return _told(draft, data, answer=FundsAnswered(n=data.n, outcome="refused", refusal=refusal))


def wait(draft: Draft, data: FundsRequested) -> FundsAnswered:
    """It waits for a slot; no money is set aside meanwhile, so the books do not change."""
    return _told(draft, data, answer=FundsAnswered(n=data.n, outcome="waiting"))


def grant(
    draft: Draft, envelope: EnvelopeState, *, data: FundsRequested, parts: tuple[Part, ...]
) -> EnvelopeState:
    """It gets these parts, and the slots that its envelope holds; the envelope with both."""
    for part in parts:
        envelope = reserve(draft, envelope, agent=part.agent, usd=part.usd or ZERO)
    draft.emit(
        FundsReserved,
        collaboration=data.collaboration,
        n=data.n,
        project=envelope.project,
        actor=envelope.actor,
        workflow=envelope.workflow,
        parts=parts,
        slots=envelope.slots,
        priority=envelope.priority,
    )
    answer = FundsAnswered(n=data.n, outcome="granted", parts=parts, slots=envelope.slots)
    return replace(envelope, answered=_told(draft, data, answer=answer))


def _told(draft: Draft, data: FundsRequested, *, answer: FundsAnswered) -> FundsAnswered:
    draft.answer(data.collaboration, answer)
    return answer
