"""Random lives of an account: collaborations that ask, charge and end, and records that come again.

It keeps books of its own from the events alone, so that the account's sums have somebody who
disagrees with them.
"""

from collections import defaultdict
from decimal import Decimal
from typing import Any, Final

from hypothesis import strategies as st
from msgspec import Struct

from facilitair_events import codec
from facilitair_events.accounts import FundsReturned
from facilitair_events.balances import AccountSnapshot, AccountState
from facilitair_events.books import CallReconciled, CallSettled, FundsReleased, FundsReserved
from facilitair_events.budgets import Limit
from facilitair_events.decision import Decision, Received
from facilitair_events.requests import TimerFired
from facilitair_events.types import NAMES
from facilitair_money.decide import decide, timers
from facilitair_money.windows import window_at
from facilitair_testing.accounting import Account, asked, charged, encoded, in_order, limit, slots

HOUR: Final = 3_600_000
AMOUNTS: Final = st.sampled_from(["0", "0.1", "0.25", "0.7", "1", "1.5", "3"])
NAMES_OF: Final = st.sampled_from(["c1a0", "c2a0", "c3b1", "c4b1", "c5c2"])
AGENTS: Final = st.sampled_from(["writer", "critic"])

LIMITS: Final = st.lists(
    st.sampled_from(
        [
            limit("4"), limit("2", window="day"), limit("3", window="month"),
            limit("2", "project"), limit("1.5", "agent", window="day"),
            limit("1", "collaboration"), limit("1", "key", name="7"),
            limit("1", "agent", name="critic", kind="warning"),
        ]
    ),
    unique=True,
    max_size=4,
)  # fmt: skip


class Op(Struct, frozen=True, kw_only=True):
    """Something that happens."""

    kind: str
    name: str = "c1a0"
    agent: str = "writer"
    usd: tuple[str, ...] = ()
    slots: int = 0
    priority: str = "interactive"
    pick: int = 0
    limits: tuple[Limit, ...] = ()
    size: int = 1


ASK: Final = st.builds(
    Op,
    kind=st.just("ask"),
    name=NAMES_OF,
    agent=AGENTS,
    usd=st.lists(AMOUNTS, min_size=1, max_size=3).map(tuple),
    slots=st.integers(0, 3),
    priority=st.sampled_from(["interactive", "batch"]),
)
CHARGE: Final = st.builds(
    Op,
    kind=st.sampled_from(["charge", "charge", "unknown"]),
    name=NAMES_OF,
    usd=AMOUNTS.map(lambda usd: (usd,)),
    pick=st.integers(0, 9),
)
OTHER: Final = st.one_of(
    st.builds(Op, kind=st.just("settle"), pick=st.integers(0, 9), usd=AMOUNTS.map(lambda u: (u,))),
    st.builds(Op, kind=st.just("fix"), pick=st.integers(0, 9), usd=AMOUNTS.map(lambda u: (u,))),
    st.builds(Op, kind=st.sampled_from(["return", "close"]), name=NAMES_OF),
    st.builds(Op, kind=st.just("repeat"), pick=st.integers(0, 99)),
    st.builds(Op, kind=st.just("repeat"), pick=st.integers(0, 99)),
    st.builds(
        Op,
        kind=st.just("budget"),
        limits=LIMITS.map(tuple),
        slots=st.integers(1, 4),
        size=st.integers(1, 3),
    ),
    st.builds(Op, kind=st.just("wait"), size=st.integers(1, 40)),
    st.just(Op(kind="look")),
)
LIFE: Final = st.lists(st.one_of(ASK, ASK, CHARGE, OTHER), max_size=60)


