"""CPU per chunk of each client, on the same streams; time to import each, and its memory."""

import json
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from benchmarks.bench import Bench
from benchmarks.peers.environment import peer_python
from benchmarks.processes import ROOT, clean_environment
from benchmarks.readings import MICROSECONDS, Reading
from benchmarks.streams.talking import talking

DIALECTS = ("openai-chat", "anthropic-messages", "ollama-chat")
STREAMS = 50
TOKENS_PER_S = 80
TOKENS = 240
IMPORTS = 3
WORKER = "facilitair_agent_worker.__main__"
GOAL_IMPORT_S = 0.5
GOAL_MB = 80.0


@contextmanager
def paced_provider(*, tokens: int, tokens_per_s: float) -> Iterator[str]:
    """A provider in a process of its own; yields its url."""
    arguments = ("-m", "benchmarks.model_clients.paced_provider", str(tokens), str(tokens_per_s))
    with talking(*arguments, environ=clean_environment()) as provider:
        yield provider.hear()["url"]


def measure(bench: Bench) -> list[Reading]:
    """Fifty streams at once at the pace of usual models, read by each client in turn."""
    streams, tokens = bench.pick((STREAMS, TOKENS), quick=(3, 20))
    found = []
    with paced_provider(tokens=tokens, tokens_per_s=TOKENS_PER_S) as url:
        for name, python, (program, *rest) in _clients():
            arguments = (program, url, str(streams), *rest)
            us = spent_us(python, arguments, wanted=streams * tokens)
            found.append(Reading(f"client path, {name}: CPU per chunk", us, MICROSECONDS))
    return found


def _clients() -> list[tuple[str, str, tuple[str, ...]]]:
    """Name, interpreter, and module with what follows its url and streams."""
    here = [
        (f"ours, {dialect}", sys.executable, ("benchmarks.model_clients.ours", dialect))
        for dialect in DIALECTS
    ]
    return [
        *here,
        ("openai SDK", peer_python("openai"), ("benchmarks.model_clients.openai_sdk",)),
        ("litellm", peer_python("litellm"), ("benchmarks.model_clients.litellm_sdk",)),
    ]


def spent_us(python: str, arguments: Sequence[str], *, wanted: int) -> float:
    """CPU per chunk of a program that reads so many. Raises ValueError when it read others."""
    # litellm fetches a list of prices when it is imported; here it shall not wait for that.
    environ = clean_environment() | {"LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    with talking("-m", *arguments, python=python, environ=environ) as client:
        told = client.hear()
    if told["chunks"] != wanted:
        raise ValueError(told)
    return float(told["cpu_s"] / told["chunks"] * 1e6)


def measure_imports(bench: Bench) -> list[Reading]:
    """Fresh interpreters that import one thing and end."""
    programs = {
        "bare Python": (sys.executable, ()),
        "our worker": (sys.executable, (WORKER,)),
        "openai SDK alone": (peer_python("openai"), ("openai",)),
        "litellm alone": (peer_python("litellm"), ("litellm",)),
    }
    found = []
    for name, (python, modules) in programs.items():
        ours = name == "our worker"
        seconds, mb = imported(python, modules, times=bench.pick(IMPORTS, quick=1))
        found += [
            Reading(f"import, {name}", seconds, "s", GOAL_IMPORT_S if ours else None),
            Reading(f"memory after it, {name}", mb, "MB", GOAL_MB if ours else None),
        ]
    return found


def imported(python: str, modules: Sequence[str], *, times: int) -> tuple[float, float]:
    """The medians; the first one, which may have to compile, is left out."""
    environ = {**clean_environment(), "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    command = [python, "-m", "benchmarks.model_clients.importing", *modules]
    told = []
    for _ in range(times + 1):
        done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, check=True)
        told.append(json.loads(done.stdout.splitlines()[-1]))
    return (
        statistics.median(one["seconds"] for one in told[1:]),
        statistics.median(one["mb"] for one in told[1:]),
    )
