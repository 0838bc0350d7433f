"""Keeps one member of the fleet running: at once after a crash, later while it keeps crashing."""

import asyncio
import os
import signal
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

from facilitair_cli.fleet.members import Member
from facilitair_native.processes import ServerProcess

_LOOK_S: Final = 0.05
_WINDOW_S: Final = 60.0
_FIRST_BACKOFF_S: Final = 0.5
_MAX_BACKOFF_S: Final = 10.0
_MAX_LOG_BYTES: Final = 16 * 1024 * 1024

Tell = Callable[[str], None]


def backoff_s(recent_failures: int) -> float:
    """How long to wait after that many failures within a minute; nothing after the first."""
    if recent_failures <= 1:
        return 0.0
    backoff: float = _FIRST_BACKOFF_S * 2 ** (recent_failures - 2)
    return min(backoff, _MAX_BACKOFF_S)


class Keeper:
    """One member: its process of now, and how often it had to be started again.

    The process is on a leash: when this one ends, however it ends, it is killed, too.
    """

    def __init__(self, member: Member, *, logs: Path, home: Path, tell: Tell) -> None:
        self.member = member
        self.restarts = 0
        self.last_exit: int | None = None
        self.log_file = logs / f"{member.name}.log"
        self._home = home
        self._tell = tell
        self._process: ServerProcess | None = None
        self._stopping = asyncio.Event()
        self._ended = asyncio.Event()
        self._failures: deque[float] = deque(maxlen=16)

    @property
    def pid(self) -> int | None:
        """Of the process that runs now."""
        return None if self._process is None else self._process.pid

    async def run(self) -> None:
        """Keep it running until ``stop``."""
        while not self._stopping.is_set():
            process = self._start()
            self._process = process
            while process.exit_code is None:  # noqa: ASYNC110 - no event tells of its end
                await asyncio.sleep(_LOOK_S)
            self._process = None
            self.last_exit = process.exit_code
            await asyncio.to_thread(process.kill)
            if not self._stopping.is_set():
                await self._wait_before_restart()
        self._ended.set()

    async def stop(self, *, timeout_s: float) -> None:
        """Ask it to end, insist at the deadline; it is gone when this returns."""
        self._stopping.set()
        self._signal(signal.SIGTERM)
        self._signal(signal.SIGCONT)
        try:
            async with asyncio.timeout(timeout_s):
                await self._ended.wait()
        except TimeoutError:
            self._tell(f"{self.member.name} does not end within {timeout_s:g} s; it is killed")
            self.kill()
            await self._ended.wait()

    async def end_wedged(self, *, stacks_s: float) -> None:
        """End the process of now, which gets nowhere; ``run`` starts another one.

        SIGABRT has it write down the stacks of its threads, where it still can.
        """
        process = self._process
        if process is None:
            return
        process.signal_group(signal.SIGABRT)
        deadline = time.monotonic() + stacks_s
        while process.exit_code is None and time.monotonic() < deadline:  # noqa: ASYNC110 - as above
            await asyncio.sleep(_LOOK_S)
        process.signal_group(signal.SIGKILL)

    def kill(self) -> None:
        """End it at once and for good."""
        self._stopping.set()
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.signal_group(number)

    def _start(self) -> ServerProcess:
        if self.log_file.exists() and self.log_file.stat().st_size > _MAX_LOG_BYTES:
            self.log_file.replace(self.log_file.with_suffix(".log.1"))
        return ServerProcess(
            self.member.command,
            folder=self._home,
            log_file=self.log_file,
            environ={**os.environ, **self.member.environ},
        )

    async def _wait_before_restart(self) -> None:
        now = time.monotonic()
        self._failures.append(now)
        pause = backoff_s(sum(at > now - _WINDOW_S for at in self._failures))
        self.restarts += 1
        when = f"again in {pause:g} s" if pause else "again at once"
        self._tell(
            f"{self.member.name} ended with {self.last_exit}, started {when}; see {self.log_file}"
        )
        try:
            async with asyncio.timeout(pause):
                await self._stopping.wait()
        except TimeoutError:
            return
