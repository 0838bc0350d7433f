"""Readers without a group: positions, waiting, and offsets that do not exist."""

import asyncio
import time

import pytest

from facilitair_messaging.errors import OffsetOutOfRangeError
from facilitair_messaging.ports import TopicPartition
from facilitair_testing.conformance.drive import (
    DEADLINE_S,
    append,
    append_to,
    collect,
    messages,
    read_all,
    texts,
    tps,
)
from facilitair_testing.conformance.harness import LogHarness


class ReadingConformance:
    """What a reader promises."""

    async def test_a_reader_starts_where_it_is_told(self, harness: LogHarness) -> None:
        spec = await harness.topic()
        (tp,) = tps(spec)
        await append(harness.log, messages(spec, "abcde"))
        third = (await read_all(harness.log, spec))[2].offset
        async with harness.log.reader() as reader:
            reader.assign({tp: third})
            assert reader.positions() == {tp: third}
            assert texts(await collect(reader, 3)) == ["c", "d", "e"]
            assert reader.positions() == await harness.log.admin().end_offsets([tp])

    async def test_a_poll_returns_no_more_than_it_was_asked_for(self, harness: LogHarness) -> None:
        spec = await harness.topic()
        (tp,) = tps(spec)
        await append(harness.log, messages(spec, "abcdefg"))
        async with harness.log.reader() as reader:
            reader.assign({tp: 0})
            assert texts(await collect(reader, 7, max_records=2)) == list("abcdefg")

    async def test_assigning_replaces_what_was_assigned(self, harness: LogHarness) -> None:
        spec = await harness.topic(partitions=2)
        first, second = tps(spec)
        await append_to(harness.log, first, values=["old"])
        await append_to(harness.log, second, values=["new"])
        async with harness.log.reader() as reader:
            reader.assign({first: 0})
            reader.assign({second: 0})
            assert set(reader.positions()) == {second}
            assert texts(await collect(reader, 1)) == ["new"]
            assert await reader.poll(max_records=10, wait_s=0.1) == []

    async def test_a_reader_can_go_back(self, harness: LogHarness) -> None:
        spec = await harness.topic()
        (tp,) = tps(spec)
        await append(harness.log, messages(spec, "abc"))
        async with harness.log.reader() as reader:
            for _ in range(2):
                reader.assign({tp: 0})
                assert texts(await collect(reader, 3)) == ["a", "b", "c"]

    async def test_all_assigned_partitions_are_read(self, harness: LogHarness) -> None:
        spec = await harness.topic(partitions=3)
        for tp in tps(spec):
            await append_to(harness.log, tp, values=[f"{tp.partition}-{n}" for n in range(20)])
        async with harness.log.reader() as reader:
            reader.assign(dict.fromkeys(tps(spec), 0))
            found = await collect(reader, 60, max_records=7)
        assert len(set(texts(found))) == 60

    async def test_a_reader_that_is_assigned_nothing_gets_nothing(
        self, harness: LogHarness
    ) -> None:
        async with harness.log.reader() as reader:
            assert reader.positions() == {}
            assert await reader.poll(max_records=10, wait_s=0.05) == []

    async def test_an_append_wakes_a_waiting_poll(self, harness: LogHarness) -> None:
        spec, other = await harness.topic(), await harness.topic()
        async with harness.log.reader() as reader:
            reader.assign({tps(spec)[0]: 0})
            waiting = asyncio.create_task(reader.poll(max_records=10, wait_s=DEADLINE_S * 2))
            await append(harness.log, messages(other, "x"))
            assert not waiting.done(), "another topic must not end the wait"
            await append(harness.log, messages(spec, "a"))
            assert texts(await asyncio.wait_for(waiting, DEADLINE_S)) == ["a"]

    async def test_readers_of_one_partition_are_all_woken(self, harness: LogHarness) -> None:
        spec = await harness.topic()
        async with harness.log.reader() as one, harness.log.reader() as two:
            for reader in (one, two):
                reader.assign({tps(spec)[0]: 0})
            waiting = [
                asyncio.create_task(reader.poll(max_records=10, wait_s=DEADLINE_S * 2))
                for reader in (one, two)
            ]
            await append(harness.log, messages(spec, "a"))
            for found in await asyncio.wait_for(asyncio.gather(*waiting), DEADLINE_S):
                assert texts(found) == ["a"]

    async def test_a_poll_without_records_ends_after_its_wait(self, harness: LogHarness) -> None:
        spec = await harness.topic()
        async with harness.log.reader() as reader:
            reader.assign({tps(spec)[0]: 0})
            start = time.monotonic()
            assert await reader.poll(max_records=10, wait_s=0.2) == []
            assert 0.15 < time.monotonic() - start < DEADLINE_S

    async def test_an_offset_past_the_end_is_out_of_range(self, harness: LogHarness) -> None:
        spec = await harness.topic()
        (tp,) = tps(spec)
        await append(harness.log, messages(spec, "abc"))
        end = (await harness.log.admin().end_offsets([tp]))[tp]
        await _assert_out_of_range(harness, tp, offset=end + 1, beginning=0)

    async def test_an_expired_offset_is_out_of_range(self, harness: LogHarness) -> None:
        spec = await harness.topic(cleanup=("delete",))
        (tp,) = tps(spec)
        await append(harness.log, messages(spec, "abc"))
        await harness.expire(spec)
        beginning = (await harness.log.admin().beginning_offsets([tp]))[tp]
        assert beginning > 0
        await _assert_out_of_range(harness, tp, offset=beginning - 1, beginning=beginning)

    async def test_a_reader_goes_on_after_an_offset_out_of_range(self, harness: LogHarness) -> None:
        spec = await harness.topic()
        (tp,) = tps(spec)
        await append(harness.log, messages(spec, "a"))
        async with harness.log.reader() as reader:
            reader.assign({tp: 99})
            with pytest.raises(OffsetOutOfRangeError):
                await collect(reader, 1)
            reader.assign({tp: 0})
            assert texts(await collect(reader, 1)) == ["a"]


async def _assert_out_of_range(
    harness: LogHarness, tp: TopicPartition, *, offset: int, beginning: int
) -> None:
    async with harness.log.reader() as reader:
        reader.assign({tp: offset})
        with pytest.raises(OffsetOutOfRangeError) as caught:
            await collect(reader, 1)
    error = caught.value
    assert (error.topic, error.partition, error.offset) == (tp.topic, tp.partition, offset)
    assert error.beginning == beginning
