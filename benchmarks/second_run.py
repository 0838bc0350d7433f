"""`make run` where everything is set up: how long until the first token."""

from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.processes import ROOT
from benchmarks.readings import Reading
from benchmarks.set_up import timed_run

GOAL_S = 3.0


def measure() -> list[Reading]:
    """The second run of one state folder; the model takes its usual time to its first token."""
    with TemporaryDirectory(prefix="facilitair-bench-") as name:
        variables = {
            "FACILITAIR_HOME": str(Path(name)),
            "FACILITAIR_SIMULATOR_TOKENS_PER_S": "5000",
        }
        timed_run(ROOT, variables)
        _, token = timed_run(ROOT, variables)
    what = "second `make run`: command to first token (350 ms of it the model's)"
    return [Reading(what, token, "s", GOAL_S)]
