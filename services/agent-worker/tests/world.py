"""Workers on one partition, and an orchestrator that is ``decide``; a test makes every step.

The log, its clock and the moves of the partition are the world's. It remembers every promise that a
step broke.
"""

from collections import Counter
from decimal import Decimal
from importlib import import_module
from typing import Any, ClassVar

from msgspec import structs

from facilitair_events.collaboration import AttemptCompleted, AttemptFailed, AttemptUnknown
from facilitair_events.definitions import Prices, Retry
from facilitair_events.ids import call_id
from facilitair_events.keys import collaboration_key
from facilitair_events.requests import CallReported, TimerFired
from facilitair_events.topics import COLLABORATION_INBOX, LLM_CALLS
from facilitair_events.work import CallClaimed, RunAttempt, StopAttempts
from facilitair_messaging.messages import Incoming, read
from facilitair_messaging.ports import Message, Record
from facilitair_testing.inbox import Inbox, cancel, definition, step
from facilitair_testing.promises import BrokenPromiseError, promised

workers: Any = import_module("services.agent-worker.tests.workers")
Process, settle = workers.Process, workers.settle

TICK_MS = 10_000
ATTEMPTS = 3
TERMINAL = frozenset({"completed", "failed", "cancelled", "expired"})


class World:
    """One partition of the ledger and of the tasks, an inbox that ``decide`` folds, and workers."""

    latest: ClassVar["World"]

    def __init__(self) -> None:
        World.latest = self
        self.clock_ms = 1_000_000_000_000.0
        self.log_ahead_ms = 0.0
        self.ledger: list[Record | None] = []
        self.stops: list[Incoming] = []
        self.late: list[Message] = []
        self.winners: dict[str, str] = {}
        self.requests: Counter[str] = Counter()
        self.closed: set[str] = set()
        self.broken: list[BrokenPromiseError] = []
        self.committed = 0
        self.started = 0
        self.all: list[Any] = []
        self.owner: Any = None
        self.inbox = Inbox()
        self.inbox.request(_definition())

    @property
    def state(self) -> Any:
        return self.inbox.state

    @property
    def tasks(self) -> list[RunAttempt]:
        return self.inbox.tasks

    @property
    def outcome(self) -> str:
        """How the collaboration ended; empty while it has not."""
        return self.state.status if self.state.status in TERMINAL else ""

    def clock_s(self) -> float:
        return self.clock_ms / 1000

    def living(self) -> list[Any]:
        return [process for process in self.all if not process.dead]

    def busy(self) -> bool:
        return any(process.sends or process.attempts.running for process in self.living())

    async def start(self) -> Any:
        self.started += 1
        self.all.append(Process(self, f"w{self.started}"))
        await settle()
        return self.all[-1]

    async def move(self, to: Any) -> None:
        """The group gives the partition to a worker that runs; a stopped one learns later."""
        if self.owner is not None and self.owner.active:
            self.owner.own(owner=False)
        self.owner = to
        to.own(owner=True)
        await settle()

    def append(self, message: Message, *, by: Any) -> None:
        """A record reaches the log."""
        record = Record(
            topic=message.topic, partition=0, offset=len(self.ledger), key=message.key,
            timestamp_ms=int(self.clock_ms + self.log_ahead_ms), value=message.value,
            headers=message.headers,
        )  # fmt: skip
        data = read(record).data
        if message.topic == LLM_CALLS:
            self.ledger.append(record)
            if isinstance(data, CallClaimed):
                self.winners.setdefault(data.call_id, data.nonce)
            return
        assert message.topic == COLLABORATION_INBOX
        if isinstance(data, CallReported) and data.outcome in ("unknown", "void"):
            self.closed.add(data.call_id)
            self._check_dead(data, by=by)
        self.fold(data)

    def compact(self) -> None:
        """Compaction keeps the last record of each key."""
        last = {record.key: record.offset for record in self.ledger if record is not None}
        self.ledger = [
            record if record is not None and last[record.key] == record.offset else None
            for record in self.ledger
        ]

    def cancel(self) -> None:
        """Somebody asks for the end."""
        self.fold(cancel())

    def fold(self, data: Any) -> None:
        """One record of the inbox is decided; its stops reach ``worker-control``."""
        self.inbox.now_ms = max(self.inbox.now_ms, int(self.clock_ms))
        decision = self.inbox.feed(data, after_ms=0)
        for command in decision.commands:
            if isinstance(command.data, StopAttempts):
                key = collaboration_key("local", "c1").encode()
                record = Record("worker-control", 0, len(self.stops), 0, key, b"", ())
                self.stops.append(Incoming(record, workers.CAUSE, command.data))

    def ring(self) -> None:
        """Timers of the collaboration that are due; the step's own time-out is far away."""
        for timer in self.state.timers:
            if timer.name in ("ending", "retry") and timer.due_ms <= self.clock_ms:
                self.fold(TimerFired(timer_id=timer.timer_id, name=timer.name))

    def must(self, holds: object, promise: str, *, seen: object) -> None:
        """Remember a promise that does not hold; ``check`` raises it."""
        if not holds:
            self.broken.append(BrokenPromiseError(promise=promise, seen=seen))

    def check(self) -> None:
        """Raises BrokenPromiseError for the first promise that was broken."""
        for error in self.broken:
            raise error

    def _check_dead(self, report: CallReported, *, by: Any) -> None:
        """Never unknown for a live claimant: one that was not stopped since its request."""
        claimant = self.winners.get(report.call_id, "").split("-")[0]
        for process in self.living():
            if process.name == claimant and process is not by:
                alive = process.attempts.running and report.call_id in process.asking
                self.must(not alive, "unknown declared for a live claimant", seen=report.call_id)

    def asked(self, ident: str, *, by: Any) -> None:
        """A request leaves."""
        self.requests[ident] += 1
        by.asking.add(ident)
        self.must(self.requests[ident] == 1, "second request for a call", seen=by.name)
        self.must(ident not in self.closed, "burned: the call is closed", seen=by.name)
        if self.state.status == "cancelled" and not by.halted:
            self.must(False, "request for a cancelled attempt", seen=by.name)
        elif self.state.status != "cancelling":
            opened = call_id("local", "c1", "a", self.state.steps["a"].open, 0)
            self.must(ident == opened, "burned: the attempt is closed", seen=by.name)
            paid = any(call.outcome == "completed" for call in self.state.calls.values())
            self.must(not paid, "paid again for a call whose result was counted", seen=by.name)

    def judge(self) -> None:
        """What must hold of the collaboration in the end."""
        ends = (AttemptCompleted, AttemptFailed)
        lost: set[int] = set()
        for event in self.inbox.events:
            if isinstance(event, AttemptUnknown):
                lost.add(event.attempt)
            with promised("output of a closed attempt applied"):
                assert not (isinstance(event, ends) and event.attempt in lost)
        for record in self.inbox.records:
            if isinstance(record.data, CallReported) and record.data.outcome == "completed":
                with promised("money: a call with a result is charged at its reservation"):
                    assert self.state.calls[record.data.call_id].cost_usd == record.data.cost_usd


