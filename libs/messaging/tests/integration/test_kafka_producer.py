"""Producing to a real broker: refusals, doubts, and how many requests it takes."""

import asyncio
import logging
import time
from contextlib import asynccontextmanager

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.client import AIOKafkaClient
from aiokafka.producer.message_accumulator import MessageBatch
from aiokafka.protocol.produce import ProduceRequest

from facilitair_messaging.adapters.kafka import KafkaLog, Timing
from facilitair_messaging.adapters.kafka.topics import BATCH_BYTES, topic_config
from facilitair_messaging.errors import (
    ProduceUnknownError,
    RecordRefusedError,
    RecordTooLargeError,
    TopicConfigError,
    TopicDriftError,
)
from facilitair_messaging.ports import Message, TopicPartition
from facilitair_testing.bounded import SLACK_S, at_most
from facilitair_testing.topics import topic_spec

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]

TIMING = Timing(session_s=6.0, produce_s=2.0)


@pytest.fixture
def spec(request):
    name = "".join(c if c.isalnum() else "-" for c in request.node.name.lower())
    return topic_spec(name[:200], partitions=3)


@asynccontextmanager
async def opened(address, spec, *, timing=TIMING, create=True):
    async with KafkaLog.open(address, {spec.name: spec}, timing=timing) as log:
        if create:
            await log.admin().ensure_topics([spec])
        yield log


@asynccontextmanager
async def operator(address):
    client = AIOKafkaAdminClient(bootstrap_servers=address)
    await client.start()
    try:
        yield client
    finally:
        await client.close()


def message(spec, n, *, size=1):
    return Message(spec.name, b"key-%d" % n, b"%d" % n + b"." * size)


async def everything(log, spec):
    tps = [TopicPartition(spec.name, n) for n in range(spec.partitions)]
    ends = await log.admin().end_offsets(tps)
    found = []
    async with log.reader() as reader:
        reader.assign(dict.fromkeys(tps, 0))
        while any(reader.positions()[tp] < ends[tp] for tp in tps):
            found += await reader.poll(max_records=500, wait_s=1)
    return found


async def test_one_send_is_one_request(kafka_bootstrap, spec, monkeypatch):
    sent = []
    real = AIOKafkaClient.send

    async def counted(self, node_id, request, **kwargs):
        sent.append(request)
        return await real(self, node_id, request, **kwargs)

    monkeypatch.setattr(AIOKafkaClient, "send", counted)
    async with opened(kafka_bootstrap, spec) as log, log.producer() as producer:
        await producer.send([message(spec, 0)])
        sent.clear()
        acks = await producer.send([message(spec, n, size=200) for n in range(500)])
        requests = [r for r in sent if isinstance(r, ProduceRequest)]
    assert len(requests) == 1
    assert {ack.partition for ack in acks} == {0, 1, 2}


async def test_a_send_waits_for_batches_and_not_for_each_record(kafka_bootstrap, spec, monkeypatch):
    """What aiokafka's own way does: a future, an answer and a callback per record."""
    batches, single = [], []
    opening, appending = MessageBatch.__init__, MessageBatch.append
    monkeypatch.setattr(MessageBatch, "__init__", lambda *a: batches.append(a[1]) or opening(*a))
    monkeypatch.setattr(
        MessageBatch, "append", lambda *a, **k: single.append(a) or appending(*a, **k)
    )
    async with opened(kafka_bootstrap, spec) as log, log.producer() as producer:
        await producer.send([message(spec, n) for n in range(500)])
    assert len(batches) == spec.partitions
    assert single == []


async def test_what_fills_batches_keeps_its_order_also_with_others_behind_it(kafka_bootstrap, spec):
    """One partition, more than a batch holds, and a second caller that waits for room too."""
    many, size = 40, BATCH_BYTES // 10

    def numbered(n):
        return Message(spec.name, b"one key", b"%d" % n + b"." * size)

    async with opened(kafka_bootstrap, spec) as log, log.producer() as producer:
        first, second = await asyncio.gather(
            producer.send([numbered(n) for n in range(many)]),
            producer.send([numbered(n) for n in range(many, 2 * many)]),
        )
        found = await everything(log, spec)
    assert [ack.offset for ack in (*first, *second)] == list(range(2 * many))
    assert [int(record.value.rstrip(b".")) for record in found] == list(range(2 * many))


async def test_m3_a_record_the_broker_refuses_does_not_spoil_the_next(kafka_bootstrap, spec):
    """The declaration allows what the topic, made by somebody else, does not take."""
    config = topic_config(spec) | {"max.message.bytes": "2000"}
    async with operator(kafka_bootstrap) as admin:
        await admin.create_topics([NewTopic(spec.name, 3, 1, topic_configs=config)])
    async with opened(kafka_bootstrap, spec, create=False) as log, log.producer() as producer:
        for n in range(3):
            with pytest.raises(RecordTooLargeError) as caught:
                await producer.send([message(spec, 0, size=5000)])
            assert caught.value.topic == spec.name
            (ack,) = await producer.send([message(spec, 0)])
            assert ack.offset == n


