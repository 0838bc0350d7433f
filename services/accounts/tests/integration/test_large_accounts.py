"""An account as large as one may be: its snapshot fits a record of both logs, and comes back."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from facilitair_accounts.app import build_reducer
from facilitair_events.balances import AccountSnapshot, AccountState
from facilitair_events.codec import type_name
from facilitair_events.envelope import Envelope, timestamp
from facilitair_events.layout import topics_dir
from facilitair_events.registry import Registry
from facilitair_events.topics import ACCOUNT_STATE
from facilitair_messaging.adapters.embedded import EmbeddedLog
from facilitair_messaging.adapters.kafka import KafkaLog, Timing
from facilitair_messaging.messages import message, read
from facilitair_messaging.ports import Log, Record, TopicPartition
from facilitair_money.bounds import STATE_LIMIT_BYTES

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]

TENANT = "large-account"


@pytest.fixture(params=["embedded", "kafka"])
def open_log(request: pytest.FixtureRequest, tmp_path) -> Any:
    """Open the log of this test, with the topics of the product."""
    registry = Registry.load(topics_dir())

    @asynccontextmanager
    async def opened() -> AsyncIterator[Log]:
        if request.param == "embedded":
            async with EmbeddedLog.open(tmp_path / "log.db", registry.topics) as log:
                await log.admin().ensure_topics(registry.topics.values())
                yield log
            return
        bootstrap = request.getfixturevalue("kafka_bootstrap")
        topics = {ACCOUNT_STATE: registry.topics[ACCOUNT_STATE]}
        async with KafkaLog.open(bootstrap, topics, timing=Timing.for_tests()) as log:
            await log.admin().ensure_topics(topics.values())
            yield log

    return opened


async def test_r8_the_largest_state_comes_back_from_its_record(open_log) -> None:
    clients = tuple(f"{number:064}" for number in range(STATE_LIMIT_BYTES // 67 - 20))
    state = AccountState(tenant=TENANT, clients=clients)
    data = AccountSnapshot(applied=1, state=state)
    envelope = Envelope(
        id="snapshot-of-a-large-account", type=type_name(data), source="test", time=timestamp(0),
        subject=TENANT, tenant=TENANT, project="p", actor="a", correlation="c",
    )  # fmt: skip
    sent = message(topic=ACCOUNT_STATE, key=TENANT, data=data, envelope=envelope)
    assert STATE_LIMIT_BYTES * 0.99 < len(sent.value or b"") <= STATE_LIMIT_BYTES
    async with open_log() as log:
        async with log.producer() as producer:
            (ack,) = await producer.send([sent])
        async with log.reader() as reader:
            reader.assign({TopicPartition(ACCOUNT_STATE, ack.partition): ack.offset or 0})
            found: list[Record] = []
            while not found:
                read_on = await reader.poll(max_records=10, wait_s=1)
                found = [record for record in read_on if record.key == TENANT.encode()]
    assert found[0].value == sent.value
    assert read(found[0]).data == data


def test_the_limit_of_a_state_fits_its_topic_with_key_and_headers() -> None:
    topic = Registry.load(topics_dir()).topics[ACCOUNT_STATE]
    assert build_reducer().state_limit_bytes + 64 * 1024 < topic.max_record_bytes
