"""The consumer loop on a real log: order, commits, poison, retries, limits, stops."""

import asyncio
import time
from contextlib import asynccontextmanager, contextmanager

import msgspec
import pytest

from facilitair_events.requests import TimerFired
from facilitair_events.work import LedgerTicked
from facilitair_messaging.errors import (
    MessagingError,
    PermanentError,
    RejectionLimitError,
    RetryableError,
)
from facilitair_messaging.handling import Clock
from facilitair_messaging.loop import ConsumerLoop, LoopSettings, Membership
from facilitair_messaging.ports import TopicPartition
from facilitair_messaging.rejections import RejectionLimit
from facilitair_messaging.retry import RetryPolicy
from facilitair_observability.correlation import current
from facilitair_testing.eventually import eventually

FAST = LoopSettings(commit_interval_s=0.0, wait_s=0.2, drain_s=5)


class Waits:
    """Backoff that takes no time, and says how long it would have been."""

    def __init__(self):
        self.asked = []

    async def sleep(self, seconds):
        self.asked.append(seconds)
        await asyncio.sleep(0)

    @property
    def clock(self):
        return Clock(sleep=self.sleep, now_ms=lambda: 1_500)


class Gate:
    """A handler that finishes a record when the test opens it."""

    def __init__(self):
        self.begun = []
        self.finished = []
        self.cancelled = []
        self._open = {}

    async def __call__(self, incoming):
        name = incoming.data.name
        self.begun.append(name)
        try:
            await self._open.setdefault(name, asyncio.Event()).wait()
        except asyncio.CancelledError:
            self.cancelled.append(name)
            raise
        self.finished.append(name)

    def open(self, *names):
        for name in names:
            self._open.setdefault(name, asyncio.Event()).set()


@pytest.fixture
def running(log, metrics):
    """Run a loop for the body; a body that ends well stops it well."""

    @asynccontextmanager
    async def run(handler, *, topic="inbox", settings=FAST, clock=None, member="m-0", **more):
        who = Membership(service="worker", group="workers", member=member, topics=(topic,))
        handlers = handler if isinstance(handler, dict) else {TimerFired: handler}
        more |= {"metrics": metrics, "settings": settings, "clock": clock}
        loop = ConsumerLoop(log=log, membership=who, handlers=handlers, **more)
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(loop.run(stop))
            try:
                yield loop
            finally:
                stop.set()

    return run


@pytest.fixture
def committed(log):
    async def read(topic="inbox", partition=0):
        found = await log.admin().committed("workers")
        return found.get(TopicPartition(topic, partition))

    return read


def only(group):
    """The one exception at the bottom of nested groups."""
    while isinstance(group, BaseExceptionGroup):
        (group,) = group.exceptions
    return group


async def test_records_are_handled_in_order_of_their_key_and_committed(
    running, send, timer, committed
):
    seen = []

    async def handler(incoming):
        await asyncio.sleep(0)
        seen.append((incoming.record.key, incoming.data.name))

    await send(*(timer(f"{n}", key=f"local:{n % 3}") for n in range(30)))
    async with running(handler):

        async def all_committed():
            return await committed() == 30

        await eventually(all_committed)

    assert len(seen) == 30
    for key in range(3):
        mine = [name for of, name in seen if of == f"local:{key}".encode()]
        assert mine == [f"{n}" for n in range(30) if n % 3 == key]


async def test_a_handler_knows_its_cause(running, send, timer):
    seen = []

    async def handler(incoming):
        seen.append(current())

    await send(timer("x"))
    async with running(handler):
        await eventually(lambda: seen)

    assert (seen[0].correlation, seen[0].tenant, seen[0].causation) == ("r-x", "local", "e-x")
    assert current() is None


async def test_what_a_handler_causes_lies_below_its_span(log, metrics, send, timer):
    trace = "00-0af7651916cd43dd8448eb211c80319c-{}-01"
    seen, spans = [], []

    class Tracer:
        @contextmanager
        def span(self, name, *, traceparent, attributes):
            spans.append((name.name, traceparent, attributes["messaging.destination.name"]))
            yield trace.format("2" * 16)

    async def handler(incoming):
        seen.append((incoming.envelope.traceparent, current().traceparent))

    loop = ConsumerLoop(
        log=log,
        membership=Membership(service="w", group="g", member="m", topics=("inbox",)),
        handlers={TimerFired: handler},
        metrics=metrics,
        tracer=Tracer(),
    )
    stop = asyncio.Event()
    running = asyncio.create_task(loop.run(stop))
    await send(timer("x"))
    await eventually(lambda: seen)
    stop.set()
    await running

    assert spans == [("process", None, "inbox")]
    assert seen == [(trace.format("2" * 16),) * 2]


