"""A thousand clients that come back at once: how long until each goes on, and what it costs."""

import asyncio
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from http import HTTPStatus
from pathlib import Path

from benchmarks.bench import Bench, own_broker
from benchmarks.counted import read_counts
from benchmarks.many_clients import Place, storm
from benchmarks.plain_http import Connections
from benchmarks.readings import Reading, percentile
from benchmarks.streams.run import gateway_on
from facilitair_testing.service_processes import ServiceProcesses

CLIENTS = 1000
SUBMITTERS = 8
TIMES = 3
"""How often each is measured: the collaborations are made once."""
ORCHESTRATOR = "orchestrator-0"
TASK = "Say what a keyed log is."


def measure(bench: Bench) -> list[Reading]:
    """Each client watches a collaboration of its own that waits for its worker; there is none.

    Once at the gateway that they watched before, which has their events in memory; once at a
    gateway that has just started, which asks the orchestrator about each and reads the log.
    """
    count = bench.pick(CLIENTS, quick=10)
    home = bench.fresh()
    found: list[Reading] = []
    with own_broker(bench.fresh()) as kafka, _orchestrator(home, bootstrap=kafka.address):
        times = bench.pick(TIMES, quick=1)
        with gateway_on(kafka, home) as (url, _, counts):
            first = storm(url, submitted(url, count))
            places = [(one.path, one.cursor) for one in first]
            for _ in range(times):
                what = "the gateway that they watched"
                found += _measured(what, url, places=places, counts=counts)
        for _ in range(times):
            with gateway_on(kafka, home) as (url, _, counts):
                found += _measured("a gateway just started", url, places=places, counts=counts)
    return found


@contextmanager
def _orchestrator(home: Path, *, bootstrap: str) -> Iterator[None]:
    # The default, in place of what tests set.
    variables = {"KAFKA_SESSION_TIMEOUT_S": "15"}
    with ServiceProcesses(home, bootstrap=bootstrap, variables=variables) as services:
        services.start(ORCHESTRATOR)
        asyncio.run(services.ready(ORCHESTRATOR))
        yield


def submitted(url: str, count: int) -> list[Place]:
    """Where the streams of new collaborations begin."""

    def submit(share: int) -> list[Place]:
        with closing(Connections(url)) as gateway:
            return [_submit(gateway) for _ in range(share)]

    with ThreadPoolExecutor(SUBMITTERS) as threads:
        parts = [len(range(number, count, SUBMITTERS)) for number in range(SUBMITTERS)]
        return [place for part in threads.map(submit, parts) for place in part]


def _submit(gateway: Connections) -> Place:
    body = {"task": TASK, "workflow": "answer"}
    given = gateway.post("/v1/collaborations", body, wanted=HTTPStatus.ACCEPTED)
    return f"/v1/collaborations/{given['id']}/stream", given["cursor"]


def _measured(what: str, url: str, *, places: Sequence[Place], counts: Path) -> list[Reading]:
    before = read_counts(counts)
    served = storm(url, places)
    served_s = [one.seconds for one in served]
    requests = read_counts(counts) - before
    what = f"{len(places):,} clients resume at {what}"
    return [
        Reading(f"{what}: until all have their next event", max(served_s) * 1000, "ms"),
        Reading(f"{what}: until half of them have", percentile(served_s, 0.5) * 1000, "ms"),
        Reading(f"{what}: told to come again later", sum(one.refusals for one in served), ""),
        Reading(f"{what}: requests of the gateway to the broker", requests.all, ""),
        Reading(f"{what}: of them fetches", requests.fetch, ""),
    ]
