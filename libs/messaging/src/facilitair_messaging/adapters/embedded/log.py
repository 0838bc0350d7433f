"""The embedded log, put together."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing
from functools import partial
from pathlib import Path
from typing import Final

from facilitair_events.registry import TopicSpec
from facilitair_messaging.adapters.embedded.admin import EmbeddedAdmin
from facilitair_messaging.adapters.embedded.appends import EmbeddedProducer
from facilitair_messaging.adapters.embedded.cleaner import Cleaner
from facilitair_messaging.adapters.embedded.consumer import Callbacks, EmbeddedConsumer
from facilitair_messaging.adapters.embedded.errors import LogClosedError
from facilitair_messaging.adapters.embedded.file import (
    Synchronous,
    connect_reader,
    connect_writer,
    durability,
)
from facilitair_messaging.adapters.embedded.groups import Groups
from facilitair_messaging.adapters.embedded.heads import Heads
from facilitair_messaging.adapters.embedded.lock import exclusive
from facilitair_messaging.adapters.embedded.partitions import PartitionIndex
from facilitair_messaging.adapters.embedded.reader import EmbeddedReader
from facilitair_messaging.adapters.embedded.restore import restore
from facilitair_messaging.adapters.embedded.topics import Topics
from facilitair_messaging.adapters.embedded.writer import Writer
from facilitair_messaging.ports import OnPartitions

CLEAN_EVERY_S: Final = 600.0
TOMBSTONES_KEPT_MS: Final = 24 * 3600 * 1000


def wall_clock_ms() -> int:
    """Milliseconds since the epoch, the embedded log's only clock (R1)."""
    return time.time_ns() // 1_000_000


class EmbeddedLog:
    """A ``Log`` in one file, for one process and one event loop. Made by ``EmbeddedLog.open``."""

    def __init__(
        self,
        *,
        writer: Writer,
        topics: Topics,
        index: PartitionIndex,
        groups: Groups,
        cleaner: Cleaner,
        db: sqlite3.Connection,
    ) -> None:
        self._writer = writer
        self._topics = topics
        self._index = index
        self._groups = groups
        self._cleaner = cleaner
        self._db = db
        self._open = True

    @staticmethod
    @asynccontextmanager
    async def open(
        path: Path,
        topics: Mapping[str, TopicSpec],
        *,
        synchronous: Synchronous = "NORMAL",
        clock: Callable[[], int] = wall_clock_ms,
        clean_every_s: float = CLEAN_EVERY_S,
        tombstones_kept_ms: int = TOMBSTONES_KEPT_MS,
        max_bytes: int | None = None,
        before_commit: Callable[[], None] | None = None,
    ) -> AsyncIterator["EmbeddedLog"]:
        """Open or create the log at ``path``; leaving the context waits for pending appends.

        ``topics`` are the declared ones; they are created by ``Admin.ensure_topics``.
        ``synchronous`` NORMAL survives kill -9 but not a power loss, FULL survives both (R35).
        ``clock`` gives the append time in ms and is called in the writer thread.
        Retention and compaction run every ``clean_every_s``.
        A tombstone that is the last of its key stays for ``tombstones_kept_ms``, or for the
        topic's compaction lag if that is longer.
        ``max_bytes`` bounds the file: an append that does not fit raises ProduceUnknownError.
        ``before_commit`` is called in the writer thread before each commit, to be slow in tests.
        Raises LogLockedError when the log is open already, LogFormatError for a file that is not
        one or is newer.
        """
        connect = partial(connect_writer, path, synchronous=synchronous, max_bytes=max_bytes)
        async with AsyncExitStack() as stack:
            stack.enter_context(exclusive(path))
            connect().close()  # the format is checked, and the file made, before anything starts
            heads, index, declared = Heads(), PartitionIndex(), Topics(topics)
            writer = Writer(connect=connect, heads=heads, clock=clock, before_commit=before_commit)
            groups = Groups(writer=writer, index=index)
            writer.start()
            # The writer closes last: SQLite checkpoints when the last connection goes (R35).
            stack.push_async_callback(writer.close)
            db = stack.enter_context(closing(connect_reader(path)))
            restore(db, index=index, heads=heads, groups=groups)
            cleaner = Cleaner(
                db=stack.enter_context(closing(connect_reader(path))),
                writer=writer,
                topics=declared,
                index=index,
                clock=clock,
                tombstones_kept_ms=tombstones_kept_ms,
            )
            stack.push_async_callback(cleaner.close)
            log = EmbeddedLog(
                writer=writer, topics=declared, index=index, groups=groups, cleaner=cleaner, db=db
            )
            stack.push_async_callback(_end, asyncio.create_task(cleaner.run(clean_every_s)))
            stack.callback(log.close_reads)
            yield log

    @asynccontextmanager
    async def producer(self) -> AsyncIterator[EmbeddedProducer]:
        producer = EmbeddedProducer(writer=self._writer, topics=self._topics, index=self._index)
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
    ) -> AsyncIterator[EmbeddedConsumer]:
        """As the port says. Raises UnknownTopicError, and MemberActiveError for a name in use."""
        self._index.all_of(topics)
        joined = self._groups.get(group)
        consumer = EmbeddedConsumer(
            db=self._reading,
            index=self._index,
            group=joined,
            topics=topics,
            callbacks=Callbacks(on_assigned, on_revoked),
        )
        joined.join(member, consumer)
        try:
            yield consumer
        finally:
            joined.leave(member)
            consumer.close()

    @asynccontextmanager
    async def reader(self) -> AsyncIterator[EmbeddedReader]:
        reader = EmbeddedReader(db=self._reading, index=self._index)
        try:
            yield reader
        finally:
            reader.close()

    def admin(self) -> EmbeddedAdmin:
        return EmbeddedAdmin(
            db=self._reading,
            writer=self._writer,
            topics=self._topics,
            index=self._index,
            groups=self._groups,
        )

    def partition_for(self, topic: str, key: bytes) -> int:
        return self._topics.partition_for(topic, key)

    async def clean(self) -> int:
        """Expire and compact now; returns how many records were deleted."""
        return await self._cleaner.clean()

    def force_rebalance(self, group: str) -> None:
        """Take everything from the members of ``group`` and assign anew (R34)."""
        self._groups.get(group).rebalance()

    async def durability(self) -> Synchronous:
        """What a commit of the writer survives, as SQLite itself reports it."""
        return await self._writer.submit(lambda transaction: durability(transaction.db))

    def close_reads(self) -> None:
        """Refuse reads from now on. Called when the context of ``open`` is left."""
        self._open = False

    def _reading(self) -> sqlite3.Connection:
        if not self._open:
            raise LogClosedError(what="log")
        return self._db


async def _end(task: asyncio.Task[None]) -> None:
    """Stop a task that runs for ever; raises what it failed with."""
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled():
        task.result()
