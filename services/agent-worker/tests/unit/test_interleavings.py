"""The real workers under random schedules, against the invariants of the model of calls.

Sends, reads, answers, stops, deaths and moves of the partition happen in any order. A worker that
runs does all it has to do before the clock goes on; one that is stopped does nothing.
"""

import asyncio
import itertools
import random
from collections import Counter, deque
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from facilitair_agent_worker.attempts import Attempts
from facilitair_agent_worker.claims import Claims
from facilitair_agent_worker.declaring import Declarer
from facilitair_agent_worker.jobs import Job, Limits, Tools
from facilitair_agent_worker.lease import Lease
from facilitair_agent_worker.leased import LeasedSilence
from facilitair_agent_worker.ledger import AttemptKey, Ledger
from facilitair_agent_worker.log_time import LogTime
from facilitair_agent_worker.reports import Reports
from facilitair_agent_worker.silence import Means
from facilitair_agent_worker.stops import Stops
from facilitair_agent_worker.tokens import TokenWriter
from facilitair_events.envelope import Envelope
from facilitair_events.requests import AttemptReported, CallReported
from facilitair_events.topics import COLLABORATION_INBOX, LLM_CALLS
from facilitair_events.work import CallClaimed, RunAttempt
from facilitair_llm.calls import ChatRequest, Chunk, Finished, TextDelta
from facilitair_messaging.errors import ProduceUnknownError
from facilitair_messaging.messages import read
from facilitair_messaging.ports import Ack, Message, Record
from facilitair_observability.metrics import Metrics
from facilitair_testing.desk import task

LEASE = Lease(lease_s=30.0, renew_s=10.0)
TICK_MS = 10_000
ATTEMPTS = 3
STEPS = 50
SCHEDULES = 100
"""Schedules per test; all are the same in every run."""
TASK = "local:c1:a"
CAUSE = Envelope(
    id="t", type="x", source="test", time="2026-01-01T00:00:00.000Z", subject="c1", tenant="local",
    project="p", actor="a", correlation="r",
)  # fmt: skip


class Send:
    """A send on its way."""

    def __init__(self, messages: Sequence[Message]) -> None:
        self.messages = list(messages)
        self.answer: asyncio.Future[list[Ack]] = asyncio.get_running_loop().create_future()


