"""Moves the wall clock of one running process, by a small library that is loaded into it.

libfaketime would do, but it moves what it was started with: all processes of an environment, and
it does not say whether its time was ever asked for.
"""

import hashlib
import os
import shutil
import struct
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from facilitair_native.cache import cache_folder, finished_folder

_SOURCE: Final = Path(__file__).with_name("clock_dial.c")
_LIBRARY: Final = "clock_dial.so"
_DIAL: Final = struct.Struct("qq")
_OFFSET: Final = struct.Struct("q")
_NS: Final = 1_000_000_000
_COMPILE_S: Final = 60.0


class Clocks:
    """The dials of all processes that were started with ``variables``; one file each."""

    def __init__(self, folder: Path, *, library: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._library = library

    def variables(self) -> dict[str, str]:
        """What a process must be started with."""
        return {"LD_PRELOAD": str(self._library), "CHAOS_CLOCKS": str(self._folder)}

    def move(self, pid: int, *, by_s: float) -> None:
        """Let its wall clock be off by so much from now on. Raises FileNotFoundError."""
        dial = os.open(self._folder / str(pid), os.O_WRONLY)
        try:
            os.pwrite(dial, _OFFSET.pack(round(by_s * _NS)), 0)
        finally:
            os.close(dial)

    def felt(self, pid: int) -> int:
        """How often it was told a time that is off. Raises FileNotFoundError."""
        return int(_DIAL.unpack((self._folder / str(pid)).read_bytes())[1])


def build_library(environ: Mapping[str, str]) -> Path | None:
    """The library in the cache, compiled once; None without a C compiler.

    Raises subprocess.CalledProcessError when it does not compile.
    """
    compiler = shutil.which("cc", path=environ.get("PATH"))
    if compiler is None:
        return None
    digest = hashlib.sha256(_SOURCE.read_bytes()).hexdigest()[:16]

    def compile_into(folder: Path) -> None:
        subprocess.run(
            [compiler, "-O2", "-shared", "-fPIC", "-o", str(folder / _LIBRARY), str(_SOURCE)],
            check=True,
            capture_output=True,
            timeout=_COMPILE_S,
        )

    name = f"clock-dial-{digest}"
    return finished_folder(cache_folder(environ), name, fill=compile_into) / _LIBRARY
