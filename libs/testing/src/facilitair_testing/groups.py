"""Who is in a consumer group of a real cluster, and which partitions each of them holds."""

from collections.abc import Mapping
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.protocol import ConsumerProtocol
from aiokafka.errors import GroupCoordinatorNotAvailableError
from msgspec import Struct

_MEMBERS: Final = 5
"""Where the members stand in the description of a group."""


class GroupMember(Struct, frozen=True, kw_only=True):
    """``member_id`` is new with every join; ``partitions`` has numbers by topic."""

    member_id: str
    partitions: Mapping[str, frozenset[int]]


async def group_members(address: str, group: str) -> dict[str, GroupMember]:
    """The members by the names of their processes; one that has not got its part yet holds none."""
    admin: Any = AIOKafkaAdminClient(bootstrap_servers=address)
    await admin.start()
    try:
        try:
            coordinator = await admin.find_coordinator(group)
        except GroupCoordinatorNotAvailableError:
            return {}  # the first group of a cluster has to wait for the topic of groups
        (described,) = await admin.describe_consumer_groups([group], coordinator)
    finally:
        await admin.close()
    found = {}
    for answer in described.groups:
        for member_id, *_, client_id, _host, _metadata, assignment in answer[_MEMBERS]:
            found[client_id] = GroupMember(member_id=member_id, partitions=_partitions(assignment))
    return found


def _partitions(assignment: bytes) -> dict[str, frozenset[int]]:
    if not assignment:
        return {}
    decoded = ConsumerProtocol.ASSIGNMENT.decode(assignment)
    return {topic: frozenset(numbers) for topic, numbers in decoded.assignment}
