"""A collaboration and its tenant's account, both real, and everything that may happen to them.

The code itself is the model (``model_c_accounts`` on the real thing): states that differ in times,
numbers and ids only are one state, so all orders of what is listed here are seen.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from facilitair_events.accounts import (
    BudgetRequested,
    CallCharged,
    FundsAnswered,
    FundsRequested,
    FundsReturned,
    Part,
)
from facilitair_events.balances import AccountState, EnvelopeState
from facilitair_events.budgets import Budget, Limit, SlotLimits
from facilitair_events.decision import Received
from facilitair_events.definitions import Definition
from facilitair_events.ids import call_id
from facilitair_events.requests import (
    AttemptReported,
    CallReported,
    Fault,
    ResumeRequested,
    TimerFired,
    Usage,
)
from facilitair_events.state import CollaborationState, FundsState
from facilitair_events.text import inline
from facilitair_events.topics import ACCOUNT_REQUESTS
from facilitair_money import decide as account_module
from facilitair_testing.funded import REQUIRED
from facilitair_testing.inbox import cancel, requested
from facilitair_testing.promises import promised
from facilitair_workflows import decide as decide_module
from facilitair_workflows.reducing.draft import TERMINAL

COST: Final = Decimal("0.25")
"""Of every call that is made; each may cost a dollar."""

MORE: Final = Decimal("1.5")
"""What a worker that counted says that one may cost."""

NOTHING: Final = Decimal(0)
AMOUNTS: Final = (Decimal(1), MORE, Decimal("0.5"))


class Case(Struct, frozen=True, kw_only=True):
    """A workflow under a tenant's limit.

    ``copies`` are requests that a zombie writes again, ``lates`` results that come after all,
    ``shorts`` calls that a worker counts as more than was set aside.
    ``busy`` says that another collaboration has the slot, ``noise`` that another spends a dollar.
    """

    definition: Definition
    limit: Decimal
    own: Decimal | None = None
    slots: int = 8
    copies: int = 1
    lates: int = 1
    resumes: int = 1
    shorts: int = 0
    busy: bool = False
    noise: bool = False
    cancels: bool = True
    unknowns: bool = True
    timers: bool = True


class World(Struct, frozen=True, kw_only=True):
    """``asks`` and ``answers`` are written and not yet read; ``written`` is all that ever was.

    ``made`` are the calls that a provider was asked, ``told`` those whose result is in the inbox.
    """

    case: Case
    state: CollaborationState | None = None
    account: AccountState | None = None
    asks: tuple[Struct, ...] = ()
    answers: tuple[FundsAnswered, ...] = ()
    written: tuple[Struct, ...] = ()
    made: frozenset[tuple[str, int]] = frozenset()
    told: frozenset[tuple[str, int]] = frozenset()
    copies: int = 0
    lates: int = 0
    resumes: int = 0
    shorts: int = 0
    busy: bool = False
    noise: bool = False
    offset: int = 0
    at_ms: int = 1_700_000_000_000


def begun(case: Case) -> World:
    """The account has its budget, and the request is decided."""
    budget = Budget(
        limits=(Limit(scope="tenant", window="total", usd=case.limit),),
        slots=SlotLimits(interactive=case.slots),
    )
    world = World(
        case=case, copies=case.copies, lates=case.lates, resumes=case.resumes, shorts=case.shorts,
        busy=case.busy, noise=case.noise,
    )  # fmt: skip
    world = read_by_account(world, BudgetRequested(client_id="b", actor="me", budget=budget))
    if case.busy:
        parts = (Part(agent="z", usd=NOTHING),)
        other = FundsRequested(
            collaboration="c2", n=1, asked_ms=1, project="p", actor="me", workflow="w",
            parts=parts, slots=case.slots,
        )  # fmt: skip
        world = replace(read_by_account(world, other), answers=())
    return fold(world, requested(case.definition, policy=REQUIRED, budget_usd=case.own))


def read_by_account(world: World, data: Struct) -> World:
    """One record of the account's requests is decided."""
    at_ms = world.at_ms + 1
    received = Received(
        tenant="local", subject="local", offset=world.offset, at_ms=at_ms, id=f"a{world.offset}",
        data=data,
    )  # fmt: skip
    decision = account_module.decide(world.account, received)
    answers = tuple(c.data for c in decision.commands if isinstance(c.data, FundsAnswered))
    return replace(
        world,
        account=decision.state,
        answers=world.answers + answers,
        offset=world.offset + 1,
        at_ms=at_ms,
    )


