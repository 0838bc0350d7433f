"""Dead letters on a real broker: read in pages without a group, put back, folded."""

import secrets

import pytest
from prometheus_client import CollectorRegistry

from facilitair_events.registry import Registry, dead_letter_topic
from facilitair_gateway.errors import ConflictError, NoAnswerError, UnknownLetterError
from facilitair_gateway.letters.desk import LetterDesk
from facilitair_gateway.letters.letter import Place
from facilitair_gateway.letters.lineage import lineage
from facilitair_gateway.letters.reading import LetterReader, Wanted
from facilitair_gateway.principal import local_principal
from facilitair_messaging.adapters.kafka import KafkaLog, Timing
from facilitair_messaging.dead_letters import DeadLetters, Failure
from facilitair_messaging.errors import PermanentError
from facilitair_messaging.ports import Message, TopicPartition
from facilitair_observability.metrics import Metrics
from facilitair_observability.timestamps import now_ms
from facilitair_testing.topics import topic_spec

pytestmark = pytest.mark.integration

ME = local_principal()


class SilentInbox:
    """Nobody says what collaborations do."""

    async def describe(self, *_args):
        raise NoAnswerError(timeout_s=0)


class Stand:
    """A topic of a fresh name with its dead letters, and a desk over them."""

    def __init__(self, log, registry, producer):
        self.log = log
        self.topic, self.dlq = registry.names
        self.reader = LetterReader(log, registry, read_s=60, metrics=Metrics(CollectorRegistry()))
        self.desk = LetterDesk(
            log, self.reader, producer=producer, inbox=SilentInbox(), timeout_s=30,
            now_ms=now_ms, fresh_id=lambda: secrets.token_hex(8),
        )  # fmt: skip
        self.producer = producer

    async def records(self):
        tps = [TopicPartition(self.topic, number) for number in range(2)]
        ends, found = await self.log.admin().end_offsets(tps), []
        async with self.log.reader() as reader:
            reader.assign(dict.fromkeys(tps, 0))
            while any(reader.positions()[tp] < ends[tp] for tp in tps):
                found += await reader.poll(max_records=100, wait_s=1)
        return found

    async def give_up(self, record, reason):
        letters = DeadLetters(producer=self.producer, service="s", group="g")
        error = PermanentError(reason)
        await letters.send(record, Failure(error=error, attempts=2, first_failed_at_ms=now_ms()))

    async def ids(self, **wanted):
        page = await self.reader.page(Wanted(**wanted), after=None, limit=100)
        return [letter.id for letter, _ in page.letters]


@pytest.fixture
async def stand(kafka_bootstrap):
    spec = topic_spec(f"letters-{secrets.token_hex(4)}", partitions=2)
    letters = dead_letter_topic(spec)
    registry = Registry({one.name: one for one in (spec, letters)})
    async with KafkaLog.open(kafka_bootstrap, registry.topics, timing=Timing.for_tests()) as log:
        await log.admin().ensure_topics(registry.topics.values())
        async with log.producer() as producer:
            yield Stand(log, registry, producer)


async def test_letters_are_read_in_pages_put_back_and_folded(stand):
    sent = [
        Message(stand.topic, b"local:c1", b"\xff%d" % number, (("tenant", b"local"),))
        for number in range(3)
    ]
    await stand.producer.send(sent)
    for number, record in enumerate(await stand.records()):
        await stand.give_up(record, f"reason {number}")

    first, second, third = await stand.ids()
    page = await stand.reader.page(Wanted(), after=None, limit=2)
    assert [letter.id for letter, _ in page.letters] == [first, second]
    page = await stand.reader.page(Wanted(), after=page.following, limit=2)
    assert ([letter.id for letter, _ in page.letters], page.following) == ([third], None)
    assert await stand.ids(reason="reason 1") == [second]
    assert await stand.ids(since_ms=now_ms() + 3_600_000) == []
    assert await stand.ids(since_ms=now_ms() - 3_600_000) == [first, second, third]
    with pytest.raises(UnknownLetterError):
        await stand.reader.find(Place(stand.dlq, 0, 99))

    done = await stand.desk.replay(first, by=ME, again=False, dry_run=False)
    again = next(r for r in await stand.records() if r.offset == done.offset)
    assert (again.partition, again.key, again.value) == (done.partition, b"local:c1", b"\xff0")
    await stand.desk.discard(second, by=ME, reason="no use")
    await stand.give_up(again, "reason 0 still")
    with pytest.raises(ConflictError):
        await stand.desk.replay(first, by=ME, again=False, dry_run=False)

    assert await stand.ids(state="replayed") == [first]
    assert await stand.ids(state="discarded") == [second]
    (_, back) = await stand.ids(state="open")
    for ident in (first, back):
        letter, _ = await stand.desk.look(ident)
        chain = await lineage(letter, stand.reader)
        assert [(link.id, link.state) for link in chain] == [(first, "replayed"), (back, "open")]
