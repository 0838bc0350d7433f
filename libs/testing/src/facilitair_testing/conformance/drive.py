"""Driving a log in tests: sending, reading a number of records, running group members."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final, Protocol

from facilitair_events.registry import TopicSpec
from facilitair_messaging.ports import (
    Ack,
    GroupConsumer,
    Log,
    Message,
    Partitions,
    Record,
    TopicPartition,
)

DEADLINE_S: Final = 30.0
_POLL_S: Final = 0.5


class Pollable(Protocol):
    """A reader or a group member."""

    async def poll(self, *, max_records: int, wait_s: float) -> list[Record]:
        """As in the ports."""
        ...


def tps(spec: TopicSpec) -> list[TopicPartition]:
    """All partitions of a topic."""
    return [TopicPartition(spec.name, number) for number in range(spec.partitions)]


def messages(spec: TopicSpec, values: Iterable[str], *, key: str = "k") -> list[Message]:
    """One message per value, all of one key."""
    return [Message(spec.name, key.encode(), value.encode()) for value in values]


def key_for(log: Log, tp: TopicPartition, *, prefix: str = "key-") -> str:
    """Some key of a partition."""
    return next(
        key
        for key in (f"{prefix}{n}" for n in range(10_000))
        if log.partition_for(tp.topic, key.encode()) == tp.partition
    )


async def append(log: Log, batch: Sequence[Message]) -> list[Ack]:
    """Send by a producer of its own."""
    async with log.producer() as producer:
        return await producer.send(batch)


async def append_to(log: Log, tp: TopicPartition, *, values: Iterable[str]) -> None:
    """Send values to one partition."""
    key = key_for(log, tp)
    await append(log, [Message(tp.topic, key.encode(), value.encode()) for value in values])


async def collect(
    source: Pollable, count: int, *, max_records: int = 500, deadline_s: float = DEADLINE_S
) -> list[Record]:
    """Poll until there are ``count`` records; fails at the deadline and for more than that."""
    found: list[Record] = []
    deadline = time.monotonic() + deadline_s
    while len(found) < count:
        assert time.monotonic() < deadline, f"{len(found)} of {count} records came: {found!r}"
        batch = await source.poll(max_records=max_records, wait_s=_POLL_S)
        assert len(batch) <= max_records
        found.extend(batch)
    assert len(found) == count, f"more than {count} records came: {found!r}"
    return found


async def read_all(
    log: Log, spec: TopicSpec, *, start: Mapping[TopicPartition, int] | None = None
) -> list[Record]:
    """Every record between the beginning (or ``start``) and the end at the time of the call."""
    admin = log.admin()
    positions = await admin.beginning_offsets(tps(spec)) if start is None else dict(start)
    ends = await admin.end_offsets(positions)
    found: list[Record] = []
    deadline = time.monotonic() + DEADLINE_S
    async with log.reader() as reader:
        reader.assign(positions)
        while any(offset < ends[tp] for tp, offset in reader.positions().items()):
            assert time.monotonic() < deadline, f"stuck at {reader.positions()}, ends are {ends}"
            found.extend(await reader.poll(max_records=100, wait_s=0.05))
    return [record for record in found if record.offset < ends[record.tp]]


def by_partition(records: Iterable[Record]) -> dict[TopicPartition, list[Record]]:
    """The records of each partition, in the order in which they came."""
    found: dict[TopicPartition, list[Record]] = {}
    for record in records:
        found.setdefault(record.tp, []).append(record)
    return found


def texts(records: Iterable[Record]) -> list[str]:
    """The values."""
    return [(record.value or b"").decode() for record in records]


class Member:
    """A group member that checks at every poll that callbacks and records agree."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.held: set[TopicPartition] = set()
        self.revocations = 0
        self.records: list[Record] = []
        self.consumer: GroupConsumer

    def on_assigned(self, given: Partitions) -> None:
        """Remember what was given; nothing may be given twice."""
        assert not self.held & given, f"{self.name} was given {self.held & given} twice"
        self.held |= given

    def on_revoked(self, lost: Partitions) -> None:
        """Forget what was taken; nothing may be taken that was not given."""
        assert lost <= self.held, f"{self.name} lost {lost - self.held}, which it did not hold"
        self.held -= lost
        self.revocations += 1

    async def poll(self, *, max_records: int = 100, wait_s: float = 0.1) -> list[Record]:
        """Poll, check that every record is of a held partition, and keep the records."""
        records = await self.consumer.poll(max_records=max_records, wait_s=wait_s)
        foreign = {record.tp for record in records} - self.held
        assert not foreign, f"{self.name} got records of {foreign}, it holds {self.held}"
        self.records.extend(records)
        return records


@asynccontextmanager
async def joined(
    log: Log, group: str, *, specs: Sequence[TopicSpec], name: str = "member-0"
) -> AsyncIterator[Member]:
    """Be a member while the context lasts."""
    member = Member(name)
    async with log.consumer(
        group=group,
        topics=[spec.name for spec in specs],
        member=name,
        on_assigned=member.on_assigned,
        on_revoked=member.on_revoked,
    ) as consumer:
        member.consumer = consumer
        yield member
    assert not member.held, f"{name} left the group and was not told that it lost {member.held}"


async def poll_until(
    members: Sequence[Member], condition: Callable[[], bool], *, what: str
) -> None:
    """Poll all members side by side until the condition holds; fails at the deadline."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        held = {member.name: member.held for member in members}
        assert time.monotonic() < deadline, f"{what} did not happen; held: {held}"
        await asyncio.gather(*(member.poll() for member in members))


async def settle(members: Sequence[Member], specs: Sequence[TopicSpec]) -> None:
    """Poll until every partition is held by exactly one member, and every member holds some."""
    wanted = sorted(tp for spec in specs for tp in tps(spec))

    def settled() -> bool:
        held = sorted(tp for member in members for tp in member.held)
        return held == wanted and all(member.held for member in members)

    await poll_until(members, settled, what=f"the assignment of {wanted}")
    for member in members:
        assert member.consumer.assignment() == member.held
