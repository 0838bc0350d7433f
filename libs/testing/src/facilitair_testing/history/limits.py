"""I7 and R26: a limit is a limit, of money in its window and of slots at once.

The events of an account are folded anew, in their order. What is set aside belongs to the window
that is current; a window is the tenant's own day or month.
"""

from collections.abc import Iterator
from decimal import Decimal

from facilitair_events.books import BudgetChanged, CallSettled, FundsReserved
from facilitair_testing.history.entries import Entry, violation
from facilitair_testing.history.index import Index
from facilitair_testing.history.tills import NOTHING, Level, Till
from facilitair_testing.history.types import Violation


def i07_no_grant_goes_over_a_limit(index: Index) -> Iterator[Violation]:
    """Money is set aside only as far as every hard limit has room for it (R26)."""
    for tenant, events in index.books.first.items():
        till = Till()
        for entry in events.values():
            till.take(entry.data)
            if not isinstance(entry.data, FundsReserved):
                continue
            if not any(part.usd for part in entry.data.parts):
                continue
            for level in till.levels(entry.data.at, till.names(entry.data)):
                if level.usd > level.limit.usd:
                    yield _over(entry, level, tenant=tenant, by="a grant")


def i07_nothing_spent_goes_over_a_limit(index: Index) -> Iterator[Violation]:
    """Spent and set aside stay below a hard limit, but for one call's reservation.

    A limit that was lowered below what had been spent is held from there on.
    """
    for tenant, events in index.books.first.items():
        till, before = Till(), dict[tuple[str, str], Decimal]()
        for entry in events.values():
            till.take(entry.data)
            if isinstance(entry.data, BudgetChanged):
                before = _stand(till, entry)
            elif isinstance(entry.data, CallSettled):
                for level in till.levels(entry.data.at, till.names(entry.data)):
                    stood = before.get((level.limit.scope, level.name), NOTHING)
                    if level.usd > max(level.limit.usd, stood) + till.dearest_usd:
                        yield _over(entry, level, tenant=tenant, by="a settled call")


def r26_slots_are_a_limit(index: Index) -> Iterator[Violation]:
    """A class has no more attempts at once than its slots, unless its limit was lowered since."""
    for tenant, events in index.books.first.items():
        till = Till()
        for entry in events.values():
            data = entry.data
            before = till.taken(data.priority) if isinstance(data, FundsReserved) else 0
            till.take(data)
            if not isinstance(data, FundsReserved):
                continue
            taken, limit = till.taken(data.priority), getattr(till.budget.slots, data.priority)
            if taken > max(limit, before):
                text = f"{taken} of {limit} {data.priority} slots are taken"
                yield violation("R26", entry, key=f"{tenant}:{data.collaboration}", text=text)


def i06_a_snapshot_has_the_sums_of_its_events(index: Index) -> Iterator[Violation]:
    """What a snapshot says is spent, set aside and taken follows from the events up to it."""
    for tenant, snapshots in index.books.state.items():
        till, events = Till(), list(index.books.first.get(tenant, {}).values())
        for entry in sorted(snapshots, key=lambda one: int(one.data.state.seq)):
            while events and events[0].data.seq <= entry.data.state.seq:
                till.take(events.pop(0).data)
            fault = _sums_fault(till, entry)
            if fault is not None:
                yield violation("I6", entry, key=tenant, text=fault)


def _stand(till: Till, entry: Entry) -> dict[tuple[str, str], Decimal]:
    """How every name stands that may have a limit, when the budget changes."""
    names = {
        (scope, name)
        for ident, purse in till.purses.items()
        for scope, name in (
            ("tenant", "*"),
            ("project", purse.project),
            ("key", purse.actor.removeprefix("key-")),
            ("collaboration", ident),
            *(("agent", agent) for agent in purse.reserved),
        )
    }
    found: dict[tuple[str, str], Decimal] = {}
    for level in till.levels(entry.data.at, sorted(names)):
        place = (level.limit.scope, level.name)
        found[place] = max(found.get(place, NOTHING), level.usd)
    return found


def _sums_fault(till: Till, entry: Entry) -> str | None:
    state = entry.data.state
    shards = [shard for shard in state.envelopes.values() for shard in shard.items()]
    held = sum((usd for _, e in shards for usd in e.reserved.values()), NOTHING)
    if held != till.reserved_usd():
        return f"its snapshot sets {held} USD aside, its events {till.reserved_usd()} USD"
    for ident, envelope in ((ident, e) for ident, e in shards if not e.closed):
        purse = till.purses.get(ident)
        slots = 0 if purse is None else purse.slots
        if envelope.slots != slots:
            return f"its snapshot gives {ident} {envelope.slots} slots, its events {slots}"
        spent = NOTHING if purse is None else purse.spent_usd
        if (envelope.spent_usd or NOTHING) != spent:
            told = envelope.spent_usd or NOTHING
            return f"its snapshot has {told} USD spent by {ident}, its events {spent} USD"
    cells = sum((cell.charged_usd for cell in state.cells.values()), NOTHING)
    if cells != till.spent_usd:
        return f"its snapshot has {cells} USD of usage, its events {till.spent_usd} USD"
    return None


def _over(entry: Entry, level: Level, *, tenant: str, by: str) -> Violation:
    data = entry.data
    limit = f"{level.limit.usd} USD per {level.limit.window} for {level.limit.scope} {level.name}"
    text = f"after {by} of {data.collaboration} {level.spent_usd} USD are spent and"
    text += f" {level.reserved_usd} USD set aside, the limit is {limit}"
    return violation("I7", entry, key=f"{tenant}:{data.collaboration}", text=text)