class Process:
    """One worker: its real parts, and what they wait for. It is its own producer and model."""

    def __init__(self, world: "World", name: str) -> None:
        self.world, self.name = world, name
        self.stopped = self.dead = False
        self.halted = False
        self.owner = False
        self.position = 0
        self.cursor = 0
        self.sends: deque[Send] = deque()
        self.timers: list[tuple[float, asyncio.Future[None]]] = []
        self.answers: list[asyncio.Future[None]] = []
        nonces = (f"{name}-{number}" for number in itertools.count())
        metrics = Metrics(CollectorRegistry())
        ledger = Ledger(kept_ms=10**9, time=LogTime(longest_gap_ms=LEASE.longest_gap_ms))
        self.claims = Claims(
            producer=self, ledger=ledger, incarnation=name, clock_s=world.clock_s,
            wall_ms=lambda: 0, new_nonce=lambda: next(nonces), retry_s=0.0,
        )  # fmt: skip
        reports = Reports(producer=self, wall_ms=lambda: 0, retry_s=0.0)
        self.silence = LeasedSilence(
            Means(
                ledger=ledger, claims=self.claims, lease=LEASE, incarnation=name, metrics=metrics,
                declarer=Declarer(ledger=ledger, claims=self.claims, reports=reports),
            ),
            sleep=self.sleep,
        )  # fmt: skip
        self.ledger = ledger
        unused: Any = None
        stream: Any = _Stream()
        self.tools = Tools(
            ledger=ledger, claims=self.claims, stops=Stops(kept_ms=10**9), reports=reports,
            tokens=TokenWriter(producer=stream, read_back=stream, metrics=metrics),
            silence=self.silence, metrics=metrics, artifacts=unused, models={"p": self},
            clock_s=world.clock_s,
        )  # fmt: skip
        self.running = asyncio.create_task(self._run())

    async def _run(self) -> None:
        limits = Limits(calls_in_flight=4, max_output_bytes=1024, use_s=LEASE.use_s)
        async with asyncio.TaskGroup() as group:
            self.group = group
            self.attempts = Attempts(tools=self.tools, limits=limits, group=group)
            group.create_task(self.silence.run())
            group.create_task(self.tools.tokens.run())
            await asyncio.Event().wait()

    @property
    def active(self) -> bool:
        return not (self.stopped or self.dead)

    async def send(self, messages: Sequence[Message]) -> list[Ack]:
        self.sends.append(Send(messages))
        return await self.sends[-1].answer

    async def sleep(self, seconds: float) -> None:
        due: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.timers.append((self.world.clock_ms + seconds * 1000, due))
        await due

    async def stream(
        self, request: ChatRequest, *, call_id: str, tenant: str
    ) -> AsyncGenerator[Chunk, None]:
        self.world.asked(call_id)
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.answers.append(answer)
        await answer
        yield TextDelta(text="answer")
        yield Finished(finish_reason="stop", usage=None, model="m")

    def possible(self) -> list[str]:
        """What it can do next."""
        can = {
            "land": bool(self.sends),
            "read": self.position < len(self.world.ledger),
            "answer": bool(self.answers),
            "take": self.owner and self.cursor < len(self.world.tasks),
        }
        return [step for step, now in can.items() if now]

    def go_on(self) -> None:
        """Take every task that is there, and let the model answer every call."""
        while self.owner and self.cursor < len(self.world.tasks):
            self.take()
        while self.answers:
            self.answer()

    def unfinished(self) -> bool:
        """Whether it holds an attempt, knows of an open one, or has something to send."""
        return bool(self.attempts.running or self.ledger.open_in(0) or self.sends)

    def take(self) -> None:
        """The next task is delivered; its offset is committed once it is not needed any more."""
        wanted = self.world.tasks[self.cursor]
        self.cursor += 1
        job = Job(key=AttemptKey(TASK, wanted.attempt), task=wanted, cause=CAUSE)
        offset = self.cursor

        async def handle() -> None:
            await self.attempts.take(job)
            if self.owner:
                self.world.committed = max(self.world.committed, offset)

        self.group.create_task(handle())

    def answer(self) -> None:
        """The model answers; the process of that call may be gone."""
        answer = self.answers.pop(0)
        if not answer.done():
            answer.set_result(None)

    def land(self, *, written: bool = True, acked: bool = True) -> list[Message]:
        """The first send reaches the log, or fails; returns what was not written."""
        send = self.sends.popleft()
        if written:
            for message in send.messages:
                self.world.append(message, by=self)
        if not send.answer.done():
            if acked:
                send.answer.set_result([Ack(0, None)] * len(send.messages))
            else:
                send.answer.set_exception(ProduceUnknownError(topics=(), reason="scripted"))
        return [] if written else send.messages

    def read_one(self) -> None:
        incoming = read(self.world.ledger[self.position])
        self.position += 1
        self.claims.apply(incoming)
        self.silence.read(incoming)

    def own(self, *, owner: bool) -> None:
        self.owner = owner
        if owner:
            while self.position < len(self.world.ledger):
                self.read_one()
            self.cursor = self.world.committed
            self.silence.watch(0)
        else:
            self.silence.unwatch(0)

    async def end(self) -> None:
        self.dead = True
        self.running.cancel()
        await asyncio.wait([self.running])


class _Stream:
    """The stream takes everything at once; it has its own tests."""

    async def send(self, messages: Sequence[Message]) -> list[Ack]:
        return [Ack(0, None)] * len(messages)

    def acked(self, topic: str, acks: list[Ack]) -> None:
        pass


