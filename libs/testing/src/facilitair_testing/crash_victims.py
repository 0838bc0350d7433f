"""What a cell of the crash table kills: a solo of its own, or one member of a shared fleet."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import urlsplit

from facilitair_events.layout import topics_dir
from facilitair_events.registry import Registry
from facilitair_messaging.adapters.embedded import EmbeddedLog
from facilitair_messaging.adapters.kafka import KafkaLog
from facilitair_messaging.crash_points import CRASH_AT, TESTING, marker
from facilitair_messaging.ports import Log
from facilitair_testing.chaos.preparing import write_definitions
from facilitair_testing.crash_table import LogName
from facilitair_testing.eventually import eventually
from facilitair_testing.service_processes import ServiceProcesses
from facilitair_testing.solo import SoloProcess

_DIES_S: Final = 60.0

BEHIND: Final = {"FACILITAIR_ACCOUNTS_REDUCER__SNAPSHOT_INTERVAL_MS": "50"}
"""Snapshots and commits come behind the work, and a cell is short."""


class Victim(Protocol):
    """One process that dies at a point, and the log that it leaves behind."""

    log: LogName
    lease_ms: int
    home: Path

    @property
    def url(self) -> str:
        """Where the gateway answers, also after a restart."""
        ...

    @property
    def journal(self) -> Path:
        """What the simulator was asked."""
        ...

    async def start(self, spec: str) -> None:
        """Start it with a point armed; it is ready when this returns."""
        ...

    async def died(self) -> None:
        """Return when it has ended by itself."""
        ...

    async def restart(self, spec: str) -> None:
        """Start it again, with a point armed where it may have died already.

        Raises ChildProcessError when it ends before it is ready.
        """
        ...

    def open_log(self) -> "AsyncLog":
        """The log, once nothing is in flight; what has to stop for it is stopped in order."""
        ...


class AsyncLog(Protocol):
    """An async context that gives a log."""

    async def __aenter__(self) -> Log: ...

    async def __aexit__(self, *exc: object) -> bool | None: ...


def armed(spec: str) -> Mapping[str, str]:
    """What a process is told that shall die."""
    return {TESTING: "1", CRASH_AT: spec}


def died_at_ms(home: Path, service: str, *, point: str) -> int | None:
    """When a point was reached, by this machine's clock; None when it was not."""
    path = marker(home, service=service, point=point)
    return path.stat().st_mtime_ns // 1_000_000 if path.exists() else None


class SoloVictim:
    """A solo on a home of its own: whatever dies, all of it dies."""

    log: LogName = "solo"
    lease_ms = 0

    def __init__(self, home: Path) -> None:
        write_definitions(home / "definitions")
        self.home = home
        self._solo = SoloProcess(
            home,
            ttft_ms=20,
            tokens_per_s=4000,
            variables={"FACILITAIR_GATEWAY_DEFINITIONS": str(home / "definitions"), **BEHIND},
            log=home / "solo.log",
        )

    @property
    def url(self) -> str:
        return self._solo.url

    @property
    def journal(self) -> Path:
        return self._solo.journal_path

    async def start(self, spec: str) -> None:
        await self._solo.start(variables=armed(spec))

    async def died(self) -> None:
        await eventually(
            lambda: self._solo.exit_code is not None, timeout_s=_DIES_S, what="the end of solo"
        )

    async def restart(self, spec: str) -> None:
        await self._solo.start(port=urlsplit(self.url).port or 0, variables=armed(spec))

    @asynccontextmanager
    async def open_log(self) -> AsyncIterator[Log]:
        with suppress(ProcessLookupError):  # it may have ended by itself
            await self._solo.stop()
        registry = Registry.load(topics_dir())
        async with EmbeddedLog.open(self.home / "log" / "log.db", registry.topics) as log:
            await log.admin().ensure_topics(registry.topics.values())
            yield log

    async def end(self) -> None:
        """Leave no process behind, whatever happened."""
        with suppress(ProcessLookupError):
            await self._solo.kill()
        self._solo.end_simulators()


class MemberVictim:
    """The one member of a service on a fleet that other cells use before and after."""

    log: LogName = "kafka"
    lease_ms = 3_000

    def __init__(self, fleet: ServiceProcesses, service: str, *, bootstrap: str) -> None:
        self.home = fleet.home
        self._fleet = fleet
        self._bootstrap = bootstrap
        self._member = f"{service}-0"

    @property
    def url(self) -> str:
        return self._fleet.url()

    @property
    def journal(self) -> Path:
        return self._fleet.journal_path

    async def start(self, spec: str) -> None:
        self._fleet.kill(self._member)
        await self.restart(spec)

    async def died(self) -> None:
        await self._fleet.gone(self._member, timeout_s=_DIES_S)

    async def restart(self, spec: str) -> None:
        self._fleet.start(self._member, armed(spec))
        await self._fleet.ready(self._member)

    @asynccontextmanager
    async def open_log(self) -> AsyncIterator[Log]:
        registry = Registry.load(topics_dir())
        async with KafkaLog.open(self._bootstrap, registry.topics) as log:
            yield log
