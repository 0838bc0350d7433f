"""A broker that is killed, frozen and restarted under a producer, a group member and a reader."""

import asyncio
import time
from contextlib import asynccontextmanager, suppress

import pytest

from facilitair_messaging.adapters.kafka import KafkaLog, Timing
from facilitair_messaging.errors import CommitRefusedError, ProduceUnknownError
from facilitair_messaging.ports import Message, TopicPartition
from facilitair_testing.bounded import SLACK_S, at_most
from facilitair_testing.eventually import eventually
from facilitair_testing.topics import topic_spec

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(400)]

TIMING = Timing(session_s=6.0, heartbeat_s=0.2, produce_s=3.0, commit_s=2.0)


@asynccontextmanager
async def opened(server, spec):
    async with KafkaLog.open(server.address, {spec.name: spec}, timing=TIMING) as log:
        await log.admin().ensure_topics([spec])
        yield log


@pytest.fixture
def spec(request):
    name = "".join(c if c.isalnum() else "-" for c in request.node.name)
    return topic_spec(name, partitions=3)


def numbered(spec, n):
    return Message(spec.name, b"key-%d" % (n % 7), b"%d" % n)


async def write_until(producer, spec, stop, acked):
    """Write numbers one after the other, again after every doubt; remembers those acked."""
    n = 0
    while not stop.is_set():
        try:
            await producer.send([numbered(spec, n)])
        except ProduceUnknownError:
            continue
        acked.add(n)
        n += 1


async def read_until(source, found, stop):
    while not stop.is_set():
        for record in await source.poll(max_records=500, wait_s=0.1):
            found.append(record)


async def commit_until(consumer, found, stop):
    """Commit what was found; a refusal is tried again, as the loops do."""
    while not stop.is_set():
        held = consumer.assignment()
        offsets = {r.tp: r.offset + 1 for r in list(found) if r.tp in held}
        with suppress(CommitRefusedError):
            await consumer.commit(offsets)
        await asyncio.sleep(0.1)


@asynccontextmanager
async def busy(log, spec):
    """A writer, a committing group member and a reader at work; gives what they saw."""
    acked, grouped, read, stop = set(), [], [], asyncio.Event()
    async with (
        log.producer() as producer,
        log.reader() as reader,
        log.consumer(
            group=f"group-{spec.name}",
            topics=[spec.name],
            member="member-0",
            on_assigned=lambda _: None,
            on_revoked=lambda _: None,
        ) as consumer,
    ):
        reader.assign({TopicPartition(spec.name, n): 0 for n in range(spec.partitions)})
        tasks = [
            asyncio.create_task(work)
            for work in (
                write_until(producer, spec, stop, acked),
                read_until(reader, read, stop),
                read_until(consumer, grouped, stop),
                commit_until(consumer, grouped, stop),
            )
        ]
        try:
            yield acked, grouped, read
        finally:
            stop.set()
            await asyncio.wait_for(asyncio.gather(*tasks), 60)


def values(records):
    return {int(record.value) for record in records}


async def progress(acked, *, by=20):
    """Until more records are acked than now."""
    target = len(acked) + by
    await eventually(lambda: len(acked) >= target, timeout_s=90, what=f"{target} acks")


@pytest.mark.parametrize("kills", [1, pytest.param(5, marks=pytest.mark.chaos)])
async def test_r4_kills_of_the_broker_lose_nothing_that_was_acked(own_kafka, spec, kills):
    async with opened(own_kafka, spec) as log, busy(log, spec) as (acked, grouped, read):
        for _ in range(kills):
            await progress(acked)
            await asyncio.to_thread(own_kafka.restart)
        await progress(acked)
        for found in (grouped, read):
            await eventually(lambda found=found: acked <= values(found), timeout_s=90)


async def test_r4_a_first_send_rides_out_an_outage_of_less_than_its_time(own_kafka, spec):
    patient = Timing(session_s=6.0, produce_s=60.0)
    async with KafkaLog.open(own_kafka.address, {spec.name: spec}, timing=patient) as log:
        await log.admin().ensure_topics([spec])
        async with log.producer() as producer:
            await asyncio.to_thread(own_kafka.kill)
            sending = asyncio.create_task(producer.send([numbered(spec, 1)]))
            await asyncio.sleep(1)  # it has tried several times
            assert not sending.done()
            await asyncio.to_thread(own_kafka.restart)
            (ack,) = await sending
            assert ack.offset == 0


async def test_a_send_that_reaches_nobody_says_so_after_its_time(own_kafka, spec):
    async with opened(own_kafka, spec) as log, log.producer() as producer:
        await asyncio.to_thread(own_kafka.kill)
        began = time.monotonic()
        with pytest.raises(ProduceUnknownError, match=r"no answer within 3 s.*Unable to bootstrap"):
            await producer.send([numbered(spec, 1)])
        assert time.monotonic() - began >= TIMING.produce_s


@pytest.mark.parametrize("frozen_s", [0, pytest.param(30, marks=pytest.mark.chaos)])
async def test_r4_a_freeze_of_the_broker_is_over_when_it_is_over(own_kafka, spec, frozen_s):
    """Longer than a send may take, and longer than every session."""
    async with opened(own_kafka, spec) as log, busy(log, spec) as (acked, grouped, read):
        await progress(acked)
        own_kafka.pause()
        began = time.monotonic()
        async with log.producer() as producer:
            with at_most(TIMING.produce_s, "doubt"), pytest.raises(ProduceUnknownError):
                await producer.send([numbered(spec, -1)])
            closing = time.monotonic()
        assert time.monotonic() - closing < TIMING.stop_s + SLACK_S
        await asyncio.sleep(max(0, frozen_s - (time.monotonic() - began)))
        own_kafka.resume()
        await progress(acked)
        for found in (grouped, read):
            await eventually(lambda found=found: acked <= values(found), timeout_s=90)
