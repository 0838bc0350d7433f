"""The topics of the log: what is declared, what is in the file, and creating the difference."""

from collections.abc import Iterable, Mapping

from facilitair_events.registry import TopicSpec
from facilitair_messaging.adapters.embedded.heads import Head
from facilitair_messaging.adapters.embedded.partitions import Partition
from facilitair_messaging.adapters.embedded.writer import Transaction
from facilitair_messaging.errors import TopicDriftError, UnknownTopicError
from facilitair_messaging.partitioning import partition_of
from facilitair_messaging.ports import TopicPartition


class Topics:
    """The declared topics: those of the registry, and those ``ensure_topics`` was given."""

    def __init__(self, declared: Mapping[str, TopicSpec]) -> None:
        self._specs = dict(declared)

    def declare(self, specs: Iterable[TopicSpec]) -> None:
        """Add or replace declarations."""
        self._specs.update((spec.name, spec) for spec in specs)

    def spec(self, topic: str) -> TopicSpec:
        """The declaration of a topic. Raises UnknownTopicError."""
        found = self._specs.get(topic)
        if found is None:
            raise UnknownTopicError(topic=topic)
        return found

    def declared(self, topic: str) -> bool:
        """Whether ``spec`` would find the topic."""
        return topic in self._specs

    def partition_for(self, topic: str, key: bytes) -> int:
        """The partition of a key. Raises UnknownTopicError."""
        return partition_of(key, self.spec(topic))


def create(transaction: Transaction, specs: list[TopicSpec]) -> dict[str, list[Partition]]:
    """Create what is missing, in the writer thread. Returns the partitions of all ``specs``.

    Raises TopicDriftError when a topic exists with another number of partitions.
    """
    return {spec.name: _create_one(transaction, spec) for spec in specs}


def _create_one(transaction: Transaction, spec: TopicSpec) -> list[Partition]:
    db = transaction.db
    row = db.execute("SELECT partitions FROM topics WHERE name = ?", (spec.name,)).fetchone()
    if row is not None:
        if row[0] != spec.partitions:
            raise TopicDriftError(topic=spec.name, declared=spec.partitions, actual=row[0])
        return []
    db.execute("INSERT INTO topics (name, partitions) VALUES (?, ?)", (spec.name, spec.partitions))
    created = []
    for number in range(spec.partitions):
        inserted = db.execute(
            "INSERT INTO partitions (topic, partition) VALUES (?, ?)", (spec.name, number)
        )
        partition_id = inserted.lastrowid or 0
        transaction.heads.add(partition_id, Head(0, 0))
        tp = TopicPartition(spec.name, number)
        created.append(Partition(tp, partition_id=partition_id, beginning=0, end=0))
    return created
