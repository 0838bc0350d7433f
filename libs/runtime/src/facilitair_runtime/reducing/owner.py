"""One membership of the group: from joining it to leaving it (R5)."""

import asyncio
import time
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Generic

import structlog

from facilitair_events.envelope import timestamp
from facilitair_events.ids import derive
from facilitair_events.requests import TimerFired
from facilitair_messaging.errors import CommitRefusedError, NotAssignedError
from facilitair_messaging.messages import caused_by, message
from facilitair_messaging.ports import (
    GroupConsumer,
    Log,
    Message,
    Partitions,
    Producer,
    Record,
    TopicPartition,
)
from facilitair_messaging.rejections import RejectionLimit
from facilitair_observability.metrics import Metrics
from facilitair_observability.names import (
    COMMITS_REFUSED,
    RECORDS_CONSUMED,
    RECORDS_DEAD_LETTERED,
)
from facilitair_runtime.reducing.batch import Batch
from facilitair_runtime.reducing.config import Reducer, S
from facilitair_runtime.reducing.partitions import Partition
from facilitair_runtime.reducing.snapshots import Snapshots
from facilitair_runtime.reducing.takeover import Takeover, arm
from facilitair_runtime.reducing.timers import Alarm, ClockMs, Timers
from facilitair_runtime.settings import ReducerGroup

_log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class Wiring(Generic[S]):
    """What a membership is made of. ``limits`` is the largest record of each topic."""

    reducer: Reducer[S]
    log: Log
    settings: ReducerGroup
    metrics: Metrics
    limits: Mapping[str, int]
    member: str
    clock_ms: ClockMs
    rejections: RejectionLimit


