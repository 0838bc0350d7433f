"""Partitions that move or stop in mid-flight: nothing is lost, nothing is committed too far."""

import asyncio
from contextlib import asynccontextmanager

import msgspec
import pytest

from facilitair_events.requests import TimerFired
from facilitair_messaging.errors import RetryableError
from facilitair_messaging.handling import Clock
from facilitair_messaging.loop import ConsumerLoop, LoopSettings, Membership
from facilitair_messaging.ports import TopicPartition
from facilitair_testing.eventually import eventually

FAST = LoopSettings(commit_interval_s=0.0, wait_s=0.2, drain_s=5)


class Gated:
    """Finishes a record when the test opens it; tells what began, finished and was cancelled."""

    def __init__(self, *, opened=()):
        self.began, self.finished, self.cancelled = [], [], []
        self._gates = {name: asyncio.Event() for name in opened}
        for gate in self._gates.values():
            gate.set()

    async def __call__(self, incoming):
        name = incoming.data.name
        self.began.append(name)
        try:
            await self._gates.setdefault(name, asyncio.Event()).wait()
        except asyncio.CancelledError:
            self.cancelled.append(name)
            raise
        self.finished.append(name)

    def open(self, *names):
        for name in names:
            self._gates.setdefault(name, asyncio.Event()).set()


@pytest.fixture
def member(log, metrics):
    @asynccontextmanager
    async def run(name, handler, *, topic="inbox", settings=FAST, clock=None, listener=None):
        loop = ConsumerLoop(
            log=log,
            membership=Membership(service="w", group="g", member=name, topics=(topic,)),
            handlers={TimerFired: handler},
            metrics=metrics,
            settings=settings,
            clock=clock,
            listener=listener,
        )
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(loop.run(stop))
            try:
                yield stop, task, loop
            finally:
                stop.set()

    return run


@pytest.fixture
def committed(log):
    async def read(topic="inbox", partition=0):
        return (await log.admin().committed("g")).get(TopicPartition(topic, partition))

    return read


async def test_a_stop_lets_running_handlers_finish_and_begins_no_other(
    member, send, timer, committed
):
    handler = Gated()
    await send(timer("running"), timer("queued"))
    async with member("m-0", handler) as (stop, task, loop):
        await eventually(lambda: handler.began == ["running"])
        stop.set()
        await eventually(lambda: not loop.ready)
        assert not task.done()
        handler.open("running", "queued")
        await task

    assert handler.finished == handler.began == ["running"]
    assert await committed() == 1


async def test_a_stop_keeps_the_membership_while_handlers_finish(member, send, timer):
    handler = Gated()
    await send(timer("running"))
    async with member("m-0", handler, settings=msgspec.structs.replace(FAST, wait_s=0.01)) as (
        stop,
        _task,
        loop,
    ):
        await eventually(lambda: handler.began)
        stop.set()
        await eventually(lambda: not loop.ready)
        polled = loop.last_poll
        await eventually(lambda: loop.last_poll > polled)
        await send(timer("later", key="local:c-2"))
        polled = loop.last_poll
        await eventually(lambda: loop.last_poll > polled)
        handler.open("running")
    assert handler.began == ["running"]


async def test_a_handler_that_outlasts_the_deadline_is_cancelled_and_not_committed(
    member, send, timer, committed
):
    handler = Gated(opened=["0"])
    await send(timer("0", key="local:0"), timer("1", key="local:1"), timer("2", key="local:1"))
    settings = msgspec.structs.replace(FAST, drain_s=0.05)
    async with asyncio.timeout(90), member("m-0", handler, settings=settings):
        await eventually(lambda: handler.began == ["0", "1"])

    assert handler.cancelled == ["1"]
    assert await committed() == 1


async def test_a_stop_does_not_wait_for_a_backoff(member, send, timer, committed):
    waiting = asyncio.Event()

    async def sleep(_seconds):
        waiting.set()
        await asyncio.Event().wait()

    async def handler(_incoming):
        raise RetryableError

    await send(timer("x"))
    clock = Clock(sleep=sleep, now_ms=lambda: 0)
    settings = msgspec.structs.replace(FAST, drain_s=1_000)
    async with asyncio.timeout(90), member("m-0", handler, settings=settings, clock=clock):
        await waiting.wait()

    assert await committed() is None


