"""What tokens cost, counted: a slower path fails here on any machine, a slower machine does not."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from facilitair_agent_worker.pace import CREDIT_S, LIGHT_TICK_S
from facilitair_agent_worker.tokens import AttemptStream, TokenWriter
from facilitair_events.codec import encode
from facilitair_events.stream import Token
from facilitair_messaging.ports import Ack
from facilitair_observability.metrics import Metrics

STREAMS = 20
READS = 50
"""Reads of each stream's socket, each with a token."""

TURNS_PER_ACK = 10
"""So many turns of the loop go by while the log takes a batch."""


class BusyLog:
    """A log that takes its time, and counts."""

    def __init__(self):
        self.sends = 0
        self.records = []

    async def send(self, messages):
        self.sends += 1
        self.records += messages
        for _ in range(TURNS_PER_ACK):
            await asyncio.sleep(0)
        return [Ack(0, None) for _ in messages]

    def acked(self, topic, acks):
        pass


async def test_a_thousand_tokens_of_twenty_streams_leave_in_few_requests():
    log = BusyLog()
    writer = TokenWriter(producer=log, read_back=log, metrics=Metrics(CollectorRegistry()))
    running = asyncio.create_task(writer.run())
    streams = [
        AttemptStream(key=b"local:c%d" % n, step="a", attempt=1, agent="coder")
        for n in range(STREAMS)
    ]
    for _ in range(READS):
        for stream in streams:
            writer.write(stream, " token")
        await asyncio.sleep(0)
    await writer.flush()
    running.cancel()

    # One request per acknowledged batch, whatever the number of streams; and per stream one record
    # for all that came meanwhile.
    most = READS // TURNS_PER_ACK + 2
    assert log.sends <= most
    assert len(log.records) <= most * STREAMS
    assert sum(record.value.count(b" token") for record in log.records) == STREAMS * READS


async def test_a_token_that_comes_alone_leaves_at_once():
    log = BusyLog()
    writer = TokenWriter(producer=log, read_back=log, metrics=Metrics(CollectorRegistry()))
    running = asyncio.create_task(writer.run())
    stream = AttemptStream(key=b"local:c", step="a", attempt=1, agent="coder")
    for sent in range(1, 4):
        writer.write(stream, " token")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert log.sends == sent
        await writer.flush()
    running.cancel()


class QuickLog(BusyLog):
    """A log that answers at once: nothing but the pace holds requests back."""

    async def send(self, messages):
        self.sends += 1
        self.records += messages
        return [Ack(0, None) for _ in messages]


async def test_requests_follow_the_clock_and_not_the_tokens():
    log, loop = QuickLog(), asyncio.get_running_loop()
    writer = TokenWriter(producer=log, read_back=log, metrics=Metrics(CollectorRegistry()))
    running = asyncio.create_task(writer.run())
    streams = [
        AttemptStream(key=b"local:c%d" % n, step="a", attempt=1, agent="coder")
        for n in range(STREAMS)
    ]
    for stream in streams:
        writer.write(stream, " first")
    await writer.flush()
    before, began_s = log.sends, loop.time()
    for _ in range(READS):
        for stream in streams:
            writer.write(stream, " token")
            await asyncio.sleep(0)
    spent_s = loop.time() - began_s
    await writer.flush()
    running.cancel()

    assert log.sends - before <= (spent_s + CREDIT_S) / LIGHT_TICK_S + 2
    assert sum(record.value.count(b" token") for record in log.records) == STREAMS * READS


async def test_the_first_chunk_and_the_last_do_not_wait_for_the_tick():
    log = QuickLog()
    writer = TokenWriter(producer=log, read_back=log, metrics=Metrics(CollectorRegistry()))
    running = asyncio.create_task(writer.run())
    busy = AttemptStream(key=b"local:busy", step="a", attempt=1, agent="coder")
    writer.write(busy, "x")
    await writer.flush()
    while not busy.pending:
        writer.write(busy, "x")  # as long as there is credit, it leaves
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    other = AttemptStream(key=b"local:other", step="a", attempt=1, agent="coder")
    writer.write(other, "first")
    for _ in range(5):
        await asyncio.sleep(0)
    assert log.records[-1].key == other.key

    writer.write(busy, "last")
    flushed = asyncio.ensure_future(writer.flush())
    for _ in range(5):
        await asyncio.sleep(0)
    assert flushed.done()
    assert log.records[-1].value.endswith(b'last"}')
    running.cancel()


@given(st.text(), st.text(min_size=1), st.text(min_size=1), st.integers(1, 10**6))
def test_a_record_is_what_the_codec_writes(text, step, agent, attempt):
    stream = AttemptStream(key=b"local:c", step=step, attempt=attempt, agent=agent)
    for index in range(12):
        stream.pending.append(text)
        (record,) = stream.take()
        assert record.value == encode(
            Token(step=step, attempt=attempt, agent=agent, index=index, text=text)
        )
        assert dict(record.headers) == {
            "ce_type": b"facilitair.token.v1",
            "step": step.encode(),
            "attempt": b"%d" % attempt,
            "index": b"%d" % index,
        }
