"""What we add to the time of models: submits, the first token, whole collaborations.

The model is the simulator without latency and without a journal, in its own process.
"""

import asyncio
import time
from collections.abc import Mapping
from contextlib import ExitStack, closing
from http import HTTPStatus
from typing import NamedTuple

from benchmarks.bench import Bench
from benchmarks.plain_http import Connections
from benchmarks.processes import cpu_s, simulator
from benchmarks.readings import Reading, percentile
from benchmarks.systems import AT_ONCE, STEPS, fleet_with_chain, solo_with_chain

WARM_UP = 20
CHAINS = 30
ANSWERS = 100
SYSTEM = "Role: assistant"
TASK = "Say what a keyed log is."
GOAL_READY_S = 30.0


class Goals(NamedTuple):
    """The most that a system may add, in milliseconds."""

    share_ms: float
    first_ms: float


SOLO = Goals(share_ms=50.0, first_ms=10.0)
KAFKA = Goals(share_ms=150.0, first_ms=25.0)


class Timing(NamedTuple):
    """Seconds from sending the POST to its 202, to the first token and to the terminal frame."""

    accepted: float
    first: float
    ended: float


def measure_solo(bench: Bench) -> list[Reading]:
    """One solo that has just started."""
    with simulator(**AT_ONCE) as model_url, closing(Connections(model_url)) as model:

        async def run() -> list[Reading]:
            async with solo_with_chain(model_url) as solo:
                return await asyncio.to_thread(
                    readings, solo.url, model, pids={"solo": solo.pid}, goals=SOLO, bench=bench
                )

        return asyncio.run(run())


def measure_fleet(bench: Bench) -> list[Reading]:
    """A fleet that has just started: one process of each service, and its own broker."""
    with ExitStack() as stack:
        model_url = stack.enter_context(simulator(**AT_ONCE))
        model = stack.enter_context(closing(Connections(model_url)))
        began = time.perf_counter()
        fleet = stack.enter_context(fleet_with_chain(model_url, home=bench.fresh()))
        ready_s = time.perf_counter() - began
        members = ("gateway", "accounts", "orchestrator", "agent-worker")
        pids = {name: fleet.pid_of(f"{name}-0") for name in members}
        pids["broker"] = fleet.kafka_pid
        what = "Kafka: start of the fleet until all of it is ready, its jars being there"
        return [
            Reading(what, ready_s, "s", GOAL_READY_S),
            *readings(fleet.url, model, pids=pids, goals=KAFKA, bench=bench),
        ]


def readings(
    url: str, model: Connections, *, pids: Mapping[str, int], goals: Goals, bench: Bench
) -> list[Reading]:
    """Chains of ten steps, then single answers, one after the other."""
    where = "solo" if "solo" in pids else "Kafka"
    chain_count, answer_count = bench.pick((CHAINS, ANSWERS), quick=(2, 3))
    warm_up = bench.pick(WARM_UP, quick=1)
    with closing(Connections(url)) as gateway:
        cold = collaborate(gateway, "answer")
        for _ in range(warm_up):
            collaborate(gateway, "chain")
        before = {name: cpu_s(pid) for name, pid in pids.items()}
        chains = [collaborate(gateway, "chain") for _ in range(chain_count)]
        spent_s = {name: (cpu_s(pid) - before[name]) / chain_count for name, pid in pids.items()}
        answers = [collaborate(gateway, "answer") for _ in range(warm_up + answer_count)][warm_up:]
    direct = [_ask(model) for _ in range(warm_up + answer_count)][warm_up:]
    return [
        Reading(f"{where}: cold submit, the first POST to its 202", cold.accepted * 1000, "ms"),
        Reading(f"{where}: cold submit, POST to first token", cold.first * 1000, "ms"),
        *_spread(f"{where}: warm submit, POST to its 202", [one.accepted for one in answers]),
        *_added(where, [one.first for one in answers], direct=direct, goal_ms=goals.first_ms),
        *_shares(where, [one.ended for one in chains], direct=direct, goal_ms=goals.share_ms),
        Reading(f"{where}: CPU for one such", sum(spent_s.values()) * 1000, "ms"),
        *(
            Reading(f"{where}: of it {name}", s * 1000, "ms")
            for name, s in spent_s.items()
            if len(spent_s) > 1
        ),
    ]


def _shares(
    where: str, ended_s: list[float], *, direct: list[tuple[float, float]], goal_ms: float
) -> list[Reading]:
    what = f"{where}: {STEPS}-step collaboration, POST to terminal frame"
    own = STEPS * percentile([last for _, last in direct], 0.5)
    return [
        Reading(f"{what}, p50", percentile(ended_s, 0.5) * 1000, "ms", goal_ms),
        Reading(f"{what}, p99", percentile(ended_s, 0.99) * 1000, "ms"),
        Reading(
            f"{where}: in it the simulator's own work ({STEPS} requests made directly)",
            own * 1000,
            "ms",
        ),
    ]


def _added(
    where: str, first_s: list[float], *, direct: list[tuple[float, float]], goal_ms: float
) -> list[Reading]:
    model_s = percentile([first for first, _ in direct], 0.5)
    added = [first - model_s for first in first_s]
    what = f"{where}: added time to first token"
    return [
        Reading(f"{what}, p50", percentile(added, 0.5) * 1000, "ms"),
        Reading(f"{what}, p99", percentile(added, 0.99) * 1000, "ms", goal_ms),
    ]


def _spread(what: str, values_s: list[float]) -> list[Reading]:
    return [
        Reading(f"{what}, p50", percentile(values_s, 0.5) * 1000, "ms"),
        Reading(f"{what}, p99", percentile(values_s, 0.99) * 1000, "ms"),
    ]


def collaborate(gateway: Connections, workflow: str) -> Timing:
    """Submit, watch to the end. Raises ValueError when it did not complete."""
    began = time.perf_counter()
    body = {"task": TASK, "workflow": workflow}
    given = gateway.post("/v1/collaborations", body, wanted=HTTPStatus.ACCEPTED)
    accepted = time.perf_counter()
    path = f"/v1/collaborations/{given['id']}/stream"
    events = list(gateway.events(path, cursor=given["cursor"]))
    kind, ended = events[-1]
    if kind != "collaboration.completed":
        raise ValueError(kind)
    first = next(at for kind, at in events if kind == "token")
    return Timing(accepted=accepted - began, first=first - began, ended=ended - began)


def _ask(model: Connections) -> tuple[float, float]:
    """The same request without us."""
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": TASK}]
    body = {"model": "simulated", "stream": True, "messages": messages}
    return model.first_and_last("/v1/chat/completions", body)
