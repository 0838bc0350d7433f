"""Processes that benchmarks start, and the CPU they take."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_OUTER = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "VIRTUAL_ENV", "TASK", "WORKFLOW")
_OURS = ("ANTHROPIC_", "FACILITAIR_", "KAFKA_", "OLLAMA_", "OPENAI_")
_NS = 1e9


def clean_environment() -> dict[str, str]:
    """The caller's environment without settings of ours and without a real model."""
    return {
        name: value
        for name, value in os.environ.items()
        if name not in _OUTER and not name.startswith(_OURS)
    }


def cpu_s(pid: int) -> float:
    """CPU time of all threads of a process so far."""
    threads = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(thread.read_text().split()[0]) for thread in threads) / _NS


@contextmanager
def simulator(**variables: str) -> Iterator[str]:
    """A simulator without a journal, so that no fsync is counted; yields its url."""
    with simulating(**variables) as (url, _):
        yield url


@contextmanager
def simulating(**variables: str) -> Iterator[tuple[str, int]]:
    """As ``simulator``; yields its url and its process."""
    env = {**clean_environment(), **variables}
    command = [sys.executable, "-m", "facilitair_llm.simulator"]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as process:
        try:
            if process.stdout is None:
                raise ChildProcessError
            said = process.stdout.readline()
            yield said.partition(" on ")[2].partition(",")[0], process.pid
        finally:
            process.terminate()


@contextmanager
def stopped_at_end(process: "subprocess.Popen[bytes]") -> Iterator["subprocess.Popen[bytes]"]:
    """End a process that is still there."""
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait()


def run_make(
    folder: Path, *targets: str, variables: Mapping[str, str]
) -> "subprocess.Popen[bytes]":
    """Start make there, with its output to read; the caller's own make is kept out."""
    return subprocess.Popen(
        ["make", *targets],
        cwd=folder,
        env={**clean_environment(), **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def rss_kb(pid: int) -> int:
    """Memory of a process that is in use now, in units of 1,000 bytes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 1000


class Shares:
    """How much of a core each process took since this was made, and anybody of the machine."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._pids = pids
        self._began = time.monotonic()
        self._cpu_s = {role: cpu_s(pid) for role, pid in pids.items()}
        self._busy_s = _busy_s()

    def taken(self) -> tuple[dict[str, float], float]:
        """Shares of one core by role, and the share of all cores that was taken by anybody."""
        elapsed_s = max(time.monotonic() - self._began, 1e-9)
        by_role = {
            role: (cpu_s(pid) - self._cpu_s[role]) / elapsed_s for role, pid in self._pids.items()
        }
        return by_role, (_busy_s() - self._busy_s) / elapsed_s / core_count()


def core_count() -> int:
    """How many the machine has."""
    return os.cpu_count() or 1


def _busy_s() -> float:
    """CPU time that all cores together have spent on anything so far."""
    names = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
    line = Path("/proc/stat").read_text(encoding="ascii").splitlines()[0]
    spent = dict(zip(names, map(int, line.split()[1:]), strict=False))
    busy = sum(spent[name] for name in names if name not in {"idle", "iowait"})
    return busy / os.sysconf("SC_CLK_TCK")
