"""One solo or fleet per state folder: known in a moment, before anything heavy is started.

The log has a lock of its own (R35); this one also covers the simulator.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from facilitair_cli.announcements import find
from facilitair_cli.errors import AlreadyUpError
from facilitair_cli.state_folder import StateFolder


@contextmanager
def only_solo(folder: StateFolder) -> Iterator[None]:
    """Be the only solo or fleet of the folder while the body runs; the kernel ends it with us.

    Raises AlreadyUpError with the pid of the other one.
    """
    path = folder.gateway.with_name("solo.lock")
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise _already_up(folder, descriptor) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def check_not_up(folder: StateFolder) -> None:
    """Raise AlreadyUpError when somebody has the lock."""
    with only_solo(folder):
        return


def _already_up(folder: StateFolder, descriptor: int) -> AlreadyUpError:
    pid = None
    with suppress(ValueError):
        pid = int(os.pread(descriptor, 32, 0))
    gateway = find(folder.gateway)
    return AlreadyUpError(pid=pid, url=gateway.url if gateway is not None else None)