async def test_a_topic_that_breaks_a_rule_is_refused_and_a_waste_is_only_told(
    kafka_bootstrap, spec
):
    config = topic_config(spec)
    wrong = topic_spec(spec.name[:100] + "-create-time", partitions=3)
    async with operator(kafka_bootstrap) as admin:
        await admin.create_topics(
            [
                NewTopic(spec.name, 3, 1, topic_configs=config | {"retention.ms": "999999"}),
                NewTopic(
                    wrong.name,
                    3,
                    1,
                    topic_configs=config | {"message.timestamp.type": "CreateTime"},
                ),
            ]
        )
    async with opened(kafka_bootstrap, spec) as log:
        assert await log.admin().config_drift([spec]) == {
            spec.name: ("retention.ms is '999999', declared is '-1'",)
        }
        with pytest.raises(TopicConfigError, match=r"message\.timestamp\.type is 'CreateTime'"):
            await log.admin().ensure_topics([wrong])


async def test_a_topic_with_other_partitions_than_declared_takes_nothing(kafka_bootstrap, spec):
    async with operator(kafka_bootstrap) as admin:
        await admin.create_topics([NewTopic(spec.name, 2, 1)])
    async with opened(kafka_bootstrap, spec, create=False) as log:
        with pytest.raises(TopicDriftError):
            await log.admin().ensure_topics([spec])
        async with log.producer() as producer:
            with pytest.raises(RecordRefusedError, match=r"has 2 partitions, declared are 3"):
                await producer.send([message(spec, 0)])


async def test_a_declared_topic_that_was_not_created_is_refused_at_once(kafka_bootstrap, spec):
    async with (
        opened(kafka_bootstrap, spec, create=False) as log,
        log.producer() as producer,
    ):
        # A doubt would be another error: no time passes until then.
        with pytest.raises(RecordRefusedError, match="was it created"):
            await producer.send([message(spec, 0)])
        await log.admin().ensure_topics([spec])
        assert len(await producer.send([message(spec, 0)])) == 1


async def test_r4_a_frozen_broker_makes_every_send_under_way_unknown_in_time(own_kafka, spec):
    async with opened(own_kafka.address, spec) as log, log.producer() as producer:
        await producer.send([message(spec, 0)])
        own_kafka.pause()
        sends = [producer.send([message(spec, n) for n in range(9)]) for _ in range(5)]
        with at_most(TIMING.produce_s, "doubt"):
            answers = await asyncio.gather(*sends, return_exceptions=True)
        assert {type(answer) for answer in answers} == {ProduceUnknownError}
        own_kafka.resume()
        acks = await producer.send([message(spec, 77)])
        found = await everything(log, spec)
        assert (acks[0].partition, acks[0].offset) in {(r.partition, r.offset) for r in found}


async def test_r4_one_doubt_is_a_doubt_for_all_sends_under_way(own_kafka, spec):
    """The second send would have had time left."""
    timing = Timing(produce_s=4.0)
    async with opened(own_kafka.address, spec, timing=timing) as log, log.producer() as producer:
        await producer.send([message(spec, 0)])
        own_kafka.pause()
        first = asyncio.create_task(producer.send([message(spec, 1)]))
        await asyncio.wait({first}, timeout=0.5)
        with pytest.raises(ProduceUnknownError, match="given up"):
            await producer.send([message(spec, 2)])
        with pytest.raises(ProduceUnknownError, match="no answer within 4 s"):
            await first
        own_kafka.resume()


async def test_a_cancelled_send_does_not_spoil_the_sends_of_others(own_kafka, spec):
    async with opened(own_kafka.address, spec) as log, log.producer() as producer:
        await producer.send([message(spec, 0)])
        own_kafka.pause()
        cancelled = asyncio.create_task(producer.send([message(spec, 1)]))
        other = asyncio.create_task(producer.send([message(spec, 2)]))
        await asyncio.wait({cancelled, other}, timeout=0.2)
        cancelled.cancel()
        await asyncio.wait({cancelled})
        own_kafka.resume()
        assert len(await other) == 1
        assert cancelled.cancelled()


async def test_r4_a_broker_that_is_gone_is_unknown_and_back_is_back(own_kafka, spec, caplog):
    caplog.set_level(logging.CRITICAL, logger="aiokafka")
    async with opened(own_kafka.address, spec) as log, log.producer() as producer:
        await producer.send([message(spec, 0)])
        own_kafka.kill()
        for _ in range(2):
            with at_most(TIMING.produce_s, "doubt"), pytest.raises(ProduceUnknownError):
                await producer.send([message(spec, 1)])
        await asyncio.to_thread(own_kafka.restart)
        (ack,) = await producer.send([message(spec, 0)])
        assert ack.offset is not None
        assert ack.offset >= 1


async def test_leaving_a_producer_takes_no_longer_than_its_time(own_kafka, spec):
    async with opened(own_kafka.address, spec, timing=Timing(produce_s=60.0)) as log:
        async with log.producer() as producer:
            await producer.send([message(spec, 0)])
            own_kafka.pause()
            sending = asyncio.create_task(producer.send([message(spec, n) for n in range(9)]))
            await asyncio.wait({sending}, timeout=0.1)
            began = time.monotonic()
        assert time.monotonic() - began < Timing().stop_s + SLACK_S
        with pytest.raises(ProduceUnknownError):
            await sending
        own_kafka.resume()
