"""R25 with forgetting, in every order, on the real code.

Three collaborations, an account that remembers one closed envelope, and zombies that write any
request again at any time. The model of R25 kept the last n of closed collaborations for 37 days;
here a bound in size is seen to be as safe (docs/decisions/0013).
"""

from collections import deque
from collections.abc import Iterator
from decimal import Decimal
from typing import Final

import msgspec
import pytest
from msgspec import Struct
from msgspec.structs import replace

from facilitair_events.accounts import CallCharged, FundsRequested, FundsReturned
from facilitair_events.balances import AccountState
from facilitair_events.books import CallSettled, FundsReserved, RequestSkipped
from facilitair_events.decision import Received
from facilitair_money import charges, envelopes
from facilitair_money.decide import decide
from facilitair_testing.accounting import asked, charged, in_order
from facilitair_testing.mutation import Mutation, mutation

Request = FundsRequested | CallCharged | FundsReturned

SCRIPTS: Final[dict[str, tuple[str, ...]]] = {
    "a": ("ask", "unknown", "close", "late"),
    "b": ("ask", "close"),
    "c": ("ask", "close"),
}
"""What each collaboration does, in order: ``a`` learns what its call did cost after its end."""

DELAYED: Final = {("a", "late"), ("c", "ask")}
"""Requests that may be caused long before they are written."""

MOST_STATES: Final = 60_000


class World(Struct, frozen=True):
    """``caused`` are times of requests that are still to be written; ``done`` counts written ones.

    ``written`` is every request in the order of the log, ``again`` how many zombies may write.
    ``anew`` are who was told that its ask is stale and asks anew.
    """

    account: AccountState | None
    clock: int
    done: tuple[int, ...]
    caused: tuple[int | None, ...]
    shift: tuple[int, ...]
    written: tuple[Request, ...]
    settled: Decimal
    skipped: tuple[str, ...]
    granted: tuple[str, ...]
    again: int


NAMES: Final = tuple(SCRIPTS)


def start(copies: int) -> World:
    nothing = (None,) * len(NAMES)
    zeros = (0,) * len(NAMES)
    return World(None, 1, zeros, nothing, zeros, (), Decimal(0), (), (), copies)


def request(name: str, what: str, *, n: int, asked_ms: int) -> Request:
    if what == "ask":
        return asked(name, "1", n=n, asked_ms=asked_ms)
    if what == "close":
        return FundsReturned(collaboration=name, n=n, asked_ms=asked_ms, close=True)
    if what == "unknown":
        return charged(
            name, "1", n=n, asked_ms=asked_ms, call_id=f"{name}-call", outcome="unknown",
            reserved_usd="1",
        )  # fmt: skip
    return charged(name, "0.25", n=n, asked_ms=asked_ms, call_id=f"{name}-call", was_usd="1")


def steps(world: World) -> Iterator[World]:
    """All that can happen next."""
    for index, name in enumerate(NAMES):
        if world.done[index] == len(SCRIPTS[name]):
            continue
        what = SCRIPTS[name][world.done[index]]
        at = world.caused[index]
        if at is None and (name, what) in DELAYED:
            caused = _with(world.caused, index, value=world.clock)
            yield replace(world, caused=caused, clock=world.clock + 1)
        if at is None and what == "close" and name not in world.granted:
            continue  # it waits for an answer to its ask
        yield _write(world, index, what=what, at=world.clock if at is None else at)
    if world.again:
        for one in dict.fromkeys(world.written):
            yield replace(_append(world, one, first=False), again=world.again - 1)


def _write(world: World, index: int, *, what: str, at: int) -> World:
    name = NAMES[index]
    n = world.done[index] + world.shift[index] + 1
    after = _append(world, request(name, what, n=n, asked_ms=at), first=True)
    done = world.done[index] + 1
    shift = world.shift[index]
    if what == "ask" and name not in after.granted:  # stale: it asks anew, with the next n
        done, shift = done - 1, shift + 1
    return replace(
        after,
        done=_with(world.done, index, value=done),
        shift=_with(world.shift, index, value=shift),
        caused=_with(world.caused, index, value=None),
    )


def _with(values: tuple, index: int, *, value: int | None) -> tuple:
    return (*values[:index], value, *values[index + 1 :])


