"""Who is running on this machine: small files that name a url, a pid and a start time.

A pid alone proves nothing, it is given out again.
A process that is older than the file that names it is the one that wrote it: two processes never
have one pid at a time.
"""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

_CLOCK_SLACK_S: Final = 2.0
"""The kernel knows its boot time to the second."""


class Announcement(Struct, frozen=True, kw_only=True):
    """A process and where it answers."""

    url: str
    pid: int
    started_at: datetime


@contextmanager
def announced(path: Path, *, url: str = "") -> Iterator[Announcement]:
    """Say that this process is there while the body runs.

    Readers find all of the file or the one before.
    """
    announcement = Announcement(url=url, pid=os.getpid(), started_at=datetime.now(UTC))
    announce(path, announcement)
    try:
        yield announcement
    finally:
        withdraw(path, announcement)


def announce(path: Path, announcement: Announcement) -> None:
    """Write the file, all of it at once."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_bytes(msgspec.json.encode(announcement))
    draft.replace(path)


def withdraw(path: Path, announcement: Announcement) -> None:
    """Remove the file if it is still this one."""
    if _read(path) == announcement:
        path.unlink(missing_ok=True)


def find(path: Path) -> Announcement | None:
    """The announcement of a process that is alive; a stale file is removed."""
    found = _read(path)
    if found is not None and not is_alive(found):
        withdraw(path, found)
        return None
    return found


def is_alive(announcement: Announcement) -> bool:
    """Whether the very process that was announced still runs."""
    started = started_at(announcement.pid)
    return started is not None and started <= announcement.started_at.timestamp() + _CLOCK_SLACK_S


def started_at(pid: int) -> float | None:
    """When a process started, in seconds since the epoch; None for one that is gone or a zombie."""
    if not Path("/proc/stat").exists():
        return _started_by_ps(pid)
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        boot = next(
            line.split()[1]
            for line in Path("/proc/stat").read_text(encoding="utf-8").splitlines()
            if line.startswith("btime")
        )
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, ticks = fields[0], int(fields[19])
    return None if state == "Z" else int(boot) + ticks / os.sysconf("SC_CLK_TCK")


def _started_by_ps(pid: int) -> float | None:
    """Where there is no /proc."""
    told = subprocess.run(
        ["ps", "-o", "lstart=", "-p", str(pid)],  # noqa: S607 - it is where the system has it
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "LC_ALL": "C"},
    ).stdout.strip()
    return datetime.strptime(told, "%a %b %d %H:%M:%S %Y").timestamp() if told else None  # noqa: DTZ007 - ps tells local time


def _read(path: Path) -> Announcement | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Announcement)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except msgspec.DecodeError:
        return None
