"""A fleet as a system that a run hurts: its launcher, and a broker behind the chaos proxy."""

import asyncio
import json
import os
import secrets
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import aiohttp

from facilitair_events.layout import topics_dir
from facilitair_events.registry import Registry
from facilitair_messaging.adapters.kafka import KafkaLog, Timing
from facilitair_messaging.errors import GroupActiveError
from facilitair_messaging.ports import Log
from facilitair_native.kafka import KafkaServer
from facilitair_testing.chaos.clocks import Clocks, build_library
from facilitair_testing.chaos.faults import EVERYBODY, SystemName
from facilitair_testing.chaos.forgetting import forget
from facilitair_testing.chaos.planning import EACH, READERS, REDUCERS, SERVICES
from facilitair_testing.chaos.preparing import write_definitions
from facilitair_testing.chaos.proxy import ChaosProxy, kafka_client
from facilitair_testing.chaos.small_disk import small_disk
from facilitair_testing.chaos.systems import STATES, settings
from facilitair_testing.eventually import eventually
from facilitair_testing.fleet import FleetProcess

_LEASE_S: Final = 3
_DISK_MIB: Final = 512
_HEAP_MB: Final = 320
_READY_S: Final = 120.0
_ASK: Final = aiohttp.ClientTimeout(total=2)
_QUICK_START: Final = ("-XX:TieredStopAtLevel=1",)


