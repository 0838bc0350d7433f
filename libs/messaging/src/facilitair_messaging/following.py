"""Reading a whole topic from its beginning and then staying with it, without a group."""

import asyncio
import time
from collections.abc import Callable, Mapping

import structlog

from facilitair_events.errors import EventsError
from facilitair_messaging.errors import UnreadableRecordError
from facilitair_messaging.messages import Incoming, read
from facilitair_messaging.ports import Log, Reader, Record, TopicPartition
from facilitair_observability import names
from facilitair_observability.metrics import Metrics

_MAX_RECORDS = 500
_WAIT_S = 1.0

_log = structlog.get_logger()


class Follower:
    """Applies every record of a topic, tombstones too, in log order per partition.

    ``after_batch`` is called whenever a poll was applied, also an empty one.
    What either raises ends ``run``.
    """

    def __init__(
        self,
        *,
        log: Log,
        topic: str,
        apply: Callable[[Record], None],
        after_batch: Callable[[], None] | None = None,
    ) -> None:
        self._log = log
        self._topic = topic
        self._apply = apply
        self._after_batch = after_batch
        self._ready = asyncio.Event()
        self._positions: Mapping[TopicPartition, int] = {}
        self._moved_at: float | None = None
        self._waiting: list[tuple[TopicPartition, int, asyncio.Future[None]]] = []

    @property
    def ready(self) -> bool:
        """Whether everything is applied that was in the topic when ``run`` began."""
        return self._ready.is_set()

    @property
    def moved_at(self) -> float | None:
        """When its loop moved last, by ``time.monotonic``; None while it does not run."""
        return self._moved_at

    @property
    def positions(self) -> Mapping[TopicPartition, int]:
        """The next offset of each partition; empty while it does not run."""
        return self._positions

    async def wait_ready(self) -> None:
        """Return when ``ready``; it waits as long as that takes."""
        await self._ready.wait()

    async def reached(self, tp: TopicPartition, offset: int) -> None:
        """Return when every record of ``tp`` before ``offset`` is applied, however long it takes.

        While nothing runs it waits for the next run.
        """
        if self._positions.get(tp, -1) >= offset:
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((tp, offset, waiter))
        await waiter

    async def run(self) -> None:
        """Follow until cancelled; a second run begins anew. Raises what the log raises."""
        admin = self._log.admin()
        count = await admin.partitions(self._topic)
        partitions = [TopicPartition(self._topic, number) for number in range(count)]
        # The end first: what lies before it was in the topic when this began.
        ends = await admin.end_offsets(partitions)
        beginnings = await admin.beginning_offsets(partitions)
        async with self._log.reader() as reader:
            reader.assign(beginnings)
            try:
                await self._follow(reader, ends)
            finally:
                self._ready.clear()
                self._positions = {}
                self._moved_at = None

    async def _follow(self, reader: Reader, ends: Mapping[TopicPartition, int]) -> None:
        behind = dict(ends)
        while True:
            self._moved_at = time.monotonic()
            self._positions = positions = reader.positions()
            self._wake(positions)
            behind = {tp: end for tp, end in behind.items() if positions[tp] < end}
            if not behind and not self._ready.is_set():
                _log.info("topic read", topic=self._topic)
                self._ready.set()
            for record in await reader.poll(max_records=_MAX_RECORDS, wait_s=_WAIT_S):
                self._apply(record)
            if self._after_batch is not None:
                self._after_batch()
            # A poll that has records at once need not yield; a long topic must not hold up the rest
            await asyncio.sleep(0)

    def _wake(self, positions: Mapping[TopicPartition, int]) -> None:
        waiting, self._waiting = self._waiting, []
        for tp, offset, waiter in waiting:
            if positions.get(tp, -1) < offset:
                self._waiting.append((tp, offset, waiter))
            elif not waiter.done():
                waiter.set_result(None)


def readable(
    apply: Callable[[Incoming], None],
    *,
    metrics: Metrics,
    on_skipped: Callable[[Record], None] | None = None,
) -> Callable[[Record], None]:
    """Decode records for ``apply``.

    One that cannot be decoded, or from which ``apply`` raises UnreadableRecordError or an
    EventsError such as that of a wrong key, is counted, logged and skipped: who has no group has no
    dead letters. ``on_skipped`` may still use its key.
    """

    def decode_and_apply(record: Record) -> None:
        try:
            apply(read(record))
        except (UnreadableRecordError, EventsError) as error:
            metrics.count(names.VIEW_POISON, topic=record.topic)
            _log.error(
                "record skipped",
                topic=record.topic,
                partition=record.partition,
                offset=record.offset,
                reason=str(error),
            )
            if on_skipped is not None:
                on_skipped(record)

    return decode_and_apply
