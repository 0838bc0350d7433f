"""A member of a consumer group of a cluster."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from aiokafka import ConsumerRebalanceListener
from aiokafka import TopicPartition as KafkaPartition
from aiokafka import errors as kafka

from facilitair_messaging.adapters.kafka.cluster import Cluster
from facilitair_messaging.adapters.kafka.errors import (
    ACCESS_ERRORS,
    KafkaClosedError,
    as_log_error,
)
from facilitair_messaging.adapters.kafka.fetching import Fetches, Pace
from facilitair_messaging.adapters.kafka.membership import commit, member_id
from facilitair_messaging.adapters.kafka.namesakes import Name
from facilitair_messaging.adapters.kafka.starting import Starts
from facilitair_messaging.adapters.kafka.timing import Timing
from facilitair_messaging.errors import (
    CommitRefusedError,
    CommitUnknownError,
    NotAssignedError,
    OffsetOutOfRangeError,
)
from facilitair_messaging.ports import OnPartitions, Partitions, Record, TopicPartition


class Callbacks(NamedTuple):
    """What a member wants to be told."""

    on_assigned: OnPartitions
    on_revoked: OnPartitions


class KafkaConsumer(ConsumerRebalanceListener):  # type: ignore[misc]
    """Holds partitions between the two callbacks of aiokafka, which mark and return (R5).

    Only records of held partitions are returned, whatever the library has fetched (M2).
    What a callback raises is raised by the next poll: aiokafka would swallow it.
    While the cluster is away polls find nothing; afterwards they go on.
    """

    def __init__(
        self,
        *,
        consumer: Any,
        cluster: Cluster,
        group: str,
        name: Name,
        callbacks: Callbacks,
        timing: Timing,
    ) -> None:
        self._consumer = consumer
        self._name = name
        self._member_id = ""
        self._cluster = cluster
        self._group = group
        self._callbacks = callbacks
        self._timing = timing
        self._fetches = Fetches(consumer, pace=Pace(timing.consumer_wait_ms, timing.idle_wait_ms))
        self._starts = Starts(cluster=cluster, group=group)
        self._held: Partitions = frozenset()
        self._paused: set[TopicPartition] = set()
        self._committing = asyncio.Lock()
        self._failure: Exception | None = None
        self._closed = False

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:  # noqa: ARG002
        """Called by aiokafka before it joins, with all that was held.

        It joins when this returns, which is never when the name is somebody else's now. Nothing is
        late by that (R5): a member that still is one is not held up.
        """
        self._let_go()
        lost, self._member_id = self._member_id, ""
        if not lost or member_id(self._consumer) == lost:
            return
        fenced = await self._name.check(lost)
        if fenced is not None:
            self._failure = self._failure or fenced
            self._fetches.change()
            await asyncio.Event().wait()

    def _let_go(self) -> None:
        lost, self._held = self._held, frozenset()
        self._starts.forget()
        self._paused.clear()
        if lost:
            self._call(self._callbacks.on_revoked, lost)
        self._fetches.change()

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Called by aiokafka after every rebalance."""
        if self._closed:
            return
        self._member_id = member_id(self._consumer)
        self._held = frozenset(TopicPartition(*tp) for tp in assigned)
        if self._held:
            self._call(self._callbacks.on_assigned, self._held)
        self._fetches.change()

    async def poll(self, *, max_records: int, wait_s: float) -> list[Record]:
        async def look() -> list[Record]:
            if self._failure is not None:
                raise self._failure
            if self._closed:
                raise KafkaClosedError(what="consumer")
            return await self._take(max_records)

        return await self._fetches.poll(look, wait_s=wait_s)

    def assignment(self) -> Partitions:
        return self._held

    async def committed(self, tp: TopicPartition) -> int | None:
        return (await self._cluster.committed(self._group)).get(tp)

    def seek(self, tp: TopicPartition, offset: int) -> None:
        if tp not in self._held:
            raise NotAssignedError(topic=tp.topic, partition=tp.partition)
        self._starts.placed(tp)
        self._consumer.seek(KafkaPartition(*tp), offset)
        self._fetches.change()

    def pause(self, tps: Iterable[TopicPartition]) -> None:
        chosen = self._held.intersection(tps)
        self._paused |= chosen
        self._fetches.hurry()
        self._consumer.pause(*(KafkaPartition(*tp) for tp in chosen))

    def resume(self, tps: Iterable[TopicPartition]) -> None:
        chosen = self._held.intersection(tps)
        self._paused -= chosen
        self._consumer.resume(*(KafkaPartition(*tp) for tp in chosen))
        self._fetches.change()

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """As the port says. Raises CommitUnknownError when no answer came in ``commit_s``."""
        try:
            async with asyncio.timeout(self._timing.commit_s), self._committing:
                self._refuse_lost(offsets)
                if offsets:
                    await commit(self._consumer, offsets)
        except TimeoutError as error:
            reason = f"no answer within {self._timing.commit_s:g} s"
            raise CommitUnknownError(group=self._group, reason=reason) from error
        except kafka.CommitFailedError as error:
            raise CommitRefusedError(group=self._group, reason=str(error)) from error
        except ACCESS_ERRORS as error:
            wanted = f"READ group {self._group!r}: a commit"
            raise as_log_error(error, address=self._cluster.address, wanted=wanted) from error
        except kafka.KafkaError as error:
            raise CommitUnknownError(group=self._group, reason=str(error)) from error

    def close(self) -> None:
        """Give everything back; a waiting poll raises KafkaClosedError."""
        self._closed = True
        self._let_go()

    def raise_failure(self) -> None:
        """Raise what a callback raised."""
        if self._failure is not None:
            raise self._failure

    async def _take(self, max_records: int) -> list[Record]:
        ready = self._held - self._paused
        if not self._paused:
            self._fetches.settle()
        try:
            return await self._fetches.take(ready, max_records=max_records)
        except kafka.NoOffsetForPartitionError:
            await self._start()
        except kafka.OffsetOutOfRangeError as error:
            ((tp, offset),) = error.args[0].items()
            await self._refuse(TopicPartition(*tp), offset)
        except kafka.KafkaError as error:
            wanted = f"READ topics as a member of group {self._group!r}"
            raise as_log_error(error, address=self._cluster.address, wanted=wanted) from error
        return []

    async def _start(self) -> None:
        """Start at the beginning what the group never committed."""
        for tp, offset in (await self._starts.beginnings(self._held)).items():
            if tp in self._held and not self._starts.is_placed(tp):
                self.seek(tp, offset)

    async def _refuse(self, tp: TopicPartition, offset: int) -> None:
        """Raise for a position that does not exist; one that was left meanwhile is forgotten."""
        beginning = await self._starts.beginning(tp)
        if tp in self._held and self._fetches.positions([tp]).get(tp) == offset:
            raise OffsetOutOfRangeError(
                topic=tp.topic, partition=tp.partition, offset=offset, beginning=beginning
            )

    def _refuse_lost(self, offsets: Mapping[TopicPartition, int]) -> None:
        lost = offsets.keys() - self._held
        if lost:
            names = ", ".join(f"{tp.topic}[{tp.partition}]" for tp in sorted(lost))
            raise CommitRefusedError(group=self._group, reason=f"{names} is not assigned")

    def _call(self, callback: OnPartitions, tps: Partitions) -> None:
        try:
            callback(tps)
        except Exception as error:  # noqa: BLE001 - raised by the next poll
            self._failure = self._failure or error
