"""Reading a partition from the file. Nothing here keeps a statement open (R35)."""

import sqlite3
from typing import Final, NamedTuple

import msgspec

from facilitair_events.envelope import Headers
from facilitair_messaging.adapters.embedded.file import OFFSET_MASK, position
from facilitair_messaging.adapters.embedded.partitions import Partition
from facilitair_messaging.errors import OffsetOutOfRangeError
from facilitair_messaging.ports import Record, TopicPartition

FETCH_BYTES: Final = 4 * 1024 * 1024

encode_headers = msgspec.msgpack.Encoder().encode
_decode_headers = msgspec.msgpack.Decoder(Headers).decode


class Batch(NamedTuple):
    """Records in offset order, and where reading goes on: past holes that compaction left."""

    records: list[Record]
    next_offset: int


def check_range(partition: Partition, offset: int) -> None:
    """Raise OffsetOutOfRangeError unless ``offset`` can be read or is the next to be written."""
    if not partition.beginning <= offset <= partition.end:
        raise OffsetOutOfRangeError(
            topic=partition.tp.topic,
            partition=partition.tp.partition,
            offset=offset,
            beginning=partition.beginning,
        )


def fetch(db: sqlite3.Connection, partition: Partition, *, offset: int, limit: int) -> Batch:
    """Up to ``limit`` records from ``offset`` on, from the tail where it reaches back that far.

    Never past ``partition.end``: what is committed but not yet published is not there yet.
    One fetch from the file ends after about 4 MiB.
    """
    if offset >= partition.tail_start:
        records = partition.from_tail(offset, limit=limit)
        return Batch(records, offset + len(records))
    return _from_file(db, partition, offset=offset, limit=limit)


def first_at(db: sqlite3.Connection, partition: Partition, *, time_ms: int) -> int | None:
    """The first offset whose append time is at or after ``time_ms``, by bisection.

    Append times never fall within a partition (R1).
    """
    low, high, found = partition.beginning, partition.end, None
    while low < high:
        middle = (low + high) // 2
        row = db.execute(
            "SELECT position, timestamp_ms FROM records"
            " WHERE position >= ? AND position < ? ORDER BY position LIMIT 1",
            (position(partition.id, middle), position(partition.id, high)),
        ).fetchone()
        if row is None:
            high = middle
        elif row[1] >= time_ms:
            found, high = row[0] & OFFSET_MASK, middle
        else:
            low = (row[0] & OFFSET_MASK) + 1
    return found


def _from_file(db: sqlite3.Connection, partition: Partition, *, offset: int, limit: int) -> Batch:
    rows = db.execute(
        "SELECT position, timestamp_ms, key, headers, value FROM records"
        " WHERE position >= ? AND position < ? ORDER BY position LIMIT ?",
        (position(partition.id, offset), position(partition.id, partition.end), limit),
    )
    records: list[Record] = []
    size = 0
    try:
        for row in rows:
            record = _record(partition.tp, row)
            records.append(record)
            size += len(record.value or b"")
            if size >= FETCH_BYTES:
                break
    finally:
        rows.close()
    if len(records) == limit or size >= FETCH_BYTES:
        return Batch(records, records[-1].offset + 1)
    return Batch(records, partition.end)


def _record(tp: TopicPartition, row: tuple[int, int, bytes | None, bytes, bytes | None]) -> Record:
    at, timestamp_ms, key, headers, value = row
    return Record(
        topic=tp.topic,
        partition=tp.partition,
        offset=at & OFFSET_MASK,
        timestamp_ms=timestamp_ms,
        key=key,
        value=value,
        headers=_decode_headers(headers),
    )
