"""Commits: what is new, one at a time, and what a refusal of one partition does to the others."""

import asyncio

import pytest

from facilitair_messaging.commits import Commits
from facilitair_messaging.errors import CommitRefusedError
from facilitair_messaging.ports import TopicPartition
from facilitair_messaging.watermark import Watermark
from facilitair_testing.eventually import eventually

MINE, LOST = TopicPartition("inbox", 0), TopicPartition("inbox", 1)


class Work:
    def __init__(self, tp, *finished):
        self.tp = tp
        self.committed = None
        self.watermark = Watermark()
        for offset in finished:
            self.finish(offset)

    def finish(self, offset):
        self.watermark.take(offset)
        self.watermark.finish(offset)


class Consumer:
    def __init__(self, *refused):
        self.refused = set(refused)
        self.asked = []

    async def commit(self, offsets):
        self.asked.append(dict(offsets))
        if self.refused & offsets.keys():
            raise CommitRefusedError(group="g", reason="lost")


class Held:
    def __init__(self, *works):
        self.works = works
        self.progressed = asyncio.Event()

    def committable(self):
        return list(self.works)


@pytest.fixture
def build(metrics):
    return lambda consumer: Commits(consumer=consumer, group="g", metrics=metrics)


async def test_only_what_is_new_is_committed(build):
    consumer, work = Consumer(), Work(MINE, 0, 1)
    commits = build(consumer)

    assert await commits.commit([work, Work(LOST)])
    assert await commits.commit([work])
    work.finish(4)
    assert await commits.commit([work])

    assert consumer.asked == [{MINE: 2}, {MINE: 5}]


async def test_a_lost_partition_does_not_keep_the_others_from_being_committed(build, registry):
    consumer = Consumer(LOST)
    mine, lost = Work(MINE, 0), Work(LOST, 0)

    assert not await build(consumer).commit([lost, mine])

    assert consumer.asked == [{LOST: 1, MINE: 1}, {LOST: 1}, {MINE: 1}]
    assert (mine.committed, lost.committed) == (1, None)
    labels = {"topic": "inbox", "group": "g"}
    assert registry.get_sample_value("facilitair_commits_refused_total", labels) == 1


async def test_what_is_still_held_is_tried_again(build):
    consumer, held = Consumer(MINE), Held(Work(MINE, 0))
    following = asyncio.create_task(build(consumer).follow(held, interval_s=0.0))
    held.progressed.set()
    await eventually(lambda: len(consumer.asked) >= 2)
    consumer.refused.clear()
    await eventually(lambda: held.works[0].committed == 1)
    following.cancel()


async def test_progress_within_the_interval_is_one_commit(build):
    consumer, work = Consumer(), Work(MINE, 0)
    held = Held(work)
    following = asyncio.create_task(build(consumer).follow(held, interval_s=0.05))
    held.progressed.set()
    await eventually(lambda: consumer.asked)
    for offset in range(1, 20):
        work.finish(offset)
        held.progressed.set()
        await asyncio.sleep(0)
    await eventually(lambda: len(consumer.asked) == 2)
    following.cancel()

    assert consumer.asked == [{MINE: 1}, {MINE: 20}]