async def test_nothing_is_committed_past_an_unfinished_record(running, send, timer, committed):
    gate = Gate()
    gate.open("1", "2")
    await send(*(timer(f"{n}", key=f"local:{n}") for n in range(3)))

    async with running(gate):
        await eventually(lambda: gate.finished == ["1", "2"])
        await send(timer("3", key="local:3"))
        await eventually(lambda: "3" in gate.begun)
        assert await committed() is None
        gate.open("0")

        async def three_committed():
            return await committed() == 3

        await eventually(three_committed)
        gate.open("3")
    assert await committed() == 4


async def test_i13_a_poison_record_holds_up_nobody_and_is_dead_lettered_once(
    running, send, timer, everything, committed
):
    seen = []

    async def handler(incoming):
        seen.append(incoming.data.name)

    good = timer("good", key="local:a")
    poison = [
        msgspec.structs.replace(good, value=b"\xff{{"),
        msgspec.structs.replace(good, value=None),
        msgspec.structs.replace(good, headers=()),
        msgspec.structs.replace(good, value=b"[" * 10_000),
        timer("other", key="local:a", data=LedgerTicked(incarnation="i")),
    ]
    await send(*poison, timer("behind", key="local:a"), timer("beside", key="local:b"))
    async with running(handler):
        await eventually(lambda: sorted(seen) == ["behind", "beside"])
    letters = await everything("inbox-dlq")

    assert [(letter.key, letter.value) for letter in letters] == [
        (sent.key, sent.value) for sent in poison
    ]
    for number, (sent, letter) in enumerate(zip(poison, letters, strict=True)):
        assert letter.headers[: len(sent.headers)] == sent.headers
        assert dict(letter.headers)["dlq_offset"] == str(number).encode()
        assert dict(letter.headers)["dlq_service"] == b"worker"
    reasons = [dict(letter.headers)["dlq_error"] for letter in letters]
    assert reasons == [b"UnreadableRecordError"] * 4 + [b"UnhandledTypeError"]
    assert await committed() == 7


async def test_i13_a_key_that_is_tried_again_holds_up_only_itself(running, send, timer):
    passed = asyncio.Event()
    seen = []

    async def sleep(_seconds):
        await passed.wait()

    async def handler(incoming):
        seen.append(incoming.data.name)
        if incoming.data.name == "bad" and not passed.is_set():
            raise RetryableError

    await send(timer("bad", key="local:a"), timer("behind", key="local:a"))
    await send(*(timer(f"{n}", key="local:b") for n in range(5)))
    # One slot: waiting for the next attempt does not hold it.
    settings = msgspec.structs.replace(FAST, max_in_flight=1)
    async with running(handler, settings=settings, clock=Clock(sleep=sleep, now_ms=lambda: 0)):
        await eventually(lambda: seen == ["bad", "0", "1", "2", "3", "4"])
        passed.set()
        await eventually(lambda: seen[6:] == ["bad", "behind"])


async def test_a_retryable_failure_is_tried_as_often_as_allowed_then_dead_lettered(
    running, send, timer, everything, registry
):
    waits = Waits()
    attempts = []

    async def handler(incoming):
        attempts.append(incoming.data.name)
        if incoming.data.name == "down":
            raise RetryableError("away")

    policy = RetryPolicy(retries=3, first_delay_s=1, factor=2, max_delay_s=3)
    settings = msgspec.structs.replace(FAST, retry=policy)
    sent = timer("down")
    await send(sent, timer("next"))
    async with running(handler, settings=settings, clock=waits.clock):
        await eventually(lambda: "next" in attempts)
    (letter,) = await everything("inbox-dlq")

    assert attempts == ["down"] * 4 + ["next"]
    assert waits.asked == [1, 2, 3]
    assert (letter.key, letter.value) == (sent.key, sent.value)
    headers = dict(letter.headers)
    assert headers["dlq_attempts"] == b"4"
    assert headers["dlq_reason"] == b"away"
    assert headers["dlq_first_failed_at"] == b"1970-01-01T00:00:01.500Z"
    labels = {"topic": "inbox", "group": "workers", "error": "RetryableError"}
    assert registry.get_sample_value("facilitair_records_retried_total", labels) == 3
    assert registry.get_sample_value("facilitair_records_dead_lettered_total", labels) == 1


