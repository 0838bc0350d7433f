"""Solo as a system that a run hurts: one process, started again whenever it ends."""

import asyncio
import os
import secrets
import signal
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager, closing, suppress
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from facilitair_events.layout import topics_dir
from facilitair_events.registry import Registry
from facilitair_messaging.adapters.embedded import EmbeddedLog
from facilitair_messaging.ports import Log
from facilitair_testing.chaos.clocks import Clocks, build_library
from facilitair_testing.chaos.faults import EVERYBODY, SystemName
from facilitair_testing.chaos.preparing import write_definitions
from facilitair_testing.chaos.process_states import alive
from facilitair_testing.chaos.small_disk import small_disk
from facilitair_testing.chaos.systems import STATES, settings
from facilitair_testing.eventually import eventually
from facilitair_testing.solo import SoloProcess

_DISK_MIB: Final = 96
_READY_S: Final = 60.0
_LOOK_S: Final = 0.02
_AGAIN_S: Final = 0.3
_MEMBER: Final = "solo"
# A record's partition stands in the upper bits of its row id.
_FORGET: Final = """DELETE FROM records WHERE position >> 40 IN
  (SELECT id FROM partitions WHERE topic = ?)"""
_FLOORS: Final = """UPDATE partitions SET
  next_offset = max(next_offset, coalesce((SELECT max(position & 0xFFFFFFFFFF) + 1
    FROM records WHERE position >> 40 = partitions.id), 0)),
  last_ms = max(last_ms, coalesce((SELECT max(timestamp_ms)
    FROM records WHERE position >> 40 = partitions.id), 0)) WHERE topic = ?"""
_BEGIN: Final = "UPDATE partitions SET beginning = next_offset WHERE topic = ?"


class SoloSystem:
    """A ``System``. ``commits`` is the dial of its slow disk, in milliseconds."""

    name: SystemName = "solo"
    lease_ms = 0

    def __init__(self, home: Path, *, ttft_ms: int, tokens_per_s: int) -> None:
        self.home = home
        self.admin_key = secrets.token_hex(20)
        self.commits = home / "slow-commits"
        self._stack = ExitStack()
        self.disk = self._stack.enter_context(small_disk(home / "log", mib=_DISK_MIB))
        library = build_library(os.environ)
        self.clocks = None if library is None else Clocks(home / "clocks", library=library)
        self._process = SoloProcess(
            home,
            ttft_ms=ttft_ms,
            tokens_per_s=tokens_per_s,
            variables={
                **settings(home, admin_key=self.admin_key),
                "FACILITAIR_LOG_SLOW_COMMITS": str(self.commits),
                **(self.clocks.variables() if self.clocks else {}),
            },
            log=home / "solo.log",
        )
        self._up = asyncio.Event()
        self._wanted = True

    @staticmethod
    @asynccontextmanager
    async def started(
        home: Path, *, ttft_ms: int = 20, tokens_per_s: int = 4000
    ) -> AsyncIterator["SoloSystem"]:
        """A solo that is up; its end leaves no process, and no disk."""
        write_definitions(home / "definitions")
        system = SoloSystem(home, ttft_ms=ttft_ms, tokens_per_s=tokens_per_s)
        keeping: asyncio.Task[None] | None = None
        try:
            await system._process.start()
            system._up.set()
            keeping = asyncio.create_task(system._keep())
            yield system
        finally:
            if keeping is not None:
                keeping.cancel()
                await asyncio.gather(keeping, return_exceptions=True)
            with suppress(ProcessLookupError):
                await system._process.stop()
            system._process.end_simulators()
            system._stack.close()

    @property
    def urls(self) -> Sequence[str]:
        return [self._process.url]

    @property
    def journal(self) -> Path:
        """What the simulator was asked."""
        return self._process.journal_path

    def pids(self, target: str) -> dict[str, int]:  # noqa: ARG002 - it is one process
        return {_MEMBER: self._process.pid} if self._up.is_set() else {}

    async def whole(self) -> None:
        async def up() -> bool:
            return self._up.is_set() and alive(self._process.pid)

        await eventually(up, timeout_s=_READY_S, what="solo is up again")

    async def rebuilt(self) -> None:
        os.kill(self._process.pid, signal.SIGKILL)
        await eventually(lambda: not self._up.is_set(), what="the end of solo")
        await self.whole()

    @asynccontextmanager
    async def without(self, services: Sequence[str]) -> AsyncIterator[Log]:  # noqa: ARG002 - all are one
        await self.whole()
        self._wanted = False
        try:
            os.kill(self.pids(EVERYBODY)[_MEMBER], signal.SIGKILL)
            await eventually(lambda: not self._up.is_set(), what="the end of solo")
            async with self.open_log() as log:
                yield log
        finally:
            self._wanted = True

    async def forget_states(self, log: Log, *, service: str) -> int:  # noqa: ARG002 - in the file
        topic = STATES[service]
        with closing(sqlite3.connect(self.home / "log" / "log.db")) as db, db:
            db.execute(_FLOORS, (topic,))
            db.execute(_BEGIN, (topic,))
            return db.execute(_FORGET, (topic,)).rowcount

    async def stop_for_good(self) -> None:
        """Kill it and leave it down, so that its log can be read."""
        self._wanted = False
        if self._up.is_set():
            os.kill(self._process.pid, signal.SIGKILL)
        await eventually(lambda: not self._up.is_set(), what="the end of solo")

    @asynccontextmanager
    async def open_log(self) -> AsyncIterator[Log]:
        if self._wanted:
            await self.stop_for_good()
        registry = Registry.load(topics_dir())
        path = self.home / "log" / "log.db"
        async with EmbeddedLog.open(path, registry.topics) as log:
            await log.admin().ensure_topics(registry.topics.values())
            yield log

    async def _keep(self) -> None:
        """Start it again, at its port, whenever it ends; a start that fails is tried again."""
        port = urlsplit(self._process.url).port or 0
        while True:
            if self._up.is_set():
                if self._process.exit_code is None:
                    await asyncio.sleep(_LOOK_S)
                    continue
                self._up.clear()
            if not self._wanted:
                await asyncio.sleep(_LOOK_S)
                continue
            try:
                await self._process.start(port=port)
                self._up.set()
            except (ChildProcessError, TimeoutError):
                await asyncio.sleep(_AGAIN_S)