def _append(world: World, data: Request, *, first: bool) -> World:
    """Decide a record; what is written for the first time counts, what comes again must not."""
    received = Received(
        tenant="acme", subject="acme", offset=len(world.written), at_ms=world.clock, id="r",
        data=data,
    )  # fmt: skip
    decision = decide(world.account, received)
    in_order(decision.state)
    settled, skipped, granted = world.settled, world.skipped, world.granted
    for event in decision.events:
        if isinstance(event, FundsReserved | CallSettled):
            assert first, f"a repeat of {data} counts"
        if isinstance(event, CallSettled):
            settled += event.charged_usd - (event.was_usd or 0)
        if isinstance(event, FundsReserved):
            granted = (*granted, event.collaboration)
        if isinstance(event, RequestSkipped) and first:
            skipped = (*skipped, str(event.call_id))
    return replace(
        world,
        account=decision.state,
        clock=world.clock + 1,
        written=(*world.written, data) if first else world.written,
        settled=settled,
        skipped=skipped,
        granted=granted,
    )


def quiet(world: World) -> None:
    """All have ended and no zombie is left: nothing is held, and money is what calls cost."""
    account = world.account
    assert account is not None
    assert account.reserved == {}, f"{account.reserved} stays reserved"
    assert account.open == 0, f"{account.open} stay open"
    assert account.taken == {}, f"{account.taken} stay taken"
    known = "a-call" not in world.skipped
    cost = Decimal("0.25") if known else Decimal(1)
    assert world.settled == cost, f"{world.settled} is counted, {cost} was spent"
    assert account.counters["tenant|*|total"].spent_usd == cost, "the account says otherwise"


def explore(copies: int) -> int:
    """Every order once; how many states there are."""
    first = start(copies)
    seen, queue = {_key(first)}, deque([first])
    while queue:
        world = queue.popleft()
        following = list(steps(world))
        if all(count == len(SCRIPTS[name]) for count, name in zip(world.done, NAMES, strict=True)):
            quiet(world)
        for one in following:
            key = _key(one)
            if key not in seen:
                seen.add(key)
                queue.append(one)
        assert len(seen) <= MOST_STATES, "there is an end"
    return len(seen)


def _key(world: World) -> bytes:
    """Worlds that differ in clocks only are one: times count by their order."""
    times = {0}
    times |= {one.asked_ms for one in world.written}
    times |= {at for at in world.caused if at is not None}
    rank = {at: number for number, at in enumerate(sorted(times))}
    account = world.account
    held = None
    if account is not None:
        held = (
            [
                (name, one.n, rank[one.asked_ms], one.closed, sorted(one.reserved))
                for shard in account.envelopes.values()
                for name, one in sorted(shard.items())
            ],
            account.closed, rank[account.forgotten_ms], sorted(account.unknown),
        )  # fmt: skip
    caused = [None if at is None else rank[at] for at in world.caused]
    written = sorted((one.collaboration, one.n, rank[one.asked_ms]) for one in world.written)
    rest = (world.done, world.shift, str(world.settled), world.skipped, sorted(world.granted))
    return msgspec.json.encode((held, caused, written, rest, world.again))


@pytest.fixture(autouse=True)
def _one_is_remembered(monkeypatch) -> None:
    monkeypatch.setattr(envelopes, "CLOSED_ENVELOPES", 1)


def test_r25_no_order_has_a_repeat_reserve_or_count() -> None:
    assert explore(2) > 1_000


MUTANTS: Final[dict[str, Mutation]] = {
    "nothing marks what was forgotten": mutation(
        envelopes, "close", ("max(draft.forgotten_ms, forgotten.asked_ms)", "0")
    ),
    "the mark is of the last one that was forgotten": mutation(
        envelopes, "close", ("max(draft.forgotten_ms, forgotten.asked_ms)", "forgotten.asked_ms")
    ),
    "as old as the mark is young enough": mutation(
        envelopes, "is_stale", ("asked_ms <= draft.forgotten_ms", "asked_ms < draft.forgotten_ms")
    ),
    "an old n counts": mutation(
        charges, "on_call_charged", ("data.n <= envelope.n", "data.n < envelope.n")
    ),
    "an envelope is as young as its first request": mutation(
        envelopes, "reached", ("max(envelope.asked_ms, asked_ms)", "envelope.asked_ms")
    ),
    "a late charge opens an envelope": mutation(
        envelopes, "closed_anew", ("    close(draft, collaboration, envelope=envelope)\n", "")
    ),
}


@pytest.mark.parametrize("what", MUTANTS)
def test_r25_a_rule_that_is_broken_is_found(what: str, monkeypatch) -> None:
    MUTANTS[what].apply(monkeypatch)
    with pytest.raises(AssertionError):
        explore(2)
