"""What the file says when a log is opened."""

import sqlite3

from facilitair_messaging.adapters.embedded.file import OFFSET_MASK, position
from facilitair_messaging.adapters.embedded.groups import Groups
from facilitair_messaging.adapters.embedded.heads import Head, Heads
from facilitair_messaging.adapters.embedded.partitions import Partition, PartitionIndex
from facilitair_messaging.ports import TopicPartition


def restore(db: sqlite3.Connection, *, index: PartitionIndex, heads: Heads, groups: Groups) -> None:
    """Fill the three from the file, before the writer's first job."""
    by_topic: dict[str, list[Partition]] = {}
    by_id: dict[int, TopicPartition] = {}
    rows = db.execute(
        "SELECT id, topic, partition, beginning, next_offset, last_ms FROM partitions"
        " ORDER BY topic, partition"
    ).fetchall()
    for partition_id, topic, number, beginning, next_offset, last_ms in rows:
        head = _head(db, partition_id, floor=Head(next_offset, last_ms))
        heads.add(partition_id, head)
        tp = TopicPartition(topic, number)
        by_id[partition_id] = tp
        by_topic.setdefault(topic, []).append(
            Partition(tp, partition_id=partition_id, beginning=beginning, end=head.next_offset)
        )
    heads.keep()
    for topic, partitions in by_topic.items():
        index.add(topic, partitions)
    committed = db.execute("SELECT consumer_group, partition_id, next_offset FROM committed")
    for group, partition_id, offset in committed.fetchall():
        groups.get(group).restore({by_id[partition_id]: offset})


def _head(db: sqlite3.Connection, partition_id: int, *, floor: Head) -> Head:
    """Where the partition continues: after its last record, but never below the floor."""
    row = db.execute(
        "SELECT position, timestamp_ms FROM records"
        " WHERE position >= ? AND position < ? ORDER BY position DESC LIMIT 1",
        (position(partition_id, 0), position(partition_id + 1, 0)),
    ).fetchone()
    if row is None:
        return floor
    return Head(max(floor.next_offset, (row[0] & OFFSET_MASK) + 1), max(floor.last_ms, row[1]))
