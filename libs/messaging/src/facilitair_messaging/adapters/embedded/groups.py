"""Consumer groups: members, who holds what, and committed offsets.

Membership ends only by close (R34).
A join, a leave and a forced rebalance take everything from everybody, then assign anew (eager).
"""

import asyncio
from collections.abc import Mapping
from typing import Protocol

from facilitair_messaging.adapters.embedded.assignment import assign_ranges
from facilitair_messaging.adapters.embedded.errors import MemberActiveError
from facilitair_messaging.adapters.embedded.partitions import PartitionIndex
from facilitair_messaging.adapters.embedded.writer import Transaction, Writer
from facilitair_messaging.errors import GroupActiveError
from facilitair_messaging.ports import Partitions, TopicPartition


class Member(Protocol):
    """What a group tells its members. Neither call raises."""

    def subscription(self) -> frozenset[str]:
        """The topics it reads."""
        ...

    def on_lost(self) -> None:
        """It holds nothing any more."""
        ...

    def on_given(self, tps: Partitions) -> None:
        """It holds these now."""
        ...


class Group:
    """One consumer group, on the event loop; its offsets are durable in the log file."""

    def __init__(self, name: str, *, writer: Writer, index: PartitionIndex) -> None:
        self.name = name
        self._writer = writer
        self._index = index
        self._members: dict[str, Member] = {}
        self._committed: dict[TopicPartition, int] = {}
        self._pending: set[asyncio.Future[None]] = set()

    def join(self, name: str, member: Member) -> None:
        """Add a member and rebalance. Raises MemberActiveError."""
        if name in self._members:
            raise MemberActiveError(group=self.name, member=name)
        self._members[name] = member
        self.rebalance()

    def leave(self, name: str) -> None:
        """Remove a member and give what it held to the others."""
        member = self._members.pop(name)
        member.on_lost()
        self.rebalance()

    def rebalance(self) -> None:
        """Take everything from every member, then assign anew."""
        for member in self._members.values():
            member.on_lost()
        subscriptions = {name: member.subscription() for name, member in self._members.items()}
        topics = sorted(frozenset().union(*subscriptions.values()))
        partitions = {topic: self._index.all_of([topic]) for topic in topics}
        for name, tps in assign_ranges(subscriptions, partitions).items():
            self._members[name].on_given(tps)

    async def settled(self) -> None:
        """Wait for commits under way, so that who takes over starts after them."""
        while self._pending:
            await asyncio.wait(self._pending)

    def committed(self) -> dict[TopicPartition, int]:
        """What is durably committed."""
        return dict(self._committed)

    def restore(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Take over what the file says, when the log is opened."""
        self._committed.update(offsets)

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Store durably. The caller has checked that it may. Raises LogWriteError."""
        rows = [(self.name, self._index.get(tp).id, offset) for tp, offset in offsets.items()]
        stored = dict(offsets)
        done = self._writer.submit(
            lambda transaction: _store(transaction, rows), lambda _: self._committed.update(stored)
        )
        self._pending.add(done)
        done.add_done_callback(self._pending.discard)
        await done

    async def move(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Commit from outside. Raises GroupActiveError while the group has members."""
        if self._members:
            raise GroupActiveError(group=self.name)
        await self.commit(offsets)


class Groups:
    """All groups of the log; one exists from its first mention."""

    def __init__(self, *, writer: Writer, index: PartitionIndex) -> None:
        self._writer = writer
        self._index = index
        self._groups: dict[str, Group] = {}

    def get(self, name: str) -> Group:
        """The group of this name."""
        group = self._groups.get(name)
        if group is None:
            group = self._groups[name] = Group(name, writer=self._writer, index=self._index)
        return group


def _store(transaction: Transaction, rows: list[tuple[str, int, int]]) -> None:
    transaction.db.executemany(
        "INSERT INTO committed (consumer_group, partition_id, next_offset) VALUES (?, ?, ?)"
        " ON CONFLICT DO UPDATE SET next_offset = excluded.next_offset",
        rows,
    )
