"""One opener per log file, across processes and inside one."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from facilitair_messaging.adapters.embedded.errors import LogLockedError


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the lock of the log at ``path``; raises LogLockedError with the pid of the holder.

    The lock is on a side file, which stays: removing it would let two openers lock two files.
    The kernel drops it when the process ends, however it ends.
    A process pool beside an open log must not fork, a forked child would hold the lock too.
    """
    side = path.with_name(path.name + ".lock")
    descriptor = os.open(side, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            # flock, not lockf: it also excludes a second opener in the same process.
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LogLockedError(path=path, pid=_holder(descriptor)) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _holder(descriptor: int) -> int | None:
    """The pid in the side file; None in the moment before its holder has written it."""
    with suppress(ValueError):
        return int(os.pread(descriptor, 32, 0))
    return None
