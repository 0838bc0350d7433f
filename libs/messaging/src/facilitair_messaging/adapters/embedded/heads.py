"""Where each partition continues: the next offset and the last append time."""

from typing import NamedTuple


class Head(NamedTuple):
    """The offset and the least append time of a partition's next record."""

    next_offset: int
    last_ms: int


class Heads:
    """The heads of all partitions, owned by the writer thread.

    What a transaction takes is staged: ``keep`` after its commit, ``undo`` after its rollback.
    So a failed write burns no offset, and offsets stay dense.
    """

    def __init__(self) -> None:
        self._kept: dict[int, Head] = {}
        self._staged: dict[int, Head] = {}

    def add(self, partition_id: int, head: Head) -> None:
        """Stage the head of a partition that is new to this process."""
        self._staged[partition_id] = head

    def of(self, partition_id: int) -> Head:
        """The head as the current transaction sees it."""
        return self._staged.get(partition_id) or self._kept[partition_id]

    def take(self, partition_id: int, now_ms: int) -> Head:
        """The offset and append time of one more record: max(last of the partition, wall) (R1)."""
        offset, last_ms = self.of(partition_id)
        stamp = max(last_ms, now_ms)
        self._staged[partition_id] = Head(offset + 1, stamp)
        return Head(offset, stamp)

    def keep(self) -> None:
        """Make what was staged the truth."""
        self._kept.update(self._staged)
        self._staged.clear()

    def undo(self) -> None:
        """Forget what was staged."""
        self._staged.clear()
