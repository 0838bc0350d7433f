"""What tokens cost, counted: a slower path fails here on any machine, a slower machine does not."""

import asyncio

from prometheus_client import CollectorRegistry

from facilitair_agent_worker.tokens import AttemptStream, TokenWriter
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
