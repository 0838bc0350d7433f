"""A tenant's account in tests: what is asked of it, and what followed."""

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import msgspec
from msgspec import Struct

from facilitair_events import codec
from facilitair_events.accounts import (
    AccountAnswered,
    AccountAsked,
    BudgetRequested,
    CallCharged,
    CallCorrection,
    FundsAnswered,
    FundsRequested,
    FundsReturned,
    Part,
    ReconcileRequested,
)
from facilitair_events.balances import AccountSnapshot, AccountState, EnvelopeState
from facilitair_events.budgets import Budget, Limit, SlotLimits
from facilitair_events.decision import Decision, Received
from facilitair_events.requests import ReplyTo
from facilitair_events.text import personal
from facilitair_money.decide import decide, size_of
from facilitair_money.shards import shard_of

NOON: Final = int(datetime(2026, 6, 15, 12, tzinfo=UTC).timestamp() * 1000)
TO: Final = ReplyTo(topic="query-replies", correlation="r1")


class Account:
    """Folds records over one account and keeps all that was written."""

    def __init__(self, *, at_ms: int = NOON) -> None:
        self.state: AccountState | None = None
        self.now_ms = at_ms
        self.records: list[Received] = []
        self.events: list[Any] = []
        self.answers: list[tuple[str, FundsAnswered]] = []
        self.replies: list[AccountAnswered] = []
        self.decisions: list[Decision[AccountState]] = []

    def feed(self, data: Struct, *, after_ms: int = 1) -> Decision[AccountState]:
        """Append one record and decide it."""
        self.now_ms += after_ms
        received = Received(
            tenant="acme",
            subject="acme",
            offset=len(self.records),
            at_ms=self.now_ms,
            id=f"record-{len(self.records)}",
            data=data,
        )
        return self.again(received)

    def again(self, received: Received) -> Decision[AccountState]:
        """Decide a record as it was."""
        decision = decide(self.state, received)
        self.records.append(received)
        self.decisions.append(decision)
        self.state = decision.state
        self.events += decision.events
        for command in decision.commands:
            answer: Any = command.data
            self.answers.append((command.subject or "", answer))
        for reply in decision.replies:
            told: Any = reply.data
            self.replies.append(told)
        return decision

    @property
    def held(self) -> AccountState:
        """The state of an account that was used."""
        assert self.state is not None
        return self.state

    def ask(self, name: str = "c1", *usd: str | None, n: int = 1, **more: Any) -> FundsAnswered:
        """Have a collaboration ask; what the account told it, or tells it again."""
        self.feed(asked(name, *usd, n=n, **({"asked_ms": self.now_ms} | more)))
        return self.answers[-1][1]

    def charge(self, name: str = "c1", usd: str = "1", *, n: int = 2, **more: Any) -> None:
        """Have a call of a collaboration charged."""
        self.feed(charged(name, usd, n=n, **({"asked_ms": self.now_ms} | more)))

    def give_back(self, name: str = "c1", *, n: int = 9, close: bool = True) -> None:
        """Have a collaboration give back what it holds."""
        self.feed(FundsReturned(collaboration=name, n=n, asked_ms=self.now_ms, close=close))

    def set(self, *limits: Limit, client_id: str | None = None, **more: Any) -> AccountAnswered:
        """Set the budget; the answer."""
        self.feed(
            BudgetRequested(
                client_id=client_id or f"set-{len(self.records)}",
                actor="me",
                budget=Budget(limits=limits, **more),
                reply_to=TO,
            )
        )
        return self.replies[-1]

    def reconcile(self, *calls: tuple[str, str], client_id: str = "") -> AccountAnswered:
        """Say what unknown calls did cost; the answer."""
        corrections = tuple(
            CallCorrection(call_id=one, cost_usd=Decimal(usd)) for one, usd in calls
        )
        self.feed(
            ReconcileRequested(
                client_id=client_id or f"fix-{len(self.records)}",
                actor="me",
                corrections=corrections,
                reason=personal("seen in the export"),
                reply_to=TO,
            )
        )
        return self.replies[-1]

    def look(self, *, usage: bool = False) -> AccountAnswered:
        """How the account stands."""
        self.feed(AccountAsked(reply_to=TO, usage=usage))
        return self.replies[-1]

    def envelope(self, name: str = "c1") -> EnvelopeState | None:
        """What a collaboration holds."""
        return self.held.envelopes.get(shard_of(name), {}).get(name)

    def of(self, event: type[Any]) -> list[Any]:
        """The events of a type."""
        return [one for one in self.events if type(one) is event]


