"""What may be deleted of a partition: decided over rows, without writing anything."""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

ROWS_PER_DELETE: Final = 500
BYTES_PER_DELETE: Final = 4 * 1024 * 1024


class Row(NamedTuple):
    """What cleaning looks at in a record. ``size`` is that of its value, None for a tombstone."""

    offset: int
    timestamp_ms: int
    key: bytes | None
    size: int | None


class Compaction(NamedTuple):
    """Rows to drop in offset order, and when the oldest tombstone that must wait was written."""

    drop: list[Row]
    oldest_tombstone_ms: int | None


def plan_compaction(
    rows: Iterable[Row], *, horizon_ms: int, tombstone_horizon_ms: int
) -> Compaction:
    """Say what compaction drops of one partition, whose ``rows`` come in offset order.

    A record may go only when the *later* record of its key was written at or before
    ``horizon_ms``, which is now minus the lag (R8).
    A tombstone that is the last of its key goes when it was written at or before
    ``tombstone_horizon_ms``: who reads from the beginning must have had the time to see it.
    Records without a key stay.
    """
    last: dict[bytes, Row] = {}
    drop: list[Row] = []
    followed: set[bytes] = set()
    for row in rows:
        if row.key is None:
            continue
        if row.timestamp_ms > horizon_ms:
            followed.add(row.key)
            continue
        earlier = last.get(row.key)
        if earlier is not None:
            drop.append(earlier)
        last[row.key] = row
    waiting: list[int] = []
    for key, row in last.items():
        if row.size is None and key not in followed:
            if row.timestamp_ms <= tombstone_horizon_ms:
                drop.append(row)
            else:
                waiting.append(row.timestamp_ms)
    return Compaction(sorted(drop), min(waiting, default=None))


def batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Cut ``rows`` so that deleting one batch keeps appends waiting for a few milliseconds only."""
    batch: list[Row] = []
    size = 0
    for row in rows:
        batch.append(row)
        size += row.size or 0
        if len(batch) == ROWS_PER_DELETE or size >= BYTES_PER_DELETE:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