def fold(world: World, *records: Struct) -> World:
    """Records of the inbox are decided, one after the other."""
    for data in records:
        at_ms = world.at_ms + 1
        if isinstance(data, TimerFired) and world.state is not None:
            due = [t.due_ms for t in world.state.timers if t.timer_id == data.timer_id]
            at_ms = max(at_ms, *due)
        received = Received(
            tenant="local", subject="c1", offset=world.offset, at_ms=at_ms, id=f"e{world.offset}",
            data=data,
        )  # fmt: skip
        decision = decide_module.decide(world.state, received)
        told = tuple(c.data for c in decision.commands if c.topic == ACCOUNT_REQUESTS)
        world = replace(
            world,
            state=decision.state,
            asks=world.asks + told,
            written=world.written + told,
            offset=world.offset + 1,
            at_ms=at_ms,
        )
    return world


def following(world: World) -> Iterator[World]:
    """Every world that can come next."""
    state = world.state
    assert state is not None
    if world.asks:
        yield read_by_account(replace(world, asks=world.asks[1:]), world.asks[0])
    if world.answers:
        yield fold(replace(world, answers=world.answers[1:]), world.answers[0])
    if world.copies:
        for data in dict.fromkeys(world.written):
            yield replace(world, asks=(*world.asks, data), copies=world.copies - 1)
    yield from _by_others(world)
    yield from _by_people(world, state)
    for step in state.steps.values():
        if step.open:
            yield from _by_worker(world, step.path, step.open)
    yield from _late(world, state)
    yield from _never_asked(world, state)
    if world.case.timers:
        for timer in state.timers:
            yield fold(world, TimerFired(timer_id=timer.timer_id, name=timer.name))


def _by_others(world: World) -> Iterator[World]:
    """What other collaborations of the tenant do."""
    if world.busy:
        done = FundsReturned(collaboration="c2", n=2, asked_ms=2, close=True)
        yield read_by_account(replace(world, busy=False), done)
    if world.noise and spent_of(world) + reserved_of(world) + 1 <= world.case.limit:
        other = CallCharged(
            collaboration="c3", n=1, asked_ms=1, project="p", actor="me", workflow="w",
            call_id="other", path="z", attempt=1, agent="z", outcome="completed",
            charged_usd=Decimal(1), cost_usd=Decimal(1),
        )  # fmt: skip
        yield read_by_account(replace(world, noise=False), other)


def _by_people(world: World, state: CollaborationState) -> Iterator[World]:
    if world.case.cancels and state.status not in TERMINAL and not state.clients:
        yield fold(world, cancel())
    if world.resumes and state.status == "paused":
        request = ResumeRequested(client_id=f"r{world.resumes}", actor="me")
        yield fold(replace(world, resumes=world.resumes - 1), request)


def _by_worker(world: World, path: str, attempt: int) -> Iterator[World]:
    key = (path, attempt)
    if key not in world.made:
        _check_paid(world, path)
        yield replace(world, made=world.made | {key})
        declined = Fault(code="stopped", message="stopped")
        yield fold(
            world, AttemptReported(path=path, attempt=attempt, outcome="failed", fault=declined)
        )
        yield fold(world, _report(path, attempt, outcome="void"))
        if world.shorts:
            yield fold(replace(world, shorts=world.shorts - 1), _short(path, attempt))
        return
    told = replace(world, told=world.told | {key})
    answer = AttemptReported(path=path, attempt=attempt, outcome="completed", output=inline("x"))
    yield fold(told, _report(path, attempt), answer)
    if world.case.unknowns:
        yield fold(world, _report(path, attempt, outcome="unknown"))