async def test_a_failure_that_passes_leaves_no_dead_letter(running, send, timer, everything):
    waits = Waits()
    attempts = []

    async def handler(incoming):
        attempts.append(incoming.data.name)
        if len(attempts) < 3:
            raise RetryableError

    await send(timer("once"))
    async with running(handler, clock=waits.clock) as loop:
        await eventually(lambda: len(attempts) == 3)
        await eventually(lambda: loop.stuck_since is None)

    assert await everything("inbox-dlq") == []


async def test_a_permanent_failure_is_not_tried_again(running, send, timer, everything):
    attempts = []

    async def handler(incoming):
        attempts.append(incoming.data.name)
        raise PermanentError("bad")

    await send(timer("bad"))
    async with running(handler):

        async def one_letter():
            return len(await everything("inbox-dlq")) == 1

        await eventually(one_letter)
    assert attempts == ["bad"]


@pytest.mark.parametrize("error", [TypeError("a bug"), TimeoutError(), MemoryError()])
async def test_anything_else_stops_the_loop_without_a_commit(
    running, send, timer, committed, everything, error
):
    async def handler(_incoming):
        raise error

    await send(timer("x"))
    with pytest.raises(BaseExceptionGroup) as caught:
        async with running(handler) as loop:
            await asyncio.Event().wait()

    assert only(caught.value) is error
    assert not loop.ready
    assert await committed() is None
    assert await everything("inbox-dlq") == []


async def test_a_dead_letter_that_cannot_be_written_stops_the_loop(running, send, timer, committed):
    async def handler(_incoming):
        raise PermanentError("bad")

    await send(timer("x", topic="unlettered"))
    with pytest.raises(BaseExceptionGroup) as caught:
        async with running(handler, topic="unlettered"):
            await asyncio.Event().wait()

    assert isinstance(only(caught.value), MessagingError)
    assert "unlettered-dlq" in str(only(caught.value))
    assert await committed("unlettered") is None


async def test_who_waits_for_a_record_is_told_before_it_is_dead_lettered(
    running, send, timer, everything, committed
):
    told = []

    async def handler(_incoming):
        raise PermanentError("bad")

    async def on_rejected(record, error):
        assert await everything("inbox-dlq") == []
        told.append((record.offset, str(error)))

    await send(timer("x"))
    async with running(handler, on_rejected=on_rejected):
        await eventually(committed, what="the commit")
    assert told == [(0, "bad")]
    assert len(await everything("inbox-dlq")) == 1


async def test_who_cannot_be_told_keeps_the_record(running, send, timer, everything, committed):
    async def handler(_incoming):
        raise PermanentError("bad")

    async def on_rejected(_record, _error):
        raise MessagingError

    await send(timer("x"))
    with pytest.raises(BaseExceptionGroup) as caught:
        async with running(handler, on_rejected=on_rejected):
            await asyncio.Event().wait()
    assert isinstance(only(caught.value), MessagingError)
    assert await everything("inbox-dlq") == []
    assert await committed() is None


async def test_e03_a_consumer_that_rejects_everything_stops_and_drains_nothing(
    running, send, timer, everything, committed
):
    async def handler(_incoming):
        raise PermanentError("bad")

    await send(*(timer(f"{n}") for n in range(50)))
    settings = msgspec.structs.replace(FAST, rejections=RejectionLimit(max_consecutive=4))
    with pytest.raises(BaseExceptionGroup) as caught:
        async with running(handler, settings=settings):
            await asyncio.Event().wait()

    error = only(caught.value)
    assert isinstance(error, RejectionLimitError)
    assert "5 records in a row" in str(error)
    assert isinstance(error.__cause__, PermanentError)
    assert len(await everything("inbox-dlq")) == 4
    assert (await committed() or 0) <= 4


