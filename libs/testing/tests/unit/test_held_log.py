"""A log that is held: nothing passes that should not, and everything passes in order after."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from facilitair_messaging.adapters.embedded import EmbeddedLog
from facilitair_messaging.errors import CommitRefusedError, ProduceUnknownError
from facilitair_messaging.ports import Message, TopicPartition
from facilitair_testing.eventually import eventually
from facilitair_testing.held_log import HeldLog
from facilitair_testing.topics import topic_spec

A, B = "topic-a", "topic-b"
TP = TopicPartition(A, 0)


@pytest.fixture
async def embedded(tmp_path):
    specs = {name: topic_spec(name) for name in (A, B)}
    async with EmbeddedLog.open(tmp_path / "log.db", specs) as log:
        await log.admin().ensure_topics(specs.values())
        yield log


def message(value, topic=A):
    return Message(topic, b"k", value.encode())


async def values(log, topic=A):
    tp = TopicPartition(topic, 0)
    end = (await log.admin().end_offsets([tp]))[tp]
    found = []
    async with log.reader() as reader:
        reader.assign({tp: 0})
        while reader.positions()[tp] < end:
            found += await reader.poll(max_records=100, wait_s=1)
    return [record.value.decode() for record in found]


async def test_a_held_topic_waits_and_the_others_do_not(embedded):
    log = HeldLog(embedded)
    hold = log.hold(A)
    async with log.producer() as producer:
        send = asyncio.create_task(producer.send([message("1"), message("2", B), message("3")]))
        assert [one.value for one in await hold.reached(2)] == [b"1", b"3"]
        assert (await values(embedded), await values(embedded, B)) == ([], ["2"])
        assert not send.done()
        hold.land()
        acks = await send
        assert [ack.offset for ack in acks] == [0, 0, 1]
        await producer.send([message("4")])
    assert await values(embedded) == ["1", "3", "4"]
    assert [one.value for one in log.journal] == [b"2", b"1", b"3", b"4"]


async def test_what_is_sent_behind_a_held_send_stays_behind_it(embedded):
    log = HeldLog(embedded)
    hold = log.hold(A)
    async with log.producer() as producer:
        sends = [asyncio.create_task(producer.send([message(str(n))])) for n in range(3)]
        await hold.reached(3)
        hold.land()
        await asyncio.gather(*sends)
    assert await values(embedded) == ["0", "1", "2"]


async def test_doubt_is_told_at_once_and_the_records_may_land_late_or_never(embedded):
    log = HeldLog(embedded)
    hold = log.hold(A)
    async with log.producer() as producer:
        send = asyncio.create_task(producer.send([message("late")]))
        await hold.reached()
        hold.doubt()
        with pytest.raises(ProduceUnknownError):
            await send
        await producer.send([message("again")])
        assert await values(embedded) == ["again"]
        await hold.land_late()
    assert await values(embedded) == ["again", "late"]


async def test_a_stopped_user_writes_nothing_and_is_not_told_what_was_written(embedded):
    log = HeldLog(embedded)
    async with log.producer() as producer:
        log.stop()
        send = asyncio.create_task(producer.send([message("1")]))
        await asyncio.sleep(0)
        assert await values(embedded) == []
        assert not send.done()
        log.go_on()
        await send
    assert await values(embedded) == ["1"]


@asynccontextmanager
async def member(log, name, told):
    async with log.consumer(
        group="g",
        topics=[A],
        member=name,
        on_assigned=lambda tps: told.append(("given", len(tps))),
        on_revoked=lambda tps: told.append(("taken", len(tps))),
    ) as consumer:
        yield consumer


async def test_a_stopped_member_learns_at_its_next_poll_what_it_lost(embedded):
    log, told = HeldLog(embedded), []
    await log.write([message("1")])
    async with member(log, "m-0", told) as stopped:
        [record] = await stopped.poll(max_records=10, wait_s=1)
        log.stop()
        async with member(embedded, "m-1", []) as heir:
            assert told == [("given", 1)]
            assert len(await heir.poll(max_records=10, wait_s=1)) == 1
            log.go_on()
            # Its commit is refused before it knows why (M1).
            with pytest.raises(CommitRefusedError):
                await stopped.commit({record.tp: 1})
            assert told == [("given", 1)]
            assert await stopped.poll(max_records=10, wait_s=0) == []
            assert told == [("given", 1), ("taken", 1)]
        assert told == [("given", 1), ("taken", 1), ("given", 1)]


async def test_a_stopped_member_polls_and_commits_nothing(embedded):
    log = HeldLog(embedded)
    await log.write([message("1")])
    async with member(log, "m-0", []) as stopped:
        log.stop()
        poll = asyncio.create_task(stopped.poll(max_records=10, wait_s=0))
        commit = asyncio.create_task(stopped.commit({TP: 1}))
        asked = asyncio.create_task(stopped.committed(TP))
        await log.write([message("2")])  # long enough for all of them
        assert [task.done() for task in (poll, commit, asked)] == [False] * 3
        assert await embedded.admin().committed("g") == {}
        log.go_on()
        await asyncio.gather(poll, commit, asked)
    assert await embedded.admin().committed("g") == {TP: 1}


async def test_a_stopped_reader_reads_nothing(embedded):
    log = HeldLog(embedded)
    await log.write([message("1")])
    async with log.reader() as reader:
        reader.assign({TP: 0})
        log.stop()
        poll = asyncio.create_task(reader.poll(max_records=10, wait_s=0))
        await log.write([message("2")])  # long enough for a poll
        assert not poll.done()
        log.go_on()
        await eventually(poll.done)
        assert [record.value for record in poll.result()] == [b"1", b"2"]
