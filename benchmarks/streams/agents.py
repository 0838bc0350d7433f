"""Our agents: the worker's own token writer on a log, fed as its sockets would feed it.

`python -m benchmarks.streams.agents BOOTSTRAP LOAD`
"""

import asyncio
import sys
import time
from collections.abc import Sequence

import uvloop
from prometheus_client import CollectorRegistry

from benchmarks.streams.load import (
    READ_PAUSE_S,
    Load,
    collaborations,
    due,
    now_us,
    shares,
    token,
)
from benchmarks.streams.talking import tell, wait_for_go
from facilitair_agent_worker.readback import ReadBack
from facilitair_agent_worker.tokens import AttemptStream, TokenWriter
from facilitair_events.keys import collaboration_key
from facilitair_events.layout import topics_dir
from facilitair_events.registry import Registry
from facilitair_events.topics import COLLABORATION_STREAM
from facilitair_messaging.ports import Ack, Log, Message, Producer
from facilitair_observability.metrics import Metrics
from facilitair_runtime.cluster import ClusterSettings, open_cluster

_OPENING_TYPE = b"facilitair.attempt.started.v1"


async def offer(log: Log, load: Load) -> dict[str, float]:
    """Open every stream, tell where each begins, wait to go, and write all that is offered."""
    names = collaborations(load.streams)
    keys = [collaboration_key("local", name).encode() for name in names]
    read_back = ReadBack(log)
    await read_back.start(COLLABORATION_STREAM)
    async with log.producer() as producer:
        openings = [
            Message(COLLABORATION_STREAM, key, b"{}", (("ce_type", _OPENING_TYPE),)) for key in keys
        ]
        acks = await producer.send(openings)
        cursors = [f"{ack.partition}-{(ack.offset or 0) + 1}-0" for ack in acks]
        tell(cursors=cursors, collaborations=names)
        await asyncio.to_thread(wait_for_go)
        counting = _Counting(producer)
        writer = TokenWriter(
            producer=counting, read_back=read_back, metrics=Metrics(CollectorRegistry())
        )
        running = asyncio.create_task(writer.run())
        streams = [AttemptStream(key=key, step="coder", attempt=1, agent="coder") for key in keys]
        began_s = time.process_time()
        sent = await _write(writer, streams, load=load)
        await writer.flush()
        spent_s = time.process_time() - began_s
        running.cancel()
    return {
        "sent": sent,
        "records": counting.records,
        "cpu_s": spent_s,
    }


async def _write(writer: TokenWriter, streams: list[AttemptStream], *, load: Load) -> int:
    begin_s, given, over = time.monotonic(), 0, False
    while not over:
        wanted, over = due(load, begin_s=begin_s, given=given)
        text = token(now_us())
        for number, count in shares(load, first=given, last=wanted):
            writer.write(streams[number], text * count)
        given = wanted
        await asyncio.sleep(READ_PAUSE_S)
    return given


class _Counting:
    """A producer that counts the records that pass."""

    def __init__(self, producer: Producer) -> None:
        self._producer = producer
        self.records = 0

    async def send(self, messages: Sequence[Message]) -> list[Ack]:
        """As the port says."""
        self.records += len(messages)
        return await self._producer.send(messages)


async def _main(bootstrap: str, load: Load) -> None:
    settings = ClusterSettings(bootstrap_servers=bootstrap)
    registry = Registry.load(topics_dir())
    async with open_cluster(bootstrap, registry, settings=settings, client_id="agents") as log:
        tell(**await offer(log, load))
        await asyncio.to_thread(wait_for_go)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as _runner:
        _runner.run(_main(sys.argv[1], Load.loads(sys.argv[2])))
