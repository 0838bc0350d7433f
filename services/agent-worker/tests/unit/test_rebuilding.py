"""Tasks of a partition wait for its ledger and for the stops (R5, R23)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from facilitair_agent_worker.rebuilding import Rebuilds
from facilitair_events.topics import AGENT_TASKS, AGENT_TASKS_BATCH, LLM_CALLS, WORKER_CONTROL
from facilitair_messaging.errors import UnknownTopicError
from facilitair_messaging.ports import Log, TopicPartition
from facilitair_testing.desk import Desk
from facilitair_testing.eventually import eventually

TASKS, BATCH = TopicPartition(AGENT_TASKS, 3), TopicPartition(AGENT_TASKS_BATCH, 3)


class Reading:
    """A follower that is as far as the test says."""

    def __init__(self) -> None:
        self.asked: list[tuple[TopicPartition, int]] = []
        self.caught_up = asyncio.Event()

    async def reached(self, tp: TopicPartition, offset: int) -> None:
        self.asked.append((tp, offset))
        await self.caught_up.wait()


class Watching:
    def __init__(self) -> None:
        self.watched: set[int] = set()

    def watch(self, partition: int) -> None:
        self.watched.add(partition)

    def unwatch(self, partition: int) -> None:
        self.watched.discard(partition)


class Parts:
    def __init__(self, log: Any) -> None:
        self.ledger, self.stops, self.silence = Reading(), Reading(), Watching()
        parts: Any = self
        self.rebuilds = Rebuilds(
            log=log, ledger=parts.ledger, stops=parts.stops, silence=parts.silence
        )


@asynccontextmanager
async def running(log: Any) -> AsyncIterator[Parts]:
    parts = Parts(log)
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(parts.rebuilds.run())
        try:
            yield parts
        finally:
            task.cancel()


async def test_r05_a_task_waits_for_the_ledger_and_the_stops(log: Log) -> None:
    async with running(log) as parts:
        parts.rebuilds.assigned(frozenset({TASKS}))
        waiting = asyncio.create_task(parts.rebuilds.wait(TASKS))
        for follower in (parts.stops, parts.ledger):
            await eventually(lambda follower=follower: follower.asked, what="the question")
            assert not waiting.done()
            assert not parts.rebuilds.ready()
            assert parts.silence.watched == set()
            follower.caught_up.set()
        await asyncio.wait_for(waiting, 60)
        await eventually(lambda: parts.silence.watched == {3}, what="the watch")
        assert parts.rebuilds.ready()


async def test_r05_it_reads_to_the_end_as_it_is_after_the_assignment(log: Log, desk: Desk) -> None:
    await desk.stop()
    async with running(log) as parts:
        parts.ledger.caught_up.set()
        parts.stops.caught_up.set()
        parts.rebuilds.assigned(frozenset({TASKS}))
        await asyncio.wait_for(parts.rebuilds.wait(TASKS), 60)
    assert parts.stops.asked == [(TopicPartition(WORKER_CONTROL, 0), 1)]
    assert parts.ledger.asked == [(TopicPartition(LLM_CALLS, 3), 0)]


async def test_r20_batch_tasks_wait_too_but_do_not_make_a_watcher(log: Log) -> None:
    async with running(log) as parts:
        parts.ledger.caught_up.set()
        parts.stops.caught_up.set()
        parts.rebuilds.assigned(frozenset({BATCH}))
        await asyncio.wait_for(parts.rebuilds.wait(BATCH), 60)
        assert parts.silence.watched == set()


async def test_r05_a_partition_that_left_meanwhile_is_not_watched(log: Log) -> None:
    async with running(log) as parts:
        parts.stops.caught_up.set()
        parts.rebuilds.assigned(frozenset({TASKS}))
        waiting = asyncio.create_task(parts.rebuilds.wait(TASKS))
        await eventually(lambda: parts.ledger.asked, what="the question")
        parts.rebuilds.revoked(frozenset({TASKS}))
        parts.ledger.caught_up.set()
        await asyncio.wait_for(waiting, 60)
        assert parts.silence.watched == set()


async def test_r05_a_partition_that_comes_back_is_rebuilt_again(log: Log) -> None:
    async with running(log) as parts:
        parts.ledger.caught_up.set()
        parts.stops.caught_up.set()
        for _ in range(2):
            parts.rebuilds.assigned(frozenset({TASKS}))
            assert not parts.rebuilds.ready()
            await asyncio.wait_for(parts.rebuilds.wait(TASKS), 60)
            parts.rebuilds.revoked(frozenset({TASKS}))
    assert len(parts.ledger.asked) == 2


async def test_leaving_the_group_ends_the_watch(log: Log) -> None:
    async with running(log) as parts:
        parts.ledger.caught_up.set()
        parts.stops.caught_up.set()
        parts.rebuilds.assigned(frozenset({TASKS}))
        await eventually(lambda: parts.silence.watched == {3}, what="the watch")
        parts.rebuilds.leave()
        assert parts.silence.watched == set()


async def test_r05_a_failed_rebuild_stops_the_process(log: Log) -> None:
    class Broken:
        def admin(self) -> Any:
            raise UnknownTopicError(topic="llm-calls")

    async def assign() -> None:
        async with running(Broken()) as parts:
            parts.rebuilds.assigned(frozenset({TASKS}))
            await asyncio.wait_for(asyncio.Event().wait(), 60)

    with pytest.raises(ExceptionGroup):
        await assign()
