"""One worker made of its real parts; what they wait for is in the hands of a test.

It is its own producer, model and timer: sends land, reads happen, answers come and timers ring when
the test says so.
"""

import asyncio
import itertools
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from prometheus_client import CollectorRegistry

from facilitair_agent_worker.admission import Admission, AdmissionRules
from facilitair_agent_worker.attempts import Attempts
from facilitair_agent_worker.breaker import BreakerRules
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
from facilitair_events.requests import Usage
from facilitair_llm.calls import ChatRequest, Chunk, Finished, TextDelta
from facilitair_messaging.errors import ProduceUnknownError
from facilitair_messaging.messages import read
from facilitair_messaging.ports import Ack, Message
from facilitair_observability.metrics import Metrics

LEASE = Lease(lease_s=30.0, renew_s=10.0)
TASK = "local:c1:a"
CAUSE = Envelope(
    id="t", type="x", source="test", time="2026-01-01T00:00:00.000Z", subject="c1", tenant="local",
    project="p", actor="a", correlation="r",
)  # fmt: skip


async def settle() -> None:
    for _ in range(12):
        await asyncio.sleep(0)


class Send:
    """A send on its way."""

    def __init__(self, messages: Sequence[Message]) -> None:
        self.messages = list(messages)
        self.answer: asyncio.Future[list[Ack]] = asyncio.get_running_loop().create_future()

    def doubt(self) -> None:
        """Its sender is not told what became of it."""
        self.answer.set_exception(ProduceUnknownError(topics=(), reason="scripted"))


class Process:
    """One worker: its real parts, and what they wait for. It is its own producer and model."""

    def __init__(self, world: Any, name: str) -> None:
        self.world, self.name = world, name
        self.stopped = self.dead = False
        self.halted = False
        self.asking: set[str] = set()
        """Calls whose request left after its last stop."""
        self.owner = False
        self.position = 0
        self.cursor = 0
        self.heard = 0
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
        self.stops = Stops(kept_ms=10**9)
        rules = AdmissionRules(breaker=BreakerRules(), wait_s=1.0, waiting=2, limits={})
        admission = Admission(rules=rules, clock_s=world.clock_s, metrics=metrics)
        unused: Any = None
        stream: Any = _Stream()
        self.tools = Tools(
            ledger=ledger, claims=self.claims, stops=self.stops, reports=reports,
            admission=admission,
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
        self.world.asked(call_id, by=self)
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.answers.append(answer)
        await answer
        yield TextDelta(text="answer")
        usage = Usage(input_tokens=1000, output_tokens=1000)
        yield Finished(finish_reason="stop", usage=usage, model="m")

    def halt(self) -> None:
        """Stop it; what it asked for may be declared from now on."""
        self.stopped = self.halted = True
        self.asking.clear()

    def possible(self) -> list[str]:
        """What it can do next."""
        can = {
            "land": bool(self.sends),
            "read": self.position < len(self.world.ledger),
            "hear": self.heard < len(self.world.stops),
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

    def write(self, count: int | None = None) -> Send:
        """The first send reaches the log, or the first records of it; it is not answered yet."""
        send = self.sends.popleft()
        for message in send.messages[:count]:
            self.world.append(message, by=self)
        return send

    def land(self, *, written: bool = True, acked: bool = True) -> list[Message]:
        """The first send reaches the log, or fails; returns what was not written."""
        send = self.write(None if written else 0)
        if not send.answer.done():
            if acked:
                send.answer.set_result([Ack(0, None)] * len(send.messages))
            else:
                send.doubt()
        return [] if written else send.messages

    def read_one(self) -> None:
        """The next record of the ledger, unless compaction took it."""
        record = self.world.ledger[self.position]
        self.position += 1
        if record is not None:
            incoming = read(record)
            self.claims.apply(incoming)
            self.silence.read(incoming)

    def hear_one(self) -> None:
        """The next record of ``worker-control``."""
        self.stops.apply(self.world.stops[self.heard])
        self.heard += 1

    def catch_up(self) -> None:
        """Read all there is."""
        while self.position < len(self.world.ledger):
            self.read_one()
        while self.heard < len(self.world.stops):
            self.hear_one()

    def fire(self) -> None:
        """Let all of its timers ring now."""
        timers, self.timers = self.timers, []
        for _, due in timers:
            if not due.done():
                due.set_result(None)

    def own(self, *, owner: bool) -> None:
        self.owner = owner
        if owner:
            self.catch_up()
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
