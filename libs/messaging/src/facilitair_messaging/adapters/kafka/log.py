"""A Kafka cluster as the log, put together."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final

from facilitair_events.registry import TopicSpec
from facilitair_messaging.adapters.kafka.admin import KafkaAdmin
from facilitair_messaging.adapters.kafka.cluster import Cluster, connected
from facilitair_messaging.adapters.kafka.connection import Connection
from facilitair_messaging.adapters.kafka.consumer import Callbacks, KafkaConsumer
from facilitair_messaging.adapters.kafka.fetching import Pace
from facilitair_messaging.adapters.kafka.membership import (
    group_consumer,
    leave,
    plain_consumer,
    started,
)
from facilitair_messaging.adapters.kafka.namesakes import Name
from facilitair_messaging.adapters.kafka.producer import KafkaProducer
from facilitair_messaging.adapters.kafka.reader import KafkaReader
from facilitair_messaging.adapters.kafka.timing import Timing
from facilitair_messaging.adapters.kafka.topics import Topics
from facilitair_messaging.ports import OnPartitions
from facilitair_messaging.security import SecuritySettings

_CLIENT_ID: Final = "facilitair"


class KafkaLog:
    """A ``Log`` on a Kafka cluster. Made by ``KafkaLog.open``."""

    def __init__(self, *, connection: Connection, cluster: Cluster, topics: Topics) -> None:
        self._connection = connection
        self._cluster = cluster
        self._topics = topics

    @staticmethod
    @asynccontextmanager
    async def open(
        bootstrap: str,
        topics: Mapping[str, TopicSpec],
        *,
        security: SecuritySettings | None = None,
        timing: Timing | None = None,
        client_id: str = _CLIENT_ID,
    ) -> AsyncIterator["KafkaLog"]:
        """Connect to the cluster at ``bootstrap`` (``host:port``, several separated by commas).

        ``topics`` are the declared ones; they are created by ``Admin.ensure_topics``.
        ``client_id`` names this process in the brokers' logs and quotas.
        Raises LogUnavailableError when no broker answers in time, LogAccessError when one refuses
        this client; both say why.
        """
        chosen = SecuritySettings() if security is None else security
        connection = Connection(
            bootstrap=bootstrap,
            client_id=client_id,
            timing=Timing() if timing is None else timing,
            security=chosen,
            tls=chosen.tls_context(),
        )
        async with connected(connection) as cluster:
            yield KafkaLog(connection=connection, cluster=cluster, topics=Topics(topics))

    @asynccontextmanager
    async def producer(self) -> AsyncIterator[KafkaProducer]:
        producer = KafkaProducer(
            connection=self._connection, cluster=self._cluster, topics=self._topics
        )
        try:
            yield producer
        finally:
            await producer.close()

    @asynccontextmanager
    async def consumer(
        self,
        *,
        group: str,
        topics: Sequence[str],
        member: str,
        on_assigned: OnPartitions,
        on_revoked: OnPartitions,
    ) -> AsyncIterator[KafkaConsumer]:
        """As the port says; joining goes on behind.

        Raises UnknownTopicError, LogUnavailableError and LogAccessError.
        """
        for topic in topics:
            await self._cluster.partitions(topic)
        client = group_consumer(self._connection, group=group, member=member)
        timing = self._connection.timing
        async with started(self._connection, client):
            consumer = KafkaConsumer(
                consumer=client,
                cluster=self._cluster,
                group=group,
                name=Name(
                    cluster=self._cluster, group=group, member=member, session_s=timing.session_s
                ),
                callbacks=Callbacks(on_assigned, on_revoked),
                timing=timing,
            )
            client.subscribe(list(topics), listener=consumer)
            try:
                yield consumer
            finally:
                consumer.close()
                await leave(client, group=group, timeout_s=timing.stop_s)
        consumer.raise_failure()

    @asynccontextmanager
    async def reader(self) -> AsyncIterator[KafkaReader]:
        """As the port says. Raises LogUnavailableError and LogAccessError."""
        client = plain_consumer(self._connection)
        async with started(self._connection, client):
            timing = self._connection.timing
            reader = KafkaReader(
                consumer=client,
                cluster=self._cluster,
                topics=self._topics,
                pace=Pace(timing.reader_wait_ms, timing.idle_wait_ms),
            )
            try:
                yield reader
            finally:
                reader.close()

    def admin(self) -> KafkaAdmin:
        return KafkaAdmin(cluster=self._cluster, topics=self._topics)

    def partition_for(self, topic: str, key: bytes) -> int:
        return self._topics.partition_for(topic, key)
