"""Where readers are and where their partitions end, asked of the log and not of its clients."""

from collections.abc import Iterable, Mapping

from facilitair_messaging.ports import Admin, TopicPartition
from facilitair_runtime.liveness import Place


async def group_places(
    admin: Admin, *, group: str, tps: Iterable[TopicPartition]
) -> dict[TopicPartition, Place]:
    """What a group committed of these; from the beginning where it never did. Raises as Admin."""
    held = list(tps)
    if not held:
        return {}
    committed = await admin.committed(group)
    begins = await admin.beginning_offsets([tp for tp in held if tp not in committed])
    ends = await admin.end_offsets(held)
    return {tp: Place(position=committed.get(tp, begins.get(tp, 0)), end=ends[tp]) for tp in held}


async def reader_places(
    admin: Admin, positions: Mapping[TopicPartition, int]
) -> dict[TopicPartition, Place]:
    """Where readers without a group are; they know that themselves. Raises as Admin."""
    if not positions:
        return {}
    ends = await admin.end_offsets(positions)
    return {tp: Place(position=position, end=ends[tp]) for tp, position in positions.items()}