def _late(world: World, state: CollaborationState) -> Iterator[World]:
    """The result of a call that counts as unknown by now."""
    if not world.lates:
        return
    for path, attempt in sorted(world.made - world.told):
        if state.steps[path].open != attempt:
            told = replace(world, told=world.told | {(path, attempt)}, lates=world.lates - 1)
            yield fold(told, _report(path, attempt))


def _never_asked(world: World, state: CollaborationState) -> Iterator[World]:
    """A worker comes upon the task of an attempt that was given up, and says so."""
    for call in state.calls.values():
        key = (call.path, call.attempt)
        given_up = call.outcome == "unknown" and state.steps[call.path].open != call.attempt
        if world.lates and given_up and key not in world.made:
            stopped = Fault(code="stopped", message="stopped")
            report = AttemptReported(
                path=call.path, attempt=call.attempt, outcome="failed", fault=stopped
            )
            yield fold(replace(world, lates=world.lates - 1), report)


def _short(path: str, attempt: int) -> AttemptReported:
    fault = Fault(code="reservation_short", message="more", retryable=True)
    return AttemptReported(
        path=path, attempt=attempt, outcome="failed", fault=fault, needed_usd=MORE
    )


def _report(path: str, attempt: int, *, outcome: Any = "completed") -> CallReported:
    known = outcome == "completed"
    return CallReported(
        call_id=call_id("local", "c1", path, attempt, 0), path=path, attempt=attempt, index=0,
        outcome=outcome, model="m" if known else None, cost_usd=COST if known else None,
        usage=Usage(output_tokens=1) if known else None,
    )  # fmt: skip


def envelope_of(world: World) -> EnvelopeState | None:
    """What the account knows of the collaboration."""
    account = world.account
    assert account is not None
    for shard in account.envelopes.values():
        if "c1" in shard:
            return shard["c1"]
    return None


def held(world: World) -> Decimal:
    """What the account has set aside, less what is about to leave it."""
    envelope = envelope_of(world)
    reserved = sum(envelope.reserved.values(), NOTHING) if envelope is not None else NOTHING
    last = envelope.n if envelope is not None else 0
    for data in world.asks:
        if data.n <= last:  # type: ignore[attr-defined]
            continue
        last = data.n  # type: ignore[attr-defined]
        if isinstance(data, CallCharged):
            reserved -= data.reserved_usd or NOTHING
        if isinstance(data, FundsReturned):
            return NOTHING
    return reserved


def _check_paid(world: World, path: str) -> None:
    state = world.state
    assert state is not None
    with promised("no call without reserved money"):
        taken = [s.reserved_usd for s in state.steps.values() if s.open and s.reserved_usd]
        assert state.steps[path].reserved_usd in AMOUNTS
        assert state.status in TERMINAL or held(world) >= sum(taken, NOTHING)


def reserved_of(world: World) -> Decimal:
    """What the account has set aside for the collaboration."""
    envelope = envelope_of(world)
    return NOTHING if envelope is None else sum(envelope.reserved.values(), NOTHING)


def spent_of(world: World) -> Decimal:
    """What all of the tenant's calls were charged."""
    account = world.account
    assert account is not None
    totals = [c.spent_usd for key, c in account.counters.items() if key.startswith("tenant")]
    return max(totals, default=NOTHING)


