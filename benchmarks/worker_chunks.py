"""What one chunk of a model costs the worker, from the socket to the acked record."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import uvloop
from msgspec.structs import replace

from benchmarks.appending import open_registered_log
from benchmarks.processes import simulator
from benchmarks.readings import MICROSECONDS, Reading
from facilitair_agent_worker.app import AgentWorker, build_app
from facilitair_agent_worker.settings import AgentWorkerSettings
from facilitair_events import codec
from facilitair_events.envelope import header
from facilitair_events.requests import CallReported
from facilitair_events.text import inline
from facilitair_events.topics import COLLABORATION_INBOX
from facilitair_events.work import RunAttempt
from facilitair_llm.endpoints import Endpoint, Endpoints
from facilitair_messaging.ports import Log, Reader, Record, TopicPartition
from facilitair_testing.desk import Desk, task
from facilitair_testing.eventually import eventually

STREAMS = 50
TOKENS_PER_S = 80
GOAL_US = 25.0
ENOUGH_S = 120.0
PACE = {
    "FACILITAIR_SIMULATOR_TTFT_MS": "100",
    "FACILITAIR_SIMULATOR_TOKENS_PER_S": str(TOKENS_PER_S),
}


def measure() -> list[Reading]:
    """Fifty agents write at once, at the pace of usual models; the simulator is a process apart.

    All CPU of this process counts: HTTP, worker, and the embedded log with its writing thread.
    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        spent_s, chunks = runner.run(_measure())
    what = f"worker and its log, CPU per chunk ({STREAMS} streams, {TOKENS_PER_S} tokens/s each)"
    return [Reading(what, spent_s / chunks * 1e6, MICROSECONDS, GOAL_US)]


async def _measure() -> tuple[float, int]:
    with simulator(**PACE) as url, TemporaryDirectory(prefix="facilitair-bench-") as name:
        async with (
            open_registered_log(Path(name)) as log,
            log.reader() as reader,
            _worker(log, Path(name), url=url),
        ):
            await _assign_inbox(log, reader)
            desk = Desk(log)
            began = time.process_time()
            for number in range(STREAMS):
                await desk.give(_task(number))
            async with asyncio.timeout(ENOUGH_S):
                chunks = await _chunks(reader)
            return time.process_time() - began, chunks


@asynccontextmanager
async def _worker(log: Log, home: Path, *, url: str) -> AsyncIterator[AgentWorker]:
    endpoints = Endpoints(
        by_provider={"p": Endpoint(provider="p", base_url=f"{url}/v1")}, default_provider="p"
    )
    async with build_app(AgentWorkerSettings(home=home), log, endpoints=endpoints) as worker:
        stop = asyncio.Event()
        running = asyncio.create_task(worker.run(stop))
        await eventually(worker.ready, what="the worker to take tasks")
        try:
            yield worker
        finally:
            stop.set()
            await running


async def _assign_inbox(log: Log, reader: Reader) -> None:
    count = await log.admin().partitions(COLLABORATION_INBOX)
    places = [TopicPartition(COLLABORATION_INBOX, number) for number in range(count)]
    reader.assign(await log.admin().end_offsets(places))


def _task(number: int) -> RunAttempt:
    given = task(
        path=f"s{number}", task=inline("Write a rate limiter, with tests"), timeout_s=100.0
    )
    agent = replace(given.agent, prompt="Role: coder")
    return replace(given, agent=agent, collaboration=f"c{number}")


async def _chunks(reader: Reader) -> int:
    """The chunks of all calls, once each has reported: the simulator sends a token in each."""
    calls = 0
    chunks = 0
    while calls < STREAMS:
        for record in await reader.poll(max_records=1000, wait_s=1.0):
            call = _call(record)
            if call is not None:
                if call.usage is None:
                    raise ValueError(call)
                calls += 1
                chunks += call.usage.output_tokens
    return chunks


def _call(record: Record) -> CallReported | None:
    name = header(record.headers, "ce_type")
    if name is None or record.value is None:
        return None
    data = codec.decode(name.decode(), record.value)
    return data if isinstance(data, CallReported) else None
