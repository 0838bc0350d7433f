"""What solo costs while nothing happens."""

import asyncio
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.processes import cpu_s
from benchmarks.readings import Reading
from facilitair_testing.solo import SoloProcess

GOAL_PERCENT = 1.0
SETTLE_S = 2.0
WATCH_S = 10.0


def measure() -> list[Reading]:
    """CPU of the process over ten seconds, from two seconds after it was ready."""
    return asyncio.run(_measure())


async def _measure() -> list[Reading]:
    with TemporaryDirectory(prefix="facilitair-bench-") as name:
        solo = SoloProcess(Path(name) / "home", log=Path(name) / "solo.log")
        await solo.start()
        try:
            await asyncio.sleep(SETTLE_S)
            pids = {"solo": solo.pid, "its simulator": solo.simulator_pids()[0]}
            before = {what: cpu_s(pid) for what, pid in pids.items()}
            began = time.perf_counter()
            await asyncio.sleep(WATCH_S)
            share = 100 / (time.perf_counter() - began)
            spent = {what: (cpu_s(pid) - before[what]) * share for what, pid in pids.items()}
        finally:
            await solo.stop()
    return [
        Reading(f"idle {what}, share of a core", percent, "%", GOAL_PERCENT)
        for what, percent in spent.items()
    ]