async def test_what_a_lost_partition_had_running_is_not_committed_and_done_again(
    member, send, timer, log, committed
):
    keys = {log.partition_for("wide", f"local:{n}".encode()): f"local:{n}" for n in range(50)}
    first, second = Gated(), Gated()
    await send(*(timer(f"p{number}", topic="wide", key=key) for number, key in keys.items()))

    async with member("m-0", first, topic="wide"):
        await eventually(lambda: sorted(first.began) == ["p0", "p1", "p2"])
        async with member("m-1", second, topic="wide"):
            await eventually(lambda: sorted(second.began) == ["p1", "p2"])
            moved = ["p1", "p2"]
            first.open("p0", "p1", "p2")
            await eventually(lambda: len(first.finished) >= 3)
            for name in moved:
                assert await committed("wide", int(name[1:])) is None
            second.open("p0", "p1", "p2")
            for partition in range(3):

                async def done(partition=partition):
                    return await committed("wide", partition) == 1

                await eventually(done)
    assert sorted(second.finished) == moved


async def test_a_partition_that_comes_back_waits_for_what_still_runs(member, send, timer, log):
    handler = Gated()
    await send(timer("a"), timer("b"))
    async with member("m-0", handler) as (_stop, _task, loop):
        await eventually(lambda: handler.began == ["a"])
        log.force_rebalance("g")
        await eventually(lambda: loop.pending.get(TopicPartition("inbox", 0)) == 2)
        # Read again, but the first turn of the same key has not ended.
        assert handler.began == ["a"]
        handler.open("a", "b")
        await eventually(lambda: handler.finished == ["a", "a", "b"])


async def test_kept_records_are_handled_through_many_rebalances(
    member, send, timer, log, committed
):
    seen = []

    async def handler(incoming):
        await asyncio.sleep(0)
        seen.append((incoming.record.key, int(incoming.data.name)))

    async with member("m-0", handler, settings=msgspec.structs.replace(FAST, max_pending=5)):
        for number in range(60):
            await send(timer(f"{number}", key=f"local:{number % 4}"))
            if number % 7 == 0:
                log.force_rebalance("g")

        async def all_committed():
            return await committed() == 60

        await eventually(all_committed)
    assert {number for _, number in seen} == set(range(60))
    for key in range(4):
        mine = [number for of, number in seen if of == f"local:{key}".encode()]
        # Some twice, after a rebalance, but never one before an earlier one was done.
        firsts = list(dict.fromkeys(mine))
        assert firsts == sorted(firsts)


class Watched:
    """A log that counts the records its consumers return."""

    def __init__(self, log):
        self._log = log
        self.returned = 0

    def __getattr__(self, name):
        return getattr(self._log, name)

    @asynccontextmanager
    async def consumer(self, **membership):
        async with self._log.consumer(**membership) as consumer:
            poll = consumer.poll

            async def counted(**limits):
                records = await poll(**limits)
                self.returned += len(records)
                return records

            consumer.poll = counted
            yield consumer


async def test_a_stopping_member_reads_nothing_more(log, metrics, send, timer):
    watched = Watched(log)
    handler = Gated()
    loop = ConsumerLoop(
        log=watched,
        membership=Membership(service="w", group="g", member="m", topics=("inbox",)),
        handlers={TimerFired: handler},
        metrics=metrics,
        settings=msgspec.structs.replace(FAST, wait_s=0.01),
    )
    stop = asyncio.Event()
    await send(timer("running"))
    running = asyncio.create_task(loop.run(stop))
    await eventually(lambda: handler.began)
    stop.set()
    await eventually(lambda: not loop.ready)
    polled = loop.last_poll
    await eventually(lambda: loop.last_poll > polled)
    await send(*(timer(f"{n}") for n in range(10)))
    polled = loop.last_poll
    await eventually(lambda: loop.last_poll > polled)
    handler.open("running")
    await running

    assert watched.returned == 1


class Listening:
    """Notes what it is told, in order."""

    def __init__(self):
        self.told = []

    def assigned(self, partitions):
        self.told += [("assigned", tp.partition) for tp in partitions]

    def revoked(self, partitions):
        self.told += [("revoked", tp.partition) for tp in partitions]


async def test_r05_a_listener_is_told_of_a_partition_before_its_first_record(
    member, send, timer, committed
):
    listener = Listening()

    async def handler(incoming):
        listener.told.append(("handled", incoming.record.partition))

    await send(timer("one"))
    async with member("m-0", handler, listener=listener):
        await eventually(lambda: ("handled", 0) in listener.told)
        assert listener.told == [("assigned", 0), ("handled", 0)]


async def test_r05_a_listener_is_told_when_a_partition_moves(member, send, timer):
    first, second = Listening(), Listening()
    handler = Gated()
    async with member("m-0", handler, topic="wide", listener=first):
        await eventually(lambda: len(first.told) == 3)
        async with member("m-1", handler, topic="wide", listener=second):
            await eventually(lambda: second.told)
            moved = {number for what, number in second.told if what == "assigned"}
            assert moved <= {number for what, number in first.told if what == "revoked"}
