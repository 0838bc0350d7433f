"""The machine and the versions that numbers belong to."""

import os
import platform
import sqlite3
import subprocess
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("aiohttp", "msgspec", "uvloop", "uvicorn")
GIB = 1024**3


def machine(root: Path) -> dict[str, str]:
    """What to say beside every table of numbers."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / GIB
    return {
        "commit": _commit(root),
        "machine": f"{os.cpu_count()} cores, {_processor()}, {memory:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "libraries": ", ".join(f"{name} {version(name)}" for name in PACKAGES)
        + f", SQLite {sqlite3.sqlite_version}",
        "load before": load(),
    }


def load() -> str:
    """Load averages of the last 1, 5 and 15 minutes: what else ran on the machine."""
    return " ".join(f"{value:.2f}" for value in os.getloadavg())


def _commit(root: Path) -> str:
    command = ["git", "describe", "--always", "--dirty"]
    told = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    return told.stdout.strip() or "unknown"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()
