"""Services as processes of a test, each started, hurt and stopped by its name.

The launcher of the fleet starts again whatever ends; here nothing happens that the test did not do,
and each start may be told something else.
"""

import asyncio
import http.client
import json
import os
import signal
import sys
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlsplit

from facilitair_events.layout import topics_dir
from facilitair_events.registry import Registry
from facilitair_messaging.adapters.kafka import KafkaLog
from facilitair_native.ports import free_ports
from facilitair_native.processes import ServerProcess, tail
from facilitair_testing.eventually import eventually

READY_S: Final = 60.0
_ASK_S: Final = 2.0
_STOP_S: Final = 30.0
_SIMULATOR: Final = "simulator"


class MemberError(ChildProcessError):
    """A member is not as the test wants it; with the last lines of its log."""

    def __init__(self, *, member: str, what: str, told: str) -> None:
        super().__init__(f"{member} {what}\n{told}")


async def create_topics(bootstrap: str) -> None:
    """Create all topics of the registry on a broker, as the launcher of a fleet does."""
    registry = Registry.load(topics_dir())
    async with KafkaLog.open(bootstrap, registry.topics) as log:
        await log.admin().ensure_topics(registry.topics.values())


class ServiceProcesses:
    """Members such as ``gateway-0`` on the broker at ``bootstrap``, with one state folder.

    Topics must be there, see ``create_topics``.
    ``variables`` are for every process; those of ``start`` win over them.
    Everything blocks but the waiting for members to be ready or gone.
    Leave its context to end all that runs.
    """

    def __init__(
        self,
        home: Path,
        *,
        bootstrap: str,
        variables: Mapping[str, str] | None = None,
        ttft_ms: int = 20,
        tokens_per_s: int = 4000,
    ) -> None:
        self.home = home
        self._processes: dict[str, ServerProcess] = {}
        self._ports: dict[str, int] = {}
        kept = {n: v for n, v in os.environ.items() if not n.startswith(("KAFKA_", "FACILITAIR_"))}
        self._environment = {
            **kept,
            "FACILITAIR_HOME": str(home),
            "FACILITAIR_PROVIDER": "simulator",
            "FACILITAIR_SIMULATOR_TTFT_MS": str(ttft_ms),
            "FACILITAIR_SIMULATOR_TOKENS_PER_S": str(tokens_per_s),
            "FACILITAIR_SIMULATOR_JOURNAL": str(self.journal_path),
            "FACILITAIR_AGENT_WORKER_LEASE_S": "3",
            "KAFKA_SESSION_TIMEOUT_S": "6",
            "KAFKA_BOOTSTRAP_SERVERS": bootstrap,
            **(variables or {}),
        }

    def __enter__(self) -> Self:
        (self.home / "run").mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes.values():
            process.kill()

    @property
    def journal_path(self) -> Path:
        """Where the simulator writes down every request."""
        return self.home / "journal.jsonl"

    async def start_simulator(self) -> None:
        """Start the simulator that gateways and workers of this object use."""
        announce = self.home / "run" / "simulator.json"
        command = [sys.executable, "-m", "facilitair_llm.simulator", "--announce", str(announce)]
        self._start(_SIMULATOR, command, environment=self._environment)
        await eventually(announce.exists, timeout_s=READY_S, what="the simulator")
        url = str(self._announced(_SIMULATOR)["url"])
        for service in ("GATEWAY", "AGENT_WORKER"):
            self._environment[f"FACILITAIR_{service}_SIMULATOR_URL"] = url

    def start(self, member: str, variables: Mapping[str, str] | None = None) -> None:
        """Start a member that does not run, else MemberError; ``ready`` says when it serves."""
        if self.runs(member):
            raise MemberError(member=member, what="runs already", told="")
        service = member.rpartition("-")[0]
        prefix = f"FACILITAIR_{service.replace('-', '_').upper()}_"
        told = {f"{prefix}MEMBER": member}
        if service == "gateway":
            told[f"{prefix}PORT"] = str(self._port(member))
        self._ops_file(member).unlink(missing_ok=True)
        self._start(
            member,
            [sys.executable, "-m", f"facilitair_{service.replace('-', '_')}"],
            environment={**self._environment, **told, **(variables or {})},
        )

    async def ready(self, *members: str) -> None:
        """Return once all of them serve. Raises MemberError when one ended instead."""
        for member in members:

            async def serves(member: str = member) -> bool:
                return not self.runs(member) or await asyncio.to_thread(self.is_ready, member)

            await eventually(serves, timeout_s=READY_S, what=f"{member} is ready")
            if not self.runs(member):
                raise MemberError(member=member, what="ended", told=self.told(member))

    async def gone(self, member: str, *, timeout_s: float = READY_S) -> int:
        """Wait until a member has ended by itself; returns its exit code, negative for a signal."""
        await eventually(
            lambda: not self.runs(member), timeout_s=timeout_s, what=f"the end of {member}"
        )
        return self._reaped(member)

    def signal(self, member: str, number: signal.Signals) -> None:
        """Send a signal, such as SIGSTOP or SIGCONT; nothing happens to one that has ended."""
        self._processes[member].signal_group(number)

    def kill(self, member: str) -> None:
        """SIGKILL; it is gone when this returns."""
        self._processes[member].kill()

    def stop(self, member: str) -> int:
        """SIGTERM, and SIGKILL when that takes too long; returns the exit code."""
        self._processes[member].end(timeout_s=_STOP_S)
        return self._reaped(member)

    def runs(self, member: str) -> bool:
        """Whether it was started and has not ended."""
        process = self._processes.get(member)
        return process is not None and process.exit_code is None

    def pid(self, member: str) -> int:
        """The process of a member that was started."""
        return self._processes[member].pid

    def is_ready(self, member: str) -> bool:
        """Whether it says of itself that it is ready, now."""
        try:
            url = urlsplit(self.ops_url(member))
            connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=_ASK_S)
        except (OSError, ValueError):
            return False
        try:
            connection.request("GET", "/ready")
            return connection.getresponse().status == HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def ops_url(self, member: str) -> str:
        """Where the operator's port of a member is. Raises FileNotFoundError before it is up."""
        return str(self._announced(f"{member}.ops")["url"])

    def url(self, gateway: str = "gateway-0") -> str:
        """Where a gateway answers; it keeps its port over starts."""
        return f"http://127.0.0.1:{self._port(gateway)}"

    def told(self, member: str) -> str:
        """The last lines of its log."""
        return tail(self._log_file(member))

    def _start(self, name: str, command: list[str], *, environment: Mapping[str, str]) -> None:
        before = self._processes.pop(name, None)
        if before is not None:
            before.kill()
        self._processes[name] = ServerProcess(
            command, folder=self.home, log_file=self._log_file(name), environ=environment
        )

    def _reaped(self, member: str) -> int:
        process = self._processes[member]
        process.kill()
        code = process.exit_code
        if code is None:
            raise MemberError(member=member, what="cannot be ended", told=self.told(member))
        return code

    def _port(self, gateway: str) -> int:
        if gateway not in self._ports:
            (self._ports[gateway],) = free_ports(1)
        return self._ports[gateway]

    def _log_file(self, name: str) -> Path:
        return self.home / "logs" / f"{name}.log"

    def _ops_file(self, member: str) -> Path:
        return self.home / "run" / f"{member}.ops.json"

    def _announced(self, name: str) -> dict[str, Any]:
        announced: dict[str, Any] = json.loads((self.home / "run" / f"{name}.json").read_bytes())
        return announced
