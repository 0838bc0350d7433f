"""Reading partitions of a cluster without a group."""

from collections.abc import Mapping
from typing import Any

from aiokafka import TopicPartition as KafkaPartition
from aiokafka import errors as kafka

from facilitair_messaging.adapters.kafka.cluster import Cluster
from facilitair_messaging.adapters.kafka.errors import KafkaClosedError, as_log_error
from facilitair_messaging.adapters.kafka.fetching import Fetches, Pace
from facilitair_messaging.adapters.kafka.requests import EARLIEST
from facilitair_messaging.adapters.kafka.topics import Topics
from facilitair_messaging.errors import OffsetOutOfRangeError
from facilitair_messaging.ports import Record, TopicPartition


class KafkaReader:
    """A reader of any partitions; while the cluster is away it finds nothing, and then goes on."""

    def __init__(self, *, consumer: Any, cluster: Cluster, topics: Topics, pace: Pace) -> None:
        self._consumer = consumer
        self._cluster = cluster
        self._topics = topics
        self._fetches = Fetches(consumer, pace=pace)
        self._assigned: dict[TopicPartition, int] = {}
        self._unchecked: set[str] = set()
        self._closed = False

    def assign(self, positions: Mapping[TopicPartition, int]) -> None:
        """As the port says; raises UnknownTopicError and keeps the old assignment then."""
        for tp in positions:
            self._topics.spec(tp.topic)
        self._assigned = dict(positions)
        self._unchecked = {tp.topic for tp in positions}
        self._consumer.assign([KafkaPartition(*tp) for tp in positions])
        for tp, offset in positions.items():
            self._consumer.seek(KafkaPartition(*tp), offset)
        self._fetches.change()

    def positions(self) -> dict[TopicPartition, int]:
        return self._assigned | self._fetches.positions(self._assigned)

    async def poll(self, *, max_records: int, wait_s: float) -> list[Record]:
        async def look() -> list[Record]:
            if self._closed:
                raise KafkaClosedError(what="reader")
            await self._check_topics()
            return await self._take(max_records)

        return await self._fetches.poll(look, wait_s=wait_s)

    def close(self) -> None:
        """Read nothing more; a waiting poll raises KafkaClosedError."""
        self._closed = True
        self._fetches.change()

    async def _check_topics(self) -> None:
        """The client waits for a topic that does not exist for ever, so the cluster is asked."""
        while self._unchecked:
            topic = next(iter(self._unchecked))
            await self._cluster.partitions(topic)
            self._unchecked.discard(topic)

    async def _take(self, max_records: int) -> list[Record]:
        self._fetches.settle()
        try:
            return await self._fetches.take(self._assigned, max_records=max_records)
        except kafka.OffsetOutOfRangeError as error:
            ((tp, offset),) = error.args[0].items()
            await self._refuse(TopicPartition(*tp), offset)
            return []
        except kafka.KafkaError as error:
            raise as_log_error(
                error, address=self._cluster.address, wanted="READ topics"
            ) from error

    async def _refuse(self, tp: TopicPartition, offset: int) -> None:
        """Raise for a position that does not exist; one that was left meanwhile is forgotten."""
        beginnings = await self._cluster.offsets({tp: EARLIEST})
        if self.positions().get(tp) == offset:
            raise OffsetOutOfRangeError(
                topic=tp.topic, partition=tp.partition, offset=offset, beginning=beginnings[tp]
            )
