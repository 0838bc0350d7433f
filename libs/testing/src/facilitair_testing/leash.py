"""A pytest plugin: no process outlives the tests that started it, however those end.

What a process of tests starts inherits a mark in its environment.
A leash waits until the tests are gone, by kill -9 too, and kills whatever still has the mark.
"""

import os
import secrets
import subprocess
import sys
from typing import Final

import pytest

MARK: Final = "TEST_PROCESS_MARK"

_GONE_S: Final = 30.0

# Whoever forks while it is looked for is found by the next look.
_LEASH: Final = """
import os, signal, sys
sys.stdin.buffer.read()
mark = sys.argv[1].encode()
found = True
while found:
    found = False
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/environ", "rb") as environ:
                marked = mark in environ.read().split(b"\\0")
            if marked:
                os.kill(int(name), signal.SIGKILL)
                found = True
        except OSError:
            pass
"""


class Leash:
    """Holds all that is started from now on by this process; whatever is left ends with it."""

    def __init__(self) -> None:
        self._outer = os.environ.get(MARK)
        mark = secrets.token_hex()
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _LEASH, f"{MARK}={mark}"],
            env={},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.environ[MARK] = mark

    def pull(self) -> None:
        """Kill what is left, and leave the environment as it was."""
        if self._outer is None:
            del os.environ[MARK]
        else:
            os.environ[MARK] = self._outer
        self._process.communicate(timeout=_GONE_S)


_HELD: Final = pytest.StashKey[Leash]()


def pytest_sessionstart(session: pytest.Session) -> None:
    """Before anything is started."""
    session.config.stash[_HELD] = Leash()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """When everything should have ended by itself."""
    session.config.stash[_HELD].pull()
