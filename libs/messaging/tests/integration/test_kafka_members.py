"""Static members that die, freeze, are slow, or leave: who has the partitions then, and when."""

import asyncio
import json
import signal
import sys
import time
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from facilitair_messaging.adapters.kafka import KafkaLog, Timing
from facilitair_messaging.errors import CommitRefusedError, MemberFencedError
from facilitair_messaging.ports import Message, TopicPartition
from facilitair_testing.bounded import SLACK_S, at_most
from facilitair_testing.eventually import eventually
from facilitair_testing.topics import topic_spec

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(400)]

TIMING = Timing.for_tests()
KEYS = [b"key-%d" % n for n in range(50)]
PROGRAM = Path(__file__).with_name("kafka_member.py")


@pytest.fixture
async def world(kafka_bootstrap, request):
    """An open log, a fresh topic of two partitions, and its name for groups."""
    spec = topic_spec(request.node.name.replace("_", "-")[:100], partitions=2)
    async with KafkaLog.open(kafka_bootstrap, {spec.name: spec}, timing=TIMING) as log:
        await log.admin().ensure_topics([spec])
        yield log, spec


class Told:
    """What a member in another process told so far."""

    def __init__(self, process):
        self.process = process
        self.events = []
        self.reading = asyncio.create_task(self._read())

    async def _read(self):
        while line := await self.process.stdout.readline():
            self.events.append(json.loads(line))

    def held(self):
        held = set()
        for event in self.events:
            held |= set(event.get("assigned", ()))
            held -= set(event.get("revoked", ()))
        return held

    async def until(self, condition, *, timeout_s=60):
        await eventually(lambda: condition(self), timeout_s=timeout_s, what=f"{self.events}")


@asynccontextmanager
async def member_process(address, spec, name, *, session_s=TIMING.session_s):
    told_to_it = (address, spec.name, f"group-{spec.name}", name, str(session_s))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(PROGRAM), *told_to_it),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    told = Told(process)
    try:
        yield told
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGCONT)
            process.kill()
        await process.wait()
        await told.reading


@asynccontextmanager
async def joined(log, spec, name, *, on_assigned=lambda _: None, on_revoked=lambda _: None):
    async with log.consumer(
        group=f"group-{spec.name}",
        topics=[spec.name],
        member=name,
        on_assigned=on_assigned,
        on_revoked=on_revoked,
    ) as consumer:
        yield consumer


async def poll_until(consumer, condition, *, timeout_s=60):
    """Poll until the condition holds; no poll takes longer than it may."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        with at_most(0.1, "a poll"):
            await consumer.poll(max_records=100, wait_s=0.1)


async def test_m9_who_is_killed_and_comes_back_goes_on_at_once(kafka_bootstrap, world):
    """Its session would be over long after the limit of this test."""
    _, spec = world
    for _ in range(2):
        async with member_process(kafka_bootstrap, spec, "a", session_s=600) as member:
            await member.until(lambda told: told.held() == {0, 1})
            member.process.kill()
            await member.process.wait()


async def test_who_is_killed_and_stays_dead_is_followed_after_the_session(kafka_bootstrap, world):
    log, spec = world
    async with (
        member_process(kafka_bootstrap, spec, "a") as victim,
        joined(log, spec, "b") as consumer,
    ):
        await poll_until(consumer, lambda: len(consumer.assignment()) == len(victim.held()) == 1)
        victim.process.kill()
        await poll_until(consumer, lambda: len(consumer.assignment()) == 2)


async def test_m1_who_was_frozen_past_the_session_cannot_commit(kafka_bootstrap, world):
    log, spec = world
    keys = [next(k for k in KEYS if log.partition_for(spec.name, k) == n) for n in range(2)]
    async with log.producer() as producer:
        await producer.send([Message(spec.name, key, b"x") for key in keys])
    async with member_process(kafka_bootstrap, spec, "a") as frozen:
        await frozen.until(lambda told: told.held() == {0, 1})
        frozen.process.send_signal(signal.SIGSTOP)
        async with joined(log, spec, "b") as consumer:
            await poll_until(consumer, lambda: len(consumer.assignment()) == 2)
            await consumer.commit(dict.fromkeys(consumer.assignment(), 1))
            frozen.process.send_signal(signal.SIGCONT)
            await poll_until(consumer, lambda: len(consumer.assignment()) == 1)
            await frozen.until(lambda told: len(told.held()) == 1)
            (kept,) = consumer.assignment()
            assert await consumer.committed(kept) == 1, "the frozen one went on to commit 0"


async def test_r5_a_rebuild_slower_than_the_session_keeps_the_partitions(world):
    """Nothing polls meanwhile: heartbeats are the library's, and wait for no callback."""
    log, spec = world
    tp = TopicPartition(spec.name, 0)
    lost, rebuilt = [], asyncio.Event()

    async def rebuild():
        await asyncio.sleep(TIMING.session_s + 2)
        rebuilt.set()

    tasks = []
    async with (
        log.producer() as producer,
        joined(
            log,
            spec,
            "a",
            on_assigned=lambda _: tasks.append(asyncio.create_task(rebuild())),
            on_revoked=lost.append,
        ) as slow,
    ):
        await poll_until(slow, lambda: len(slow.assignment()) == 2)
        await producer.send([Message(spec.name, b"k", b"1")])
        await rebuilt.wait()
        assert not lost
        assert len(await slow.poll(max_records=10, wait_s=5)) == 1
        await slow.commit({tp: 0})
    assert len(tasks) == 1


