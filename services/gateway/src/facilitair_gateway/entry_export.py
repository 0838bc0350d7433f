"""Reading a tenant's entries from the books, from any place, a bounded part at a time (R12, R27).

The books are one partition of ``account-events`` for each tenant, dense by ``seq``.
"""

import asyncio
from collections.abc import AsyncGenerator
from typing import Final

import structlog
from msgspec import Struct

from facilitair_events.books import AccountEvent, CallReconciled, CallSettled
from facilitair_events.topics import ACCOUNT_EVENTS
from facilitair_gateway.entry_rows import Row, row_of, unreadable_row
from facilitair_gateway.errors import (
    ForeignCursorError,
    FutureCursorError,
    GatewayError,
    TooManyExportsError,
)
from facilitair_gateway.fanout import Cursor, parse_cursor
from facilitair_messaging.errors import UnreadableRecordError
from facilitair_messaging.messages import read
from facilitair_messaging.ports import Log, Record, TopicPartition
from facilitair_observability import names
from facilitair_observability.metrics import Metrics

log = structlog.get_logger(__name__)

_MAX_RECORDS: Final = 64
"""Of the largest size they are 64 MiB; entries have about one KiB."""

_WAIT_S: Final = 0.5
_CLOCK_SLACK_MS: Final = 60_000
"""How far the clocks of who appends may be apart."""


class EntriesMissingError(GatewayError):
    """The books have a gap: they are not to be trusted from here on."""

    def __init__(self, *, after: int, came: int) -> None:
        super().__init__(f"the books are not whole: after number {after} came {came}")


class Wanted(Struct, frozen=True, kw_only=True):
    """Which entries. ``since_ms`` is included, ``until_ms`` is not; None does not filter."""

    cursor: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    collaboration: str | None = None


class Opened(Struct, frozen=True, kw_only=True):
    """Where an export begins, and where it ends whatever is appended meanwhile."""

    tenant: str
    tp: TopicPartition
    start: int
    end: int
    seq: int
    wanted: Wanted


class EntryExport:
    """Exports the books of tenants, at most ``at_once`` at a time."""

    def __init__(
        self, log: Log, *, at_once: int, request_timeout_s: float, metrics: Metrics
    ) -> None:
        self._log = log
        self._at_once = at_once
        self._timeout_s = request_timeout_s
        self._metrics = metrics
        self._running = 0

    async def open(self, tenant: str, wanted: Wanted) -> Opened:
        """Find the place of an export, which counts as one until it is ``close``d.

        Raises CursorError for a cursor that is not of this tenant's books, TooManyExportsError,
        and what the log raises.
        """
        if self._running >= self._at_once:
            raise TooManyExportsError(limit=self._at_once)
        self._running += 1
        try:
            return await self._place(tenant, wanted)
        except BaseException:
            self._running -= 1
            raise

    def close(self) -> None:
        """Make room for another export; once for each that was opened."""
        self._running -= 1

    async def rows(self, opened: Opened) -> AsyncGenerator[list[Row], None]:
        """The rows of an export in order, some at a time, also none.

        Raises EntriesMissingError, and what the log raises.
        """
        books = _Books(opened, metrics=self._metrics)
        if opened.start >= opened.end:
            return
        async with self._log.reader() as reader:
            reader.assign({opened.tp: opened.start})
            while not books.over and reader.positions()[opened.tp] < opened.end:
                records = await reader.poll(max_records=_MAX_RECORDS, wait_s=_WAIT_S)
                yield [row for record in records for row in books.take(record)]
                # A poll that finds records need not yield; a long export holds nobody up.
                await asyncio.sleep(0)

    async def _place(self, tenant: str, wanted: Wanted) -> Opened:
        partition = self._log.partition_for(ACCOUNT_EVENTS, tenant.encode())
        tp = TopicPartition(ACCOUNT_EVENTS, partition)
        async with asyncio.timeout(self._timeout_s):
            admin = self._log.admin()
            end = (await admin.end_offsets([tp]))[tp]
            start = (await admin.beginning_offsets([tp]))[tp]
            if wanted.since_ms is not None:
                since = max(wanted.since_ms - _CLOCK_SLACK_MS, 0)
                found = (await admin.offsets_at({tp: since}))[tp]
                start = end if found is None else max(start, found)
        seq = 0
        if wanted.cursor is not None:
            cursor = parse_cursor(wanted.cursor)
            if cursor.partition != tp.partition:
                raise ForeignCursorError
            if cursor.offset > end:
                raise FutureCursorError
            start, seq = max(start, cursor.offset), cursor.seq
        return Opened(tenant=tenant, tp=tp, start=start, end=end, seq=seq, wanted=wanted)


class _Books:
    """What was read of a tenant's books so far."""

    def __init__(self, opened: Opened, *, metrics: Metrics) -> None:
        self._opened = opened
        self._key = opened.tenant.encode()
        self._seq = opened.seq
        self._holes = 0
        self._metrics = metrics
        self.over = False

    def take(self, record: Record) -> list[Row]:
        """The row of a record, if it is a wanted entry that was not read yet."""
        if self.over or record.key != self._key or record.offset >= self._opened.end:
            return []
        try:
            event = read(record).data
        except UnreadableRecordError as error:
            return [self._unreadable(record, str(error))]
        if not isinstance(event, AccountEvent) or event.seq <= self._seq:
            return []
        if self._seq and event.seq > self._seq + 1 + self._holes:
            raise EntriesMissingError(after=self._seq, came=event.seq)
        self._seq, self._holes = event.seq, 0
        at_ms, wanted = round(event.at.timestamp() * 1000), self._opened.wanted
        self.over = wanted.until_ms is not None and at_ms >= wanted.until_ms
        if self.over or not isinstance(event, CallSettled | CallReconciled):
            return []
        if wanted.since_ms is not None and at_ms < wanted.since_ms:
            return []
        if wanted.collaboration not in {None, event.collaboration}:
            return []
        return [row_of(event, Cursor(record.partition, record.offset + 1, self._seq))]

    def _unreadable(self, record: Record, reason: str) -> Row:
        self._metrics.count(names.VIEW_POISON, topic=record.topic)
        log.error("entry cannot be read", topic=record.topic, offset=record.offset, reason=reason)
        # It may have had the next number, or none: the one after it is taken as it is.
        self._holes += 1
        behind = Cursor(record.partition, record.offset + 1, 0)
        return unreadable_row(behind, fault=f"the record cannot be read: {reason}")
