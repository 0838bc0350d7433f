"""Slots: how many attempts of a tenant may be with the workers, and who is next (R26).

Each class has its own, so neither keeps the other waiting, and a line of its own, first come first
served. Whoever gets any gets what is free, so that the line moves.
"""

from msgspec.structs import replace

from facilitair_events.accounts import FundsRequested
from facilitair_events.balances import AccountState, EnvelopeState
from facilitair_events.budgets import Priority
from facilitair_events.ids import derive
from facilitair_events.state import Timer
from facilitair_money import answers, limits
from facilitair_money.bounds import PUMPED
from facilitair_money.draft import Draft
from facilitair_money.errors import NoEnvelopeError
from facilitair_money.keys import CLASSES

_PUMP = "slots"


def ask(draft: Draft, envelope: EnvelopeState, *, data: FundsRequested) -> None:
    """Grant money, and slots where they are wanted; or refuse; or have it wait for a slot.

    Who could not be granted money does not wait for a slot first.
    """
    if envelope.asked is not None:
        _ask_in_line(draft, envelope, data=data)
        return
    found = limits.fitting(
        draft, collaboration=data.collaboration, envelope=envelope, parts=data.parts
    )
    wants = data.slots > 0 and envelope.slots == 0
    if found.refusal is None and wants and not _is_next(draft, data.priority):
        _line_up(draft, replace(envelope, priority=data.priority), data=data)
        return
    _answer(draft, envelope, data=data, found=found)


def given_back(draft: Draft, envelope: EnvelopeState, *, collaboration: str) -> EnvelopeState:
    """Free the slots of an envelope and take it out of the line; the envelope without both."""
    if envelope.asked is not None:
        line = draft.waiting[envelope.priority]
        _put_line(draft, envelope.priority, line=tuple(one for one in line if one != collaboration))
        draft.unlisted(collaboration)
    _take(draft, envelope.priority, count=-envelope.slots)
    return replace(envelope, slots=0, asked=None)


def pump(draft: Draft) -> None:
    """Answer those who wait, in their order, while there are slots.

    At most ``PUMPED`` for one record; a timer of the state asks for the rest.
    """
    left = PUMPED
    for priority in CLASSES:
        while left and _next_in_line(draft.waiting, draft.taken, priority, _limit(draft, priority)):
            _answer_first(draft, priority)
            left -= 1


def timers(state: AccountState) -> tuple[Timer, ...]:
    """One that is due at once, while somebody waits beside a free slot."""
    limits_of = state.budget.slots
    waits = any(
        _next_in_line(state.waiting, state.taken, priority, getattr(limits_of, priority))
        for priority in CLASSES
    )
    if not waits:
        return ()
    timer_id = derive(state.tenant, _PUMP, str(state.seq))
    return (Timer(timer_id=timer_id, name=_PUMP, due_ms=state.now_ms),)


def _ask_in_line(draft: Draft, envelope: EnvelopeState, *, data: FundsRequested) -> None:
    """Who waits and asks anew keeps its place; its last request is what counts."""
    wanted = data.slots or (envelope.asked.slots if envelope.asked else 0)
    answered = answers.wait(draft, data)
    waiting = replace(envelope, asked=replace(data, slots=wanted), answered=answered)
    draft.envelopes.put(data.collaboration, waiting)


def _line_up(draft: Draft, envelope: EnvelopeState, *, data: FundsRequested) -> None:
    answered = answers.wait(draft, data)
    draft.envelopes.put(data.collaboration, replace(envelope, asked=data, answered=answered))
    line = draft.waiting.get(data.priority, ())
    _put_line(draft, data.priority, line=(*line, data.collaboration))
    draft.listed(data.collaboration)


def _answer_first(draft: Draft, priority: Priority) -> None:
    line = draft.waiting[priority]
    collaboration = line[0]
    _put_line(draft, priority, line=line[1:])
    draft.unlisted(collaboration)
    envelope = draft.envelopes.get(collaboration)
    if envelope is None or envelope.asked is None:
        raise NoEnvelopeError(collaboration=collaboration)
    data, envelope = envelope.asked, replace(envelope, asked=None)
    found = limits.fitting(draft, collaboration=collaboration, envelope=envelope, parts=data.parts)
    _answer(draft, envelope, data=data, found=found)


def _answer(
    draft: Draft, envelope: EnvelopeState, *, data: FundsRequested, found: limits.Grant
) -> None:
    if found.refusal is not None:
        answered = answers.refuse(draft, data, refusal=found.refusal)
        envelope = replace(envelope, answered=answered)
    else:
        envelope = _seated(draft, envelope, data=data)
        envelope = answers.grant(draft, envelope, data=data, parts=found.parts)
    draft.envelopes.put(data.collaboration, envelope)


def _seated(draft: Draft, envelope: EnvelopeState, *, data: FundsRequested) -> EnvelopeState:
    """With as many slots as it wants and there are; who holds some gets no more past the line."""
    if not data.slots:
        return envelope
    if not envelope.slots:
        envelope = replace(envelope, priority=data.priority)
    more = data.slots - envelope.slots
    if more > 0:
        behind = envelope.slots > 0 and bool(draft.waiting.get(envelope.priority))
        more = 0 if behind else min(more, _free(draft, envelope.priority))
    _take(draft, envelope.priority, count=more)
    return replace(envelope, slots=envelope.slots + more)


def _is_next(draft: Draft, priority: Priority) -> bool:
    """Whether who asks now gets a slot at once."""
    return not draft.waiting.get(priority) and _free(draft, priority) > 0


def _next_in_line(  # noqa: PLR0917 - a line and what it waits for
    waiting: dict[str, tuple[str, ...]], taken: dict[str, int], priority: str, limit: int
) -> bool:
    return bool(waiting.get(priority)) and taken.get(priority, 0) < limit


def _limit(draft: Draft, priority: Priority) -> int:
    slots = draft.budget.slots
    return slots.interactive if priority == "interactive" else slots.batch


def _free(draft: Draft, priority: Priority) -> int:
    return max(0, _limit(draft, priority) - draft.taken.get(priority, 0))


def _take(draft: Draft, priority: Priority, *, count: int) -> None:
    taken = draft.taken.get(priority, 0) + count
    draft.taken.pop(priority, None)
    if taken:
        draft.taken[priority] = taken


def _put_line(draft: Draft, priority: Priority, *, line: tuple[str, ...]) -> None:
    draft.waiting.pop(priority, None)
    if line:
        draft.waiting[priority] = line
