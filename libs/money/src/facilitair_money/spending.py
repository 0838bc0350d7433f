"""What was spent and what is reserved, by scope, name and window."""

from decimal import Decimal

from msgspec.structs import replace

from facilitair_events.balances import CounterState, EnvelopeState
from facilitair_events.budgets import LimitWindow
from facilitair_money.amounts import ZERO, left, minus, plus
from facilitair_money.bounds import COUNTERS
from facilitair_money.draft import Draft
from facilitair_money.keys import (
    WINDOWS,
    counter_key,
    is_counted,
    reserved_key,
    scopes,
    window_of,
)


def counter(draft: Draft, key: str) -> CounterState:
    """A counter in the window that it is now; anew when its window is over."""
    start_ms = draft.span(window_of(key)).start_ms
    held = draft.counters.get(key)
    if held is None or held.start_ms < start_ms:
        return CounterState(spent_usd=ZERO, start_ms=start_ms)
    return held


def spent(draft: Draft, key: str) -> Decimal:
    """What was spent in the window that it is now."""
    return counter(draft, key).spent_usd


def reserve(draft: Draft, envelope: EnvelopeState, *, agent: str, usd: Decimal) -> EnvelopeState:
    """Set money aside for calls of an agent; the envelope that holds it."""
    if not usd:
        return envelope
    for scope, name in scopes(envelope, agent=agent):
        key = reserved_key(scope, name)
        draft.reserved.set(key, plus(draft.reserved.get(key) or ZERO, usd))
    held = plus(envelope.reserved.get(agent, ZERO), usd)
    return replace(envelope, reserved={**envelope.reserved, agent: held})


def release(draft: Draft, envelope: EnvelopeState, *, agent: str, usd: Decimal) -> EnvelopeState:
    """Free what was set aside for calls of an agent, at most what there is."""
    held = envelope.reserved.get(agent, ZERO)
    freed = min(held, usd)
    if not freed:
        return envelope
    for scope, name in scopes(envelope, agent=agent):
        key = reserved_key(scope, name)
        rest = left(draft.reserved.get(key) or ZERO, freed)
        if rest:
            draft.reserved.set(key, rest)
        else:
            draft.reserved.pop(key)
    reserved = {**envelope.reserved, agent: minus(held, freed)}
    if not reserved[agent]:
        del reserved[agent]
    return replace(envelope, reserved=reserved)


def spend(
    draft: Draft, envelope: EnvelopeState, *, agent: str, usd: Decimal, since_ms: int
) -> None:
    """Count money, which may be less than nothing where a call cost less than was charged.

    ``since_ms`` is when the call was first charged: windows that began later are not touched.
    """
    if not usd:
        return
    for scope, name in scopes(envelope, agent=agent):
        for window in WINDOWS:
            if draft.span(window).start_ms > since_ms:
                continue
            key = counter_key(scope, name, window)
            held = counter(draft, key)
            draft.counters.set(key, replace(held, spent_usd=max(ZERO, plus(held.spent_usd, usd))))


def has_room_for(draft: Draft, envelope: EnvelopeState, *, agents: set[str]) -> bool:
    """Whether the names of these calls can be counted; counters of past windows make room."""
    if _wanted(draft, envelope, agents=agents) <= COUNTERS - len(draft.counters):
        return True
    _drop_past(draft)
    return _wanted(draft, envelope, agents=agents) <= COUNTERS - len(draft.counters)


def carried(draft: Draft, starts: dict[LimitWindow, int]) -> None:
    """Keep what was spent in the windows that began at ``starts``, now that they begin elsewhere.

    Who sets another time zone does not begin a new day.
    """
    for window, start_ms in starts.items():
        anew = draft.span(window).start_ms
        if anew == start_ms:
            continue
        for key, held in list(draft.counters.map.items()):
            if window_of(key) == window and held.start_ms >= start_ms:
                draft.counters.set(key, replace(held, start_ms=anew))


def _wanted(draft: Draft, envelope: EnvelopeState, *, agents: set[str]) -> int:
    return sum(
        not is_counted(scope, name, counters=draft.counters)
        for agent in agents
        for scope, name in scopes(envelope, agent=agent)
    ) * len(WINDOWS)


def _drop_past(draft: Draft) -> None:
    for key, held in list(draft.counters.map.items()):
        if held.start_ms < draft.span(window_of(key)).start_ms:
            draft.counters.pop(key)
