"""How long an orchestrator takes to start when many collaborations are open."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from benchmarks.appending import open_registered_cluster
from benchmarks.bench import Bench, own_broker
from benchmarks.processes import rss_kb
from benchmarks.readings import Reading
from facilitair_events.codec import type_name
from facilitair_events.envelope import Envelope
from facilitair_events.keys import collaboration_key
from facilitair_events.layout import topics_dir
from facilitair_events.registry import Registry
from facilitair_events.topics import COLLABORATION_EVENTS, COLLABORATION_INBOX
from facilitair_messaging.messages import message
from facilitair_messaging.ports import Log, Message, TopicPartition
from facilitair_runtime.log_file import LogSettings, open_log
from facilitair_testing.embedded_look import topic_sizes
from facilitair_testing.eventually import eventually
from facilitair_testing.inbox import definition, requested, step
from facilitair_testing.service_processes import ServiceProcesses

OPEN = 10_000
TIMES = 3
"""How often a start is measured: the collaborations are made once."""
EVENTS = 2
"""Each collaboration is accepted, and its one step is scheduled."""
MEMBER = "orchestrator-0"
ENOUGH_S = 300.0
_BATCH = 500


class System(NamedTuple):
    """A log by its name, the address of its broker if it has one, and how it is looked at."""

    name: str
    bootstrap: str
    open_log: Callable[[], AbstractAsyncContextManager[Log]]
    events: Callable[[], Awaitable[int]]


def measure(bench: Bench) -> list[Reading]:
    """On both logs: starts without any collaboration, then with all of them open."""
    count = bench.pick(OPEN, quick=20)
    times = bench.pick(TIMES, quick=1)
    home = bench.fresh()
    found = asyncio.run(readings(on_embedded_log(home), home, count=count, times=times))
    home = bench.fresh()
    with own_broker(bench.fresh()) as kafka:
        system = on_kafka(kafka.address)
        found += asyncio.run(readings(system, home, count=count, times=times))
    return found


def on_embedded_log(home: Path) -> System:
    """The log of solo, in the state folder that the orchestrator gets too."""
    opening = partial(open_log, home, Registry.load(topics_dir()), settings=LogSettings())

    async def events() -> int:
        sizes = await asyncio.to_thread(topic_sizes, home / "log" / "log.db")
        return sizes[COLLABORATION_EVENTS]

    return System("embedded log", "", opening, events)


def on_kafka(bootstrap: str) -> System:
    """A cluster whose topics are there."""
    opening = partial(open_registered_cluster, bootstrap)

    async def events() -> int:
        async with opening() as log:
            admin = log.admin()
            numbers = range(await admin.partitions(COLLABORATION_EVENTS))
            places = [TopicPartition(COLLABORATION_EVENTS, number) for number in numbers]
            return sum((await admin.end_offsets(places)).values())

    return System("Kafka", bootstrap, opening, events)


async def readings(system: System, home: Path, *, count: int, times: int) -> list[Reading]:
    """Starts without any collaboration, then with ``count`` open ones, ``times`` each."""
    none = [await _started(system, home) for _ in range(times)]
    async with system.open_log() as log:
        await _request(log, count=count)
    began = time.monotonic()
    async with _orchestrator(system, home):

        async def decided() -> bool:
            return await system.events() >= EVENTS * count

        await eventually(decided, timeout_s=ENOUGH_S, what="all collaborations to be open")
        opened_s = time.monotonic() - began
    many = [await _started(system, home) for _ in range(times)]
    what = f"orchestrator, {system.name}"
    return [
        *_told(f"{what}: start without any collaboration", none),
        *_told(f"{what}: start with {count:,} open", many),
        Reading(f"{what}: opening {count:,}, from its start on", opened_s, "s"),
    ]


def _told(what: str, starts: list[tuple[float, float]]) -> list[Reading]:
    return [
        reading
        for seconds, mb in starts
        for reading in (
            Reading(f"{what}, process to ready", seconds, "s"),
            Reading(f"{what}, memory when ready", mb, "MB"),
        )
    ]


async def _started(system: System, home: Path) -> tuple[float, float]:
    """Seconds from starting the process until it is ready, and its memory then."""
    began = time.monotonic()
    async with _orchestrator(system, home) as pid:
        return time.monotonic() - began, rss_kb(pid) / 1000


@asynccontextmanager
async def _orchestrator(system: System, home: Path) -> AsyncIterator[int]:
    # The default, in place of what tests set.
    variables = {"KAFKA_SESSION_TIMEOUT_S": "15"}
    with ServiceProcesses(home, bootstrap=system.bootstrap, variables=variables) as services:
        services.start(MEMBER)
        await services.ready(MEMBER)
        yield services.pid(MEMBER)
        await asyncio.to_thread(services.stop, MEMBER)


async def _request(log: Log, *, count: int) -> None:
    """Ask for collaborations of one step each, as a gateway does."""
    async with log.producer() as producer:
        for first in range(0, count, _BATCH):
            numbers = range(first, min(first + _BATCH, count))
            await producer.send([_requested(number) for number in numbers])


def _requested(number: int) -> Message:
    name = f"00000000-0000-7000-8000-{number:012d}"
    data = requested(definition(step("a"), output="a"), collaboration=name, body_digest=name)
    envelope = Envelope(
        id=f"request-{number}", type=type_name(data), source="benchmarks",
        time="2026-01-01T00:00:00.000Z", subject=name, tenant="local", project="default",
        actor="me", correlation=f"request-{number}",
    )  # fmt: skip
    return message(
        topic=COLLABORATION_INBOX,
        key=collaboration_key("local", name),
        data=data,
        envelope=envelope,
    )
