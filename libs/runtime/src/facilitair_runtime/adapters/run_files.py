"""``run/<name>.json``: who runs on this machine, and where it answers.

``<service>.ops`` is a service's operator's port; ``gateway`` is where the API answers.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from msgspec import Struct


class Announcement(Struct, frozen=True, kw_only=True):
    """A process and where it answers."""

    url: str
    pid: int
    started_at: datetime


@contextmanager
def announced(home: Path, name: str, *, url: str) -> Iterator[Announcement]:
    """Say where ``name`` answers for as long as the body runs; the file appears whole."""
    path = home / "run" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    announcement = Announcement(url=url, pid=os.getpid(), started_at=datetime.now(UTC))
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_bytes(msgspec.json.encode(announcement))
    draft.replace(path)
    try:
        yield announcement
    finally:
        if read(path) == announcement:
            path.unlink(missing_ok=True)


def read(path: Path) -> Announcement | None:
    """What a file announces; None when there is none, or none that can be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Announcement)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
