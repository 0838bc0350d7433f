"""The same chain of ten steps in LangGraph."""

from benchmarks.bench import Bench
from benchmarks.peers.environment import peer_python
from benchmarks.processes import clean_environment, simulator
from benchmarks.readings import Reading, percentile
from benchmarks.streams.talking import talking
from benchmarks.systems import AT_ONCE, STEPS

RUNS = 50
KEPT_IN_MEMORY = "memory"


def measure(bench: Bench) -> list[Reading]:
    """Without checkpoints, and with each checkpoint in SQLite before the next step begins."""
    runs = bench.pick(RUNS, quick=2)
    ways = {
        "nothing kept": KEPT_IN_MEMORY,
        "its SQLite checkpointer": str(bench.fresh() / "checkpoints.db"),
    }
    found = []
    with simulator(**AT_ONCE) as url:
        for name, path in ways.items():
            arguments = ("benchmarks.peers.langgraph_chain", url, str(STEPS), str(runs), path)
            python, environ = peer_python("langgraph"), clean_environment()
            with talking("-m", *arguments, python=python, environ=environ) as peer:
                told = peer.hear()
            what = f"LangGraph, {name}: {STEPS}-step graph in its own process"
            found += [
                Reading(f"{what}, p50", percentile(told["took_s"], 0.5) * 1000, "ms"),
                Reading(f"{what}, p99", percentile(told["took_s"], 0.99) * 1000, "ms"),
                Reading(f"LangGraph, {name}: CPU for one such", told["cpu_s"] * 1000, "ms"),
            ]
    return found
