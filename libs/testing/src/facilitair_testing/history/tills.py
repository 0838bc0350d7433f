"""An account as its events make it, written from the rules and not shared with the reducer.

``Till`` takes the events of one tenant in their order. It keeps what was spent by scope, name and
window, what is set aside in each envelope, and which slots are taken.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from msgspec import Struct

from facilitair_events.accounts import Part
from facilitair_events.books import (
    BudgetChanged,
    CallReconciled,
    CallSettled,
    FundsReleased,
    FundsReserved,
)
from facilitair_events.budgets import Budget, Limit, ZoneOffset

NOTHING: Final = Decimal(0)

_KEY_PREFIX: Final = "key-"
"""Of the actor that an API key is; limits name its id."""


class Purse(Struct):
    """The envelope of one collaboration: what its agents' calls may still cost, and its slots."""

    project: str = ""
    actor: str = ""
    priority: str = "interactive"
    reserved: dict[str, Decimal] = {}
    slots: int = 0
    spent_usd: Decimal = NOTHING


class Level(Struct, frozen=True):
    """How one limit stands for one name."""

    limit: Limit
    name: str
    spent_usd: Decimal
    reserved_usd: Decimal

    @property
    def usd(self) -> Decimal:
        """What counts against the limit."""
        return self.spent_usd + self.reserved_usd


class Till:
    """One tenant's account. ``dearest_usd`` is the largest reservation of one call so far."""

    def __init__(self) -> None:
        self.budget = Budget()
        self.purses: dict[str, Purse] = {}
        self.spent_usd = NOTHING
        self.dearest_usd = NOTHING
        self._spent: dict[tuple[str, str, str], Decimal] = defaultdict(Decimal)
        self._open: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
        self._charged: dict[str, datetime] = {}

    def take(self, event: Any) -> None:
        """The next event."""
        if isinstance(event, BudgetChanged):
            self.budget = event.budget
        elif isinstance(event, FundsReserved):
            self._reserve(event)
        elif isinstance(event, FundsReleased):
            self._release(event.collaboration)
        elif isinstance(event, CallSettled):
            self._settle(event)
        elif isinstance(event, CallReconciled):
            self._pay(event, event.charged_usd - event.was_usd)

    def taken(self, priority: str) -> int:
        """The slots of a class that are taken."""
        return sum(p.slots for p in self.purses.values() if p.priority == priority)

    def reserved_usd(self) -> Decimal:
        """Everything that is set aside."""
        return sum((p for _, p in self._held()), NOTHING)

    def levels(self, at: datetime, names: Sequence[tuple[str, str]]) -> Iterator[Level]:
        """Every hard limit for each of these scopes and names, in the window of ``at``."""
        for limit in self.budget.limits:
            for scope, name in names:
                if limit.kind == "hard" and limit.scope == scope and limit.name in {"*", name}:
                    window = window_of(limit.window, at, offsets=self.budget.offsets)
                    yield Level(
                        limit=limit,
                        name=name,
                        spent_usd=max(self._spent[scope, name, window], NOTHING),
                        reserved_usd=self._open[scope, name],
                    )

    def names(self, event: Any) -> list[tuple[str, str]]:
        """The scopes and names that an event of a collaboration counts for."""
        purse = self.purses.get(event.collaboration, Purse())
        agents = (
            {part.agent for part in event.parts}
            if isinstance(event, FundsReserved)
            else {event.agent}
        )
        return [*self._shared(event.collaboration, purse), *(("agent", a) for a in sorted(agents))]

    def _shared(self, collaboration: str, purse: Purse) -> list[tuple[str, str]]:
        return [
            ("tenant", "*"),
            ("project", purse.project),
            ("key", purse.actor.removeprefix(_KEY_PREFIX)),
            ("collaboration", collaboration),
        ]

    def _reserve(self, event: FundsReserved) -> None:
        purse = self.purses.setdefault(event.collaboration, Purse())
        purse.project, purse.actor = event.project, event.actor
        if event.slots:
            purse.slots, purse.priority = event.slots, event.priority
        for part in event.parts:
            self._hold(event.collaboration, part.agent, usd=_usd(part))
            self.dearest_usd = max(self.dearest_usd, _usd(part))

    def _release(self, collaboration: str) -> None:
        purse = self.purses.get(collaboration)
        if purse is None:
            return
        for agent, usd in list(purse.reserved.items()):
            self._hold(collaboration, agent, usd=-usd)
        purse.slots = 0

    def _settle(self, event: CallSettled) -> None:
        purse = self.purses.setdefault(
            event.collaboration, Purse(project=event.project, actor=event.actor)
        )
        held = purse.reserved.get(event.agent, NOTHING)
        freed = min(event.reserved_usd or NOTHING, held)
        self._hold(event.collaboration, event.agent, usd=-freed)
        self._pay(event, event.charged_usd - (event.was_usd or NOTHING))

    def _pay(self, event: CallSettled | CallReconciled, usd: Decimal) -> None:
        purse = self.purses.setdefault(event.collaboration, Purse())
        purse.spent_usd += usd
        self.spent_usd += usd
        since, offsets = self._charged.setdefault(event.call_id, event.at), self.budget.offsets
        for window in ("day", "month", "total"):
            now = window_of(window, event.at, offsets=offsets)
            if now != window_of(window, since, offsets=offsets):
                continue  # what a call costs less than it was charged belongs to its own day
            for scope, name in self.names(event):
                self._spent[scope, name, now] += usd

    def _hold(self, collaboration: str, agent: str, *, usd: Decimal) -> None:
        purse = self.purses[collaboration]
        purse.reserved[agent] = purse.reserved.get(agent, NOTHING) + usd
        if not purse.reserved[agent]:
            del purse.reserved[agent]
        for scope, name in [*self._shared(collaboration, purse), ("agent", agent)]:
            self._open[scope, name] += usd

    def _held(self) -> Iterator[tuple[str, Decimal]]:
        for ident, purse in self.purses.items():
            for usd in purse.reserved.values():
                yield ident, usd


def window_of(window: str, at: datetime, *, offsets: Sequence[ZoneOffset]) -> str:
    """What a window is called: the tenant's own day or month that a moment lies in."""
    at_s = at.timestamp()
    began = [one for one in offsets if one.from_ms <= at_s * 1000]
    local = datetime.fromtimestamp(at_s + (began[-1].offset_s if began else 0), UTC)
    return {"day": f"{local:%Y-%m-%d}", "month": f"{local:%Y-%m}", "total": "total"}[window]


def _usd(part: Part) -> Decimal:
    return part.usd or NOTHING
