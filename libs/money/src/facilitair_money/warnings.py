"""Warning limits: told of once in each window, when they are reached."""

from msgspec.structs import replace

from facilitair_events.balances import EnvelopeState
from facilitair_events.books import LimitReached
from facilitair_events.budgets import Limit
from facilitair_money.amounts import ZERO
from facilitair_money.draft import Draft
from facilitair_money.keys import counter_key, names_counted, names_of
from facilitair_money.limits import applying
from facilitair_money.spending import counter


def after_charge(draft: Draft, collaboration: str, *, envelope: EnvelopeState, agent: str) -> None:
    """Tell of the limits that a charge has reached."""
    names = names_of(collaboration, envelope, agent=agent)
    for limit in applying(draft.budget.limits, names, kind="warning"):
        if limit.scope == "collaboration":
            _collaboration(draft, limit, collaboration=collaboration)
        else:
            _counted(draft, limit, name=names[limit.scope])


def after_budget(draft: Draft) -> None:
    """Tell of limits that are new and were reached before they were set."""
    for limit in draft.budget.limits:
        if limit.kind != "warning" or limit.scope == "collaboration":
            continue
        for name in names_counted(limit.scope, draft.counters):
            if limit.name in {"*", name}:
                _counted(draft, limit, name=name)


def _counted(draft: Draft, limit: Limit, *, name: str) -> None:
    key = counter_key(limit.scope, name, limit.window)
    held = counter(draft, key)
    if held.spent_usd < limit.usd or _mark(limit) in held.warned:
        return
    draft.counters.set(key, replace(held, warned=(*held.warned, _mark(limit))))
    until = draft.span(limit.window).end_ms
    draft.emit(
        LimitReached,
        scope=limit.scope,
        name=name,
        window=limit.window,
        limit_usd=limit.usd,
        spent_usd=held.spent_usd,
        until=None if until is None else draft.at(until),
    )


def _collaboration(draft: Draft, limit: Limit, *, collaboration: str) -> None:
    envelope = draft.envelopes.get(collaboration)
    if envelope is None or envelope.closed or _mark(limit) in envelope.warned:
        return
    spent = envelope.spent_usd or ZERO
    if spent < limit.usd:
        return
    warned = (*envelope.warned, _mark(limit))
    draft.envelopes.put(collaboration, replace(envelope, warned=warned))
    draft.emit(
        LimitReached,
        scope=limit.scope,
        name=collaboration,
        window=limit.window,
        limit_usd=limit.usd,
        spent_usd=spent,
    )


def _mark(limit: Limit) -> str:
    return f"{limit.name}|{limit.usd}"
