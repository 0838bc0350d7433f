"""A fleet that tests start, hurt and stop: its launcher, a real Kafka, services as processes."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from facilitair_events.layout import checkout_root
from facilitair_native.cache import cache_folder
from facilitair_native.errors import MissingProgramError
from facilitair_native.maven import fetch_jars
from facilitair_native.programs import find_java
from facilitair_testing.eventually import eventually

RESTART_S: Final = 120.0
_STOP_S: Final = 90.0
_COMMAND_S: Final = 240.0

# Two workers that share a lease shorter than a test's patience, the shortest session, and a scan
# for snapshots out of order (R8) that comes while a test waits for it.
_QUICK: Final = {
    "FACILITAIR_ORCHESTRATOR_REDUCER__SCAN_INTERVAL_S": "5",
    "FACILITAIR_AGENT_WORKER_LEASE_S": "3",
    "KAFKA_SESSION_TIMEOUT_S": "6",
    "FACILITAIR_GATEWAY_PORT": "0",
    "FACILITAIR_SIMULATOR_PORT": "0",
}


def require_kafka() -> None:
    """Skip the test where Kafka cannot be had; with ``CI=true`` a skip is a failure."""
    pom = checkout_root() / "deploy" / "native" / "kafka" / "pom.xml"
    try:
        find_java(needed_for="the fleet")
        fetch_jars(pom, name="kafka", cache=cache_folder(os.environ))
    except MissingProgramError as error:
        pytest.skip(str(error))


class FleetProcess:
    """One home folder, and at most one fleet on it.

    Everything blocks but what waits for processes to come back. Its simulator leaves time to do
    something before a first token. ``variables`` win over everything else in its environment.
    """

    def __init__(
        self,
        home: Path,
        *,
        scale: Mapping[str, int],
        ttft_ms: int = 150,
        tokens_per_s: int = 1500,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self.home = home
        self._scale = scale
        self._launcher: subprocess.Popen[bytes] | None = None
        kept = {n: v for n, v in os.environ.items() if not n.startswith(("KAFKA_", "FACILITAIR_"))}
        cache = os.environ.get("FACILITAIR_CACHE")
        self.environment = {
            **kept,
            **({"FACILITAIR_CACHE": cache} if cache else {}),
            **_QUICK,
            "FACILITAIR_HOME": str(home),
            "FACILITAIR_SIMULATOR_TTFT_MS": str(ttft_ms),
            "FACILITAIR_SIMULATOR_TOKENS_PER_S": str(tokens_per_s),
            "FACILITAIR_SIMULATOR_JOURNAL": str(home / "journal.jsonl"),
            **(variables or {}),
        }

    @property
    def pid(self) -> int:
        """The launcher's process id."""
        if self._launcher is None:
            raise ProcessLookupError
        return self._launcher.pid

    @property
    def runs(self) -> bool:
        """Whether it was started, and neither stopped nor killed since."""
        return self._launcher is not None

    @property
    def url(self) -> str:
        """Where the first gateway answers, or answered last."""
        return self.url_of("gateway-0")

    def url_of(self, gateway: str) -> str:
        """Where a replica of the gateway answers."""
        return str(self._announced(gateway)["url"])

    def pid_of(self, member: str) -> int:
        """The process that is announced for a member."""
        return int(self._announced(f"{member}.ops")["pid"])

    def ops_url_of(self, member: str) -> str:
        """Where a member tells its operator how it is."""
        return str(self._announced(f"{member}.ops")["url"])

    @property
    def kafka_pid(self) -> int:
        """The broker."""
        return int(self._announced("kafka")["pid"])

    @property
    def kafka_address(self) -> str:
        """Where it takes clients."""
        return str(self._announced("kafka")["url"])

    def start(self) -> None:
        """Start the fleet; it is ready when this returns. Raises ChildProcessError."""
        scale = [f"--scale={service}={count}" for service, count in self._scale.items()]
        self.home.mkdir(exist_ok=True)
        with (self.home / "launcher.log").open("ab") as log:
            self._launcher = subprocess.Popen(
                [sys.executable, "-m", "facilitair_cli.fleet.process", *scale],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        if self._launcher.stdout is None:
            raise ChildProcessError
        with self._launcher.stdout as told:
            line = told.readline()
        if json.loads(line or b"{}").get("outcome") != "ready":
            raise ChildProcessError(line.decode() + (self.home / "launcher.log").read_text())

    def kill_launcher(self) -> None:
        """SIGKILL the launcher, and only it."""
        launcher, self._launcher = self._launcher, None
        if launcher is not None:
            launcher.kill()
            launcher.wait(_STOP_S)

    def stop(self) -> None:
        """End the fleet as a user does."""
        self.command("down")
        if self._launcher is not None:
            self._launcher.wait(_STOP_S)
            self._launcher = None

    def terminate(self) -> None:
        """End the fleet by SIGTERM, and the launcher by force where that is not enough."""
        launcher, self._launcher = self._launcher, None
        if launcher is None:
            return
        launcher.terminate()
        try:
            launcher.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            launcher.kill()
            raise

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one ``facilitair`` command on this home."""
        return subprocess.run(
            [sys.executable, "-m", "facilitair_cli", *arguments],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=_COMMAND_S,
        )

    async def kill(self, *members: str) -> dict[str, int]:
        """SIGKILL processes of services, all at once; returns who they were."""
        before = {member: self.pid_of(member) for member in members}
        for pid in before.values():
            os.kill(pid, signal.SIGKILL)
        return before

    @contextmanager
    def frozen(self, *members: str) -> Iterator[None]:
        """These processes stand still, and so does the launcher, which would start them again."""
        pids = [self.pid, *map(self.pid_of, members)]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            # The launcher last: it has to see them answer.
            for pid in reversed(pids):
                os.kill(pid, signal.SIGCONT)

    async def back(self, before: Mapping[str, int]) -> None:
        """Wait until each of them runs again under its name and is ready."""

        def renewed() -> bool:
            status = json.loads(self.command("status", "--json").stdout)
            ready = {s["service"]: s["pid"] for s in status["services"] if s["ready"]}
            return all(ready.get(member) not in {None, pid} for member, pid in before.items())

        await eventually(renewed, timeout_s=RESTART_S, what=f"{', '.join(before)} started again")

    def requests(self) -> list[dict[str, Any]]:
        """The requests that the simulator got, in the order in which they came."""
        path = self.home / "journal.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return [line for line in map(json.loads, lines) if line["outcome"] == "started"]

    def processes(self) -> dict[int, str]:
        """Everything that runs for this home, by its command line; what we run now left out."""
        wanted = f"FACILITAIR_HOME={self.home}".encode()
        found = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and wanted in _read(entry / "environ").split(b"\0"):
                command = _read(entry / "cmdline").replace(b"\0", b" ").decode(errors="replace")
                found[int(entry.name)] = command
        return found

    def _announced(self, name: str) -> dict[str, Any]:
        announced: dict[str, Any] = json.loads((self.home / "run" / f"{name}.json").read_bytes())
        return announced


class FleetSystem:
    """A fleet that is shared, seen as what one test may kill and start again: its services."""

    def __init__(self, fleet: FleetProcess, *, services: Mapping[str, int]) -> None:
        self.url = fleet.url
        self.urls = [fleet.url_of(f"gateway-{n}") for n in range(services["gateway"])]
        self._fleet = fleet
        self._members = [f"{name}-{n}" for name, count in services.items() for n in range(count)]
        self._killed: dict[str, int] = {}
        self._asked = len(fleet.requests())

    async def start(self, *, port: int = 0) -> str:  # noqa: ARG002 - gateways keep their ports
        """The url, once everything that was killed is back: the launcher starts it again."""
        await self._fleet.back(self._killed)
        self._killed = {}
        return self.url

    async def kill(self) -> None:
        """SIGKILL every process of every service; the log and the simulator live on."""
        self._killed = await self._fleet.kill(*self._members)

    def requests(self) -> list[dict[str, Any]]:
        """The requests that the simulator got since this was made."""
        return self._fleet.requests()[self._asked :]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
