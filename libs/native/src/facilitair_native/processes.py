"""One process of a server: its own session, a log file, signals, and a leash."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

TAIL_LINES: Final = 20

_PAUSE_S: Final = 0.02
_AFTER_KILL_S: Final = 10.0

# Ends the group when its standard input closes without the word that lets go: then who started
# the server is gone. PR_SET_PDEATHSIG would not do: it follows the thread that started the server.
_LEASH: Final = """
import os, signal, sys
if not sys.stdin.buffer.read(1):
    try:
        os.killpg(int(sys.argv[1]), signal.SIGKILL)
    except ProcessLookupError:
        pass
"""


class ServerProcess:
    """A running process and everything it starts. It is made running; wait for it or end it."""

    def __init__(
        self, command: Sequence[str], *, folder: Path, log_file: Path, environ: Mapping[str, str]
    ) -> None:
        log_file.parent.mkdir(parents=True, exist_ok=True)
        with log_file.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd=folder,
                env=dict(environ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._leash = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _LEASH, str(self._process.pid)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        """Of the process itself, which also leads its group."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """How it ended, or None while it runs."""
        return self._process.poll()

    def signal_group(self, number: signal.Signals) -> None:
        """Signal the process and all it started; nothing happens when they are gone."""
        try:
            os.killpg(self._process.pid, number)
        except ProcessLookupError:
            return

    def freeze(self) -> None:
        """SIGSTOP the group, and return once no thread of the process moves; or it has ended."""
        self.signal_group(signal.SIGSTOP)
        if self._process.poll() is None:
            os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def end(self, *, timeout_s: float) -> None:
        """SIGTERM, wait, SIGKILL at the deadline; a frozen process is woken for it."""
        if self._process.poll() is None:
            self.signal_group(signal.SIGTERM)
            self.signal_group(signal.SIGCONT)
            try:
                self._process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self.signal_group(signal.SIGKILL)
        self.kill()

    def kill(self) -> None:
        """SIGKILL the group, reap the process and let go of the leash."""
        self.signal_group(signal.SIGKILL)
        self._process.wait(_AFTER_KILL_S)
        self._wait_for_group()
        if self._leash.poll() is None:
            self._leash.communicate(b"x", timeout=_AFTER_KILL_S)

    def _wait_for_group(self) -> None:
        """Until what the process started is gone too, as init reaps it."""
        deadline = time.monotonic() + _AFTER_KILL_S
        while time.monotonic() < deadline:
            try:
                os.killpg(self._process.pid, 0)
            except ProcessLookupError:
                return
            time.sleep(_PAUSE_S)


def tail(log_file: Path, *, start: int = 0) -> str:
    """The last lines of a log, of what was written after the byte ``start``."""
    try:
        with log_file.open("rb") as log:
            log.seek(start)
            lines = log.read().decode("utf-8", "replace").splitlines()
    except FileNotFoundError:
        return ""
    return "\n".join(lines[-TAIL_LINES:])
