"""What one chunk of a model costs the whole worker, from the socket to the acked record."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import uvloop

from benchmarks.appending import open_registered_cluster, open_registered_log
from benchmarks.bench import Bench
from benchmarks.model_clients.measure import paced_provider
from benchmarks.processes import cpu_s, rss_kb
from benchmarks.readings import MICROSECONDS, Reading
from benchmarks.worker_tasks import PROVIDER, assign_inbox, chunks_of, give_all, new_tasks
from facilitair_agent_worker.app import AgentWorker, build_app
from facilitair_agent_worker.settings import AgentWorkerSettings
from facilitair_llm.endpoints import Endpoint, Endpoints
from facilitair_messaging.ports import Log
from facilitair_testing.eventually import eventually
from facilitair_testing.service_processes import ServiceProcesses

STREAMS = 50
TOKENS = 240
TOKENS_PER_S = 80
GOAL_US = 25.0
GOAL_MB = 80.0
ENOUGH_S = 120.0
MEMBER = "agent-worker-0"
START_S = 60.0


def measure(bench: Bench) -> list[Reading]:
    """Fifty agents write at once, at the pace of usual models; the provider is a process apart.

    On Kafka the worker is a process too; its CPU is counted, not the broker's.
    On the embedded log all CPU of this process counts: the worker, and the log with its writer.
    """
    streams, tokens = bench.pick((STREAMS, TOKENS), quick=(3, 20))
    with paced_provider(tokens=tokens, tokens_per_s=TOKENS_PER_S) as url:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            solo_us = runner.run(embedded_us(url, bench.fresh(), streams=streams))
        bootstrap = bench.kafka().address
        with worker_process(url, bench.fresh(), bootstrap=bootstrap) as pid:
            kafka_us, idle_mb, mb = asyncio.run(_kafka(bootstrap, pid, streams=streams))
    what = "whole worker, CPU per chunk"
    return [
        Reading(f"{what}, on Kafka", kafka_us, MICROSECONDS, GOAL_US),
        Reading(f"{what} with the embedded log and its writer", solo_us, MICROSECONDS, GOAL_US),
        Reading("whole worker on Kafka, memory when ready", idle_mb, "MB", GOAL_MB),
        Reading("the same after these streams", mb, "MB", GOAL_MB),
    ]


async def embedded_us(url: str, home: Path, *, streams: int) -> float:
    """CPU per chunk of the worker and the embedded log, in microseconds."""
    async with (
        open_registered_log(home) as log,
        log.reader() as reader,
        _worker(log, home, url=url),
    ):
        await assign_inbox(log, reader)
        began = time.process_time()
        await give_all(log, new_tasks(streams))
        async with asyncio.timeout(ENOUGH_S):
            chunks = await chunks_of(reader, calls=streams)
        return (time.process_time() - began) / chunks * 1e6


@asynccontextmanager
async def _worker(log: Log, home: Path, *, url: str) -> AsyncIterator[AgentWorker]:
    endpoint = Endpoint(provider=PROVIDER, base_url=f"{url}/v1")
    endpoints = Endpoints(by_provider={PROVIDER: endpoint}, default_provider=PROVIDER)
    async with build_app(AgentWorkerSettings(home=home), log, endpoints=endpoints) as worker:
        stop = asyncio.Event()
        running = asyncio.create_task(worker.run(stop))
        await eventually(worker.ready, timeout_s=START_S, what="the worker to take tasks")
        try:
            yield worker
        finally:
            stop.set()
            await running


@contextmanager
def worker_process(url: str, home: Path, *, bootstrap: str) -> Iterator[int]:
    """A worker as a fleet has it, of the provider at ``url``; yields its process."""
    variables = {
        "FACILITAIR_PROVIDER": PROVIDER,
        "FACILITAIR_MODEL": "scripted-model",
        "OPENAI_BASE_URL": f"{url}/v1",
        # The defaults, in place of what tests set.
        "FACILITAIR_AGENT_WORKER_LEASE_S": "30",
        "KAFKA_SESSION_TIMEOUT_S": "15",
    }
    with ServiceProcesses(home, bootstrap=bootstrap, variables=variables) as services:
        services.start(MEMBER)
        asyncio.run(services.ready(MEMBER))
        yield services.pid(MEMBER)
        services.stop(MEMBER)


async def _kafka(bootstrap: str, pid: int, *, streams: int) -> tuple[float, float, float]:
    """CPU per chunk in microseconds; memory in MB before and after."""
    idle_kb = rss_kb(pid)
    async with open_registered_cluster(bootstrap) as log, log.reader() as reader:
        await assign_inbox(log, reader)
        before_s = cpu_s(pid)
        await give_all(log, new_tasks(streams))
        async with asyncio.timeout(ENOUGH_S):
            chunks = await chunks_of(reader, calls=streams)
    spent_us = (cpu_s(pid) - before_s) / chunks * 1e6
    return spent_us, idle_kb / 1000, rss_kb(pid) / 1000
