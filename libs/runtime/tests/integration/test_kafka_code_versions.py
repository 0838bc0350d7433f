"""R9 on a real Kafka: what old code stopped at is still before newer code."""

import asyncio
import secrets

import pytest

from facilitair_messaging.adapters.kafka import KafkaLog, Timing
from facilitair_messaging.ports import TopicPartition
from facilitair_runtime.errors import LogicTooNewError
from facilitair_testing.eventually import eventually
from libs.runtime.tests import histories, ledger

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(400),
    # Old code ends in the middle of connecting; the library forgets the socket it was opening.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
async def log(kafka_bootstrap):
    """A log with the topics of the ledger, which no other test uses."""
    topics = ledger.registry().topics
    async with KafkaLog.open(kafka_bootstrap, topics, timing=Timing.for_tests()) as opened:
        await opened.admin().ensure_topics(topics.values())
        yield opened


async def test_r9_newer_code_goes_on_where_old_code_stopped(log) -> None:
    group = f"ledger-{secrets.token_hex(4)}"
    old, new = (ledger.reducer(service=group, known_logic=known) for known in (1, 2))
    newer = ledger.record(ledger.Put(amount=5, logic=2), id="n")
    await histories.append(log, *ledger.puts(1, 2), newer, *ledger.puts(3, start=9))
    for _ in range(2):
        chassis = histories.keyed(log, reducer=old, max_records=2)
        with pytest.raises(LogicTooNewError, match="upgrade this service"):
            async with asyncio.timeout(60):
                await chassis.run(asyncio.Event())
    inbox = TopicPartition(ledger.INBOX, 0)
    assert (await log.admin().committed(group)).get(inbox, 0) <= 2
    async with histories.running(histories.keyed(log, reducer=new)):
        await eventually(lambda: histories.settled(log, group), timeout_s=60)
    await histories.check(log)
