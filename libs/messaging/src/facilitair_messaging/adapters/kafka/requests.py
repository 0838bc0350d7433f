"""Questions to a cluster, as aiokafka spells them, and what the answers say."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from aiokafka.errors import for_code
from aiokafka.protocol.admin import (
    CreateTopicsRequest,
    DescribeConfigsRequest,
    DescribeGroupsRequest,
)
from aiokafka.protocol.commit import OffsetCommitRequest, OffsetFetchRequest
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.protocol.offset import OffsetRequest
from msgspec import Struct

from facilitair_events.registry import TopicSpec
from facilitair_messaging.adapters.kafka.topics import topic_config
from facilitair_messaging.errors import GroupActiveError
from facilitair_messaging.ports import TopicPartition

EARLIEST: Final = -2
LATEST: Final = -1

_NO_LEADER: Final = -1
_NOT_COMMITTED: Final = -1
_CONSUMER_REPLICA: Final = -1
_READ_UNCOMMITTED: Final = 0
_TOPIC_RESOURCE: Final = 2
_TOPIC_EXISTS: Final = 36
_UNKNOWN_TOPIC: Final = 3
_LEADER_NOT_AVAILABLE: Final = 5
_HAS_MEMBERS: Final = frozenset({22, 25, 27})
"""Illegal generation, unknown member, rebalance in progress: only members commit now."""
_NO_GENERATION: Final = -1
_NO_MEMBER: Final = ""
_BROKERS_RETENTION: Final = -1


class Layout(Struct, frozen=True):
    """Which brokers there are, and who leads the partitions of the topics asked for.

    A topic that does not exist is missing; a partition without a leader has None.
    """

    brokers: int
    topics: dict[str, dict[int, int | None]]


def metadata_request(topics: Iterable[str]) -> MetadataRequest:
    """Ask for the layout of some topics; creates none."""
    return MetadataRequest(sorted(topics), allow_auto_topic_creation=False)


def layout(response: Any) -> Layout:
    """Read the answer. Raises aiokafka's error of a topic, except that it does not exist."""
    topics: dict[str, dict[int, int | None]] = {}
    for code, topic, _, partitions in response.topics:
        if code == _UNKNOWN_TOPIC:
            continue
        if code != _LEADER_NOT_AVAILABLE:
            check(code, topic)
        topics[topic] = {
            number: None if leader == _NO_LEADER else leader for _, number, leader, *_ in partitions
        }
    return Layout(brokers=len(response.brokers), topics=topics)


def offsets_requests(
    times_ms: Mapping[TopicPartition, int], *, leader: Callable[[TopicPartition], int]
) -> dict[int, OffsetRequest]:
    """Ask for offsets by time, or ``EARLIEST`` or ``LATEST``; one request per broker."""
    grouped: dict[int, dict[str, list[tuple[int, int]]]] = defaultdict(lambda: defaultdict(list))
    for tp, at in times_ms.items():
        grouped[leader(tp)][tp.topic].append((tp.partition, at))
    return {
        broker: OffsetRequest(_CONSUMER_REPLICA, _READ_UNCOMMITTED, list(topics.items()))
        for broker, topics in grouped.items()
    }


def offsets(response: Any) -> dict[TopicPartition, int]:
    """Read the answer; -1 where there is no record of that time. Raises a partition's error."""
    found: dict[TopicPartition, int] = {}
    for topic, partitions in response.topics:
        for number, code, _, offset in partitions:
            check(code, f"{topic}[{number}]")
            found[TopicPartition(topic, number)] = offset
    return found


def create_request(
    specs: Iterable[TopicSpec], *, replication: int, timeout_s: float
) -> CreateTopicsRequest:
    """Create topics with all their settings."""
    durable = {"min.insync.replicas": str(max(1, replication - 1))} if replication > 1 else {}
    topics: list[tuple[Any, ...]] = [
        (spec.name, spec.partitions, replication, [], list((topic_config(spec) | durable).items()))
        for spec in specs
    ]
    return CreateTopicsRequest(topics, round(timeout_s * 1000), validate_only=False)


def check_created(response: Any) -> None:
    """Raise the first error, except that somebody else created a topic just now."""
    for topic, code, reason in response.topic_errors:
        if code != _TOPIC_EXISTS:
            check(code, f"{topic}: {reason}")


def configs_request(topics: Iterable[str]) -> DescribeConfigsRequest:
    """Ask for all settings of some topics."""
    return DescribeConfigsRequest([(_TOPIC_RESOURCE, topic, None) for topic in sorted(topics)])


def configs(response: Any) -> dict[str, dict[str, str]]:
    """Read the answer: the settings in force, by topic. Raises a topic's error."""
    found: dict[str, dict[str, str]] = {}
    for code, reason, _, topic, entries in response.resources:
        check(code, f"{topic}: {reason}")
        found[topic] = {entry[0]: entry[1] for entry in entries if entry[1] is not None}
    return found


def committed_request(group: str) -> OffsetFetchRequest:
    """Ask for everything a group has committed."""
    return OffsetFetchRequest(group, None)


def committed(response: Any) -> dict[TopicPartition, int]:
    """Read the answer; what was never committed is missing. Raises the group's error."""
    check(response.error_code, "committed offsets")
    found: dict[TopicPartition, int] = {}
    for topic, partitions in response.topics:
        for number, offset, _, code in partitions:
            check(code, f"{topic}[{number}]")
            if offset != _NOT_COMMITTED:
                found[TopicPartition(topic, number)] = offset
    return found


def members_request(group: str) -> DescribeGroupsRequest:
    """Ask who is in a group."""
    return DescribeGroupsRequest([group])


def member_ids(response: Any) -> set[str]:
    """Read the answer. Raises the group's error."""
    (described,) = response.groups
    code, group, _, _, _, members, *_ = described
    check(code, f"members of {group}")
    return {member_id for member_id, *_ in members}


def move_request(group: str, moved: Mapping[TopicPartition, int]) -> OffsetCommitRequest:
    """Commit for a group from outside, which a broker takes only while it has no members."""
    topics: dict[str, list[tuple[int, int, str]]] = defaultdict(list)
    for tp, offset in moved.items():
        topics[tp.topic].append((tp.partition, offset, ""))
    return OffsetCommitRequest(
        group, _NO_GENERATION, _NO_MEMBER, _BROKERS_RETENTION, list(topics.items())
    )


def check_moved(group: str, response: Any) -> None:
    """Raise GroupActiveError when the group has members, else the first error of a partition."""
    for topic, partitions in response.topics:
        for number, code in partitions:
            if code in _HAS_MEMBERS:
                raise GroupActiveError(group=group)
            check(code, f"{topic}[{number}]")


def check(code: int, what: str) -> None:
    """Raise aiokafka's error for a code other than 0."""
    if code:
        raise for_code(code)(what)
