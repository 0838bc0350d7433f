"""How cost grows with load, where it stops to be even, and what ends it."""

import asyncio
import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from itertools import takewhile

from benchmarks.bench import Bench
from benchmarks.collaborating import collaborate
from benchmarks.plain_http import Connections
from benchmarks.processes import Shares, core_count, simulating
from benchmarks.readings import MICROSECONDS, Reading, percentile
from benchmarks.streams.load import Load
from benchmarks.streams.run import Run, run_ours
from benchmarks.systems import AT_ONCE, STEPS, solo_with_chain

STREAMS = (250, 500, 1000, 2000, 4000)
TOKENS_PER_STREAM = 20
SECONDS = 4.0
AT_A_TIME = (1, 2, 4, 8, 16, 32)
EACH_S = 4.0
FULL = 0.9
"""A core, or the machine, that is busy for so much of the time has nothing left to give."""
IN_TIME = 0.98
LATE_MS = 100.0
GAIN = 1.1
"""Twice the load has to bring at least so much more, or the knee was before it."""


@dataclass(frozen=True, kw_only=True)
class Level:
    """One load: whether it was still carried, and how busy what was while it lasted.

    ``cores`` are shares of a core by role; ``machine`` is the share of all cores, by anybody.
    """

    load: str
    carried: bool
    cores: Mapping[str, float]
    machine: float
    machine_cores: int = field(default_factory=core_count)


def knee(levels: Sequence[Level]) -> tuple[str, str]:
    """The last load that was carried, and what was exhausted at the next one.

    Levels are in order of load.
    """
    last = "none"
    for level in levels:
        if not level.carried:
            return last, resource(level)
        last = level.load
    return last, "nothing among these loads"


def resource(level: Level) -> str:
    """What has nothing left to give."""
    role, share = max(level.cores.items(), key=lambda item: item[1])
    if level.machine >= FULL:
        shares = _shares_told(level.cores)
        if sum(level.cores.values()) / level.machine_cores < level.machine / 2:
            return f"other work on the machine (of this there was: {shares})"
        return f"all cores of the machine ({shares})"
    if share >= FULL:
        return f"the one core that {role} can use"
    return f"no CPU: waiting for the log (machine {level.machine:.0%} busy)"


def _shares_told(shares: Mapping[str, float]) -> str:
    """How much of a core each took."""
    return ", ".join(f"{role} {share:.2f}" for role, share in shares.items()) + " of a core"


def measure_streams(bench: Bench) -> list[Reading]:
    """More and more streams of twenty tokens a second, on Kafka."""
    found, levels = [], []
    for streams in bench.pick(STREAMS, quick=(5, 10)):
        seconds = bench.pick(SECONDS, quick=1.5)
        load = Load(streams=streams, tokens_per_s=streams * TOKENS_PER_STREAM, seconds=seconds)
        run = run_ours(load, bench.kafka(), home=bench.fresh())
        found += _streams_told(load, run)
        levels.append(streams_level(load, run))
    return [*found, _knee_told("streams on Kafka", levels)]


def streams_level(load: Load, run: Run) -> Level:
    """Carried is what arrives whole, at the pace at which it is offered, and not late."""
    in_time = run.tokens_per_s >= IN_TIME * load.tokens_per_s
    return Level(
        load=load.name,
        carried=run.tokens == run.sent and in_time and run.p99_ms <= LATE_MS,
        cores=run.cores,
        machine=run.machine,
    )


def _streams_told(load: Load, run: Run) -> list[Reading]:
    what = f"{load.name}:"
    return [
        Reading(f"{what} tokens/s", run.tokens_per_s, "", note=f"{run.tokens:,} of {run.sent:,}"),
        Reading(f"{what} p99, oldest token to client read", run.p99_ms, "ms"),
        Reading(
            f"{what} CPU per token without clients",
            run.cpu_us(),
            MICROSECONDS,
            note=f"{_shares_told(run.cores)}; machine {run.machine:.0%}",
        ),
    ]


def measure_collaborations(bench: Bench) -> list[Reading]:
    """More and more users of solo at a time; each has one ten-step collaboration after the other.

    The simulator answers at once, so what is exhausted is ours.
    """
    with simulating(**AT_ONCE) as (model_url, simulator_pid):

        async def run() -> list[Reading]:
            async with solo_with_chain(model_url) as solo:
                pids = {"solo": solo.pid, "simulator": simulator_pid, "clients": os.getpid()}
                return await asyncio.to_thread(_users, solo.url, pids, bench=bench)

        return asyncio.run(run())


def _users(url: str, pids: Mapping[str, int], *, bench: Bench) -> list[Reading]:
    found: list[Reading] = []
    levels: list[Level] = []
    before_per_s = 0.0
    for users in bench.pick(AT_A_TIME, quick=(1, 2)):
        began, shares = time.monotonic(), Shares(pids)
        ended_s = _all_collaborate(url, users=users, until=began + bench.pick(EACH_S, quick=0.3))
        per_s = len(ended_s) / (time.monotonic() - began)
        taken, machine = shares.taken()
        what = f"{users} at a time:"
        found += [
            Reading(f"{what} {STEPS}-step collaborations/s", per_s, "",
                    note=f"{_shares_told(taken)}; machine {machine:.0%}"),
            Reading(f"{what} POST to terminal frame, p50", percentile(ended_s, 0.5) * 1000, "ms"),
            Reading(f"{what} CPU of solo for one", taken["solo"] / per_s * 1000, "ms"),
        ]  # fmt: skip
        carried = per_s >= GAIN * before_per_s
        levels.append(Level(load=what[:-1], carried=carried, cores=taken, machine=machine))
        before_per_s = per_s
    return [*found, _knee_told("users of solo", levels)]


def _all_collaborate(url: str, *, users: int, until: float) -> list[float]:
    """How long each collaboration took, in seconds; one of each user at least."""

    def collaborate_on(_: int) -> list[float]:
        with closing(Connections(url)) as gateway:
            took_s = [collaborate(gateway, "chain").ended]
            while time.monotonic() < until:
                took_s.append(collaborate(gateway, "chain").ended)
            return took_s

    with ThreadPoolExecutor(users) as threads:
        return [one for took_s in threads.map(collaborate_on, range(users)) for one in took_s]


def _knee_told(what: str, levels: Sequence[Level]) -> Reading:
    """How many of the loads were carried, and in words which, and what ended it."""
    last, ended_by = knee(levels)
    count = len(list(takewhile(lambda level: level.carried, levels)))
    note = f"the last of them: {last}; what ends it: {ended_by}"
    return Reading(f"{what}: how many of these loads are carried", count, "", note=note)