def _definition() -> Any:
    """One step, whose worker may go silent twice, and whose time-out is far away."""
    wanted = definition(
        step("a", retry=Retry(max_lost=ATTEMPTS - 1), timeout_s=86_400.0),
        output="a", timeout_s=86_400.0,
    )  # fmt: skip
    [agent] = wanted.agents.values()
    priced = structs.replace(agent.models[0], prices=Prices(input=Decimal(1), output=Decimal(2)))
    agent = structs.replace(agent, models=(priced,))
    return structs.replace(wanted, agents={"a": agent})


async def drain(world: World) -> None:
    """Everything that running workers have to do at this time of the clock."""
    for process in world.living():
        if process.active and process.owner and process is not world.owner:
            process.own(owner=False)
    busy = True
    while busy:
        busy = False
        for process in [p for p in world.living() if p.active]:
            while process.sends:
                process.land()
                busy = True
            if process.position < len(world.ledger) or process.heard < len(world.stops):
                process.catch_up()
                busy = True
        await settle()
    world.check()


async def advance(world: World) -> None:
    """A tick passes; timers of running workers fire on time."""
    until_ms = world.clock_ms + TICK_MS
    await drain(world)
    while True:
        due = [
            (at_ms, number)
            for number, process in enumerate(world.all)
            if process.active
            for at_ms, timer in process.timers
            if not timer.done() and at_ms <= until_ms
        ]
        if not due:
            break
        at_ms, number = min(due)
        world.clock_ms = max(world.clock_ms, at_ms)
        process = world.all[number]
        for place, (when, timer) in enumerate(process.timers):
            if when == at_ms and not timer.done():
                timer.set_result(None)
                del process.timers[place]
                break
        await settle()
        await drain(world)
    world.clock_ms = until_ms
    world.ring()
    await settle()


async def finish(world: World) -> None:
    """No more faults: every step ends, and nothing stays open in the ledger."""
    if not world.living():
        await world.start()
    for process in world.living():
        process.stopped = False
    while world.late:
        world.append(world.late.pop(0), by=None)
    await drain(world)
    if world.owner is None:
        await world.move(world.living()[0])
    for _ in range(25):
        if world.outcome and not any(process.unfinished() for process in world.living()):
            break
        for process in world.living():
            process.go_on()
        await settle()
        await advance(world)
    world.check()
    with promised("hang: the step has no outcome"):
        assert world.outcome
    world.judge()
    for process in world.living():
        assert not process.unfinished(), "something is left open"