class World:
    """One partition of the ledger, the inbox as a fold, and two workers."""

    def __init__(self) -> None:
        self.clock_ms = 1_000_000_000_000.0
        self.ledger: list[Record] = []
        self.late: list[Message] = []
        self.winners: dict[str, str] = {}
        self.requests: Counter[str] = Counter()
        self.closed: set[str] = set()
        self.tasks: list[RunAttempt] = [task()]
        self.open_attempt, self.outcome = 1, ""
        self.committed = 0
        self.started = 0
        self.all: list[Process] = []
        self.owner: Process | None = None

    def clock_s(self) -> float:
        return self.clock_ms / 1000

    def living(self) -> list[Process]:
        return [process for process in self.all if not process.dead]

    def busy(self) -> bool:
        return any(process.sends or process.attempts.running for process in self.living())

    async def start(self) -> None:
        self.started += 1
        self.all.append(Process(self, f"w{self.started}"))
        await settle()

    async def move(self, to: Process) -> None:
        """The group gives the partition to a worker that runs; a stopped one learns later."""
        if self.owner is not None and self.owner.active:
            self.owner.own(owner=False)
        self.owner = to
        to.own(owner=True)
        await settle()

    def append(self, message: Message, *, by: Process | None) -> None:
        record = Record(
            topic=message.topic, partition=0, offset=len(self.ledger), key=message.key,
            timestamp_ms=int(self.clock_ms), value=message.value, headers=message.headers,
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
            self._lose(data.attempt)
        elif isinstance(data, AttemptReported):
            assert data.outcome == "completed"
            if data.attempt == self.open_attempt and not self.outcome:
                self.outcome = "completed"

    def _lose(self, attempt: int) -> None:
        if attempt != self.open_attempt or self.outcome:
            return
        if attempt == ATTEMPTS:
            self.outcome = "failed"
            return
        self.open_attempt += 1
        self.tasks.append(task(attempt=self.open_attempt))

    def _check_dead(self, report: CallReported, *, by: Process | None) -> None:
        """Never unknown for a live claimant: one that runs and was never stopped."""
        claimant = self.winners[report.call_id].split("-")[0]
        for process in self.living():
            if process.name == claimant and process is not by:
                assert process.halted or not process.attempts.running, "unknown for the living"

    def asked(self, call_id: str) -> None:
        self.requests[call_id] += 1
        assert self.requests[call_id] == 1, "two requests for a call"
        assert call_id not in self.closed, "a request for a call that is closed"


async def settle() -> None:
    for _ in range(12):
        await asyncio.sleep(0)


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
            while process.position < len(world.ledger):
                process.read_one()
                busy = True
        await settle()


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


Step = tuple[str, Process | None]


def steps(world: World, faults: Counter[str]) -> list[Step]:
    """What may happen now."""
    found: list[Step] = [("tick", None)] * 4
    if world.late:
        found.append(("late", None))
    for process in world.living():
        if process.stopped:
            found.append(("go on", process))
            continue
        # Answers are rare, so that calls outlive leases.
        found += [(step, process) for step in process.possible() if step != "answer"] * 2
        found += [("answer", process)] * bool(process.answers)
        # A fault where nothing is under way proves nothing.
        if world.busy():
            found += [(fault, process) for fault in ("stop", "stop", "kill") if faults[fault]]
            if process.sends and faults["doubt"]:
                found += [(f"doubt: {how}", process) for how in ("written", "lost", "late")]
        if process is not world.owner and (_ownerless(world) or (world.busy() and faults["move"])):
            found += [("move", process)] * 2
    return found


def _ownerless(world: World) -> bool:
    return world.owner is None or not world.owner.active


async def perform(world: World, step: Step, faults: Counter[str]) -> None:
    """Let one step happen."""
    name, process = step
    if name == "tick":
        await advance(world)
    elif name == "late":
        world.append(world.late.pop(0), by=None)
    elif process is not None:
        await _perform(world, name, process=process, faults=faults)
    await settle()
    for one in world.living():
        assert not one.running.done(), one.running.exception()


async def _perform(world: World, name: str, *, process: Process, faults: Counter[str]) -> None:
    fault = name.split(":", maxsplit=1)[0]
    faults[fault] -= fault in {"stop", "kill", "doubt"} or (
        name == "move" and not _ownerless(world)
    )
    if fault == "doubt":
        lost = process.land(written=name == "doubt: written", acked=False)
        world.late += lost if name == "doubt: late" else []
    elif name == "move":
        await world.move(process)
    elif name == "stop":
        process.stopped = process.halted = True
    elif name == "go on":
        process.stopped = False
    elif name == "kill":
        await process.end()
        if world.owner is process:
            world.owner = None
    else:
        steps = {
            "land": process.land,
            "read": process.read_one,
            "answer": process.answer,
            "take": process.take,
        }
        steps[name]()


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
    assert world.outcome, "the step has no outcome"
    for process in world.living():
        assert not process.unfinished(), "something is left open"


async def play(seed: int, faults: dict[str, int]) -> World:
    chance, left, world = random.Random(seed), Counter(faults), World()
    for _ in range(2):
        await world.start()
    await world.move(world.all[0])
    try:
        for _ in range(STEPS):
            if world.outcome and not world.busy():
                break
            await perform(world, chance.choice(steps(world, left)), left)
        await finish(world)
    finally:
        for process in world.living():
            await process.end()
    return world


@pytest.mark.parametrize("block", range(2))
def test_r19_r20_r21_hold_under_stops_deaths_moves_and_doubtful_sends(block: int) -> None:
    for seed in range(block * SCHEDULES, (block + 1) * SCHEDULES):
        try:
            asyncio.run(play(seed, {"stop": 2, "kill": 1, "move": 2, "doubt": 2}))
        except AssertionError as error:
            error.add_note(f"schedule {seed}")
            raise


def test_r20_nobody_who_runs_is_declared_however_partitions_move() -> None:
    for seed in range(SCHEDULES):
        world = asyncio.run(play(seed, {"move": 3, "doubt": 2}))
        seen = (world.outcome, world.closed, sum(world.requests.values()))
        assert seen == ("completed", set(), 1), seed


def test_without_faults_every_step_completes_with_one_request() -> None:
    for seed in range(20):
        world = asyncio.run(play(seed, {}))
        assert (world.outcome, sum(world.requests.values())) == ("completed", 1), seed
