"""`make test` as a user waits for it."""

import subprocess
import time

from benchmarks.bench import Bench
from benchmarks.processes import ROOT, clean_environment
from benchmarks.readings import Reading

GOAL_S = 180.0


def measure(_bench: Bench) -> list[Reading]:
    """Raises CalledProcessError when a test fails."""
    began = time.perf_counter()
    subprocess.run(
        ["make", "test"], cwd=ROOT, env=clean_environment(), check=True, stdout=subprocess.DEVNULL
    )
    return [Reading("`make test`", time.perf_counter() - began, "s", GOAL_S)]
