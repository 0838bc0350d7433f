"""Consumer groups: who reads what, and what happens when members come and go."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facilitair_messaging.errors import NotAssignedError
from facilitair_messaging.ports import TopicPartition
from facilitair_testing.conformance.drive import (
    Member,
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


class GroupConformance:
    """Membership, assignment and delivery."""

    async def test_a_new_group_starts_at_the_beginning(self, harness: LogHarness) -> None:
        spec = await harness.topic()
        await append(harness.log, messages(spec, "abc"))
        async with joined(harness.log, harness.group(), specs=[spec]) as member:
            assert texts(await collect(member, 3)) == ["a", "b", "c"]

    @few_examples
    @given(
        keys=st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=40),
        cut=st.integers(0, 40),
    )
    async def test_each_record_reaches_exactly_one_member(
        self, harness: LogHarness, *, keys: list[str], cut: int
    ) -> None:
        spec = await harness.topic(partitions=3)
        group = harness.group()
        numbered = [f"{n:03}" for n in range(len(keys))]
        sent = [messages(spec, [text], key=k)[0] for k, text in zip(keys, numbered, strict=True)]
        async with (
            joined(harness.log, group, specs=[spec], name="a") as one,
            joined(harness.log, group, specs=[spec], name="b") as two,
        ):
            await settle([one, two], [spec])
            await append(harness.log, sent[:cut])
            await append(harness.log, sent[cut:])
            await poll_until([one, two], lambda: _total(one, two) >= len(sent), what="delivery")
            assert sorted(texts([*one.records, *two.records])) == numbered
            for member in (one, two):
                assert {record.tp for record in member.records} <= member.held

    async def test_members_hold_disjoint_partitions_of_every_topic(
        self, harness: LogHarness
    ) -> None:
        specs = [await harness.topic(partitions=3), await harness.topic(partitions=3)]
        group = harness.group()
        async with (
            joined(harness.log, group, specs=specs, name="a") as one,
            joined(harness.log, group, specs=specs, name="b") as two,
        ):
            await settle([one, two], specs)
            assert not one.held & two.held

    async def test_more_members_than_partitions_leave_some_idle(self, harness: LogHarness) -> None:
        spec = await harness.topic(partitions=1)
        group = harness.group()
        async with (
            joined(harness.log, group, specs=[spec], name="a") as one,
            joined(harness.log, group, specs=[spec], name="b") as two,
        ):
            await append(harness.log, messages(spec, "abc"))
            members = [one, two]
            await poll_until(members, lambda: _total(one, two) >= 3, what="delivery")

            def settled() -> bool:
                return sorted([len(one.held), len(two.held)]) == [0, 1]

            await poll_until(members, settled, what="one idle member")

    async def test_two_groups_are_independent(self, harness: LogHarness) -> None:
        spec = await harness.topic()
        await append(harness.log, messages(spec, "abc"))
        async with (
            joined(harness.log, harness.group(), specs=[spec]) as one,
            joined(harness.log, harness.group(), specs=[spec]) as two,
        ):
            assert texts(await collect(one, 3)) == ["a", "b", "c"]
            await one.consumer.commit({tps(spec)[0]: 3})
            assert await two.consumer.committed(tps(spec)[0]) is None
            assert texts(await collect(two, 3)) == ["a", "b", "c"]

    async def test_who_stays_takes_over_from_the_committed_offset(
        self, harness: LogHarness
    ) -> None:
        spec = await harness.topic(partitions=2)
        group = harness.group()
        for tp in tps(spec):
            await append_to(harness.log, tp, values="abc")
        async with joined(harness.log, group, specs=[spec], name="b") as stays:
            async with joined(harness.log, group, specs=[spec], name="a") as leaves:
                await settle([stays, leaves], [spec])
                members = [stays, leaves]
                await poll_until(members, lambda: len(leaves.records) >= 3, what="delivery")
                (left,) = leaves.held
                offsets = [record.offset for record in leaves.records if record.tp == left]
                await leaves.consumer.commit({left: offsets[-1]})
            before = len(stays.records)
            await settle([stays], [spec])
            await poll_until(
                [stays], lambda: left in {r.tp for r in stays.records[before:]}, what="takeover"
            )
            again = [r for r in stays.records[before:] if r.tp == left]
            assert again[0].offset == offsets[-1]
            assert texts(again[:1]) == ["c"]

    async def test_a_joining_member_gets_its_share(self, harness: LogHarness) -> None:
        spec = await harness.topic(partitions=2)
        group = harness.group()
        async with joined(harness.log, group, specs=[spec], name="a") as one:
            await settle([one], [spec])
            assert len(one.held) == 2
            async with joined(harness.log, group, specs=[spec], name="b") as two:
                await settle([one, two], [spec])
                assert (len(one.held), len(two.held)) == (1, 1)
                assert one.revocations >= 1

    async def test_a_static_member_that_comes_back_gets_what_it_had(
        self, harness: LogHarness
    ) -> None:
        spec = await harness.topic(partitions=3)
        group = harness.group()
        async with joined(harness.log, group, specs=[spec], name="b") as stays:
            held = []
            for _ in range(2):
                async with joined(harness.log, group, specs=[spec], name="a") as again:
                    await settle([stays, again], [spec])
                    held.append(frozenset(again.held))
                await settle([stays], [spec])
            assert held[0] == held[1]

    async def test_r34_a_forced_rebalance_takes_and_gives_again(self, harness: LogHarness) -> None:
        spec = await harness.topic(partitions=2)
        group = harness.group()
        async with joined(harness.log, group, specs=[spec]) as member:
            await settle([member], [spec])
            for tp in tps(spec):
                await append_to(harness.log, tp, values="ab")
            await poll_until([member], lambda: len(member.records) >= 4, what="delivery")
            member.records.clear()
            before = member.revocations
            await harness.force_rebalance(group)
            await poll_until([member], lambda: member.revocations > before, what="revocation")
            await settle([member], [spec])
            await poll_until([member], lambda: len(member.records) >= 4, what="redelivery")
            assert sorted(texts(member.records)) == ["a", "a", "b", "b"]

    async def test_a_paused_partition_keeps_its_position(self, harness: LogHarness) -> None:
        spec = await harness.topic(partitions=2)
        first, second = tps(spec)
        async with joined(harness.log, harness.group(), specs=[spec]) as member:
            await settle([member], [spec])
            await append_to(harness.log, first, values=["1"])
            await collect(member, 1)
            member.consumer.pause([first])
            await append_to(harness.log, first, values=["2", "3"])
            await append_to(harness.log, second, values=["other"])
            assert texts(await collect(member, 1)) == ["other"]
            assert await member.poll(wait_s=0.2) == []
            member.consumer.resume([first])
            assert texts(await collect(member, 2)) == ["2", "3"]

    async def test_pausing_what_is_not_held_is_ignored(self, harness: LogHarness) -> None:
        spec, foreign = await harness.topic(), await harness.topic()
        async with joined(harness.log, harness.group(), specs=[spec]) as member:
            await settle([member], [spec])
            member.consumer.pause(tps(foreign))
            member.consumer.resume(tps(foreign))
            await append(harness.log, messages(spec, "a"))
            assert texts(await collect(member, 1)) == ["a"]

    async def test_seek_goes_back_and_forward(self, harness: LogHarness) -> None:
        spec = await harness.topic()
        (tp,) = tps(spec)
        await append(harness.log, messages(spec, "abcd"))
        async with joined(harness.log, harness.group(), specs=[spec]) as member:
            offsets = [record.offset for record in await collect(member, 4)]
            member.consumer.seek(tp, offsets[1])
            assert texts(await collect(member, 3)) == ["b", "c", "d"]
            member.consumer.seek(tp, offsets[3])
            assert texts(await collect(member, 1)) == ["d"]

    async def test_seek_of_a_partition_that_is_not_held_is_refused(
        self, harness: LogHarness
    ) -> None:
        spec = await harness.topic()
        async with joined(harness.log, harness.group(), specs=[spec]) as member:
            await settle([member], [spec])
            with pytest.raises(NotAssignedError):
                member.consumer.seek(TopicPartition(spec.name, 7), 0)


def _total(*members: Member) -> int:
    return sum(len(member.records) for member in members)
