"""Commands as a user types them: in a terminal, in a clone, with a state folder of their own."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

ROWS, COLUMNS = 50, 200
_STEERING = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")

OpenTerminal = Callable[..., "Terminal"]


class Terminal:
    """One command in a terminal of its own, and everything that appeared there."""

    def __init__(self, command: str, *, folder: Path, env: Mapping[str, str]) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        self._said = bytearray()
        self.process = subprocess.Popen(
            ["bash", "-c", command],
            cwd=folder,
            # The window decides, not what the runner of the tests thinks of its own.
            env={name: env[name] for name in env if name not in {"COLUMNS", "LINES"}},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self._reading = threading.Thread(target=self._read)
        self._reading.start()

    def _read(self) -> None:
        while True:
            try:
                said = os.read(self._ours, 65536)
            except OSError:  # how Linux tells the end of a terminal
                return
            if not said:
                return
            self._said += said

    @property
    def text(self) -> str:
        """What was printed, frames of a live picture included, without what moves the cursor."""
        plain = _STEERING.sub("", self._said.decode("utf-8", "replace"))
        return plain.replace("\r\n", "\n").replace("\r", "\n")

    def finish(self, *, timeout_s: float = 180.0) -> int:
        """The exit code of the command."""
        code = self.process.wait(timeout_s)
        self._reading.join(timeout_s)
        return code

    def close(self) -> None:
        """Leave nothing behind, whatever happened."""
        if self.process.poll() is None:
            self.process.terminate()
        self.finish()
        os.close(self._ours)


@pytest.fixture
def open_terminal(ready_clone, outer_environment, tmp_path):
    opened = []

    def start(command: str, **variables: str) -> Terminal:
        env = {
            **outer_environment,
            "TERM": "xterm",
            "FACILITAIR_HOME": str(tmp_path / ".facilitair"),
        }
        opened.append(Terminal(command, folder=ready_clone, env=env | variables))
        return opened[-1]

    yield start
    for terminal in opened:
        terminal.close()
