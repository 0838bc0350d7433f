"""Many streams: what arrived, how late, and what a token cost each role."""

from collections.abc import Iterator

from benchmarks.bench import Bench
from benchmarks.readings import MICROSECONDS, Reading
from benchmarks.streams.load import Load
from benchmarks.streams.run import Run, run_embedded, run_naive, run_ours

FULL = Load(streams=100, tokens_per_s=1_000_000, seconds=6.0)
WIDE = Load(streams=1000, tokens_per_s=20_000, seconds=6.0)
SINGLE = Load(streams=1, tokens_per_s=400, seconds=4.0)
LOADS = (FULL, WIDE, SINGLE)
QUICK = Load(streams=10, tokens_per_s=2000, seconds=2.0)

GOAL_PER_S = 990_000
"""Of a million offered: a run's first and last tokens are not a second apart from its length."""
GOAL_TIMES = 15.0
GOAL_P99_MS = 10.0
GOAL_P99_RATIO = 0.4
GOAL_CPU_RATIO = 0.6


def measure_kafka(bench: Bench) -> list[Reading]:
    """Every load on Kafka, ours and then the naive build on the same broker."""
    return [
        reading
        for load in bench.pick(LOADS, quick=(QUICK,))
        for reading in compared(
            load,
            ours=run_ours(load, bench.kafka(), home=bench.fresh()),
            naive=run_naive(load, bench.kafka(), home=bench.fresh()),
        )
    ]


def measure_embedded(bench: Bench) -> list[Reading]:
    """Every load on the embedded log."""
    return [
        reading
        for load in bench.pick(LOADS, quick=(QUICK,))
        for reading in told(
            load, run_embedded(load, home=bench.fresh()), where="embedded log", goals=False
        )
    ]


def compared(load: Load, *, ours: Run, naive: Run) -> Iterator[Reading]:
    """Ours, the naive build, and the ratios that DESIGN section 10 has goals for."""
    yield from told(load, ours, where="ours", goals=True)
    yield from told(load, naive, where="naive", goals=False)
    yield Reading(
        f"{load.name}: ours / naive, tokens/s",
        ours.tokens_per_s / max(naive.tokens_per_s, 1e-9),
        "x",
        GOAL_TIMES if load is FULL else None,
        least=True,
    )
    yield Reading(
        f"{load.name}: ours / naive, p99",
        ours.p99_ms / max(naive.p99_ms, 1e-9),
        "x",
        GOAL_P99_RATIO if load is WIDE else None,
    )
    yield Reading(
        f"{load.name}: ours / naive, CPU per token without clients",
        ours.cpu_us() / max(naive.cpu_us(), 1e-9),
        "x",
        GOAL_CPU_RATIO if load is WIDE else None,
    )


def told(load: Load, run: Run, *, where: str, goals: bool) -> list[Reading]:
    """The rows of one run; nothing may be lost, whoever sends it."""
    what = f"{load.name}, {where}:"
    goal_per_s = GOAL_PER_S if goals and load is FULL else None
    goal_p99_ms = GOAL_P99_MS if goals and load is WIDE else None
    counted = f"{run.tokens:,} received of {run.sent:,} sent"
    return [
        Reading(f"{what} tokens sent and not received", run.sent - run.tokens, "", 0, note=counted),
        Reading(f"{what} delivered of what was offered", 100 * run.tokens / run.offered, "%"),
        Reading(f"{what} tokens/s", run.tokens_per_s, "", goal_per_s, least=True),
        Reading(f"{what} oldest token to client read, p50", run.p50_ms, "ms"),
        Reading(f"{what} the same, p99", run.p99_ms, "ms", goal_p99_ms),
        Reading(f"{what} records/s", run.records / max(run.span_s, 1e-9), ""),
        *_requests(what, run),
        Reading(f"{what} CPU per token without clients", run.cpu_us(), MICROSECONDS),
        *(
            Reading(f"{what} of it {role}", run.cpu_us(role), MICROSECONDS)
            for role in run.cpu
            if role != "clients"
        ),
        Reading(f"{what} beside it the clients", run.cpu_us("clients"), MICROSECONDS),
    ]


def _requests(what: str, run: Run) -> list[Reading]:
    if not run.requests:
        return []
    span_s = max(run.span_s, 1e-9)
    produced, fetched = run.requests["worker"].produce, run.requests["gateway"].fetch
    return [
        Reading(f"{what} produce requests/s", produced / span_s, ""),
        Reading(f"{what} fetch requests/s of the gateway", fetched / span_s, ""),
    ]
