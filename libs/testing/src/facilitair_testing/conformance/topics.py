"""Topics and offsets seen from outside, and what the log refuses."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from facilitair_events.registry import TopicSpec
from facilitair_messaging.errors import (
    RecordRefusedError,
    RecordTooLargeError,
    TopicDriftError,
    UnknownTopicError,
)
from facilitair_messaging.ports import Message, TopicPartition
from facilitair_testing.conformance.drive import (
    append,
    collect,
    joined,
    messages,
    read_all,
    texts,
    tps,
)
from facilitair_testing.conformance.harness import MAX_RECORD_BYTES, LogHarness
from facilitair_testing.conformance.ordering import few_examples


class TopicConformance:
    """Creating topics, asking for offsets, refusals."""

    async def test_a_new_topic_is_empty_and_takes_writes(self, harness: LogHarness) -> None:
        spec = await harness.topic(partitions=3)
        admin = harness.log.admin()
        assert await admin.partitions(spec.name) == 3
        assert await admin.beginning_offsets(tps(spec)) == dict.fromkeys(tps(spec), 0)
        assert await admin.end_offsets(tps(spec)) == dict.fromkeys(tps(spec), 0)
        await append(harness.log, messages(spec, "a"))

    async def test_creating_a_topic_again_changes_nothing(self, harness: LogHarness) -> None:
        spec = await harness.topic(partitions=2)
        await append(harness.log, messages(spec, "a"))
        await harness.log.admin().ensure_topics([spec, spec])
        assert texts(await read_all(harness.log, spec)) == ["a"]

    async def test_topics_created_at_once_by_several_are_created_once(
        self, harness: LogHarness
    ) -> None:
        spec = harness.spec(partitions=2)
        admin = harness.log.admin()
        await asyncio.gather(*(admin.ensure_topics([spec]) for _ in range(3)))
        assert await admin.partitions(spec.name) == 2

    async def test_r3_another_partition_count_is_refused(self, harness: LogHarness) -> None:
        spec = await harness.topic(partitions=2)
        fresh = harness.spec(partitions=1)
        with pytest.raises(TopicDriftError):
            await harness.log.admin().ensure_topics([fresh, replace(spec, partitions=3)])
        assert await harness.log.admin().partitions(spec.name) == 2
        assert harness.log.partition_for(spec.name, b"k") in range(2)

    async def test_topics_and_records_survive_a_restart(self, harness: LogHarness) -> None:
        spec = await harness.topic(partitions=2)
        await append(harness.log, messages(spec, "abc"))
        before = await read_all(harness.log, spec)
        await harness.reopen()
        assert await read_all(harness.log, spec) == before
        await append(harness.log, messages(spec, "d"))
        assert texts(await read_all(harness.log, spec)) == ["a", "b", "c", "d"]

    async def test_the_end_is_past_the_last_record(self, harness: LogHarness) -> None:
        spec = await harness.topic()
        (tp,) = tps(spec)
        await append(harness.log, messages(spec, "abc"))
        found = await read_all(harness.log, spec)
        ends = await harness.log.admin().end_offsets([tp])
        assert ends[tp] > found[-1].offset
        async with harness.log.reader() as reader:
            reader.assign(ends)
            await append(harness.log, messages(spec, "d"))
            assert texts(await collect(reader, 1)) == ["d"]

    async def test_expiry_moves_the_beginning_and_never_the_end(self, harness: LogHarness) -> None:
        spec = await harness.topic(cleanup=("delete",))
        (tp,) = tps(spec)
        await append(harness.log, messages(spec, "abc"))
        admin = harness.log.admin()
        ends = await admin.end_offsets([tp])
        await harness.expire(spec)
        assert await admin.beginning_offsets([tp]) == ends
        await harness.reopen()
        admin = harness.log.admin()
        assert await admin.beginning_offsets([tp]) == await admin.end_offsets([tp]) == ends
        (ack,) = await append(harness.log, messages(spec, "d"))
        assert ack.offset is not None
        assert ack.offset >= ends[tp]
        assert texts(await read_all(harness.log, spec)) == ["d"]

    @few_examples
    @given(pauses=st.lists(st.integers(0, 3), min_size=1, max_size=8))
    async def test_offsets_at_finds_the_first_record_of_a_time(
        self, harness: LogHarness, pauses: list[int]
    ) -> None:
        spec = await harness.topic()
        (tp,) = tps(spec)
        for n, pause_ms in enumerate(pauses):
            await append(harness.log, messages(spec, [str(n)]))
            await harness.elapse(pause_ms)
        records = await read_all(harness.log, spec)
        first, last = records[0].timestamp_ms, records[-1].timestamp_ms
        admin = harness.log.admin()
        for time_ms in range(first - 1, last + 2):
            expected = next((r.offset for r in records if r.timestamp_ms >= time_ms), None)
            assert await admin.offsets_at({tp: time_ms}) == {tp: expected}

    async def test_offsets_at_of_an_empty_partition_is_none(self, harness: LogHarness) -> None:
        spec = await harness.topic()
        (tp,) = tps(spec)
        assert await harness.log.admin().offsets_at({tp: 0}) == {tp: None}

    async def test_a_record_that_is_too_large_is_refused(self, harness: LogHarness) -> None:
        spec = await harness.topic()
        async with harness.log.producer() as producer:
            with pytest.raises(RecordTooLargeError) as caught:
                await producer.send([Message(spec.name, b"k", b"x" * (MAX_RECORD_BYTES + 1))])
            assert caught.value.topic == spec.name
            await producer.send(messages(spec, "small"))
        found = await read_all(harness.log, spec)
        assert texts(found) == list("small")

    async def test_a_record_below_the_limit_is_taken(self, harness: LogHarness) -> None:
        spec = await harness.topic()
        value = b"x" * (MAX_RECORD_BYTES - 1024)
        await append(harness.log, [Message(spec.name, b"k", value)])
        assert [record.value for record in await read_all(harness.log, spec)] == [value]

    async def test_sending_to_an_unknown_topic_is_refused(self, harness: LogHarness) -> None:
        spec, unknown = await harness.topic(), harness.spec(partitions=1)
        async with harness.log.producer() as producer:
            with pytest.raises(RecordRefusedError) as caught:
                await producer.send(messages(unknown, "a"))
            assert not isinstance(caught.value, RecordTooLargeError)
            await producer.send(messages(spec, "b"))
        assert texts(await read_all(harness.log, spec)) == ["b"]

    async def test_an_unknown_topic_cannot_be_read(self, harness: LogHarness) -> None:
        unknown = harness.spec(partitions=1)
        with pytest.raises(UnknownTopicError):
            harness.log.partition_for(unknown.name, b"k")
        with pytest.raises(UnknownTopicError):
            await harness.log.admin().partitions(unknown.name)
        with pytest.raises(UnknownTopicError):
            await harness.log.admin().end_offsets([TopicPartition(unknown.name, 0)])
        with pytest.raises(UnknownTopicError):
            await _join_and_poll(harness, unknown)
        with pytest.raises(UnknownTopicError):
            await _assign_and_poll(harness, unknown)

    async def test_a_cancelled_send_leaves_the_log_usable(self, harness: LogHarness) -> None:
        spec = await harness.topic()
        async with harness.log.producer() as producer:
            sends = [
                asyncio.create_task(producer.send(messages(spec, [f"{n:02}a", f"{n:02}b"])))
                for n in range(20)
            ]
            await asyncio.sleep(0)
            for send in sends[::3]:
                send.cancel()
            answers = await asyncio.gather(*sends, return_exceptions=True)
        await append(harness.log, messages(spec, ["after"]))
        found = texts(await read_all(harness.log, spec))
        acked = [n for n, answer in enumerate(answers) if isinstance(answer, list)]
        assert len(found) == len(set(found)), "nothing is written twice"
        assert {f"{n:02}{half}" for n in acked for half in "ab"} <= set(found)
        assert found[:-1] == sorted(found[:-1])
        assert found[-1] == "after"


async def _join_and_poll(harness: LogHarness, spec: TopicSpec) -> None:
    async with joined(harness.log, harness.group(), specs=[spec]) as member:
        await collect(member, 1)


async def _assign_and_poll(harness: LogHarness, spec: TopicSpec) -> None:
    async with harness.log.reader() as reader:
        reader.assign(dict.fromkeys(tps(spec), 0))
        await collect(reader, 1)