class World:
    """An account and those who use it, as honest as a zombie's repeats let them be."""

    def __init__(self) -> None:
        self.account = Account()
        self.n: dict[str, int] = defaultdict(int)
        self.calls: dict[str, list[tuple[str, Decimal]]] = defaultdict(list)
        self.unknown: dict[str, tuple[str, Decimal]] = {}
        self.total = Decimal(0)
        self.line: dict[str, list[str]] = {"interactive": [], "batch": []}
        self.account.set(slots=slots(2, 1))

    def step(self, op: Op) -> None:
        """Do it, and check everything that holds at all times."""
        getattr(self, f"_{op.kind}")(op)

    def feed(self, data: Struct) -> None:
        """Append a record; the decision has to be the same by every owner and at every time."""
        before = self.account.state
        decision = self.account.feed(data)
        received = self.account.records[-1]
        _same_by_others(before, received, decision=decision)
        for event in decision.events:
            self._book(event)
        self._answers(decision)
        self._check()
        for timer in timers(self.account.held) if self.account.state else ():
            self.feed(TimerFired(timer_id=timer.timer_id, name=timer.name))

    def serve(self) -> None:
        """Have those end who hold slots, one after the other: the first in line is next each time.

        Somebody waits only while all slots of the class are taken.
        """
        for priority in self.line:
            while self.line[priority]:
                first, *rest = self.line[priority]
                self._close(Op(kind="close", name=self._holder(priority)))
                left = self.line[priority]
                assert first not in left, "the first in line was not answered"
                assert left == rest[len(rest) - len(left) :]

    def _holder(self, priority: str) -> str:
        state = self.account.held
        limits = state.budget.slots
        assert state.taken.get(priority, 0) >= getattr(limits, priority)
        return next(
            name
            for shard in state.envelopes.values()
            for name, one in shard.items()
            if one.slots and one.priority == priority
        )

    def finish(self) -> None:
        """Have all end: nothing stays reserved or taken, and nobody is left in a line."""
        for name in sorted(self.n):
            self._close(Op(kind="close", name=name))
        state = self.account.state
        if state is not None:
            assert (state.reserved, state.taken, state.waiting, state.open) == ({}, {}, {}, 0)
        assert self.line == {"interactive": [], "batch": []}

    def _next(self, name: str) -> dict[str, Any]:
        self.n[name] += 1
        return {"n": self.n[name], "asked_ms": self.account.now_ms}

    def _ask(self, op: Op) -> None:
        self.feed(
            asked(
                op.name, *op.usd, agent=op.agent, slots=op.slots, priority=op.priority,
                **self._next(op.name),
            )
        )  # fmt: skip

    def _charge(self, op: Op) -> None:
        self._called(op, outcome="completed")

    def _unknown(self, op: Op) -> None:
        self._called(op, outcome="unknown")

    def _called(self, op: Op, *, outcome: str) -> None:
        held = self.calls[op.name]
        if not held:
            return
        agent, reserved = held.pop(op.pick % len(held))
        usd = str(reserved) if outcome == "unknown" else op.usd[0]
        fields = self._next(op.name)
        call_id = f"{op.name}-{fields['n']}"
        if outcome == "unknown":
            self.unknown[call_id] = (op.name, reserved)
        self.feed(
            charged(
                op.name, usd, agent=agent, call_id=call_id, outcome=outcome,
                reserved_usd=str(reserved), **fields,
            )
        )  # fmt: skip

    def _settle(self, op: Op) -> None:
        if not self.unknown:
            return
        call_id = sorted(self.unknown)[op.pick % len(self.unknown)]
        name, was = self.unknown.pop(call_id)
        self.feed(charged(name, op.usd[0], call_id=call_id, was_usd=str(was), **self._next(name)))

    def _fix(self, op: Op) -> None:
        listed = sorted(self.account.held.unknown) if self.account.state else []
        if listed:
            call_id = listed[op.pick % len(listed)]
            read = len(self.account.events)
            self.account.reconcile((call_id, op.usd[0]))
            for event in self.account.events[read:]:
                self._book(event)
            self._check()

    def _return(self, op: Op) -> None:
        self._give_back(op.name, close=False)

    def _close(self, op: Op) -> None:
        self._give_back(op.name, close=True)

    def _give_back(self, name: str, *, close: bool) -> None:
        self.calls[name].clear()
        self.feed(FundsReturned(collaboration=name, close=close, **self._next(name)))

    def _repeat(self, op: Op) -> None:
        records = self.account.records
        if records:
            self.feed(records[op.pick % len(records)].data)

    def _budget(self, op: Op) -> None:
        self.account.set(*op.limits, slots=slots(op.slots, op.size))
        decision = self.account.decisions[-1]
        for event in decision.events:
            self._book(event)
        self._answers(decision)
        self._check()

    def _wait(self, op: Op) -> None:
        self.account.now_ms += op.size * HOUR

    def _look(self, _op: Op) -> None:
        self.account.look(usage=True)

    def _check(self) -> None:
        in_order(self.account.state)
        counters = {} if self.account.state is None else self.account.state.counters
        held = counters.get("tenant|*|total")
        assert (Decimal(0) if held is None else held.spent_usd) == self.total

    def _answers(self, decision: Decision[AccountState]) -> None:
        """Who waits is answered in the order of its line; who asks anew keeps its place."""
        state = decision.state
        lines = {} if state is None else state.waiting
        for priority, line in self.line.items():
            now = list(lines.get(priority, ()))
            kept = [name for name in line if name in now]
            assert now[: len(kept)] == kept, "somebody was passed in the line"
            gone = [name for name in line if name not in now]
            served = [c.subject for c in decision.commands if c.subject in gone]
            assert served == [name for name in gone if name in served]
            self.line[priority] = now

    def _book(self, event: Any) -> None:
        if isinstance(event, CallSettled | CallReconciled):
            self.total += event.charged_usd - (event.was_usd or 0)
        if isinstance(event, FundsReserved):
            self._granted(event)
        if isinstance(event, FundsReleased):
            self.calls[event.collaboration].clear()

    def _granted(self, event: FundsReserved) -> None:
        calls = self.calls[event.collaboration]
        calls += [(part.agent, part.usd or Decimal(0)) for part in event.parts]


def _same_by_others(
    before: AccountState | None, received: Received, *, decision: Decision[AccountState]
) -> None:
    assert encoded(decide(before, received)) == encoded(decision)
    if before is not None:
        name = NAMES[AccountSnapshot]
        snapshot = codec.decode(name, codec.encode(AccountSnapshot(applied=1, state=before)))
        assert encoded(decide(snapshot.state, received)) == encoded(decision)


def within(state: AccountState, one: Limit, *, name: str, collaboration: str) -> bool:
    """Whether what is spent and reserved of a limit is within it, from the state alone."""
    if one.scope == "collaboration":
        envelope = next(s[collaboration] for s in state.envelopes.values() if collaboration in s)
        spent = envelope.spent_usd or Decimal(0)
        return spent + sum(envelope.reserved.values()) <= one.usd
    span = window_at(state.now_ms, window=one.window, offsets=state.budget.offsets)
    held = state.counters.get(f"{one.scope}|{name}|{one.window}")
    spent = held.spent_usd if held and held.start_ms >= span.start_ms else Decimal(0)
    return spent + state.reserved.get(f"{one.scope}|{name}", Decimal(0)) <= one.usd
