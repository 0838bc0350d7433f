"""What tokens cost the log, counted: a regression fails here on any machine."""

import asyncio
from contextlib import suppress

from prometheus_client import CollectorRegistry

from facilitair_agent_worker.readback import ReadBack
from facilitair_agent_worker.tokens import AttemptStream, TokenWriter
from facilitair_messaging.ports import Ack
from facilitair_observability.metrics import Metrics
from facilitair_testing.eventually import eventually

STREAMS = 50
TOKENS = 20
"""Of each: a thousand together."""


class Slow:
    """A log that takes a request, and acks it when it is told to."""

    def __init__(self):
        self.requests = []
        self.acked = asyncio.Event()

    async def send(self, messages):
        self.requests.append(len(messages))
        await self.acked.wait()
        return [Ack(0, offset) for offset in range(len(messages))]


async def test_a_thousand_tokens_of_fifty_streams_cost_two_requests_on_a_slow_log():
    log = Slow()
    writer = TokenWriter(
        producer=log, read_back=ReadBack(log), metrics=Metrics(CollectorRegistry())
    )
    streams = [
        AttemptStream(key=b"local:c%d" % number, step="a", attempt=1, agent="coder")
        for number in range(STREAMS)
    ]
    running = asyncio.create_task(writer.run())

    def write_each(times):
        for _ in range(times):
            for stream in streams:
                writer.write(stream, "token ")

    write_each(1)
    await eventually(lambda: log.requests, what="the first tokens, which do not wait")
    write_each(TOKENS - 1)
    flushed = asyncio.create_task(writer.flush())
    log.acked.set()
    await flushed
    # One for the first token of everybody, one for all that gathered; a record for each stream.
    assert log.requests == [STREAMS, STREAMS]
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
