"""How long fetches wait: short while something moves or is paused (R2, M6), long when idle."""

from types import SimpleNamespace

import pytest

from facilitair_messaging.adapters.kafka import fetching
from facilitair_messaging.adapters.kafka.consumer import Callbacks, KafkaConsumer
from facilitair_messaging.adapters.kafka.fetching import Fetches, Pace
from facilitair_messaging.adapters.kafka.timing import Timing
from facilitair_messaging.ports import TopicPartition

TP = TopicPartition("t", 0)
TIMING = Timing(consumer_wait_ms=20, idle_wait_ms=250)


class Client:
    """What of an aiokafka consumer is used here."""

    def __init__(self):
        self._fetcher = self
        self._fetch_max_wait_ms = 0
        self._records = {}
        self._coordinator = SimpleNamespace(check_errors=lambda: None, member_id="m-1")
        self._subscription = self
        self.found = []

    @property
    def wait_ms(self):
        return self._fetch_max_wait_ms

    def fetch_context(self):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def pause(self, *_):
        return None

    resume = seek = pause

    async def getmany(self, *_, **__):
        found, self.found = self.found, []
        return {TP: found} if found else {}


@pytest.fixture
def client():
    return Client()


@pytest.fixture
def _idle_at_once(monkeypatch):
    monkeypatch.setattr(fetching, "IDLE_AFTER_S", 0.0)


def record():
    fields = {"offset": 0, "timestamp": 0, "key": b"k", "value": b"v", "headers": ()}
    return SimpleNamespace(topic=TP.topic, partition=TP.partition, **fields)


async def test_what_has_just_changed_is_fetched_with_short_waits(client):
    fetches = Fetches(client, pace=Pace(20, 250))
    fetches.change()
    fetches.settle()
    assert client.wait_ms == 20


@pytest.mark.usefixtures("_idle_at_once")
async def test_who_had_nothing_for_a_while_waits_longer_until_something_comes(client):
    fetches = Fetches(client, pace=Pace(20, 250))
    fetches.settle()
    assert client.wait_ms == 250
    client.found = [record()]
    assert await fetches.take([TP], max_records=1)
    assert client.wait_ms == 20


@pytest.mark.usefixtures("_idle_at_once")
async def test_m6_while_something_is_paused_every_fetch_is_short(client):
    consumer = KafkaConsumer(
        consumer=client,
        cluster=None,
        group="g",
        name=None,
        callbacks=Callbacks(lambda _: None, lambda _: None),
        timing=TIMING,
    )
    consumer.on_partitions_assigned([TP, TopicPartition("t", 1)])
    assert client.wait_ms == 20
    assert await consumer.poll(max_records=1, wait_s=0) == []
    assert client.wait_ms == 250
    consumer.pause([TP])
    for _ in range(3):
        assert client.wait_ms == 20
        await consumer.poll(max_records=1, wait_s=0)
    consumer.resume([TP])
    assert client.wait_ms == 20
