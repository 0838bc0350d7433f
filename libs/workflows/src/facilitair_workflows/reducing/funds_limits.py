"""The budgets of a collaboration and of its steps, held before any money is asked for."""

from collections.abc import Iterator
from decimal import Context, Decimal
from typing import Final

from msgspec import Struct

from facilitair_events.accounts import Refusal
from facilitair_workflows.reducing import paths
from facilitair_workflows.reducing.draft import Draft
from facilitair_workflows.reducing.funds_needs import Need
from facilitair_workflows.reducing.funds_requests import funds_of

_NOTHING: Final = Decimal(0)
_WHOLE: Final = Context(prec=100)


class Limit(Struct, frozen=True, kw_only=True):
    """A budget and how much of it is gone; ``place`` is that of a step, None for all of them."""

    place: str | None
    usd: Decimal
    spent: Decimal
    reserved: Decimal

    @property
    def left(self) -> Decimal:
        """What a further call may cost."""
        return max(self.usd - self.spent - self.reserved, _NOTHING)


def limits_of(draft: Draft, path: str) -> Iterator[Limit]:
    """The budgets that a call of a step is held to: all steps', then its own and its groups'."""
    whole = funds_of(draft).limit_usd
    if whole is not None:
        yield _limit(draft, None, usd=whole)
    while True:
        usd = draft.spec(path).budget_usd
        if usd is not None:
            yield _limit(draft, paths.place(path), usd=usd)
        outer = paths.parent(path)
        if outer is None:
            return
        path = outer[0]


def _limit(draft: Draft, place: str | None, *, usd: Decimal) -> Limit:
    spent = sum(
        (
            call.charged_usd
            for call in draft.calls.values()
            if call.charged_usd is not None and _within(call.path, place)
        ),
        _NOTHING,
    )
    reserved = sum(
        (
            step.reserved_usd
            for step in draft.steps.values()
            if step.reserved_usd is not None and _within(step.path, place)
        ),
        _NOTHING,
    )
    return Limit(place=place, usd=usd, spent=spent, reserved=reserved)


def _within(path: str, place: str | None) -> bool:
    return place is None or f"{paths.place(path)}.".startswith(f"{place}.")


def exceeded(draft: Draft, need: Need) -> Limit | None:
    """The first budget that a call would go over; one without a price goes over any."""
    return next(
        (
            limit
            for limit in limits_of(draft, need.path)
            if need.usd is None or need.usd > limit.left
        ),
        None,
    )


def refusal_of(draft: Draft, need: Need, *, limit: Limit) -> Refusal:
    """Why a call is not made, in words for who set the budget."""
    whose = "the collaboration" if limit.place is None else f"step {limit.place}"
    if need.usd is None:
        code = "price_unknown"
        message = (
            f"the model that step {need.path} would ask has no known price, and {whose} has a"
            f" budget; set a price for it or choose another model"
        )
    else:
        code = "limit_reached"
        message = (
            f"the next call of step {need.path} may cost up to {_told(need.usd)} USD, and"
            f" {_told(limit.left)} USD is left of the budget of {whose}, which is"
            f" {_told(limit.usd)} USD; raise it, lower max_output_tokens or choose a cheaper model"
        )
    return Refusal(
        code=code,
        message=message,
        asked_usd=need.usd,
        left_usd=limit.left,
        scope="collaboration" if limit.place is None else None,
        name=draft.state.collaboration if limit.place is None else limit.place,
        window="total",
        limit_usd=limit.usd,
        spent_usd=limit.spent,
        reserved_usd=limit.reserved,
    )


def _told(usd: Decimal) -> str:
    """An amount without zeros at its end."""
    return f"{usd.normalize(_WHOLE):f}"


def waits(draft: Draft, limit: Limit) -> bool:
    """Whether attempts that are open may still give some of a budget back."""
    return any(step.open and _within(step.path, limit.place) for step in draft.steps.values())


def room(draft: Draft) -> Decimal | None:
    """What the collaboration's own budget leaves for asking; None where it has none."""
    funds = funds_of(draft)
    if funds.limit_usd is None:
        return None
    limit = _limit(draft, None, usd=funds.limit_usd)
    return limit.left - sum(funds.unused.values(), _NOTHING)
