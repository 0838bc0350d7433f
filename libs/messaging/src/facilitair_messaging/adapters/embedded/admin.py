"""Topics and offsets of the embedded log, seen from outside."""

import sqlite3
from collections.abc import Callable, Iterable, Mapping

from facilitair_events.registry import TopicSpec
from facilitair_messaging.adapters.embedded.fetch import first_at
from facilitair_messaging.adapters.embedded.groups import Groups
from facilitair_messaging.adapters.embedded.partitions import Partition, PartitionIndex
from facilitair_messaging.adapters.embedded.topics import Topics, create
from facilitair_messaging.adapters.embedded.writer import Writer
from facilitair_messaging.ports import TopicPartition


class EmbeddedAdmin:
    """Answers from memory and from the file; changes go through the writer."""

    def __init__(
        self,
        *,
        db: Callable[[], sqlite3.Connection],
        writer: Writer,
        topics: Topics,
        index: PartitionIndex,
        groups: Groups,
    ) -> None:
        self._db = db
        self._writer = writer
        self._topics = topics
        self._index = index
        self._groups = groups

    async def ensure_topics(self, specs: Iterable[TopicSpec]) -> None:
        """As the port says. All or nothing; it also declares the specs to this log."""
        wanted = list(specs)
        await self._writer.submit(lambda transaction: create(transaction, wanted), self._publish)
        self._topics.declare(wanted)

    async def config_drift(self, specs: Iterable[TopicSpec]) -> dict[str, tuple[str, ...]]:  # noqa: ARG002 - the port
        """As the port says: here a declaration is the setting."""
        return {}

    async def partitions(self, topic: str) -> int:
        return len(self._index.of(topic))

    async def beginning_offsets(self, tps: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        return {tp: self._index.get(tp).beginning for tp in tps}

    async def end_offsets(self, tps: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        return {tp: self._index.get(tp).end for tp in tps}

    async def offsets_at(
        self, times_ms: Mapping[TopicPartition, int]
    ) -> dict[TopicPartition, int | None]:
        db = self._db()
        return {tp: first_at(db, self._index.get(tp), time_ms=at) for tp, at in times_ms.items()}

    async def committed(self, group: str) -> dict[TopicPartition, int]:
        found = self._groups.get(group)
        await found.settled()
        return found.committed()

    async def set_committed(self, group: str, offsets: Mapping[TopicPartition, int]) -> None:
        await self._groups.get(group).move(offsets)

    def _publish(self, created: dict[str, list[Partition]]) -> None:
        for topic, partitions in created.items():
            self._index.add(topic, partitions)
