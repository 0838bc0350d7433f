"""``run/<service>.ops.json``: who runs on this machine, and where its operator's port is.

``run/gateway.json`` is another file: there the gateway says where its API answers.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from msgspec import Struct


class Announcement(Struct, frozen=True, kw_only=True):
    """A process and its operator's port."""

    url: str
    pid: int
    started_at: datetime


@contextmanager
def announced(home: Path, service: str, *, url: str) -> Iterator[Announcement]:
    """Say where the service answers for as long as the body runs; the file appears whole."""
    path = home / "run" / f"{service}.ops.json"
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
