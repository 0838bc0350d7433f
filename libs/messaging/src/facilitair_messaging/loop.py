"""The consumer loop: a group member that hands records to handlers and commits what is finished."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Protocol

from msgspec import Struct

from facilitair_messaging.commits import Commits
from facilitair_messaging.dead_letters import DeadLetters
from facilitair_messaging.handling import Clock, Handlers, Handling, OnRejected
from facilitair_messaging.held import HeldPartitions, TopicSlots
from facilitair_messaging.ports import GroupConsumer, Log, Partitions, Record, TopicPartition
from facilitair_messaging.rejections import RejectionLimit
from facilitair_messaging.retry import RetryPolicy, at_least
from facilitair_observability import names
from facilitair_observability.metrics import Metrics
from facilitair_observability.timestamps import now_ms
from facilitair_observability.tracing import PassingTracer, Tracer


class Membership(Struct, frozen=True, kw_only=True):
    """Who reads what: ``member`` is the static name of this process in ``group`` (R2)."""

    service: str
    group: str
    member: str
    topics: tuple[str, ...]


class LoopSettings(Struct, frozen=True, kw_only=True):
    """The knobs of a consumer loop.

    ``max_in_flight`` handlers run at once, and as many more for each topic that is ``apart``: a
    flood of it does not hold up the others. A partition with ``max_pending`` records from its first
    unfinished one on is paused, and read on at half of that; one more poll may lie in memory.
    ``drain_s`` is how long running handlers may go on after a stop or a revoke.
    Offsets are committed at most every ``commit_interval_s``. Raises LoopSettingsError.
    """

    max_in_flight: int = 32
    apart: frozenset[str] = frozenset()
    max_pending: int = 512
    max_records: int = 256
    wait_s: float = 1.0
    drain_s: float = 10.0
    commit_interval_s: float = 0.1
    retry: RetryPolicy = RetryPolicy()
    rejections: RejectionLimit = RejectionLimit()

    def __post_init__(self) -> None:
        for name in ("max_in_flight", "max_pending", "max_records"):
            at_least(name, getattr(self, name), minimum=1)
        for name in ("wait_s", "drain_s", "commit_interval_s"):
            at_least(name, getattr(self, name), minimum=0)


class PartitionListener(Protocol):
    """Told which partitions come and go; plain functions that mark and return (R5)."""

    def assigned(self, partitions: Partitions) -> None:
        """Called before any record of these is handled."""
        ...

    def revoked(self, partitions: Partitions) -> None:
        """Called when no further record of these is handed out; handlers may still run.

        A loop that ends does not call it for what it held.
        """
        ...


class ConsumerLoop:
    """Handles every record of its partitions at least once, in order per key.

    Records of different keys are handled side by side and may finish in any order; an offset is
    committed only when every record before it is handled or dead-lettered. Handlers are therefore
    idempotent by ``envelope.id``. A handler raises RetryableError to be tried again (only its key
    waits), PermanentError to dead-letter its record; anything else stops the loop.
    ``on_rejected`` tells whoever waits for what a dead letter asked for.
    """

    def __init__(  # noqa: PLR0913 - every collaborator is a parameter
        self,
        *,
        log: Log,
        membership: Membership,
        handlers: Handlers,
        metrics: Metrics,
        settings: LoopSettings | None = None,
        clock: Clock | None = None,
        tracer: Tracer | None = None,
        listener: PartitionListener | None = None,
        on_rejected: OnRejected | None = None,
    ) -> None:
        self._log = log
        self._membership = membership
        self._handlers = handlers
        self._metrics = metrics
        self._settings = LoopSettings() if settings is None else settings
        self._clock = Clock(sleep=asyncio.sleep, now_ms=now_ms) if clock is None else clock
        self._tracer = PassingTracer() if tracer is None else tracer
        self._listener = listener
        self._on_rejected = on_rejected
        self._held: HeldPartitions | None = None
        self._serving = False
        self._polled = False
        self._shown: dict[TopicPartition, int] = {}
        self._last_poll = time.monotonic()

    @property
    def ready(self) -> bool:
        """Whether it serves its partitions; with none of them, whether it polls as a member."""
        held = self._held
        return self._serving and held is not None and (self._polled or bool(held.pending))

    @property
    def last_poll(self) -> float:
        """When a poll last returned, by ``time.monotonic``; it polls at least every ``wait_s``."""
        return self._last_poll

    @property
    def pending(self) -> Mapping[TopicPartition, int]:
        """Records of each held partition from the first unfinished one on."""
        return {} if self._held is None else self._held.pending

    @property
    def stuck_since(self) -> float | None:
        """When a record was last finished, while others wait; None when there is nothing to do."""
        held = self._held
        if held is None or not any(held.pending.values()):
            return None
        return held.last_progress

    async def run(self, stop: asyncio.Event) -> None:
        """Consume until ``stop`` is set; then running handlers may finish until ``drain_s``.

        What handlers, the dead letters or the log raise ends it at once, as an ExceptionGroup and
        without a commit: everything not committed is read again by the next owner.
        """
        me, settings = self._membership, self._settings
        async with self._log.producer() as producer, asyncio.TaskGroup() as tasks:
            handling = Handling(
                group=me.group,
                handlers=self._handlers,
                dead_letters=DeadLetters(producer=producer, service=me.service, group=me.group),
                retry=settings.retry,
                clock=self._clock,
                metrics=self._metrics,
                tracer=self._tracer,
                on_rejected=self._on_rejected,
            )
            held = self._held = HeldPartitions(
                tasks=tasks,
                finish=handling.finish,
                slots=TopicSlots(settings.max_in_flight, apart=settings.apart),
                max_pending=settings.max_pending,
                drain_s=settings.drain_s,
                rejections=settings.rejections,
            )
            async with self._log.consumer(
                group=me.group,
                topics=me.topics,
                member=me.member,
                on_assigned=self._assigned,
                on_revoked=self._revoked,
            ) as consumer:
                held.serve(consumer)
                self._serving, self._polled = True, False
                try:
                    await self._serve(consumer, held, tasks=tasks, stop=stop)
                finally:
                    self._serving = False
                    held.abandon()

    def _assigned(self, partitions: Partitions) -> None:
        if self._listener is not None:
            self._listener.assigned(partitions)
        if self._held is not None:
            self._held.assigned(partitions)

    def _revoked(self, partitions: Partitions) -> None:
        if self._held is not None:
            self._held.revoked(partitions)
        if self._listener is not None:
            self._listener.revoked(partitions)

    async def _serve(
        self,
        consumer: GroupConsumer,
        held: HeldPartitions,
        *,
        tasks: asyncio.TaskGroup,
        stop: asyncio.Event,
    ) -> None:
        commits = Commits(consumer=consumer, group=self._membership.group, metrics=self._metrics)
        polling = tasks.create_task(self._poll(consumer, held))
        committing = tasks.create_task(
            commits.follow(held, interval_s=self._settings.commit_interval_s)
        )
        await stop.wait()
        self._serving = False
        polling.cancel()
        committing.cancel()
        staying = tasks.create_task(self._stay(consumer))
        await held.close()
        staying.cancel()
        # What they raise ends the task group; here they only have to be gone before the consumer.
        await asyncio.wait([polling, committing, staying])
        await commits.commit(held.committable())

    def _show(self, pending: Mapping[TopicPartition, int]) -> None:
        group = self._membership.group
        for tp in self._shown.keys() - pending.keys():
            self._metrics.forget(
                names.RECORDS_PENDING, topic=tp.topic, group=group, partition=str(tp.partition)
            )
        for tp, count in pending.items():
            if self._shown.get(tp) != count:
                self._metrics.set(
                    names.RECORDS_PENDING,
                    count,
                    topic=tp.topic,
                    group=group,
                    partition=str(tp.partition),
                )
        self._shown = dict(pending)

    async def _poll(self, consumer: GroupConsumer, held: HeldPartitions) -> None:
        settings = self._settings
        while True:
            records = await consumer.poll(max_records=settings.max_records, wait_s=settings.wait_s)
            self._last_poll = time.monotonic()
            self._polled = True
            self._count(records)
            held.take(records)
            self._show(held.pending)
            # A poll that has records at once need not yield; handlers and commits must run.
            await asyncio.sleep(0)

    async def _stay(self, consumer: GroupConsumer) -> None:
        """Keep the membership while running handlers finish; nothing is taken any more."""
        while True:
            consumer.pause(consumer.assignment())
            await consumer.poll(max_records=1, wait_s=self._settings.wait_s)
            self._last_poll = time.monotonic()

    def _count(self, records: Iterable[Record]) -> None:
        for topic, count in Counter(record.topic for record in records).items():
            self._metrics.count(
                names.RECORDS_CONSUMED, count, topic=topic, group=self._membership.group
            )