async def test_a_member_that_pauses_everything_stays_a_member(world):
    log, spec = world
    async with joined(log, spec, "a") as member, log.producer() as producer:
        await poll_until(member, lambda: len(member.assignment()) == 2)
        member.pause(member.assignment())
        await producer.send([Message(spec.name, b"k", b"1")])
        until = time.monotonic() + TIMING.session_s + 1
        while time.monotonic() < until:
            assert await member.poll(max_records=10, wait_s=0.5) == []
        member.resume(member.assignment())
        assert len(await member.poll(max_records=10, wait_s=5)) == 1


async def test_what_a_callback_raises_is_raised_by_the_next_poll(world):
    log, spec = world

    def refuse(_):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        async with joined(log, spec, "a", on_assigned=refuse) as member:
            await poll_until(member, lambda: False)


async def test_a_poll_that_is_cancelled_loses_no_record(world):
    log, spec = world
    sent = [b"%03d" % n for n in range(300)]
    found = []
    async with joined(log, spec, "a") as member, log.producer() as producer:

        async def send_slowly():
            for value in sent:
                await producer.send([Message(spec.name, b"k", value)])

        sending = asyncio.create_task(send_slowly())
        deadline = time.monotonic() + 90
        n = 0
        while len(found) < len(sent) and time.monotonic() < deadline:
            n += 1
            poll = asyncio.create_task(member.poll(max_records=7, wait_s=1))
            await asyncio.wait({poll}, timeout=0.0005 * (n % 7))
            poll.cancel()
            await asyncio.wait({poll})
            if not poll.cancelled():
                found += [record.value for record in poll.result()]
        await sending
    assert found == sent


async def test_leaving_while_the_broker_is_frozen_takes_no_longer_than_its_time(own_kafka):
    spec = topic_spec("leaving-frozen", partitions=2)
    timing = replace(TIMING, commit_s=1.0, stop_s=1.0)
    async with KafkaLog.open(own_kafka.address, {spec.name: spec}, timing=timing) as log:
        await log.admin().ensure_topics([spec])
        async with joined(log, spec, "a") as member:
            await poll_until(member, lambda: len(member.assignment()) == 2)
            own_kafka.pause()
            with (
                at_most(timing.commit_s, "a commit"),
                pytest.raises(CommitRefusedError, match="no answer within 1 s"),
            ):
                await member.commit({TopicPartition(spec.name, 0): 0})
            began = time.monotonic()
        assert time.monotonic() - began < timing.stop_s + SLACK_S
        own_kafka.resume()


async def test_r2_the_older_of_two_processes_with_one_name_stops_and_says_why(
    kafka_bootstrap, world
):
    log, spec = world
    started = asyncio.Event()

    async def older():
        async with joined(log, spec, "twin") as consumer:
            await poll_until(consumer, lambda: len(consumer.assignment()) == 2)
            started.set()
            await poll_until(consumer, lambda: False, timeout_s=60)

    running = asyncio.create_task(older())
    await started.wait()
    async with member_process(kafka_bootstrap, spec, "twin") as newer:
        await newer.until(lambda told: told.held() == {0, 1})
        with pytest.raises(MemberFencedError, match=r"'twin'.*a member name of its own"):
            await running
        assert newer.held() == {0, 1}
        assert newer.process.returncode is None
