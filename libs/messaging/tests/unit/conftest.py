"""A real embedded log with small topics, and records to put into it."""

from collections.abc import Callable

import pytest
from prometheus_client import CollectorRegistry

from facilitair_events.codec import type_name
from facilitair_events.envelope import Envelope
from facilitair_events.registry import TopicSpec, dead_letter_topic
from facilitair_events.requests import TimerFired
from facilitair_messaging.adapters.embedded import EmbeddedLog
from facilitair_messaging.messages import message
from facilitair_messaging.ports import Message, TopicPartition
from facilitair_observability.metrics import Metrics


def spec(name: str, **changes) -> TopicSpec:
    declared = {
        "name": name,
        "description": "A topic of these tests.",
        "key": "tenant:collaboration",
        "partition_by": "key",
        "partitions": 1,
        "cleanup": ("delete",),
        "retention_ms": None,
        "segment_ms": None,
        "min_compaction_lag_ms": None,
        "max_record_bytes": 1_000_000,
        "types": (),
        "producers": (),
        "consumers": (),
        "dead_letters": True,
    }
    return TopicSpec(**(declared | changes))


SPECS = (
    spec("inbox"),
    spec("wide", partitions=3),
    spec("catalog", cleanup=("compact",), partitions=2, dead_letters=False),
    spec("query-replies", dead_letters=False),
    spec("unlettered", dead_letters=False),
)


@pytest.fixture
async def log(tmp_path):
    letters = [dead_letter_topic(topic) for topic in SPECS if topic.dead_letters]
    topics = {topic.name: topic for topic in (*SPECS, *letters)}
    async with EmbeddedLog.open(tmp_path / "log.db", topics, tombstones_kept_ms=0) as opened:
        await opened.admin().ensure_topics(topics.values())
        yield opened


@pytest.fixture
def registry():
    return CollectorRegistry()


@pytest.fixture
def metrics(registry):
    return Metrics(registry)


@pytest.fixture
def timer() -> Callable[..., Message]:
    """The message of a timer called ``name``; ``data`` for any other Struct."""

    def build(name="t", *, topic="inbox", key="local:c-1", data=None) -> Message:
        data = TimerFired(timer_id=f"id-{name}", name=name) if data is None else data
        envelope = Envelope(
            id=f"e-{name}",
            type=type_name(data),
            source="test",
            time="2026-01-01T00:00:00.000Z",
            subject=key,
            tenant="local",
            project="p",
            actor="a",
            correlation=f"r-{name}",
        )
        return message(topic=topic, key=key, data=data, envelope=envelope)

    return build


@pytest.fixture
def send(log):
    async def append(*messages: Message) -> None:
        async with log.producer() as producer:
            await producer.send(messages)

    return append


@pytest.fixture
def everything(log):
    """All records of a topic, partition by partition."""

    async def read_all(topic: str):
        admin = log.admin()
        tps = [TopicPartition(topic, number) for number in range(await admin.partitions(topic))]
        ends = await admin.end_offsets(tps)
        records = []
        async with log.reader() as reader:
            reader.assign(await admin.beginning_offsets(tps))
            while any(reader.positions()[tp] < ends[tp] for tp in tps):
                records += await reader.poll(max_records=100, wait_s=5)
        return records

    return read_all
