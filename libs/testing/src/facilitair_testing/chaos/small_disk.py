"""A disk that is small enough to be full: a file system in memory, where we may mount one."""

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_FILLER: Final = "filler"
_PIECE: Final = 1024 * 1024
_SMALLEST: Final = 4096
_MOUNT_S: Final = 10.0


class SmallDisk:
    """The disk that is mounted at ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self) -> int:
        """Take all room that is left; returns how many bytes that were."""
        size = _PIECE
        with (self.folder / _FILLER).open("ab", buffering=0) as filler:
            while size >= _SMALLEST:
                try:
                    filler.write(b"\0" * size)
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    size //= 2
            return filler.tell()

    def free(self) -> None:
        """Give the room back."""
        (self.folder / _FILLER).unlink(missing_ok=True)

    def room(self) -> int:
        """How many bytes can be written now."""
        found = os.statvfs(self.folder)
        return found.f_bavail * found.f_frsize


@contextmanager
def small_disk(folder: Path, *, mib: int) -> Iterator[SmallDisk | None]:
    """Mount one at ``folder``, which is made; None where that is not allowed.

    What was written is gone at the end.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not _run("mount", "-t", "tmpfs", "-o", f"size={mib}m", "tmpfs", str(folder)):
        yield None
        return
    try:
        yield SmallDisk(folder)
    finally:
        _run("umount", "--lazy", str(folder))


def _run(program: str, *arguments: str) -> bool:
    path = shutil.which(program)
    if path is None:
        return False
    done = subprocess.run([path, *arguments], check=False, capture_output=True, timeout=_MOUNT_S)
    return done.returncode == 0
