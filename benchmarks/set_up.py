"""`make run` on a fresh clone, with an empty and with a warm package cache."""

import subprocess
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.bench import Bench
from benchmarks.processes import ROOT, run_make, stopped_at_end
from benchmarks.readings import Reading

GOAL_S = 60.0
TIMES = 3
"""How often with a warm cache: filling it takes other people's servers too."""
FIRST_AGENT = b"--- architect"


class RunFailedError(Exception):
    """`make run` did not succeed; the message is what it said."""

    def __init__(self, *, output: bytes) -> None:
        super().__init__(output.decode("utf-8", "replace"))


def measure(bench: Bench) -> list[Reading]:
    """A clone with an empty cache, then others with the cache that the first has filled."""
    with TemporaryDirectory(prefix="facilitair-bench-") as name:
        folder = Path(name)
        cold, _ = _first_run(folder, "cold")
        found = [Reading("`make run` on a fresh clone, cold cache", cold, "s")]
        for number in range(bench.pick(TIMES, quick=1)):
            warm, token = _first_run(folder, f"warm-{number}")
            found += [
                Reading("`make run` on a fresh clone, warm cache", warm, "s", GOAL_S),
                Reading("of it until the first token", token, "s"),
            ]
    return found


def _first_run(folder: Path, kind: str) -> tuple[float, float]:
    clone = folder / kind
    subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
    return timed_run(clone, {"FACILITAIR_CACHE": str(folder / "cache")})


def timed_run(folder: Path, variables: dict[str, str]) -> tuple[float, float]:
    """Seconds from the command to its end, and to the first token. Raises RunFailedError."""
    began = time.perf_counter()
    with stopped_at_end(run_make(folder, "run", variables=variables)) as process:
        if process.stdout is None:
            raise RunFailedError(output=b"no output")
        said, first = b"", 0.0
        # Read as it comes: the token after the heading is not a whole line.
        while chunk := process.stdout.read1():  # type: ignore[attr-defined]  # a BufferedReader
            said += chunk
            heading, found, token = said.partition(FIRST_AGENT)[2].partition(b"\n")
            if not first and heading and found and token:
                first = time.perf_counter() - began
        if process.wait() != 0 or not first:
            raise RunFailedError(output=said)
    return time.perf_counter() - began, first
