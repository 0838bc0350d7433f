"""Groups of the embedded log: assignment, and what goes wrong in callbacks."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facilitair_messaging.adapters.embedded import EmbeddedLog
from facilitair_messaging.adapters.embedded.assignment import assign_ranges
from facilitair_messaging.adapters.embedded.errors import LogClosedError, MemberActiveError
from facilitair_messaging.ports import Message, Partitions, TopicPartition
from facilitair_testing.topics import topic_spec

SPEC = topic_spec("t", partitions=2)
_topics = st.sampled_from(["one", "two", "three"])


def ignore(tps: Partitions) -> None:
    """A callback that needs nothing."""


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[EmbeddedLog]:
    async with EmbeddedLog.open(tmp_path / "log.db", {"t": SPEC}) as opened:
        await opened.admin().ensure_topics([SPEC])
        yield opened


@given(
    members=st.dictionaries(
        st.text(min_size=1, max_size=4), st.frozensets(_topics, min_size=1), max_size=6
    ),
    counts=st.dictionaries(_topics, st.integers(1, 13), max_size=3),
)
def test_every_partition_with_readers_goes_to_exactly_one_of_them(members, counts):
    partitions = {
        topic: [TopicPartition(topic, n) for n in range(count)] for topic, count in counts.items()
    }
    given_to = assign_ranges(members, partitions)
    assert given_to.keys() == members.keys()
    for topic, tps in partitions.items():
        readers = [name for name, topics in members.items() if topic in topics]
        owners = [sum(tp in held for held in given_to.values()) for tp in tps]
        assert owners == [1 if readers else 0] * len(tps)
        shares = [sum(tp.topic == topic for tp in given_to[name]) for name in readers]
        assert not shares or max(shares) - min(shares) <= 1


def test_assignment_does_not_depend_on_who_came_first():
    partitions = {"t": [TopicPartition("t", n) for n in range(12)]}
    topics = frozenset({"t"})
    forward = assign_ranges({"a": topics, "b": topics, "c": topics}, partitions)
    assert forward == assign_ranges({"c": topics, "a": topics, "b": topics}, partitions)


def test_topics_with_equal_counts_are_assigned_in_step():
    partitions = {name: [TopicPartition(name, n) for n in range(12)] for name in ("x", "y")}
    both = frozenset({"x", "y"})
    for held in assign_ranges({"a": both, "b": both, "c": both}, partitions).values():
        numbers = {topic: {tp.partition for tp in held if tp.topic == topic} for topic in both}
        assert numbers["x"] == numbers["y"]


async def test_two_members_of_one_name_are_refused(log: EmbeddedLog):
    asked = {"group": "g", "topics": ["t"], "member": "m"}
    async with log.consumer(**asked, on_assigned=ignore, on_revoked=ignore) as first:
        with pytest.raises(MemberActiveError, match="already has a member 'm'"):
            async with log.consumer(**asked, on_assigned=ignore, on_revoked=ignore):
                pass
        assert len(first.assignment()) == 2
    async with log.consumer(**asked, on_assigned=ignore, on_revoked=ignore) as second:
        assert len(second.assignment()) == 2


async def test_what_a_callback_raises_is_raised_by_that_members_poll(log: EmbeddedLog):
    def broken(tps: Partitions) -> None:
        raise KeyError(len(tps))

    asked = {"group": "g", "topics": ["t"]}
    async with (
        log.consumer(**asked, member="a", on_assigned=ignore, on_revoked=broken) as fails,
        log.consumer(**asked, member="b", on_assigned=ignore, on_revoked=ignore) as joins,
    ):
        assert await joins.poll(max_records=1, wait_s=0) == []
        with pytest.raises(KeyError):
            await fails.poll(max_records=1, wait_s=0)


async def test_what_a_callback_raises_while_leaving_is_not_lost(log: EmbeddedLog):
    def broken(tps: Partitions) -> None:
        raise KeyError("left")

    with pytest.raises(KeyError, match="left"):
        async with log.consumer(
            group="g", topics=["t"], member="a", on_assigned=ignore, on_revoked=broken
        ):
            pass
    async with log.consumer(
        group="g", topics=["t"], member="a", on_assigned=ignore, on_revoked=ignore
    ) as again:
        assert len(again.assignment()) == 2


async def test_a_member_that_left_can_read_nothing(log: EmbeddedLog):
    async with log.producer() as producer:
        await producer.send([Message("t", b"k", b"v")])
    async with log.consumer(
        group="g", topics=["t"], member="a", on_assigned=ignore, on_revoked=ignore
    ) as consumer:
        pass
    assert consumer.assignment() == frozenset()
    with pytest.raises(LogClosedError):
        await consumer.poll(max_records=1, wait_s=0)


async def test_r34_members_stay_members_without_polling(log: EmbeddedLog):
    lost: list[Partitions] = []
    async with log.consumer(
        group="g", topics=["t"], member="a", on_assigned=ignore, on_revoked=lost.append
    ) as silent:
        async with log.reader() as reader:
            assert await reader.poll(max_records=1, wait_s=0.3) == []
        assert lost == []
        await silent.commit({TopicPartition("t", 0): 3})
        assert await log.admin().committed("g") == {TopicPartition("t", 0): 3}


async def test_a_new_owner_starts_after_a_commit_that_was_under_way(log: EmbeddedLog):
    async with log.producer() as producer:
        await producer.send([Message("t", b"k", b"%d" % n) for n in range(4)])
    tp = TopicPartition("t", log.partition_for("t", b"k"))
    asked = {"group": "g", "topics": ["t"], "on_assigned": ignore, "on_revoked": ignore}
    async with log.consumer(**asked, member="z") as old:
        commit = old.commit({tp: 3})
        queued = iter(commit.__await__())
        next(queued)
        async with (
            log.consumer(**asked, member="a") as one,
            log.consumer(**asked, member="b") as two,
        ):
            owner = one if tp in one.assignment() else two
            assert tp in owner.assignment()
            found = await owner.poll(max_records=10, wait_s=1)
            assert [record.value for record in found] == [b"3"]
        with pytest.raises(StopIteration):
            next(queued)
