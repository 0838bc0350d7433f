"""`make run` where everything is set up: how long until the first token."""

from benchmarks.bench import Bench
from benchmarks.processes import ROOT
from benchmarks.readings import Reading
from benchmarks.set_up import timed_run

GOAL_S = 3.0


def measure(bench: Bench) -> list[Reading]:
    """The second run of one state folder; the model takes its usual time to its first token."""
    variables = {
        "FACILITAIR_HOME": str(bench.fresh()),
        "FACILITAIR_SIMULATOR_TOKENS_PER_S": "5000",
    }
    timed_run(ROOT, variables)
    _, token = timed_run(ROOT, variables)
    what = "second `make run`: command to first token (350 ms of it the model's)"
    return [Reading(what, token, "s", GOAL_S)]
