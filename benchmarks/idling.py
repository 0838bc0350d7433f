"""What solo costs while nothing happens."""

import asyncio

from benchmarks.bench import Bench
from benchmarks.processes import Shares
from benchmarks.readings import Reading
from facilitair_testing.solo import SoloProcess

GOAL_PERCENT = 1.0
SETTLE_S = 2.0
WATCH_S = 10.0


def measure(bench: Bench) -> list[Reading]:
    """CPU of the process over ten seconds, from two seconds after it was ready."""
    return asyncio.run(_measure(bench))


async def _measure(bench: Bench) -> list[Reading]:
    settle_s, watch_s = bench.pick((SETTLE_S, WATCH_S), quick=(0.1, 0.2))
    home = bench.fresh()
    solo = SoloProcess(home, log=home / "solo.log")
    await solo.start()
    try:
        await asyncio.sleep(settle_s)
        shares = Shares({"solo": solo.pid, "its simulator": solo.simulator_pids()[0]})
        await asyncio.sleep(watch_s)
        taken, _ = shares.taken()
    finally:
        await solo.stop()
    return [
        Reading(f"idle {what}, share of a core", 100 * share, "%", GOAL_PERCENT)
        for what, share in taken.items()
    ]
