"""Solo as a child process: start it, hear that it is ready, let it stop.

The child gets a pipe as its stdin and stops when that ends, so it never outlives a parent that was
killed; ``release`` tells it to stay instead.
It answers with one JSON line on its stdout.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final, Literal

import msgspec
from msgspec import Struct

from facilitair_cli import simulator
from facilitair_cli.errors import SlowStartError, SoloDiedError, StartError
from facilitair_cli.state_folder import StateFolder

STAY: Final = b"stay\n"
"""What tells a child to go on when its parent ends."""

READY_S: Final = 60.0
_STOP_S: Final = 25.0
_PAUSE_S: Final = 0.01
_MAX_LOG_BYTES: Final = 16 * 1024 * 1024


class Started(Struct, frozen=True, kw_only=True):
    """What a child says once: where it serves, who holds the log, or what is wrong."""

    outcome: Literal["ready", "locked", "faulty"]
    url: str | None = None
    pid: int | None = None
    faults: tuple[str, ...] = ()


def tell_started(started: Started) -> None:
    """Say the one line, and nothing after it."""
    sys.stdout.buffer.write(msgspec.json.encode(started) + b"\n")
    sys.stdout.flush()
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)


class Child:
    """A solo, or the launcher of a fleet, as a process of ours that logs to ``log``.

    Not an asyncio subprocess: its transport kills the process when the loop ends, and one that was
    released must go on.
    """

    def __init__(
        self, process: "subprocess.Popen[bytes]", *, log: Path, folder: StateFolder
    ) -> None:
        self._process = process
        self._log = log
        self._folder = folder

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process.poll() is None

    async def ready(self, *, within_s: float = READY_S) -> Started:
        """Wait until it serves or knows that it cannot.

        Raises StartError with all its faults, SoloDiedError when it ended without a word, and
        SlowStartError when it said nothing in time; then it was stopped.
        """
        try:
            line = await self._line(within_s=within_s)
        except TimeoutError as error:
            await self.stop()
            await simulator.end_orphan(self._folder)
            raise SlowStartError(waited_s=within_s, log_file=self._log) from error
        if not line:
            await self.stop()
            await simulator.end_orphan(self._folder)
            code = self._process.returncode
            raise SoloDiedError(exit_code=code, log_file=self._log)
        said = msgspec.json.decode(line, type=Started)
        if said.outcome == "faulty":
            await self.stop()
            raise StartError(faults=said.faults)
        return said

    async def _line(self, *, within_s: float) -> bytes:
        """What it says; nothing when it ends. Raises TimeoutError."""
        reader = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), self._process.stdout
        )
        try:
            async with asyncio.timeout(within_s):
                return await reader.readline()
        finally:
            transport.close()

    def release(self) -> None:
        """Let it go on without us."""
        if self._process.stdin is not None:
            self._process.stdin.write(STAY)
            self._process.stdin.close()

    def let_go(self) -> None:
        """Tell it to stop and do not wait."""
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()

    async def stop(self) -> None:
        """Tell it to stop, and return when it is gone; what does not listen is killed."""
        self.let_go()
        for number in (None, signal.SIGTERM, signal.SIGKILL):
            if number is not None:
                self._process.send_signal(number)
            if await self._gone_within(_STOP_S):
                return

    async def _gone_within(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while self.alive and time.monotonic() < deadline:  # noqa: ASYNC110 - as little as can be done
            await asyncio.sleep(_PAUSE_S)
        return not self.alive


def log_file(folder: StateFolder) -> Path:
    """Where solo logs when it runs in the background."""
    return folder.logs / "solo.log"


def launch(folder: StateFolder, *, port: int | None, attached: bool) -> Child:
    """Start solo in the background; ``port`` None takes what the environment says.

    An ``attached`` one stops when this process does.
    """
    arguments = [] if port is None else ["--port", str(port)]
    arguments += ["--attached"] if attached else []
    path = log_file(folder)
    if path.exists() and path.stat().st_size > _MAX_LOG_BYTES:
        path.replace(path.with_suffix(".log.1"))
    with path.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "facilitair_cli.solo_process", *arguments],
            stdin=subprocess.PIPE if attached else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            env={**os.environ, "FACILITAIR_HOME": str(folder.root)},
            start_new_session=True,
        )
    return Child(process, log=path, folder=folder)
