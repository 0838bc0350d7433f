"""What money adds to a call: the account's grant, and the claim before the request.

A chain of ten steps is watched, whose money lasts for four calls: from the ``step.completed`` that
found too little to ``budget.reserved`` is the way to the account and back, as at acceptance, where
a watcher would come too late to see it. From ``step.scheduled`` to ``attempt.started``, which the
worker writes once its claim was read back, is the way of the task and the claim.
The model is the simulator without latency.
"""

import asyncio
from contextlib import ExitStack, closing
from http import HTTPStatus
from itertools import pairwise
from typing import Final, NamedTuple

from benchmarks.bench import Bench
from benchmarks.plain_http import Connections
from benchmarks.processes import simulator
from benchmarks.readings import Reading, percentile
from benchmarks.systems import AT_ONCE, fleet_with_chain, solo_with_chain

WARM_UP = 5
CHAINS = 50
TASK = "Say what a keyed log is."

RESERVE: Final = ("step.completed", "budget.reserved")
CLAIM: Final = ("step.scheduled", "attempt.started")


class Seen(NamedTuple):
    """An event of a stream, and when it arrived."""

    kind: str
    at_s: float


def measure(bench: Bench) -> list[Reading]:
    """Chains, one after the other, in solo and on a fleet."""
    return [*_solo(bench), *_fleet(bench)]


def _solo(bench: Bench) -> list[Reading]:
    with simulator(**AT_ONCE) as model_url:

        async def run() -> list[Reading]:
            async with solo_with_chain(model_url) as solo:
                return await asyncio.to_thread(readings, solo.url, where="solo", bench=bench)

        return asyncio.run(run())


def _fleet(bench: Bench) -> list[Reading]:
    with ExitStack() as stack:
        model_url = stack.enter_context(simulator(**AT_ONCE))
        fleet = stack.enter_context(fleet_with_chain(model_url, home=bench.fresh()))
        return readings(fleet.url, where="Kafka", bench=bench)


def readings(url: str, *, where: str, bench: Bench) -> list[Reading]:
    """The waits of many chains."""
    warm_up, count = bench.pick((WARM_UP, CHAINS), quick=(1, 2))
    with closing(Connections(url)) as gateway:
        chains = [watched(gateway) for _ in range(warm_up + count)][warm_up:]
    asks = [wait for chain in chains for wait in waits(chain, between=RESERVE)]
    claims = [wait for chain in chains for wait in waits(chain, between=CLAIM)]
    return [
        *_spread(f"{where}: money asked for and granted", asks),
        *_spread(f"{where}: task sent, claimed and the claim read back", claims),
    ]


def watched(gateway: Connections) -> list[Seen]:
    """Ask for a chain and watch it to the end. Raises ValueError when it did not complete."""
    body = {"task": TASK, "workflow": "chain"}
    given = gateway.post("/v1/collaborations", body, wanted=HTTPStatus.ACCEPTED)
    path = f"/v1/collaborations/{given['id']}/stream"
    events = [Seen(*event) for event in gateway.events(path, cursor=given["cursor"])]
    if events[-1].kind != "collaboration.completed":
        raise ValueError(events[-1].kind)
    return events


def waits(events: list[Seen], *, between: tuple[str, str]) -> list[float]:
    """Seconds from each event of the one kind to the next event, where that is of the other."""
    return [
        after.at_s - before.at_s
        for before, after in pairwise(events)
        if (before.kind, after.kind) == between
    ]


def _spread(what: str, values_s: list[float]) -> list[Reading]:
    return [
        Reading(f"{what}, p50", percentile(values_s, 0.5) * 1000, "ms"),
        Reading(f"{what}, p99", percentile(values_s, 0.99) * 1000, "ms"),
    ]
