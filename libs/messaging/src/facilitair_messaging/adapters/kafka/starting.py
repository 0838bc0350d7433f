"""Where a group member starts to read what its group never committed."""

from facilitair_messaging.adapters.kafka.cluster import Cluster
from facilitair_messaging.adapters.kafka.requests import EARLIEST
from facilitair_messaging.ports import Partitions, TopicPartition


class Starts:
    """Which of the held partitions have got a position from us or from the caller."""

    def __init__(self, *, cluster: Cluster, group: str) -> None:
        self._cluster = cluster
        self._group = group
        self._placed: set[TopicPartition] = set()

    def placed(self, tp: TopicPartition) -> None:
        """Somebody chose the position."""
        self._placed.add(tp)

    def is_placed(self, tp: TopicPartition) -> bool:
        """Whether somebody chose the position."""
        return tp in self._placed

    def forget(self) -> None:
        """Everything was taken away."""
        self._placed.clear()

    async def beginnings(self, held: Partitions) -> dict[TopicPartition, int]:
        """The first offsets of what is held, was never committed and is not placed."""
        unplaced = held - self._placed
        if not unplaced:
            return {}
        committed = await self._cluster.committed(self._group)
        return await self._cluster.offsets(dict.fromkeys(unplaced - committed.keys(), EARLIEST))

    async def beginning(self, tp: TopicPartition) -> int:
        """The first offset of a partition."""
        return (await self._cluster.offsets({tp: EARLIEST}))[tp]
