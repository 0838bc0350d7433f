"""Committed offsets: durable, shared by a group, and refused to who lost the partition."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facilitair_messaging.errors import (
    CommitRefusedError,
    GroupActiveError,
    OffsetOutOfRangeError,
)
from facilitair_messaging.ports import TopicPartition
from facilitair_testing.conformance.drive import (
    DEADLINE_S,
    append,
    append_to,
    collect,
    joined,
    messages,
    poll_until,
    settle,
    texts,
    tps,
)
from facilitair_testing.conformance.harness import LogHarness
from facilitair_testing.conformance.ordering import few_examples


class CommitConformance:
    """Commits, resume and moving a group."""

    async def test_nothing_is_committed_by_reading(self, harness: LogHarness) -> None:
        spec = await harness.topic()
        (tp,) = tps(spec)
        group = harness.group()
        await append(harness.log, messages(spec, "abc"))
        async with joined(harness.log, group, specs=[spec]) as member:
            await collect(member, 3)
            assert await member.consumer.committed(tp) is None
        assert await harness.log.admin().committed(group) == {}

    @few_examples
    @given(commits=st.lists(st.integers(0, 6), min_size=1, max_size=5))
    async def test_a_group_resumes_at_its_last_commit_after_a_restart(
        self, harness: LogHarness, commits: list[int]
    ) -> None:
        spec = await harness.topic()
        (tp,) = tps(spec)
        group = harness.group()
        await append(harness.log, messages(spec, "abcdef"))
        async with joined(harness.log, group, specs=[spec]) as member:
            await settle([member], [spec])
            for offset in commits:
                await member.consumer.commit({tp: offset})
                assert await member.consumer.committed(tp) == offset
        await harness.reopen()
        assert await harness.log.admin().committed(group) == {tp: commits[-1]}
        expected = list("abcdef")[commits[-1] :]
        async with joined(harness.log, group, specs=[spec]) as member:
            assert texts(await collect(member, len(expected))) == expected

    async def test_commits_of_several_partitions_are_kept_apart(self, harness: LogHarness) -> None:
        spec = await harness.topic(partitions=3)
        group = harness.group()
        offsets = {tp: 10 + tp.partition for tp in tps(spec)}
        async with joined(harness.log, group, specs=[spec]) as member:
            await settle([member], [spec])
            await member.consumer.commit(offsets)
        assert await harness.log.admin().committed(group) == offsets

    async def test_a_commit_of_a_lost_partition_is_refused(self, harness: LogHarness) -> None:
        spec = await harness.topic(partitions=2)
        group = harness.group()
        for tp in tps(spec):  # what is committed must exist, or the next owner cannot start there
            await append_to(harness.log, tp, values="ab")
        async with joined(harness.log, group, specs=[spec], name="b") as loser:
            await settle([loser], [spec])
            await loser.consumer.commit(dict.fromkeys(tps(spec), 1))
            async with joined(harness.log, group, specs=[spec], name="a") as winner:
                await settle([loser, winner], [spec])
                (lost,) = winner.held
                with pytest.raises(CommitRefusedError):
                    await loser.consumer.commit({lost: 2})
                assert await winner.consumer.committed(lost) == 1
                (kept,) = loser.held
                await loser.consumer.commit({kept: 2})
                assert await loser.consumer.committed(kept) == 2

    async def test_a_commit_with_one_lost_partition_changes_nothing(
        self, harness: LogHarness
    ) -> None:
        spec = await harness.topic(partitions=2)
        group = harness.group()
        async with (
            joined(harness.log, group, specs=[spec], name="a") as one,
            joined(harness.log, group, specs=[spec], name="b") as two,
        ):
            await settle([one, two], [spec])
            with pytest.raises(CommitRefusedError):
                await one.consumer.commit(dict.fromkeys(tps(spec), 5))
            assert await harness.log.admin().committed(group) == {}

    async def test_a_commit_after_leaving_is_refused(self, harness: LogHarness) -> None:
        spec = await harness.topic()
        async with joined(harness.log, harness.group(), specs=[spec]) as member:
            await settle([member], [spec])
            consumer = member.consumer
        with pytest.raises(CommitRefusedError):
            await consumer.commit({tps(spec)[0]: 1})

    async def test_a_commit_of_a_topic_that_was_not_joined_is_refused(
        self, harness: LogHarness
    ) -> None:
        spec, foreign = await harness.topic(), await harness.topic()
        async with joined(harness.log, harness.group(), specs=[spec]) as member:
            await settle([member], [spec])
            with pytest.raises(CommitRefusedError):
                await member.consumer.commit({tps(foreign)[0]: 1})

    async def test_concurrent_commits_end_with_the_last_one(self, harness: LogHarness) -> None:
        spec = await harness.topic()
        (tp,) = tps(spec)
        group = harness.group()
        async with joined(harness.log, group, specs=[spec]) as member:
            await settle([member], [spec])
            commits = [member.consumer.commit({tp: offset}) for offset in range(1, 6)]
            await asyncio.wait_for(asyncio.gather(*commits), DEADLINE_S)
        assert await harness.log.admin().committed(group) == {tp: 5}

    async def test_a_member_whose_committed_offset_expired_is_told(
        self, harness: LogHarness
    ) -> None:
        spec = await harness.topic(cleanup=("delete",))
        (tp,) = tps(spec)
        group = harness.group()
        await append(harness.log, messages(spec, "abc"))
        await harness.log.admin().set_committed(group, {tp: 1})
        await harness.expire(spec)
        async with joined(harness.log, group, specs=[spec]) as member:
            with pytest.raises(OffsetOutOfRangeError) as caught:
                await poll_until([member], lambda: False, what="an error")
            assert (caught.value.offset, caught.value.beginning) == (1, 3)
            await append(harness.log, messages(spec, "d"))
            member.consumer.seek(tp, caught.value.beginning)
            assert texts(await collect(member, 1)) == ["d"]

    async def test_an_idle_group_can_be_moved(self, harness: LogHarness) -> None:
        spec = await harness.topic()
        (tp,) = tps(spec)
        group = harness.group()
        await append(harness.log, messages(spec, "abcd"))
        await harness.log.admin().set_committed(group, {tp: 2})
        async with joined(harness.log, group, specs=[spec]) as member:
            assert texts(await collect(member, 2)) == ["c", "d"]

    async def test_an_active_group_cannot_be_moved(self, harness: LogHarness) -> None:
        spec = await harness.topic()
        (tp,) = tps(spec)
        group = harness.group()
        async with joined(harness.log, group, specs=[spec]) as member:
            await settle([member], [spec])
            with pytest.raises(GroupActiveError):
                await harness.log.admin().set_committed(group, {tp: 2})
            assert await member.consumer.committed(tp) is None

    async def test_a_group_that_never_was_has_committed_nothing(self, harness: LogHarness) -> None:
        committed: dict[TopicPartition, int] = await harness.log.admin().committed(harness.group())
        assert committed == {}