def asked(name: str = "c1", *usd: str | None, n: int = 1, **more: Any) -> FundsRequested:
    """A collaboration asks for calls of these prices."""
    agent = more.pop("agent", "writer")
    parts = tuple(
        Part(agent=agent, usd=None if one is None else Decimal(one)) for one in usd or ("1",)
    )
    fields: dict[str, Any] = {
        "asked_ms": NOON, "project": "web", "actor": "key-7", "workflow": "write", "slots": 1,
        "parts": parts,
    }  # fmt: skip
    return FundsRequested(collaboration=name, n=n, **(fields | more))


def charged(name: str = "c1", usd: str = "1", *, n: int = 2, **more: Any) -> CallCharged:
    """A call of a collaboration has an outcome."""
    for field in ("was_usd", "reserved_usd", "cost_usd"):
        if isinstance(more.get(field), str):
            more[field] = Decimal(more[field])
    fields: dict[str, Any] = {
        "asked_ms": NOON, "project": "web", "actor": "key-7", "workflow": "write",
        "call_id": f"{name}-{n}", "path": "draft", "attempt": 1, "agent": "writer",
        "outcome": "completed", "cost_usd": Decimal(usd), "model": "m", "provider": "p",
    }  # fmt: skip
    return CallCharged(collaboration=name, n=n, charged_usd=Decimal(usd), **(fields | more))


def limit(usd: str, scope: str = "tenant", *, window: str = "total", **more: Any) -> Limit:
    """A limit."""
    return Limit(scope=scope, window=window, usd=Decimal(usd), **more)  # type: ignore[arg-type]


def slots(interactive: int = 32, batch: int = 8) -> SlotLimits:
    """How much may run at once."""
    return SlotLimits(interactive=interactive, batch=batch)


def encoded(decision: Decision[AccountState]) -> list[bytes]:
    """Every byte of a decision."""
    state = (
        b""
        if decision.state is None
        else codec.encode(AccountSnapshot(applied=0, state=decision.state))
    )
    return [
        state,
        *(codec.encode(event) for event in decision.events),
        *(codec.encode(command.data) for command in decision.commands),
        *(codec.encode(reply.data) for reply in decision.replies),
    ]


def replayed(records: Iterable[Received]) -> AccountState | None:
    """The state that records lead to."""
    state = None
    for record in records:
        state = decide(state, record).state
    return state


def in_order(state: AccountState | None) -> None:
    """Check what holds of every account: sums agree with envelopes, and sizes with bytes."""
    if state is None:
        return
    open_ones = {
        name: envelope
        for shard in state.envelopes.values()
        for name, envelope in shard.items()
        if not envelope.closed
    }
    stubs = {
        name for shard in state.envelopes.values() for name, one in shard.items() if one.closed
    }
    assert state.open == len(open_ones)
    assert set(state.closed) == stubs
    assert len(state.closed) == len(stubs)
    _reserved_in_order(state, open_ones)
    taken: dict[str, int] = {}
    for envelope in open_ones.values():
        if envelope.slots:
            taken[envelope.priority] = taken.get(envelope.priority, 0) + envelope.slots
    assert state.taken == taken
    waiting = [name for line in state.waiting.values() for name in line]
    assert sorted(waiting) == sorted(name for name, one in open_ones.items() if one.asked)
    assert len(set(waiting)) == len(waiting)
    size = len(msgspec.json.encode(state))
    assert size <= size_of(state)
    assert state.weight <= size + 64, "the weight is of what is held, and of nothing else"


def _reserved_in_order(state: AccountState, open_ones: dict[str, EnvelopeState]) -> None:
    reserved: dict[str, Decimal] = {}
    for envelope in open_ones.values():
        for agent, usd in envelope.reserved.items():
            assert usd > 0
            names = {
                "tenant": "*", "project": envelope.project, "agent": agent,
                "key": envelope.actor.removeprefix("key-"),
            }  # fmt: skip
            for scope, name in names.items():
                key = f"{scope}|{name}"
                reserved[key] = reserved.get(key, Decimal(0)) + usd
    assert state.reserved == reserved