def check(world: World) -> None:
    """What holds in every state."""
    state = world.state
    assert state is not None
    reserved = reserved_of(world)
    with promised("never over the limit"):
        assert spent_of(world) + reserved <= world.case.limit
    with promised("slots are kept"):
        opened = sum(1 for step in state.steps.values() if step.open)
        assert (
            state.funds is None or opened <= max(state.funds.slots, 0) or state.status in TERMINAL
        )
    with promised("requests are numbered without a gap"):
        numbers = [data.n for data in world.written]  # type: ignore[attr-defined]
        assert numbers == list(range(1, len(numbers) + 1))
    if world.case.own is not None:
        with promised("never over its own budget"):
            charged = sum((c.charged_usd or NOTHING for c in state.calls.values()), NOTHING)
            taken = sum(
                (s.reserved_usd or NOTHING for s in state.steps.values() if s.open), NOTHING
            )
            assert charged + taken <= world.case.own
    if not world.asks and not world.answers:
        _check_quiet(world, state, reserved=reserved)


def _check_quiet(world: World, state: CollaborationState, *, reserved: Decimal) -> None:
    if state.status not in TERMINAL:
        with promised("nothing gets stuck"):
            wakes = [t for t in state.timers if t.name != "deadline"]
            waits = state.funds is not None and state.funds.queued
            opened = any(step.open for step in state.steps.values())
            assert opened or wakes or waits or state.status == "paused"
        if state.status == "paused" and not any(step.open for step in state.steps.values()):
            with promised("nothing is held while it rests"):
                assert reserved == 0
        return
    with promised("nothing stays reserved after the end"):
        assert reserved == 0
        envelope = envelope_of(world)
        assert envelope is None or (envelope.closed and envelope.slots == 0)
    charged = sum((c.charged_usd or NOTHING for c in state.calls.values()), NOTHING)
    with promised("what is spent is what was charged"):
        others = Decimal(world.case.noise - world.noise)
        assert spent_of(world) == charged + others
    with promised("what was billed is charged"):
        billed = {call_id("local", "c1", p, a, 0) for p, a in world.made}
        for ident in billed:
            call = state.calls[ident]
            assert call.charged_usd in (COST, *AMOUNTS)
        for path, attempt in world.told:
            assert state.calls[call_id("local", "c1", path, attempt, 0)].charged_usd == COST


def shape(world: World) -> tuple[Any, ...]:
    """What a world is, without its times, numbers and ids."""
    state, envelope = world.state, envelope_of(world)
    assert state is not None
    funds = state.funds or FundsState()
    steps = tuple(
        (
            s.path,
            s.status,
            s.attempts,
            s.open,
            s.funding,
            s.reserved_usd,
            s.overdue,
            s.model_index,
            s.needed_usd,
            s.shorts,
        )
        for s in state.steps.values()
    )
    calls = tuple((c.path, c.attempt, c.outcome, c.charged_usd) for c in state.calls.values())
    known = (
        state.status, bool(state.clients), bool(funds.asked), funds.asked - funds.n, funds.queued,
        tuple(sorted(funds.unused.items())), funds.slots, funds.short, funds.stale,
        funds.refused and funds.refused.code, funds.asked_for,
        tuple(sorted(t.name for t in state.timers)),
    )  # fmt: skip
    account = None
    if envelope is not None:
        account = (
            envelope.n - funds.n, tuple(sorted(envelope.reserved.items())), envelope.slots,
            envelope.closed, envelope.spent_usd, envelope.asked is not None,
        )  # fmt: skip
    pending = tuple(_shape_of(data, funds.n) for data in (*world.asks, "|", *world.answers))
    return (
        steps, calls, known, account, spent_of(world), pending, world.made, world.told,
        world.copies, world.lates, world.resumes, world.shorts, world.busy, world.noise,
    )  # fmt: skip


def _shape_of(data: Any, last: int) -> tuple[Any, ...]:
    if isinstance(data, FundsRequested):
        return ("ask", data.n - last, data.parts, data.slots)
    if isinstance(data, CallCharged):
        return (
            "charge",
            data.n - last,
            data.call_id,
            data.charged_usd,
            data.was_usd,
            data.reserved_usd,
        )
    if isinstance(data, FundsReturned):
        return ("return", data.n - last, data.close)
    if isinstance(data, FundsAnswered):
        return ("answer", data.n - last, data.outcome, data.parts, data.slots)
    return (data,)
