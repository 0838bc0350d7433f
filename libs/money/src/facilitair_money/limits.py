"""Limits: what is left of them, and what is refused because of them."""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Final

from msgspec import Struct

from facilitair_events.accounts import Part, Refusal
from facilitair_events.balances import EnvelopeState
from facilitair_events.budgets import Limit, LimitScope
from facilitair_money.amounts import ZERO, left, plus, told, total
from facilitair_money.bounds import PARTS
from facilitair_money.draft import Draft
from facilitair_money.keys import counter_key, names_of, reserved_key
from facilitair_money.spending import spent
from facilitair_money.windows import moment

WINDOW_NAMES: Final = {"day": " a day", "month": " a month", "total": " in total"}


class Standing(Struct, frozen=True, kw_only=True):
    """How a limit stands for one name."""

    limit: Limit
    name: str
    spent: Decimal
    reserved: Decimal

    @property
    def taken(self) -> Decimal:
        """What counts against the limit."""
        return plus(self.spent, self.reserved)


class Grant(Struct, frozen=True, kw_only=True):
    """The parts that fit, the first ones of those asked for, or why not even the first does."""

    parts: tuple[Part, ...] = ()
    refusal: Refusal | None = None


def applying(
    limits: Iterable[Limit], names: dict[LimitScope, str], *, kind: str
) -> Iterator[Limit]:
    """The limits of a kind that count for these names."""
    return (
        limit for limit in limits if limit.kind == kind and limit.name in {"*", names[limit.scope]}
    )


def standing(draft: Draft, limit: Limit, *, name: str) -> Standing:
    """How a limit stands for one name of its scope."""
    if limit.scope == "collaboration":
        envelope = draft.envelopes.get(name)
        return Standing(
            limit=limit,
            name=name,
            spent=(envelope and envelope.spent_usd) or ZERO,
            reserved=total(envelope.reserved.values()) if envelope else ZERO,
        )
    return Standing(
        limit=limit,
        name=name,
        spent=spent(draft, counter_key(limit.scope, name, limit.window)),
        reserved=draft.reserved.get(reserved_key(limit.scope, name)) or ZERO,
    )


def fitting(
    draft: Draft, *, collaboration: str, envelope: EnvelopeState, parts: tuple[Part, ...]
) -> Grant:
    """The parts that every hard limit has room for, in their order (R26).

    A call without a known price is refused where a hard limit counts for it, unless the budget
    allows it; then it reserves nothing.
    """
    granted: list[Part] = []
    taken: dict[tuple[int, str], Decimal] = {}
    for part in parts[:PARTS]:
        names = names_of(collaboration, envelope, agent=part.agent)
        hard = list(applying(draft.budget.limits, names, kind="hard"))
        refusal = _refused(draft, part, hard=hard, names=names, taken=taken)
        if refusal is not None:
            return Grant(parts=tuple(granted), refusal=None if granted else refusal)
        usd = part.usd or ZERO
        for limit in hard:
            place = (id(limit), names[limit.scope])
            taken[place] = plus(taken.get(place, ZERO), usd)
        granted.append(part)
    return Grant(parts=tuple(granted))


def _refused(
    draft: Draft,
    part: Part,
    *,
    hard: list[Limit],
    names: dict[LimitScope, str],
    taken: dict[tuple[int, str], Decimal],
) -> Refusal | None:
    if part.usd is None:
        if hard and draft.budget.unpriced == "refuse":
            return _price_unknown(part)
        return None
    if not part.usd:
        return None
    worst: tuple[Decimal, Standing] | None = None
    for limit in hard:
        name = names[limit.scope]
        stands = standing(draft, limit, name=name)
        before = plus(stands.taken, taken.get((id(limit), name), ZERO))
        room = left(limit.usd, before)
        if plus(before, part.usd) > limit.usd and (worst is None or room < worst[0]):
            worst = (room, stands)
    return None if worst is None else _limit_reached(draft, part.usd, stands=worst[1])


def _limit_reached(draft: Draft, asked: Decimal, *, stands: Standing) -> Refusal:
    limit = stands.limit
    until = draft.span(limit.window).end_ms
    whose = "the tenant" if limit.scope == "tenant" else f"{limit.scope} {stands.name}"
    room = left(limit.usd, stands.taken)
    turns = "" if until is None else f"; it begins anew at {moment(until):%Y-%m-%d %H:%M:%S} UTC"
    return Refusal(
        code="limit_reached",
        message=(
            f"a call may cost {told(asked)} USD, and {told(room)} USD are left of the"
            f" {told(limit.usd)} USD{WINDOW_NAMES[limit.window]} of {whose}{turns}"
        ),
        asked_usd=asked,
        left_usd=room,
        scope=limit.scope,
        name=stands.name,
        window=limit.window,
        limit_usd=limit.usd,
        spent_usd=stands.spent,
        reserved_usd=stands.reserved,
        turns_at=None if until is None else draft.at(until),
    )


def _price_unknown(part: Part) -> Refusal:
    return Refusal(
        code="price_unknown",
        message=(
            f"the model of agent {part.agent} has no known price, and a limit is in force;"
            " add its prices, or allow calls without a price in the budget"
        ),
    )
