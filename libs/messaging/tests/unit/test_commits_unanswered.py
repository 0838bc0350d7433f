from types import SimpleNamespace

import pytest

from facilitair_messaging.commits import Commits
from facilitair_messaging.errors import CommitUnknownError
from facilitair_messaging.ports import TopicPartition

TPS = [TopicPartition("inbox", number) for number in range(3)]


def work(tp):
    return SimpleNamespace(tp=tp, watermark=SimpleNamespace(committable=7), committed=None)


class Away:
    """A consumer whose log does not answer."""

    def __init__(self):
        self.asked = []

    async def commit(self, offsets):
        self.asked.append(set(offsets))
        raise CommitUnknownError(group="g", reason="away")


@pytest.fixture
def commits(metrics):
    return lambda consumer: Commits(consumer=consumer, group="g", metrics=metrics)


async def test_a_log_that_is_away_is_asked_once_and_not_per_partition(commits):
    consumer = Away()
    works = [work(tp) for tp in TPS]
    assert not await commits(consumer).commit(works)
    assert consumer.asked == [set(TPS)]
    assert [done.committed for done in works] == [None] * 3