class Owner(Generic[S]):
    """Holds the partitions it is given, decides their records, and hands them over.

    ``outputs`` writes what is decided; ``behind`` writes snapshots, timers and repairs, so that
    doubt in one does not touch the other.
    """

    def __init__(
        self,
        wiring: Wiring[S],
        *,
        outputs: Producer,
        behind: Producer,
        tasks: asyncio.TaskGroup,
        partitions: dict[TopicPartition, Partition[S]],
    ) -> None:
        settings = wiring.settings
        self._wiring = wiring
        self._reducer = wiring.reducer
        self._outputs = outputs
        self._behind = behind
        self._tasks = tasks
        self._partitions = partitions
        self._background: set[asyncio.Task[None]] = set()
        self._joined: asyncio.Future[GroupConsumer] = asyncio.get_running_loop().create_future()
        self._timers = Timers(
            clock_ms=wiring.clock_ms, fire=self._fire, attempts=settings.produce_attempts
        )
        self._snapshots = Snapshots(
            wiring.reducer,
            partitions,
            producer=behind,
            commit=self._commit,
            interval_s=settings.snapshot_interval_ms / 1000,
            attempts=settings.produce_attempts,
        )
        self._takeover = Takeover(
            wiring.reducer,
            log=wiring.log,
            producer=behind,
            timers=self._timers,
            silence_s=settings.rebuild_timeout_s,
            attempts=settings.produce_attempts,
        )
        # Until the group is joined nothing polls, and that may take as long as the log is away.
        self.polled_at: float | None = None

    async def own(self, stop: asyncio.Event) -> None:
        """Join, decide until ``stop``, finish the batch in hand, snapshot, commit, leave."""
        self._spawn(self._timers.run())
        self._spawn(self._scan_again())
        flushing = self._tasks.create_task(self._snapshots.run())
        async with self._wiring.log.consumer(
            group=self._reducer.service,
            topics=[self._reducer.inbox],
            member=self._wiring.member,
            on_assigned=self._on_assigned,
            on_revoked=self._on_revoked,
        ) as consumer:
            self._joined.set_result(consumer)
            await self._consume(consumer, stop)
            for task in self._background:
                task.cancel()
            self._snapshots.close()
            await flushing

    def _on_assigned(self, tps: Partitions) -> None:
        for tp in tps:
            partition: Partition[S] = Partition(
                tp, reducer=self._reducer, limit=self._wiring.rejections
            )
            self._partitions[tp] = partition
            partition.loading = self._spawn(self._take(partition))

    def _on_revoked(self, tps: Partitions) -> None:
        for tp in tps:
            partition = self._partitions.pop(tp, None)
            if partition is not None:
                partition.revoke()
            self._timers.drop(tp)

    async def _take(self, partition: Partition[S]) -> None:
        consumer = await asyncio.shield(self._joined)
        await self._takeover.take(partition, consumer)
        self._snapshots.want()

    async def _consume(self, consumer: GroupConsumer, stop: asyncio.Event) -> None:
        stopping = asyncio.ensure_future(stop.wait())
        try:
            while not stop.is_set():
                ready = {p for p in self._partitions.values() if p.ready}
                records = await self._poll(consumer, stopping)
                admitted = self._admit(consumer, records, ready=ready)
                if admitted:
                    await self._heartbeating(consumer, self._handle(admitted))
        finally:
            stopping.cancel()

    async def _poll(self, consumer: GroupConsumer, stopping: asyncio.Future[Any]) -> list[Record]:
        settings = self._wiring.settings
        poll = asyncio.ensure_future(
            consumer.poll(max_records=settings.max_records, wait_s=settings.heartbeat_s)
        )
        try:
            await asyncio.wait({poll, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.polled_at = time.monotonic()
            if not poll.done():
                poll.cancel()
        return poll.result() if poll.done() else []

    def _admit(
        self, consumer: GroupConsumer, records: list[Record], *, ready: set[Partition[S]]
    ) -> list[tuple[Partition[S], Record]]:
        """Each record of partitions that were ready before the poll; others are read again."""
        admitted = []
        again: set[Partition[S]] = set()
        reached: dict[Partition[S], int] = {}
        for record in records:
            partition = self._partitions.get(record.tp)
            if partition is None or not partition.ready:
                continue
            if partition not in ready:
                again.add(partition)
            elif record.offset >= reached.get(partition, partition.position):
                reached[partition] = record.offset + 1
                admitted.append((partition, record))
        for partition in again:
            consumer.seek(partition.tp, partition.position)
        return admitted

    async def _heartbeating(self, consumer: GroupConsumer, work: Coroutine[Any, Any, None]) -> None:
        """Do work that may take long without being taken for dead."""
        task = self._tasks.create_task(work)
        while not (await asyncio.wait({task}, timeout=self._wiring.settings.heartbeat_s))[0]:
            held = consumer.assignment()
            consumer.pause(held)
            for record in await consumer.poll(max_records=1, wait_s=0):
                _seek_back(consumer, record)
            self.polled_at = time.monotonic()
            consumer.resume(tp for tp, p in self._partitions.items() if p.ready)
        await task

    async def _handle(self, records: list[tuple[Partition[S], Record]]) -> None:
        batch: Batch[S] = Batch(self._reducer, limits=self._wiring.limits)
        for partition, record in records:
            await batch.decide(partition, record)
        await batch.write(self._outputs, attempts=self._wiring.settings.produce_attempts)
        batch.remember()
        self._count(batch)
        batch.tell()
        for partition, slot in batch.moved():
            held = slot.standing.held
            if held is not None and not partition.revoked:
                arm(
                    self._timers,
                    reducer=self._reducer,
                    tp=partition.tp,
                    key=slot.key,
                    held=held,
                )
        for partition, key, timer_id, at_ms in batch.timers_read():
            self._timers.read(partition.tp, key, timer_id=timer_id, at_ms=at_ms)
        self._snapshots.want()

    def _count(self, batch: Batch[S]) -> None:
        metrics, topic, group = self._wiring.metrics, self._reducer.inbox, self._reducer.service
        metrics.count(RECORDS_CONSUMED, len(batch.steps), topic=topic, group=group)
        for _, step in batch.steps:
            if step.outcome.error is not None:
                error = type(step.outcome.error).__name__
                metrics.count(RECORDS_DEAD_LETTERED, topic=topic, group=group, error=error)

    async def _fire(self, alarms: list[Alarm]) -> None:
        await self._behind.send([self._timer_fired(alarm) for alarm in alarms])

    def _timer_fired(self, alarm: Alarm) -> Message:
        timer, cause = alarm.timer, alarm.context
        data = TimerFired(timer_id=timer.timer_id, name=timer.name)
        envelope = caused_by(
            cause,
            id=derive(timer.timer_id),
            data=data,
            source=self._reducer.service,
            time=timestamp(timer.due_ms),
            subject=cause.subject,
        )
        return message(topic=self._reducer.inbox, key=alarm.key, data=data, envelope=envelope)

    async def _commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        try:
            await (await self._joined).commit(offsets)
        except CommitRefusedError:
            topic, group = self._reducer.inbox, self._reducer.service
            self._wiring.metrics.count(COMMITS_REFUSED, topic=topic, group=group)
            raise

    async def _scan_again(self) -> None:
        while True:
            await asyncio.sleep(self._wiring.settings.scan_interval_s)
            for partition in [p for p in self._partitions.values() if p.ready]:
                await self._takeover.scan_again(partition)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._tasks.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task


def _seek_back(consumer: GroupConsumer, record: Record) -> None:
    """Have a record returned again; one of a partition that is gone belongs to its next owner."""
    try:
        consumer.seek(record.tp, record.offset)
    except NotAssignedError:
        _log.debug("record of a partition that is gone", partition=record.partition)