async def test_e03_a_handled_record_ends_a_row_of_rejected_ones(running, send, timer, everything):
    async def handler(incoming):
        if int(incoming.data.name) % 3:
            raise PermanentError

    await send(*(timer(f"{n}") for n in range(30)))
    settings = msgspec.structs.replace(FAST, rejections=RejectionLimit(max_consecutive=2))
    async with running(handler, settings=settings) as loop:
        await eventually(lambda: loop.ready and loop.stuck_since is None)

        async def all_letters():
            return len(await everything("inbox-dlq")) == 20

        await eventually(all_letters)


async def test_e03_the_limit_is_kept_per_partition(running, send, timer, log):
    names = {log.partition_for("wide", f"local:{n}".encode()): f"local:{n}" for n in range(50)}
    seen = []

    async def handler(incoming):
        seen.append(incoming.record.partition)
        raise PermanentError("bad")

    await send(*(timer(topic="wide", key=key) for key in names.values() for _ in range(4)))
    settings = msgspec.structs.replace(FAST, rejections=RejectionLimit(max_consecutive=4))
    async with running(handler, topic="wide", settings=settings):
        await eventually(lambda: len(seen) == 12)


async def test_no_more_handlers_run_than_allowed(running, send, timer):
    gate = Gate()
    await send(*(timer(f"{n}", key=f"local:{n}") for n in range(10)))
    async with running(gate, settings=msgspec.structs.replace(FAST, max_in_flight=3)):
        await eventually(lambda: len(gate.begun) == 3)
        gate.open("0")
        await eventually(lambda: len(gate.begun) == 4)
        gate.open(*map(str, range(10)))
        await eventually(lambda: len(gate.finished) == 10)


async def test_a_full_partition_is_paused_and_the_poll_goes_on(running, send, timer, log):
    keys = {log.partition_for("wide", f"local:{n}".encode()): f"local:{n}" for n in range(50)}
    gate = Gate()
    gate.open(*(f"free-{n}" for n in range(5)))
    await send(*(timer(f"held-{n}", topic="wide", key=keys[0]) for n in range(40)))
    settings = msgspec.structs.replace(FAST, max_pending=6, max_records=2)
    async with running(gate, topic="wide", settings=settings) as loop:
        await eventually(lambda: loop.pending.get(TopicPartition("wide", 0)) == 6)
        polled = loop.last_poll
        await send(*(timer(f"free-{n}", topic="wide", key=keys[1]) for n in range(5)))
        await eventually(lambda: len(gate.finished) == 5)
        assert loop.last_poll > polled
        assert loop.pending[TopicPartition("wide", 0)] <= 7
        gate.open(*(f"held-{n}" for n in range(40)))
        await eventually(lambda: len(gate.finished) == 45)


async def test_liveness_sees_polls_and_stuck_records(running, send, timer):
    gate = Gate()
    before = time.monotonic()
    async with running(gate) as loop:
        await eventually(lambda: loop.ready)
        assert loop.stuck_since is None
        await send(timer("x"))
        await eventually(lambda: gate.begun)
        assert loop.stuck_since >= before
        gate.open("x")
        await eventually(lambda: loop.stuck_since is None)
        assert loop.last_poll > before
    assert not loop.ready


async def test_a_loop_without_records_is_ready_and_stops_at_once(running):
    """Whoever waited for the poll to end would be stopped by the limit of the test."""
    async with running(Gate(), settings=LoopSettings(wait_s=600)) as loop:
        await eventually(lambda: loop.ready)


async def test_a_topic_that_is_apart_takes_no_slots_of_the_others(log, metrics, send, timer):
    gate, stop = Gate(), asyncio.Event()
    await send(*(timer(f"w{n}", key=f"local:{n}", topic="wide") for n in range(20)))
    who = Membership(service="worker", group="workers", member="m-0", topics=("inbox", "wide"))
    how = msgspec.structs.replace(FAST, max_in_flight=2, apart=frozenset({"wide"}))
    loop = ConsumerLoop(
        log=log, membership=who, handlers={TimerFired: gate}, metrics=metrics, settings=how
    )
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(loop.run(stop))
        await eventually(lambda: len(gate.begun) == 2)
        await send(*(timer(f"i{n}", key=f"local:{n}") for n in range(3)))
        await eventually(lambda: len(gate.begun) == 4)
        assert {name[0] for name in gate.begun[2:]} == {"i"}
        gate.open(*(f"w{n}" for n in range(20)), *(f"i{n}" for n in range(3)))
        await eventually(lambda: len(gate.finished) == 23)
        stop.set()
