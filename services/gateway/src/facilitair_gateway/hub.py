"""The stream's fan-out: one reader over all partitions, rings of recent records, their viewers.

Of a value it only looks whether it is JSON. Viewers own no buffer while the ring serves them: they
read it from their own position, and whatever came since their last write leaves in one
(drain-and-join).
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

import structlog

from facilitair_events.topics import COLLABORATION_STREAM
from facilitair_gateway.asking import answered
from facilitair_gateway.delivery import Delivery
from facilitair_gateway.errors import ExpiredCursorError, ForeignCursorError, FutureCursorError
from facilitair_gateway.fanout import Cursor, Entry, entry_of, hole_of
from facilitair_gateway.replay import Replayer
from facilitair_gateway.ring import Channel, Ring, weight
from facilitair_gateway.viewer import Source, Viewer
from facilitair_gateway.wires import EVENT_STREAM, Wire
from facilitair_messaging.errors import LogUnavailableError
from facilitair_messaging.ports import Log, Record, TopicPartition
from facilitair_observability import names
from facilitair_observability.metrics import Metrics

log = structlog.get_logger(__name__)

TAKE_BYTES: Final = 256 * 1024
"""About what one write carries, so that one viewer does not hold up the loop."""

_BATCH: Final = 1000
_POLL_S: Final = 1.0
_HEARTBEAT_CHECKS: Final = 5
_EXPIRE_S: Final = 60.0


class StreamHub:
    """Everybody who watches a stream, and the one loop that feeds them.

    ``run`` serves until cancelled; all other methods are called on the same event loop.
    """

    def __init__(
        self,
        source: Log,
        *,
        ring_bytes: int,
        client_buffer_bytes: int,
        replay_readers: int,
        heartbeat_s: float,
        request_timeout_s: float,
        metrics: Metrics,
    ) -> None:
        self._log = source
        self._answered = partial(answered, timeout_s=request_timeout_s)
        self._ring_bytes = ring_bytes
        self._delivery = Delivery(client_buffer_bytes=client_buffer_bytes, metrics=metrics)
        self._heartbeat_s = heartbeat_s
        self._metrics = metrics
        self._rings: dict[int, Ring[Viewer]] = {}
        self._viewers: set[Viewer] = set()
        self._awaited: dict[int, list[tuple[int, asyncio.Future[None]]]] = defaultdict(list)
        self._replayer = Replayer(
            source,
            self._rings,
            readers=replay_readers,
            backlog_bytes=min(TAKE_BYTES, client_buffer_bytes),
            hand_over=self._route,
        )
        self._started = asyncio.Event()
        self.draining = False
        self.polled_at: float | None = None

    @property
    def viewers(self) -> int:
        """How many views are open."""
        return len(self._viewers)

    @property
    def started(self) -> bool:
        """Whether the rings cover the end of every partition."""
        return self._started.is_set()

    @property
    def positions(self) -> dict[TopicPartition, int]:
        """How far the stream is read, by partition."""
        return {
            TopicPartition(COLLABORATION_STREAM, number): ring.end
            for number, ring in self._rings.items()
        }

    async def wait_started(self) -> None:
        """Return once ``started``."""
        await self._started.wait()

    async def run(self) -> None:
        """Read the stream from its present end on, until cancelled."""
        partitions = await self._log.admin().partitions(COLLABORATION_STREAM)
        tps = [TopicPartition(COLLABORATION_STREAM, number) for number in range(partitions)]
        ends = await self._log.admin().end_offsets(tps)
        async with self._log.reader() as reader:
            reader.assign(ends)
            for tp, end in ends.items():
                self._rings[tp.partition] = Ring(end=end, max_bytes=self._ring_bytes)
            self._started.set()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._replayer.run())
                tasks.create_task(self._beat())
                tasks.create_task(self._expire_often())
                while True:
                    self.polled_at = time.monotonic()
                    records = await reader.poll(max_records=_BATCH, wait_s=_POLL_S)
                    self._feed(records, reader.positions())
                    # Some logs answer at once while there is more: let the viewers have their turn.
                    await asyncio.sleep(0)

    def sent_before(self, key: bytes, cursor: Cursor) -> Entry | None:
        """The entry that a cursor says was sent last, when the ring holds it."""
        ring = self._rings.get(cursor.partition)
        return ring.find(key, cursor.offset - 1) if ring is not None else None

    async def check_offset(self, partition: int, first: int, *, last: int) -> None:
        """Return once ``first`` can be read and the rings end at ``last`` or later.

        Raises ExpiredCursorError, FutureCursorError for a ``last`` behind the end of the log, and
        LogSilentError.
        """
        ring = self._rings[partition]
        tp = TopicPartition(COLLABORATION_STREAM, partition)
        if first < ring.start:
            beginning = (await self._answered(self._log.admin().beginning_offsets([tp])))[tp]
            if first < beginning:
                raise ExpiredCursorError
        if last > ring.end:
            if last > await self.log_end(partition):
                raise FutureCursorError
            await self._answered(self.reached(partition, last))

    async def log_end(self, partition: int) -> int:
        """The offset that the next record of a partition will get. Raises LogSilentError."""
        tp = TopicPartition(COLLABORATION_STREAM, partition)
        return (await self._answered(self._log.admin().end_offsets([tp])))[tp]

    async def reached(self, partition: int, offset: int) -> None:
        """Return once the ring ends at ``offset`` or later."""
        if self._rings[partition].end >= offset:
            return
        future = asyncio.get_running_loop().create_future()
        self._awaited[partition].append((offset, future))
        await future

    def join(self, key: bytes, cursor: Cursor, *, witnessed: bool) -> Viewer:
        """Open a view that reads on at ``cursor``; ``leave`` must follow.

        Unless ``witnessed``, the record before the cursor is checked to be of this collaboration;
        until that is done the viewer has a ``witness``, and afterwards perhaps a ``fault``.
        """
        witness = None if witnessed else cursor.offset - 1
        viewer = Viewer(key, cursor, witness=witness, now=asyncio.get_running_loop().time())
        self._viewers.add(viewer)
        self._metrics.set(names.STREAM_VIEWERS, len(self._viewers))
        self._route(viewer)
        return viewer

    def leave(self, viewer: Viewer) -> None:
        """Close a view and free everything it held; once is as good as twice."""
        viewer.gone = True
        self._viewers.discard(viewer)
        self._metrics.set(names.STREAM_VIEWERS, len(self._viewers))
        self._replayer.discard(viewer)
        self._rings[viewer.partition].unwatch(viewer.key, viewer)
        viewer.channel = None
        viewer.backlog = None

    async def expire(self) -> None:
        """Forget what has expired from the log: a ring is no second place where texts are kept."""
        tps = [TopicPartition(COLLABORATION_STREAM, number) for number in self._rings]
        for tp, beginning in (await self._log.admin().beginning_offsets(tps)).items():
            self._rings[tp.partition].expire(beginning)

    def drain(self) -> None:
        """Let every viewer end with a hint to come back."""
        self.draining = True
        for viewer in self._viewers:
            viewer.wake()

    def take(self, viewer: Viewer) -> bytes:
        """What a viewer is to be sent now, as server-sent events; empty when it has to wait."""
        return b"".join(self.take_frames(viewer, EVENT_STREAM))

    def take_frames(self, viewer: Viewer, wire: Wire) -> list[bytes]:
        """The frames that a viewer is to be sent now; none when it has to wait."""
        return self._delivery.take(viewer, self.next_entries, wire=wire)

    def next_entries(self, viewer: Viewer) -> list[Entry]:
        """The next entries for a viewer, none left out and none twice; empty when it has to wait.

        They are not yet weighed against what it was sent before.
        """
        entries = viewer.drain()
        if viewer.source is Source.BACKLOG and viewer.fault is None:
            self._route(viewer)
        if entries or viewer.source is not Source.RING or viewer.channel is None:
            return entries
        channel = viewer.channel
        if viewer.position < channel.evicted_to:
            self._from_ring(viewer)
            return []
        entries = channel.since(viewer.position, max_bytes=TAKE_BYTES)
        if entries:
            viewer.position = entries[-1].offset + 1
            viewer.consumed += sum(map(weight, entries))
        else:
            viewer.position = max(viewer.position, self._rings[viewer.partition].end)
            viewer.consumed = channel.appended
            viewer.live = True
        return entries

    def _route(self, viewer: Viewer) -> None:
        """Find out who serves a viewer from its position on."""
        ring = self._rings[viewer.partition]
        if viewer.position < ring.start:
            self._replayer.add(viewer)
            return
        if viewer.witness is not None:
            if ring.find(viewer.key, viewer.witness) is None:
                viewer.source = Source.BACKLOG
                viewer.fail(ForeignCursorError())
                return
            viewer.position = viewer.witness + 1
            viewer.witness = None
        self._to_ring(viewer)

    def _to_ring(self, viewer: Viewer) -> None:
        viewer.source = Source.RING
        viewer.channel = self._rings[viewer.partition].watch(viewer.key, viewer)

    def _from_ring(self, viewer: Viewer) -> None:
        """A viewer that fell off the ring reads from the log again."""
        self._rings[viewer.partition].unwatch(viewer.key, viewer)
        viewer.channel = None
        viewer.live = False
        self._route(viewer)

    def _feed(self, records: Sequence[Record], positions: Mapping[TopicPartition, int]) -> None:
        touched: set[Channel[Viewer]] = set()
        for record in records:
            ring = self._rings[record.partition]
            entry = entry_of(record)
            if entry is None or record.key is None:
                self._metrics.count(names.STREAM_SKIPPED)
                log.warning(
                    "stream record skipped", partition=record.partition, offset=record.offset
                )
                entry = hole_of(record)
            if entry is None or record.key is None:
                continue
            channel = ring.append(record.key, entry)
            if channel.watchers:
                touched.add(channel)
        for channel in touched:
            for viewer in channel.watchers:
                viewer.wake()
        for tp, position in positions.items():
            self._rings[tp.partition].read_to(position)
        for partition in list(self._awaited):
            self._resolve_awaited(partition)

    def _resolve_awaited(self, partition: int) -> None:
        awaited = self._awaited.pop(partition, [])
        end = self._rings[partition].end
        for offset, future in awaited:
            if offset > end:
                self._awaited[partition].append((offset, future))
            elif not future.done():
                future.set_result(None)

    async def _expire_often(self) -> None:
        while True:
            await asyncio.sleep(_EXPIRE_S)
            try:
                await self.expire()
            except LogUnavailableError as error:
                log.warning("the log is away, rings expire later", reason=str(error))

    async def _beat(self) -> None:
        """Wake the idle viewers in time for their heartbeat; one timer for all of them."""
        interval = self._heartbeat_s / _HEARTBEAT_CHECKS
        while True:
            await asyncio.sleep(interval)
            due = asyncio.get_running_loop().time() - self._heartbeat_s + interval
            for viewer in self._viewers:
                if viewer.waiting and viewer.wrote_at <= due:
                    viewer.heartbeat_due = True
                    viewer.wake()
