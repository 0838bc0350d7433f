"""Solo: every service as a task of one event loop, over the embedded log."""

import asyncio
import contextlib
import errno
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final
from urllib.parse import urlsplit

from msgspec import Struct
from pydantic_settings import BaseSettings

from facilitair_agent_worker import app as agent_worker
from facilitair_agent_worker.settings import AgentWorkerSettings
from facilitair_cli.errors import AlreadyUpError, StartError
from facilitair_events.layout import topics_dir
from facilitair_events.registry import Registry
from facilitair_gateway import app as gateway
from facilitair_gateway.settings import GatewaySettings
from facilitair_llm.endpoints import Endpoints, resolve_endpoints
from facilitair_llm.errors import EndpointsError
from facilitair_llm.simulator.settings import SimulatorSettingsError
from facilitair_llm.simulator.settings import read_settings as read_simulator_settings
from facilitair_messaging.adapters.embedded.errors import LogFormatError, LogLockedError
from facilitair_messaging.ports import Log
from facilitair_orchestrator import app as orchestrator
from facilitair_orchestrator.settings import OrchestratorSettings
from facilitair_runtime.app import App, Build
from facilitair_runtime.errors import CriticalServiceError, SettingsError
from facilitair_runtime.log_file import LogSettings, open_log
from facilitair_runtime.settings import load, names
from facilitair_runtime.supervision import Supervisor, supervise

_OTHER_NAMES: Final = frozenset(
    {
        "FACILITAIR_PROVIDER",
        "FACILITAIR_MODEL",
        "FACILITAIR_SIMULATOR_PORT",
        "FACILITAIR_SIMULATOR_TTFT_MS",
        "FACILITAIR_SIMULATOR_TOKENS_PER_S",
        "FACILITAIR_SIMULATOR_JOURNAL",
    }
)
"""What providers and the simulator read; the simulator checks its own values."""

_READY_PAUSE_S: Final = 0.005


class SoloSettings(Struct, frozen=True, kw_only=True):
    """The settings of every service of this process."""

    gateway: GatewaySettings
    orchestrator: OrchestratorSettings
    agent_worker: AgentWorkerSettings
    log: LogSettings

    @property
    def deadline_s(self) -> float:
        """How long work in flight may go on after the stop."""
        services = (self.gateway, self.orchestrator, self.agent_worker)
        return max(service.process.deadline_s() for service in services)


def read_settings(*, port: int | None) -> SoloSettings:
    """Read all settings; ``port`` wins over the environment. Raises StartError with all faults."""
    classes: dict[str, type[BaseSettings]] = {
        "gateway": GatewaySettings,
        "orchestrator": OrchestratorSettings,
        "agent_worker": AgentWorkerSettings,
        "log": LogSettings,
    }
    known = _OTHER_NAMES.union(*map(names, classes.values()))
    found: dict[str, Any] = {}
    faults: list[str] = []
    for name, settings in classes.items():
        more = {"port": port} if name == "gateway" and port is not None else {}
        try:
            found[name] = load(settings, known=known, **more)
        except SettingsError as error:
            faults += error.faults
    try:
        # What is misspelt was told already, whoever's it was.
        read_simulator_settings({n: v for n, v in os.environ.items() if n in _OTHER_NAMES})
    except SimulatorSettingsError as error:
        faults += error.faults
    if faults:
        raise StartError(faults=faults)
    return SoloSettings(**found)


def read_endpoints(environ: Mapping[str, str], *, simulator_url: str | None) -> Endpoints:
    """The providers that are set up. Raises StartError."""
    try:
        return resolve_endpoints(environ, simulator_url)
    except EndpointsError as error:
        raise StartError(faults=error.faults) from error


async def serve(
    settings: SoloSettings,
    endpoints: Endpoints,
    *,
    stop: asyncio.Event,
    on_ready: Callable[[str], None],
) -> None:
    """Run all services until ``stop``; ``on_ready`` gets the gateway's url once all are ready.

    Raises StartError when one cannot start at all, AlreadyUpError when the log is in use, and
    CriticalServiceError when one failed too often.
    """
    registry = Registry.load(topics_dir())
    home = settings.gateway.home
    try:
        async with open_log(home, registry, settings=settings.log) as log:
            parts = _Parts(settings, endpoints, log=log, stop=stop)
            async with supervise(
                parts.builds(),
                critical=frozenset(parts.builds()),
                stop=stop,
                deadline_s=settings.deadline_s,
                home=home,
            ) as supervisor:
                await _run(supervisor, parts, on_ready=on_ready)
    except LogLockedError as error:
        raise AlreadyUpError(pid=error.pid, url=None) from error
    except LogFormatError as error:
        raise StartError(faults=[str(error)]) from error


async def _run(supervisor: Supervisor, parts: "_Parts", *, on_ready: Callable[[str], None]) -> None:
    running = asyncio.create_task(supervisor.run())
    try:
        while not supervisor.ready() and not running.done():  # noqa: ASYNC110 - once, at the start
            await asyncio.sleep(_READY_PAUSE_S)
        if not running.done():
            on_ready(parts.url)
        await running
    except CriticalServiceError as error:
        raise StartError(faults=[str(error)]) from error
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await running
    if parts.refused is not None:
        raise StartError(faults=[parts.refused])


class _Parts:
    """How each service is built, the first time and after a failure.

    What cannot even be built at first (a port that is taken, a faulty definition) is no failure to
    recover from: it stops everything and is told.
    """

    def __init__(
        self, settings: SoloSettings, endpoints: Endpoints, *, log: Log, stop: asyncio.Event
    ) -> None:
        self._settings = settings
        self._endpoints = endpoints
        self._log = log
        self._stop = stop
        self._built: set[str] = set()
        self.url = ""
        self.refused: str | None = None

    def builds(self) -> dict[str, Build]:
        """The services in the order in which they start."""
        log, settings = self._log, self._settings
        return {
            orchestrator.SERVICE: self._first(
                orchestrator.SERVICE, lambda: orchestrator.build_app(settings.orchestrator, log)
            ),
            agent_worker.SERVICE: self._first(
                agent_worker.SERVICE,
                lambda: agent_worker.build_app(
                    settings.agent_worker, log, endpoints=self._endpoints
                ),
            ),
            gateway.SERVICE: self._first(gateway.SERVICE, self._gateway),
        }

    def _first(self, name: str, build: Build) -> Build:
        @asynccontextmanager
        async def built() -> AsyncIterator[App]:
            async with AsyncExitStack() as stack:
                try:
                    app = await stack.enter_async_context(build())
                except Exception as error:
                    if name not in self._built:
                        self.refused = self._told(error)
                        self._stop.set()
                    raise
                self._built.add(name)
                yield app

        return built

    @asynccontextmanager
    async def _gateway(self) -> AsyncIterator[App]:
        """A gateway that keeps its port over restarts, also one that was given by the system."""
        settings = self._settings.gateway
        if self.url:
            settings = settings.model_copy(update={"port": urlsplit(self.url).port})
        async with gateway.build_app(settings, self._log, endpoints=self._endpoints) as app:
            self.url = app.url
            yield app

    def _told(self, error: Exception) -> str:
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            place = f"{self._settings.gateway.host}:{self._settings.gateway.port}"
            return (
                f"{place} is taken by another program;"
                " set FACILITAIR_GATEWAY_PORT to another port, or to 0 for any free one"
            )
        return str(error) or type(error).__name__