class KafkaSystem:
    """A ``System`` with two of each service. ``kafka`` is its broker, ``proxy`` stands before it.

    ``spares`` are workers that a storm adds; the launcher knows nothing of them.
    """

    name: SystemName = "kafka"
    lease_ms = _LEASE_S * 1000

    def __init__(self, home: Path, *, ttft_ms: int, tokens_per_s: int) -> None:
        self.home = home
        self.admin_key = secrets.token_hex(20)
        self.kafka: KafkaServer
        self.proxy: ChaosProxy
        self._stack = AsyncExitStack()
        self.disk = self._stack.enter_context(small_disk(home / "kafka", mib=_DISK_MIB))
        library = build_library(os.environ)
        self.clocks = None if library is None else Clocks(home / "clocks", library=library)
        self.fleet = FleetProcess(
            home,
            scale=dict.fromkeys(SERVICES, EACH),
            ttft_ms=ttft_ms,
            tokens_per_s=tokens_per_s,
        )
        self.fleet.environment |= {
            **settings(home, admin_key=self.admin_key),
            "FACILITAIR_AGENT_WORKER_LEASE_S": str(_LEASE_S),
            **(self.clocks.variables() if self.clocks else {}),
        }
        self.spares: dict[str, asyncio.subprocess.Process] = {}
        self._http: aiohttp.ClientSession

    @staticmethod
    @asynccontextmanager
    async def started(
        home: Path, *, ttft_ms: int = 150, tokens_per_s: int = 120
    ) -> AsyncIterator["KafkaSystem"]:
        """A fleet that is up; its end leaves no process, and no disk."""
        write_definitions(home / "definitions")
        system = KafkaSystem(home, ttft_ms=ttft_ms, tokens_per_s=tokens_per_s)
        async with system._stack as stack:
            await system._start(stack)
            yield system

    async def _start(self, stack: AsyncExitStack) -> None:
        self._http = await stack.enter_async_context(aiohttp.ClientSession(timeout=_ASK))
        self.proxy = await stack.enter_async_context(ChaosProxy.open(0, label=kafka_client))
        self.kafka = KafkaServer(
            self.home / "kafka",
            advertised_port=self.proxy.port,
            heap_mb=_HEAP_MB,
            java_options=_QUICK_START,
        )
        self.proxy.upstream = int(self.kafka.address.rsplit(":", 1)[1])
        self.fleet.environment["KAFKA_BOOTSTRAP_SERVERS"] = f"127.0.0.1:{self.proxy.port}"
        stack.push_async_callback(asyncio.to_thread, self.kafka.stop)
        await asyncio.to_thread(self.kafka.start)
        await asyncio.to_thread(self.kafka.wait_ready)
        stack.push_async_callback(self._end)
        await asyncio.to_thread(self.fleet.start)

    async def _end(self) -> None:
        self.proxy.clear()
        with suppress(ProcessLookupError):
            os.kill(self.fleet.pid, signal.SIGCONT)
        for process in self.spares.values():
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        await asyncio.to_thread(self.fleet.terminate)

    @property
    def urls(self) -> Sequence[str]:
        return [self.fleet.url_of(member) for member in members("gateway")]

    @property
    def journal(self) -> Path:
        """What the simulator was asked."""
        return self.home / "journal.jsonl"

    def pids(self, target: str) -> dict[str, int]:
        found = {}
        for member in members(target):
            with suppress(FileNotFoundError, ValueError):
                found[member] = self.fleet.pid_of(member)
        return found

    async def whole(self) -> None:
        if self.kafka.pid is None:
            await asyncio.to_thread(self.kafka.restart)
        await eventually(self._all_ready, timeout_s=_READY_S, what="every member is ready")

    async def rebuilt(self) -> None:
        killed = self._reducers()
        for pid in killed:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        await eventually(
            lambda: not killed & self._reducers(),
            timeout_s=_READY_S,
            what="the reducers are started again",
        )
        await self.whole()

    def _reducers(self) -> set[int]:
        return {pid for service in REDUCERS for pid in self.pids(service).values()}

    @asynccontextmanager
    async def without(self, services: Sequence[str]) -> AsyncIterator[Log]:
        """As the system says; the launcher sleeps so that it starts nothing again."""
        os.kill(self.fleet.pid, signal.SIGSTOP)
        try:
            for service in services:
                for pid in self.pids(service).values():
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
            async with self.open_log() as log:
                for group in set(READERS) & set(services):
                    await self._emptied(log, group)
                yield log
        finally:
            os.kill(self.fleet.pid, signal.SIGCONT)

    async def forget_states(self, log: Log, *, service: str) -> int:
        spec = Registry.load(topics_dir()).topics[STATES[service]]
        return await forget(f"127.0.0.1:{self.proxy.port}", log, spec=spec)

    @asynccontextmanager
    async def open_log(self) -> AsyncIterator[Log]:
        registry = Registry.load(topics_dir())
        async with KafkaLog.open(
            f"127.0.0.1:{self.proxy.port}",
            registry.topics,
            timing=Timing.for_tests(),
            client_id="chaos",
        ) as log:
            yield log

    async def start_spare(self, name: str) -> None:
        """A worker of our own joins the group; returns when it is ready."""
        found: dict[str, Any] = json.loads((self.home / "run" / "simulator.json").read_bytes())
        environment = self.fleet.environment | {
            "FACILITAIR_AGENT_WORKER_MEMBER": name,
            "FACILITAIR_AGENT_WORKER_SIMULATOR_URL": found["url"],
        }
        with (self.home / "logs" / f"{name}.log").open("ab") as log:
            self.spares[name] = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "facilitair_agent_worker"),
                env=environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    async def is_ready(self, member: str) -> bool:
        """Whether a member says so itself."""
        try:
            found = json.loads((self.home / "run" / f"{member}.ops.json").read_bytes())
            async with self._http.get(f"{found['url']}/ready") as got:
                return got.status == HTTPStatus.OK
        except (OSError, ValueError, TimeoutError, aiohttp.ClientError):
            return False

    async def _all_ready(self) -> bool:
        return all([await self.is_ready(member) for member in members(EVERYBODY)])

    async def _emptied(self, log: Log, group: str) -> None:
        """Until the sessions of killed members are over: then an offset may be set."""

        async def moved() -> bool:
            offsets = await log.admin().committed(group)
            if not offsets:
                return True
            try:
                await log.admin().set_committed(group, offsets)
            except GroupActiveError:
                return False
            return True

        await eventually(moved, timeout_s=_READY_S, what=f"the end of the sessions of {group}")


def members(target: str) -> list[str]:
    """The members that a target names."""
    everybody = [f"{service}-{number}" for service in SERVICES for number in range(EACH)]
    if target == EVERYBODY:
        return everybody
    return [name for name in everybody if target in {name, name.rsplit("-", 1)[0]}]
