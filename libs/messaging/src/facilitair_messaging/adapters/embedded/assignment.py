"""Who gets which partition: a pure function of who is there."""

from collections.abc import Mapping, Sequence

from facilitair_messaging.ports import Partitions, TopicPartition


def assign_ranges(
    members: Mapping[str, frozenset[str]], partitions: Mapping[str, Sequence[TopicPartition]]
) -> dict[str, Partitions]:
    """Give every partition of every topic to exactly one of the members that read the topic.

    ``members`` maps each member to its topics, ``partitions`` each topic to its partitions.
    Per topic, the members in the order of their names get consecutive ranges, as equal as possible.
    So a static member that comes back gets what it had, and topics with equal partition counts
    go to the same members in step.
    """
    given: dict[str, set[TopicPartition]] = {name: set() for name in members}
    for topic, tps in partitions.items():
        readers = sorted(name for name, topics in members.items() if topic in topics)
        for place, name in enumerate(readers):
            start = place * len(tps) // len(readers)
            end = (place + 1) * len(tps) // len(readers)
            given[name].update(tps[start:end])
    return {name: frozenset(tps) for name, tps in given.items()}
