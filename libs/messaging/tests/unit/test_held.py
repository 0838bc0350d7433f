"""What a member holds, seen from its consumer: throttling, and turns of one partition."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from facilitair_messaging.held import HeldPartitions, TopicSlots
from facilitair_messaging.ports import Record, TopicPartition
from facilitair_messaging.rejections import RejectionLimit
from facilitair_testing.eventually import eventually

TP = TopicPartition("inbox", 0)


def records(*offsets):
    return [Record("inbox", 0, offset, 0, f"k{offset}".encode(), b"", ()) for offset in offsets]


class Consumer:
    def __init__(self):
        self.calls = []

    def pause(self, tps):
        self.calls.append(("pause", *tps))

    def resume(self, tps):
        self.calls.append(("resume", *tps))


@pytest.fixture
def held():
    @asynccontextmanager
    async def hold(gates, *, max_pending=100):
        async def finish(record, work):
            async with work.attempt():
                await gates.setdefault(record.offset, asyncio.Event()).wait()

        consumer = Consumer()
        async with asyncio.TaskGroup() as tasks:
            partitions = HeldPartitions(
                tasks=tasks,
                finish=finish,
                slots=TopicSlots(100),
                max_pending=max_pending,
                drain_s=5,
                rejections=RejectionLimit(),
            )
            partitions.serve(consumer)
            partitions.assigned(frozenset({TP}))
            yield partitions, consumer
            for offset in range(20):
                gates.setdefault(offset, asyncio.Event()).set()
            await partitions.close()

    return hold


async def test_the_offset_of_an_earlier_turn_is_not_committed_in_a_later_one(held):
    gates = {0: asyncio.Event(), 1: asyncio.Event()}
    async with held(gates) as (partitions, _):
        partitions.take(records(0, 1))
        gates[0].set()
        await eventually(lambda: partitions.pending[TP] == 1)
        partitions.progressed.clear()
        partitions.revoked(frozenset({TP}))
        # Another member had it, handled more and committed; now it is back.
        partitions.assigned(frozenset({TP}))
        partitions.take(records(7))
        gates[1].set()
        # The later turn begins when the earlier one is gone.
        await eventually(lambda: 7 in gates)

        assert [work.watermark.committable for work in partitions.committable()] == [None]


async def test_what_was_let_go_is_offered_for_a_commit_once(held):
    gates = {0: asyncio.Event()}
    gates[0].set()
    async with held(gates) as (partitions, _):
        partitions.take(records(0))
        await eventually(lambda: partitions.pending[TP] == 0)
        partitions.progressed.clear()
        partitions.revoked(frozenset({TP}))
        await asyncio.wait_for(partitions.progressed.wait(), 60)

        assert [work.watermark.committable for work in partitions.committable()] == [1]
        assert partitions.committable() == []


async def test_a_full_partition_is_paused_once_and_resumed_at_half(held):
    gates = {}
    async with held(gates, max_pending=4) as (partitions, consumer):
        partitions.take(records(0, 1, 2))
        assert consumer.calls == []
        partitions.take(records(3, 4))
        partitions.take(records(5))
        assert consumer.calls == [("pause", TP)]
        await eventually(lambda: len(gates) == 6)
        for offset in (0, 1, 2):
            gates[offset].set()
        await eventually(lambda: partitions.pending[TP] == 3)
        assert consumer.calls == [("pause", TP)]
        gates[3].set()
        await eventually(lambda: partitions.pending[TP] == 2)
        assert consumer.calls == [("pause", TP), ("resume", TP)]


async def test_an_earlier_turn_does_not_resume_the_present_one(held):
    gates = {}
    async with held(gates, max_pending=2) as (partitions, consumer):
        partitions.take(records(0, 1))
        await eventually(lambda: len(gates) == 2)
        partitions.revoked(frozenset({TP}))
        partitions.assigned(frozenset({TP}))
        partitions.take(records(0, 1))
        assert consumer.calls == [("pause", TP), ("pause", TP)]
        partitions.progressed.clear()
        gates[0].set()
        await asyncio.wait_for(partitions.progressed.wait(), 60)

        assert consumer.calls == [("pause", TP), ("pause", TP)]


async def test_records_of_a_partition_that_is_not_held_are_dropped(held):
    async with held({}) as (partitions, _):
        partitions.revoked(frozenset({TP}))
        partitions.take(records(0))

        assert partitions.pending == {}
